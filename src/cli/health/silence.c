#include "cli/health/health.h"

#include "cli/opsdb.h"
#include "util/mem.h"

#include <string.h>
#include <time.h>

#define MAX_REASON 200
#define MAX_SILENCE_S ((uint64_t)365 * 86400)

struct silence_opts {
	uint64_t for_s;
	const char *reason;
	bool list, end;
};

static const struct opt options[] = {
	OPT_ENTRY(OPT_SPAN, silence_opts, for_s, 0, "for", "DURATION",
		  "how long faults of the mirrors do not count: 2h, 3d"),
	OPT_ENTRY(OPT_STRING, silence_opts, reason, 0, "reason", "TEXT",
		  "why, for those who see it in the report"),
	OPT_ENTRY(OPT_FLAG, silence_opts, end, 0, "end", NULL, "end the silence of the mirrors"),
	OPT_ENTRY(OPT_FLAG, silence_opts, list, 0, "list", NULL, "list the silences"),
	OPT_LAST,
};

static int check_opts(const struct cli *cli, struct err *e)
{
	const struct silence_opts *o = cli->opts;
	if (o->list + o->end + (o->for_s != 0) != 1)
		return err_set(e, ERR_USAGE, "one of --for DURATION, --end and --list is needed");
	if (o->list && cli->count)
		return err_set(e, ERR_USAGE, "--list takes no mirror");
	if (!o->list && !cli->count)
		return err_set(e, ERR_USAGE, "name the mirror");
	if (o->reason && (!o->for_s || strlen(o->reason) > MAX_REASON))
		return err_set(e, ERR_USAGE, "--reason: at most %d bytes, beside --for",
			       MAX_REASON);
	if (o->for_s > MAX_SILENCE_S)
		return err_set(e, ERR_USAGE, "--for: at most 365d");
	return 0;
}

/* Of ferry.conf, or one that was seen in an earlier run. */
static int check_mirrors(struct cli *cli, struct db *d, struct err *e)
{
	CLEANUP(str_list_release) struct str_list known = { 0 };
	const struct conf *c;
	const struct conf_section *s;
	int rc = cli_conf(cli, &c, e);
	for (size_t i = 0; rc == 0 && (s = conf_nth(c, "mirror", i)); i++)
		str_list_add(&known, s->name);
	if (rc == 0)
		rc = health_history_mirrors(d, &known, e);
	for (int i = 0; rc == 0 && i < cli->count; i++) {
		if (str_list_has(&known, cli->operands[i]))
			continue;
		err_set(e, ERR_NOT_FOUND, "there is no mirror '%s'", cli->operands[i]);
		rc = text_hint_nearest(cli->operands[i], (const char *const *)known.at, known.count,
				       "`ferry health` lists the mirrors", e);
	}
	return rc;
}

static int change_one(struct cli *cli, struct db *d, const char *mirror, json_t *list,
		      struct err *e)
{
	const struct silence_opts *o = cli->opts;
	const int64_t now_s = (int64_t)time(NULL);
	const struct health_silence s = {
		.mirror = (char *)mirror,
		.from_s = now_s,
		.until_s = now_s + (int64_t)o->for_s,
		.reason = (char *)o->reason,
	};
	bool was = false;
	int rc = health_history_silence(d, &s, &was, e);
	if (rc < 0)
		return rc;
	json_t *one = json_push_object(list);
	json_put_string(one, "mirror", mirror);
	json_put_bool(one, "was_silenced", was);
	if (o->for_s)
		json_put_time(one, "until", s.until_s);
	json_put_string(one, "reason", o->reason);
	if (o->for_s)
		cli_say(cli, one, "{mirror}: silenced until {until}");
	else
		cli_say(cli, one, "{mirror}: {was_silenced?no longer silenced:was not silenced}");
	return 0;
}

static int list_all(struct cli *cli, struct db *d, json_t *list, struct err *e)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{mirror}", NULL },
		{ "UNTIL", "{until}", NULL },
		{ "REASON", "{reason}", NULL },
	};
	CLEANUP(health_silences_release) struct health_silences all = { 0 };
	int rc = health_history_silences(d, (int64_t)time(NULL), &all, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < all.count; i++) {
		const struct health_silence *s = &all.at[i];
		json_t *one = json_push_object(list);
		json_put_string(one, "mirror", s->mirror);
		json_put_time(one, "until", s->until_s);
		json_put_string(one, "reason", *s->reason ? s->reason : NULL);
	}
	cli_aloud(cli, true);
	cli_table(cli, list, columns, ARRAY_LEN(columns));
	cli_aloud(cli, false);
	return 0;
}

static int silence_run(struct cli *cli, struct err *e)
{
	const struct silence_opts *o = cli->opts;
	CLEANUP_PTR(db_close) struct db *d = NULL;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(mem_free_ptr) char *path = NULL;
	json_t *list = json_put_array(document, "silences");
	int rc = check_opts(cli, e);
	if (rc == 0)
		rc = opsdb_path(OPSDB_NAME, &path, e);
	if (rc == 0)
		rc = health_history_open(path, cli->cancel, &d, e);
	if (rc == 0 && o->for_s)
		rc = check_mirrors(cli, d, e);
	if (rc == 0 && o->list)
		rc = list_all(cli, d, list, e);
	for (int i = 0; rc == 0 && i < cli->count; i++)
		rc = change_one(cli, d, cli->operands[i], list, e);
	return rc < 0 ? rc : cli_result(cli, document, e);
}

const struct command cmd_health_silence = {
	.name = "silence",
	.summary = "ignore the faults of a mirror for some time",
	.description =
		"For planned work. Until the time is over, a silenced mirror is checked and shown "
		"as before, but its faults do not change the exit status and are not sent as "
		"alerts.",
	.synopsis = (const char *const[]){ "MIRROR… --for DURATION", "MIRROR… --end", "--list",
					   NULL },
	.opts = options,
	.opts_size = sizeof(struct silence_opts),
	.operand_hint = HINT_MIRROR,
	.max_operands = -1,
	.run = silence_run,
};
