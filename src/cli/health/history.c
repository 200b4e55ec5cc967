#include "cli/health/health.h"

#include "cli/opsdb.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>
#include <time.h>

#define DAY 86400
#define MAX_EVENTS 1000

struct history_opts {
	uint64_t since_s;
	const char *name, *mirror;
	bool changes, by_day;
};

static const struct history_opts history_defaults = { .since_s = 30 * DAY };

static const struct opt options[] = {
	OPT_ENTRY(OPT_DURATION, history_opts, since_s, 0, "since", "DURATION",
		  "how far to look back; by default 30d"),
	OPT_ENTRY(OPT_FLAG, history_opts, by_day, 0, "by-day", NULL,
		  "a line for each day (UTC) instead of one for each mirror"),
	OPT_ENTRY(OPT_FLAG, history_opts, changes, 0, "changes", NULL,
		  "what changed, the newest first, instead of the uptime"),
	OPT_HINTED(OPT_STRING, history_opts, mirror, 'm', "mirror", "NAME", HINT_MIRROR,
		   "only of this mirror"),
	OPT_HINTED(OPT_STRING, history_opts, name, 0, "name", "NAME", HINT_REPOSITORY,
		   "only of this repository"),
	OPT_LAST,
};

/* ---- uptime ---- */

struct days {
	json_t *mirrors; /* each with its days */
	json_t *last;
};

static const char *const numbers[] = { "runs",    "up",       "silenced", "ok",
				       "warning", "critical", "unknown" };

static void add_numbers(json_t *o, const uint64_t values[ARRAY_LEN(numbers)])
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		json_put_u64(o, numbers[i], json_number(o, numbers[i]) + values[i]);
}

/* In percent, with two digits behind the point, rounded down: 99.99 is not 100. */
static void put_uptime(json_t *o)
{
	uint64_t runs = json_number(o, "runs"), up = json_number(o, "up");
	uint64_t parts = runs ? up * 10000 / runs : 0;
	CLEANUP(mem_free_ptr) char *text = mem_printf("%llu.%02llu",
						      (unsigned long long)parts / 100,
						      (unsigned long long)parts % 100);
	json_put_string(o, "uptime_percent", text);
}

static bool is_of(const json_t *o, const struct health_day *day)
{
	return o && strcmp(json_text(o, "repository"), day->repository) == 0 &&
	       strcmp(json_text(o, "mirror"), day->mirror) == 0;
}

static int add_day(void *ctx, const struct health_day *day, struct err *e)
{
	struct days *d = ctx;
	const uint64_t values[ARRAY_LEN(numbers)] = {
		day->runs,
		day->up,
		day->silenced,
		day->states[HEALTH_OK],
		day->states[HEALTH_WARNING],
		day->states[HEALTH_CRITICAL],
		day->states[HEALTH_UNKNOWN],
	};
	char date[TIME_TEXT];
	(void)e;
	if (!is_of(d->last, day)) {
		d->last = json_push_object(d->mirrors);
		json_put_string(d->last, "repository", day->repository);
		json_put_string(d->last, "mirror", day->mirror);
		json_put_array(d->last, "days");
	}
	json_t *one = json_push_object(json_object_get(d->last, "days"));
	format_time(date, day->day_s);
	date[strlen("2026-01-01")] = '\0';
	json_put_string(one, "day", date);
	add_numbers(one, values);
	put_uptime(one);
	if (day->first_byte_us)
		json_put_u64(one, "first_byte_us", day->first_byte_us);
	add_numbers(d->last, values);
	return 0;
}

static void print_uptime(struct cli *cli, const json_t *mirrors)
{
	static const struct cli_column columns[] = {
		{ "REPOSITORY", "{repository}", NULL },
		{ "MIRROR", "{mirror}", NULL },
		{ "DAY", "{day}", NULL },
		{ ">UP", "{uptime_percent} %", NULL },
		{ ">RUNS", "{runs}", NULL },
		{ ">OK", "{ok}", NULL },
		{ ">WARNING", "{warning}", NULL },
		{ ">CRITICAL", "{critical}", NULL },
		{ ">UNKNOWN", "{unknown}", NULL },
	};
	const struct history_opts *o = cli->opts;
	if (!o->by_day) {
		cli_table(cli, mirrors, columns, ARRAY_LEN(columns));
		return;
	}
	CLEANUP(json_release) json_t *rows = json_array();
	const json_t *m, *day;
	size_t i, k;
	json_array_foreach (mirrors, i, m)
		json_array_foreach (json_object_get(m, "days"), k, day) {
			json_t *row = json_copy((json_t *)day);
			json_put_string(row, "repository", json_text(m, "repository"));
			json_put_string(row, "mirror", json_text(m, "mirror"));
			json_push(rows, row);
		}
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}

