#include "cli/stats/stats.h"

#include "stats/report.h"
#include "stats/tables.h"
#include "util/mem.h"

#include <string.h>
#include <time.h>

#define DAY_S 86400

struct show_opts {
	const char *database, *since;
	int by;
	bool csv, public;
};

static const struct opt show_opts[] = {
	OPT_ENUM(show_opts, by, 0, "by", "WHAT", STATS_REPORT_BY,
		 "one row for each: model (the default), variant, day, week, country, mirror, "
		 "client or HTTP status"),
	OPT_ENTRY(OPT_STRING, show_opts, since, 0, "since", "DATE|DURATION",
		  "only days since this one: 2026-01-31, or 30d for the last 30 days"),
	OPT_ENTRY(OPT_FLAG, show_opts, csv, 0, "csv", NULL, "print comma-separated values"),
	OPT_ENTRY(OPT_FLAG, show_opts, public, 0, "public", NULL,
		  "for publication: rows of fewer than 5 sessions are added up as 'other'"),
	STATSDB_OPTION(show_opts),
	OPT_LAST,
};

/* *day: 0 if nothing was given. */
static int parse_since(const char *text, int64_t *day, struct err *e)
{
	uint64_t duration_s;
	int64_t at_s;
	*day = 0;
	if (!text)
		return 0;
	CLEANUP(mem_free_ptr) char *midnight = mem_printf("%sT00:00:00Z", text);
	if (parse_time(midnight, &at_s)) {
		*day = at_s / DAY_S;
		return 0;
	}
	int64_t now_s = (int64_t)time(NULL);
	if (parse_duration(text, &duration_s) && duration_s < (uint64_t)now_s) {
		*day = (now_s - (int64_t)duration_s) / DAY_S;
		return 0;
	}
	return err_set(e, ERR_USAGE, "--since: '%s' is neither a date nor a duration", text);
}

static bool has_sessions(int by)
{
	return by != STATS_BY_STATUS;
}

static bool has_requests(int by)
{
	return by == STATS_BY_STATUS || by == STATS_BY_MIRROR;
}

static void put_rows(json_t *document, int by, const struct stats_report *r)
{
	json_t *rows = json_put_array(document, "rows");
	for (size_t i = 0; i < r->count; i++) {
		const struct stats_report_row *x = &r->at[i];
		json_t *row = json_push_object(rows);
		json_put_string(row, "name", x->name);
		if (has_sessions(by)) {
			json_put_u64(row, "downloads", x->complete);
			json_put_u64(row, "partial", x->partial);
			json_put_u64(row, "failed", x->failed);
			json_put_u64(row, "open", x->open);
		}
		json_put_u64(row, "bytes", x->bytes);
		if (has_requests(by)) {
			json_put_u64(row, "requests", x->requests);
			json_put_u64(row, "failures", x->failures);
		}
	}
}

static void print_csv(struct cli *cli, int by, const json_t *rows)
{
	static const char *const names[] = { "downloads", "partial",  "failed",  "open",
					     "bytes",     "requests", "failures" };
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * MIB);
	const json_t *row;
	size_t i, from = has_sessions(by) ? 0 : 4, to = has_requests(by) ? 7 : 5;
	buf_adds(&text, "name");
	for (size_t k = from; k < to; k++)
		buf_addf(&text, ",%s", names[k]);
	buf_addc(&text, '\n');
	json_array_foreach (rows, i, row) {
		buf_adds(&text, json_text(row, "name"));
		for (size_t k = from; k < to; k++)
			buf_addf(&text, ",%llu", (unsigned long long)json_number(row, names[k]));
		buf_addc(&text, '\n');
	}
	cli_raw(cli, buf_str(&text));
}

static void print_table(struct cli *cli, int by, const json_t *rows)
{
	static const struct cli_column columns[] = {
		{ "NAME", "{name}", NULL },        { ">DOWNLOADS", "{downloads}", NULL },
		{ ">PARTIAL", "{partial}", NULL }, { ">FAILED", "{failed}", NULL },
		{ ">OPEN", "{open}", NULL },       { ">BYTES", "{bytes:size}", NULL },
	};
	static const struct cli_column lines[] = {
		{ "NAME", "{name}", NULL },          { ">DOWNLOADS", "{downloads}", NULL },
		{ ">REQUESTS", "{requests}", NULL }, { ">FAILURES", "{failures}", NULL },
		{ ">BYTES", "{bytes:size}", NULL },
	};
	if (has_requests(by))
		cli_table(cli, rows, lines, ARRAY_LEN(lines));
	else
		cli_table(cli, rows, columns, ARRAY_LEN(columns));
}

static int put_state(json_t *document, struct db *db, struct err *e)
{
	int64_t last = 0;
	int rc = stats_tables_get(db, "last_import", &last, e);
	if (rc == 0 && last)
		json_put_time(document, "last_import", last);
	return rc;
}

static int run(struct cli *cli, struct err *e)
{
	static const char *const by_names[] = { "model",   "variant", "day",    "week",
						"country", "mirror",  "client", "status" };
	const struct show_opts *o = cli->opts;
	CLEANUP(statsdb_release) struct statsdb p = { 0 };
	CLEANUP(stats_report_release) struct stats_report report = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	int64_t since = 0;
	if (o->csv && cli->json)
		return err_set(e, ERR_USAGE, "--csv and --json cannot be used together");
	int rc = parse_since(o->since, &since, e);
	if (rc == 0)
		rc = statsdb_open_there(cli, o->database, &p, e);
	if (rc == 0)
		rc = stats_report_read(p.db, (enum stats_report_by)o->by, since, INT32_MAX, &report,
				       e);
	if (rc == 0)
		rc = put_state(document, p.db, e);
	if (rc < 0)
		return rc;
	if (o->public)
		stats_report_fold(&report);
	json_put_string(document, "by", by_names[o->by]);
	put_rows(document, o->by, &report);
	const json_t *rows = json_object_get(document, "rows");
	if (o->csv)
		print_csv(cli, o->by, rows);
	else
		print_table(cli, o->by, rows);
	if (!json_text(document, "last_import"))
		cli_note(cli, document, "no logs were imported yet: `ferry stats import`");
	return cli_result(cli, document, e);
}

const struct command cmd_stats_show = {
	.name = "show",
	.asked = true,
	.summary = "print downloads by model, day, country and more",
	.description =
		"A download is a session in which a client got at least 99 % of a file within 24 "
		"hours, however many requests, mirrors and attempts it took. Sessions that got "
		"less are partial or, if their last request was refused, failed; open ones can "
		"still become complete. A model in several files counts by the first one.",
	.opts = show_opts,
	.opts_size = sizeof(struct show_opts),
	.run = run,
};
