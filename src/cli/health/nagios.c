/*
 * A line as Nagios, Icinga and others take it from a plug-in:
 * https://nagios-plugins.org/doc/guidelines.html: a status and a text, '|', and measured values
 * 'label'=value[unit]. The exit codes are 0 ok, 1 warning, 2 critical, 3 unknown.
 */
#include "cli/health/health.h"

#include "util/mem.h"

#include <string.h>

#define TEXT_MAX 1024 /* bytes; of the line, some programs take only 4 KiB */
#define LINE_MAX_BYTES (64 * KIB)

static const char *word_of(const char *state)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
	enum health_state s;
	return words[health_state_parse(state, &s) ? s : HEALTH_UNKNOWN];
}

/* '|' begins the values. */
static void add_text(struct buf *b, const char *text)
{
	for (; *text && b->len < TEXT_MAX; text++)
		buf_addc(b, *text == '|' ? '/' : *text);
}

/* Labels must differ, and two repositories may have mirrors of the same name. The caller frees. */
static char *name_of(const json_t *repositories, const json_t *r, const json_t *m)
{
	const char *id = json_text(m, "id");
	return json_array_size(repositories) > 1 ? mem_printf("%s/%s", json_text(r, "name"), id)
						 : mem_strdup(id);
}

static void add_findings(struct buf *b, const json_t *of, const char *name)
{
	const json_t *f;
	size_t i;
	json_array_foreach (json_object_get(of, "findings"), i, f) {
		if (strcmp(json_text(f, "state"), "ok") == 0 || document_is_implied(of, f))
			continue;
		add_text(b, b->len ? "; " : "");
		add_text(b, name);
		add_text(b, ": ");
		add_text(b, json_text(f, "reason"));
	}
}

static size_t count_all(const json_t *repositories, const char *state)
{
	const json_t *r, *m;
	size_t i, k, count = 0;
	json_array_foreach (repositories, i, r)
		json_array_foreach (json_object_get(r, "mirrors"), k, m)
			count += !state || strcmp(json_text(m, "state"), state) == 0;
	return count;
}

/* The quotes of a label are doubled in it, and it has no '='. */
static void add_label(struct buf *b, const char *mirror, const char *what)
{
	buf_adds(b, " '");
	for (; *mirror; mirror++)
		buf_adds(b, *mirror == '\'' ? "''" : (char[]){ *mirror == '=' ? '_' : *mirror, 0 });
	buf_addf(b, " %s'=", what);
}

static void add_values(struct buf *b, const json_t *m, const char *id)
{
	const json_t *times = json_object_get(m, "times_us");
	add_label(b, id, "up");
	buf_addf(b, "%d;;;0;1", json_flag(m, "up"));
	if (json_number(m, "release")) {
		add_label(b, id, "lag");
		buf_addf(b, "%llu;;;0", (unsigned long long)json_number(m, "lag"));
	}
	if (times && json_flag(m, "up")) {
		add_label(b, id, "time");
		buf_addf(b, "%.6fs;;;0", (double)json_number(times, "first_byte") / 1e6);
	}
}

static void add_summary(struct buf *b, const json_t *repositories)
{
	static const char *const states[] = { "ok", "warning", "critical", "unknown" };
	const json_t *r, *m;
	size_t i, k;
	buf_addf(b, "mirrors=%zu;;;0", count_all(repositories, NULL));
	for (i = 0; i < ARRAY_LEN(states); i++)
		buf_addf(b, " %s=%zu;;;0", states[i], count_all(repositories, states[i]));
	json_array_foreach (repositories, i, r)
		json_array_foreach (json_object_get(r, "mirrors"), k, m) {
			CLEANUP(mem_free_ptr) char *name = name_of(repositories, r, m);
			add_values(b, m, name);
		}
}

void nagios_print(struct cli *cli, const json_t *document)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(2 * TEXT_MAX);
	CLEANUP(buf_release) struct buf values = BUF_INIT(LINE_MAX_BYTES);
	const json_t *repositories = json_object_get(document, "repositories"), *r, *m;
	const char *state = json_text(document, "state");
	size_t i, k, all = count_all(repositories, NULL);
	json_array_foreach (repositories, i, r) {
		add_findings(&text, r, json_text(r, "name"));
		json_array_foreach (json_object_get(r, "mirrors"), k, m) {
			CLEANUP(mem_free_ptr) char *name = name_of(repositories, r, m);
			if (!json_object_get(m, "silenced"))
				add_findings(&text, m, name);
		}
	}
	if (!text.len)
		buf_addf(&text, "%zu mirror%s ok", all, all == 1 ? " is" : "s are");
	add_summary(&values, repositories);
	cli_aloud(cli, true);
	cli_line(cli, "FERRY %s - %s | %s", word_of(state), buf_str(&text), buf_str(&values));
	cli_aloud(cli, false);
	enum health_state s = HEALTH_UNKNOWN;
	(void)health_state_parse(state, &s);
	cli->status = (int)s;
}

void nagios_failed(struct cli *cli, const struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(2 * TEXT_MAX);
	add_text(&text, e->text);
	cli_aloud(cli, true);
	cli_line(cli, "FERRY UNKNOWN - %s", buf_str(&text));
	cli_aloud(cli, false);
	cli->status = HEALTH_UNKNOWN;
}
