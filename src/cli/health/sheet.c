#include "cli/health/health.h"

#include "util/mem.h"

#include <string.h>

#define COLUMNS 80
#define NAME_MAX_COLUMNS 30
#define CHECK_COLUMNS 11

static bool is(const json_t *o, const char *key, const char *value)
{
	const char *text = json_text(o, key);
	return text && strcmp(text, value) == 0;
}

/* "shows release 3", with what it means that it does not count yet. */
static char *reason_of(const json_t *f)
{
	const char *reason = json_text(f, "reason"), *found = json_text(f, "found");
	uint64_t runs = json_number(f, "runs");
	if (!found)
		return mem_printf("%s (not checked in this run)", reason);
	if (runs)
		return mem_printf("%s (%s, %llu in a row: does not count yet)", reason, found,
				  (unsigned long long)runs);
	return mem_strdup(reason);
}

static void print_finding(struct cli *cli, const json_t *f)
{
	CLEANUP(mem_free_ptr) char *reason = reason_of(f);
	bool ok = is(f, "state", "ok") && !json_number(f, "runs");
	/* How much is verified is worth a line in any case. */
	if (ok && !cli->verbose && !is(f, "check", "coverage"))
		return;
	cli_prose(cli, CHECK_COLUMNS + 13, "  %-*s %-9s %s", CHECK_COLUMNS, json_text(f, "check"),
		  json_text(f, "state"), reason);
}

static void print_findings(struct cli *cli, const json_t *o)
{
	const json_t *f;
	size_t i;
	json_array_foreach (json_object_get(o, "findings"), i, f)
		if (cli->verbose || !document_is_implied(o, f))
			print_finding(cli, f);
}

/* ---- one mirror ---- */

static void add_release(struct buf *b, const json_t *m)
{
	uint64_t release = json_number(m, "release");
	if (release)
		buf_addf(b, "  release %llu", (unsigned long long)release);
}

static void add_time(struct buf *b, const json_t *m)
{
	const json_t *times = json_object_get(m, "times_us");
	if (times && json_flag(m, "up"))
		buf_addf(b, "  first byte in %llu ms",
			 (unsigned long long)(json_number(times, "first_byte") + 999) / 1000);
}

static void add_silence(struct buf *b, const json_t *m)
{
	const json_t *silenced = json_object_get(m, "silenced");
	if (silenced)
		buf_addf(b, "  silenced until %s", json_text(silenced, "until"));
}

static void print_mirror(struct cli *cli, const json_t *m, size_t width)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	CLEANUP(mem_free_ptr) char *name = cli_cut(json_text(m, "id"), width);
	add_release(&b, m);
	add_time(&b, m);
	add_silence(&b, m);
	cli_line(cli, "%s%*s  %-8s%s", name, (int)(width - cli_width(name)), "",
		 json_text(m, "state"), buf_str(&b));
	print_findings(cli, m);
}

/* ---- several places ---- */

static void print_place(struct cli *cli, const json_t *p)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	char size[SIZE_TEXT];
	uint64_t us = json_number(p, "first_byte_us");
	uint64_t speed = json_number(p, "read_bytes_per_second");
	add_release(&b, p);
	if (us)
		buf_addf(&b, "  first byte in %llu ms", (unsigned long long)(us + 999) / 1000);
	if (speed)
		buf_addf(&b, "  %s/s", format_size(size, speed));
	if (json_flag(p, "silenced"))
		buf_adds(&b, "  silenced");
	cli_line(cli, "  from %s: %s%s", json_text(p, "place"), json_text(p, "state"), buf_str(&b));
	print_findings(cli, p);
}

static void print_seen(struct cli *cli, const json_t *m, size_t width)
{
	const json_t *places = json_object_get(m, "places"), *p;
	CLEANUP(mem_free_ptr) char *name = cli_cut(json_text(m, "id"), width);
	size_t i, all = json_array_size(places);
	cli_line(cli, "%s%*s  %-8s  up at %llu of %zu place%s", name,
		 (int)(width - cli_width(name)), "", json_text(m, "state"),
		 (unsigned long long)json_number(m, "up_at"), all, all == 1 ? "" : "s");
	json_array_foreach (places, i, p)
		print_place(cli, p);
}

/* ---- one repository ---- */

static size_t name_width(const json_t *mirrors)
{
	size_t width = 0, i;
	const json_t *m;
	json_array_foreach (mirrors, i, m)
		width = MAX(width, cli_width(json_text(m, "id")));
	return MIN(width, (size_t)NAME_MAX_COLUMNS);
}

static size_t count_state(const json_t *mirrors, const char *state)
{
	size_t count = 0, i;
	const json_t *m;
	json_array_foreach (mirrors, i, m)
		count += is(m, "state", state);
	return count;
}

/* "3 mirrors: 1 critical, 2 ok" */
static void print_head(struct cli *cli, const json_t *r)
{
	static const char *const states[] = { "critical", "warning", "unknown", "ok" };
	const json_t *mirrors = json_object_get(r, "mirrors");
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	size_t all = json_array_size(mirrors), shown = 0;
	if (json_number(r, "release"))
		buf_addf(&b, "release %llu, ", (unsigned long long)json_number(r, "release"));
	buf_addf(&b, "%zu mirror%s", all, all == 1 ? "" : "s");
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		size_t count = count_state(mirrors, states[i]);
		if (count)
			buf_addf(&b, "%s%zu %s", shown++ ? ", " : ": ", count, states[i]);
	}
	cli_line(cli, "%s: %s", json_text(r, "name"), buf_str(&b));
}

static void print_repository(struct cli *cli, const json_t *r)
{
	const json_t *mirrors = json_object_get(r, "mirrors"), *m;
	size_t width = name_width(mirrors), i;
	print_head(cli, r);
	print_findings(cli, r);
	json_array_foreach (mirrors, i, m)
		if (json_object_get(m, "places"))
			print_seen(cli, m, width);
		else
			print_mirror(cli, m, width);
}

/* ---- all repositories ---- */

void sheet_print(struct cli *cli, const json_t *document)
{
	const json_t *r;
	size_t i;
	cli_aloud(cli, !is(document, "state", "ok"));
	json_array_foreach (json_object_get(document, "repositories"), i, r) {
		if (i)
			cli_line(cli, "%s", "");
		print_repository(cli, r);
	}
	cli_aloud(cli, false);
}