static int not_seen(const char *mirror, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(mirror);
	err_set(e, ERR_NOT_FOUND, "no run in this time has checked a mirror '%s'", shown);
	return err_hint(e, "`ferry health history` without --mirror shows all of them");
}

static int show_uptime(struct cli *cli, struct db *d, json_t *document, int64_t since_s,
		       struct err *e)
{
	const struct history_opts *o = cli->opts;
	struct days days = { .mirrors = json_put_array(document, "mirrors") };
	json_t *m;
	size_t i;
	int rc = health_history_days(d, o->name, o->mirror, since_s, add_day, &days, e);
	if (rc == 0 && o->mirror && !json_array_size(days.mirrors))
		rc = not_seen(o->mirror, e);
	if (rc < 0)
		return rc;
	json_array_foreach (days.mirrors, i, m)
		put_uptime(m);
	print_uptime(cli, days.mirrors);
	return 0;
}

/* ---- changes ---- */

static int add_event(void *ctx, const struct health_event *event, struct err *e)
{
	json_t *one = json_push_object(ctx);
	const struct health_change *c = &event->change;
	(void)e;
	json_put_time(one, "time", event->at_s);
	json_put_string(one, "repository", event->repository);
	json_put_string(one, "mirror", *c->mirror ? c->mirror : NULL);
	json_put_string(one, "check", health_check_name(c->check));
	json_put_string(one, "from", health_state_name(c->from));
	json_put_string(one, "to", health_state_name(c->to));
	json_put(one, "reason", json_string_lossy(c->reason, strlen(c->reason)));
	return 0;
}

static int show_changes(struct cli *cli, struct db *d, json_t *document, int64_t since_s,
			struct err *e)
{
	const struct history_opts *o = cli->opts;
	json_t *list = json_put_array(document, "changes");
	const json_t *one;
	size_t i;
	int rc = health_history_events(d, o->name, o->mirror, since_s, MAX_EVENTS, add_event, list,
				       e);
	if (rc < 0)
		return rc;
	json_array_foreach (list, i, one) {
		CLEANUP(mem_free_ptr) char *line = cli_fill(one, "{time}  {mirror|(repository)}: "
								 "{check} {from} → {to}: {reason}");
		cli_prose(cli, strlen("2026-01-01T00:00:00Z  "), "%s", line);
	}
	return 0;
}

static int history_run(struct cli *cli, struct err *e)
{
	const struct history_opts *o = cli->opts;
	CLEANUP_PTR(db_close) struct db *d = NULL;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(mem_free_ptr) char *path = NULL;
	int64_t since_s = (int64_t)time(NULL) - (int64_t)MIN(o->since_s, (uint64_t)INT32_MAX);
	if (o->changes && o->by_day)
		return err_set(e, ERR_USAGE, "--changes and --by-day cannot be used together");
	int rc = opsdb_path(OPSDB_NAME, &path, e);
	if (rc == 0)
		rc = health_history_open(path, cli->cancel, &d, e);
	json_put_time(document, "since", since_s);
	if (rc == 0)
		rc = o->changes ? show_changes(cli, d, document, since_s, e)
				: show_uptime(cli, d, document, since_s, e);
	return rc < 0 ? rc : cli_result(cli, document, e);
}

const struct command cmd_health_history = {
	.name = "history",
	.asked = true,
	.summary = "show the uptime of the mirrors, or what changed",
	.description =
		"Reads the history that `ferry health` keeps. A mirror was up in a run if it "
		"answered; its uptime is the share of the runs in which it was up. The other "
		"columns count the runs by state; a silenced mirror counts as ok.",
	.opts = options,
	.opts_size = sizeof(struct history_opts),
	.defaults = &history_defaults,
	.run = history_run,
};
