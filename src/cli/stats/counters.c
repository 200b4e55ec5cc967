#include "cli/stats/stats.h"

#include "cli/publisher.h"
#include "cli/values.h"
#include "stats/counters.h"
#include "util/clock.h"

#define DAY_S 86400
#define SINCE_S (30 * DAY_S)

struct counters_opts {
	struct publisher_opts who;
	const char *database;
	bool stored;
};

static const struct opt counters_opts[] = {
	OPT_HINTED(OPT_LIST, counters_opts, who.mirrors, 'm', "mirror", "NAME", HINT_MIRROR,
		   "ask only this mirror of ferry.conf; may be repeated"),
	OPT_HINTED(OPT_STRING, counters_opts, who.name, 0, "name", "NAME", HINT_REPOSITORY,
		   "ask only the mirrors of this repository, if ferry.conf has several"),
	OPT_ENTRY(OPT_FLAG, counters_opts, stored, 0, "stored", NULL,
		  "ask no server: print what was answered last"),
	STATSDB_OPTION(counters_opts),
	OPT_LAST,
};

/* A mirror that does not answer keeps what it said before. */
static int ask_mirror(struct cli *cli, struct db *db, const struct mirrors_entry *m, json_t *asked,
		      struct err *e)
{
	struct err why = ERR_INIT;
	if (!m->chosen || (m->mirror && !stats_counters_has(m->mirror)))
		return 0;
	int rc = 0;
	if (m->mirror)
		rc = stats_counters_import(db, m->mirror, clock_wall_s(NULL), &why);
	else
		why = m->error;
	if (rc == -ERR_CANCELLED) {
		*e = why;
		return rc;
	}
	json_t *row = json_push_object(asked);
	json_put_string(row, "mirror", m->settings->id);
	if (why.class) {
		json_put(row, "error", cli_error_json(&why));
		report_warn(cli->report, "%s", why.text);
	}
	return 0;
}

static int ask_all(struct cli *cli, struct db *db, json_t *asked, struct err *e)
{
	const struct counters_opts *o = cli->opts;
	CLEANUP(publisher_release) struct publisher p = { 0 };
	if (o->stored)
		return 0;
	int rc = publisher_open(cli, &o->who, false, true, &p, e);
	for (size_t i = 0; i < p.places.count && rc == 0; i++)
		rc = ask_mirror(cli, db, &p.places.at[i], asked, e);
	return rc;
}

static int put_model(void *ctx, const char *model, uint64_t downloads, struct err *e)
{
	json_t *row = json_push_object(ctx);
	(void)e;
	json_put_string(row, "model", model);
	json_put_u64(row, "downloads", downloads);
	return 0;
}

static int put_traffic(void *ctx, const struct stats_counters_traffic *t, struct err *e)
{
	json_t *row = json_push_object(ctx);
	(void)e;
	json_put_string(row, "mirror", t->mirror);
	json_put_time(row, "from", t->first_s);
	json_put_time(row, "to", t->last_s + 3600);
	json_put_u64(row, "requests", t->requests);
	json_put_u64(row, "bytes", t->bytes);
	json_put_u64(row, "failures", t->failures);
	return 0;
}

static void print(struct cli *cli, const json_t *document)
{
	static const struct cli_column models[] = { { "MODEL", "{model}", NULL },
						    { ">GITHUB", "{downloads}", NULL } };
	static const struct cli_column traffic[] = {
		{ "MIRROR", "{mirror}", NULL },      { ">REQUESTS", "{requests}", NULL },
		{ ">FAILURES", "{failures}", NULL }, { ">BYTES", "{bytes:size}", NULL },
		{ "FROM", "{from}", NULL },          { "TO", "{to}", NULL }
	};
	const json_t *github = json_object_get(document, "github");
	const json_t *cloudwatch = json_object_get(document, "cloudwatch");
	if (json_array_size(github))
		cli_table(cli, github, models, ARRAY_LEN(models));
	if (json_array_size(cloudwatch))
		cli_table(cli, cloudwatch, traffic, ARRAY_LEN(traffic));
	if (!json_array_size(github) && !json_array_size(cloudwatch))
		cli_note(cli, document, "no server of a mirror has counts of its own");
}

static bool any_failed(const json_t *asked)
{
	const json_t *row;
	size_t i;
	json_array_foreach (asked, i, row)
		if (json_object_get(row, "error"))
			return true;
	return false;
}

static int run(struct cli *cli, struct err *e)
{
	const struct counters_opts *o = cli->opts;
	CLEANUP(statsdb_release) struct statsdb p = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_t *asked = json_put_array(document, "asked");
	json_t *github = json_put_array(document, "github");
	json_t *cloudwatch = json_put_array(document, "cloudwatch");
	int rc = statsdb_open(cli, o->database, &p, e);
	if (rc == 0)
		rc = ask_all(cli, p.db, asked, e);
	if (rc == 0)
		rc = stats_counters_models(p.db, put_model, github, e);
	if (rc == 0)
		rc = stats_counters_traffic(p.db, clock_wall_s(NULL) - SINCE_S, put_traffic,
					    cloudwatch, e);
	if (rc < 0)
		return rc;
	print(cli, document);
	rc = cli_result(cli, document, e);
	return rc == 0 && any_failed(asked) ? -ERR_FAULT : rc;
}

const struct command cmd_stats_counters = {
	.name = "counters",
	.asked = true,
	.summary = "print the counts that servers keep themselves",
	.description =
		"Fetches the counts that some servers keep: GitHub counts the downloads of each "
		"file of a release, CloudWatch the requests to a bucket (with request-metrics in "
		"its section) of the last 30 days. GitHub does not document what it counts, so "
		"its numbers are an upper bound; CloudWatch may miss requests. Neither is added "
		"to the downloads from logs.",
	.opts = counters_opts,
	.opts_size = sizeof(struct counters_opts),
	.run = run,
	.values = values_publisher,
};
