#include "cli/health/health.h"
#include "cli/values.h"
#include "health/metrics.h"
#include "util/mem.h"

#include <string.h>

static const struct opt options[] = {
	OPT_HEADING("What"),
	OPT_HINTED(OPT_LIST, health_opts, mirrors, 'm', "mirror", "NAME", HINT_MIRROR,
		   "only this mirror; may be repeated"),
	OPT_HINTED(OPT_LIST, health_opts, names, 0, "name", "NAME", HINT_REPOSITORY,
		   "only this repository of ferry.conf; may be repeated"),
	OPT_ENTRY(OPT_FLAG, health_opts, no_audit, 0, "no-audit", NULL, "read no model files"),
	OPT_ENTRY(OPT_SPAN, health_opts, watch_s, 0, "watch", "INTERVAL",
		  "run again and again, this long after the last run began"),
	OPT_ENTRY(OPT_FLAG, health_opts, test_alert, 0, "test-alert", NULL,
		  "send a test to the alert that is named, or to all; nothing is checked"),
	OPT_HEADING("For programs"),
	OPT_ENTRY(OPT_FLAG, health_opts, nagios, 0, "nagios", NULL,
		  "print one line for Nagios and Icinga, and exit with 0 to 3 as they expect"),
	OPT_HINTED(OPT_STRING, health_opts, prometheus, 0, "prometheus", "FILE", HINT_FILE,
		   "write metrics for the textfile collector of Prometheus' node_exporter"),
	OPT_HEADING("Several places"),
	OPT_ENTRY(OPT_FLAG, health_opts, merge, 0, "merge", NULL,
		  "join the reports (--json) that were made at several places; nothing is checked"),
	OPT_LAST,
};

static int check_opts(const struct cli *cli, struct err *e)
{
	static const char *const subs[] = { "silence", "history" };
	const struct health_opts *o = cli->opts;
	bool looks = o->mirrors.count || o->names.count || o->no_audit || o->watch_s ||
		     o->prometheus;
	if (o->test_alert && (looks || o->merge || o->nagios || cli->count > 1))
		return err_set(e, ERR_USAGE, "--test-alert takes one name, and nothing else");
	if (!o->merge && !o->test_alert && cli->count) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(cli->operands[0]);
		err_set(e, ERR_USAGE, "unknown command '%s'", shown);
		return text_hint_nearest(cli->operands[0], subs, ARRAY_LEN(subs),
					 "--mirror chooses a mirror", e);
	}
	if (o->merge && !cli->count)
		return err_set(e, ERR_USAGE,
			       "--merge needs the reports of the places: files that `ferry health "
			       "--json` has written");
	if (o->merge && (looks || o->nagios))
		return err_set(e, ERR_USAGE, "--merge takes only reports");
	if (o->watch_s && (cli->json || o->nagios))
		return err_set(e, ERR_USAGE, "--watch is for people: not with --json or --nagios");
	if (o->nagios && cli->json)
		return err_set(e, ERR_USAGE, "--nagios and --json cannot be used together");
	return 0;
}

/* ---- one run ---- */

static int write_metrics(const struct checkup *c, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(METRICS_MAX_BYTES);
	if (!c->o->prometheus)
		return 0;
	CLEANUP(mem_free_ptr)
	struct health_metrics_alert *alerts = mem_alloc((c->told.count + 1) * sizeof *alerts);
	for (size_t i = 0; i < c->told.count; i++)
		alerts[i] = (struct health_metrics_alert){ c->told.at[i].name,
							   c->told.at[i].failures_total };
	health_metrics(c->reports, c->count, alerts, c->told.count, &text);
	int rc = metrics_write(c->o->prometheus, &text, e);
	return rc < 0 ? err_context(e, "--prometheus") : 0;
}

static int look_once(struct checkup *c, json_t **out, struct err *e)
{
	int rc = checkup_round(c, e);
	if (rc == 0)
		rc = write_metrics(c, e);
	if (rc == 0)
		*out = document_of(c);
	return rc;
}

static int run_once(struct cli *cli, struct err *e)
{
	CLEANUP(checkup_release) struct checkup c = CHECKUP_INIT;
	CLEANUP(json_release) json_t *document = NULL;
	const struct health_opts *o = cli->opts;
	c.cli = cli;
	c.o = o;
	int rc = checkup_open(&c, e);
	if (rc == 0)
		rc = look_once(&c, &document, e);
	if (rc < 0)
		return rc;
	if (o->nagios) {
		nagios_print(cli, document);
		return 0;
	}
	sheet_print(cli, document);
	rc = cli_result(cli, document, e);
	bool fault = checkup_state(&c) != HEALTH_OK || c.told.failed;
	return rc == 0 && fault ? -ERR_FAULT : rc;
}

/* ---- again and again ---- */

/* What makes the whole report worth printing again. */
static char *states_of(const json_t *document)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(MIB);
	const json_t *r, *m;
	size_t i, k;
	json_array_foreach (json_object_get(document, "repositories"), i, r) {
		buf_addf(&b, "%s %s\n", json_text(r, "name"), json_text(r, "state"));
		json_array_foreach (json_object_get(r, "mirrors"), k, m)
			buf_addf(&b, "%s %s\n", json_text(m, "id"), json_text(m, "state"));
	}
	return mem_strdup(buf_str(&b));
}

static void print_round(struct cli *cli, const json_t *document, char **before)
{
	CLEANUP(mem_free_ptr) char *now = states_of(document);
	bool same = *before && strcmp(*before, now) == 0;
	cli_line(cli, "%s: %s", json_text(document, "time"), json_text(document, "state"));
	if (!same)
		sheet_print(cli, document);
	fflush(cli->out);
	free(*before);
	*before = STEAL(now);
}

static int watch(struct cli *cli, struct err *e)
{
	CLEANUP(checkup_release) struct checkup c = CHECKUP_INIT;
	CLEANUP(mem_free_ptr) char *before = NULL;
	const struct health_opts *o = cli->opts;
	c.cli = cli;
	c.o = o;
	int rc = checkup_open(&c, e);
	while (rc == 0) {
		CLEANUP(json_release) json_t *document = NULL;
		uint64_t start_ms = clock_now_ms(NULL);
		rc = look_once(&c, &document, e);
		if (rc < 0)
			break;
		print_round(cli, document, &before);
		uint64_t took_ms = clock_now_ms(NULL) - start_ms;
		if (took_ms < o->watch_s * 1000)
			rc = clock_sleep_ms(NULL, o->watch_s * 1000 - took_ms, cli->cancel, e);
		else
			rc = cancel_check(cli->cancel, e);
	}
	return rc;
}

/* ---- a test of the alerts ---- */

static int test_alerts(struct cli *cli, struct err *e)
{
	CLEANUP(checkup_release) struct checkup c = CHECKUP_INIT;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	c.cli = cli;
	c.o = cli->opts;
	int rc = checkup_settings(&c, e);
	if (rc == 0)
		rc = alerts_test(&c, e);
	if (rc < 0)
		return rc;
	json_put(document, "alerts", alerts_json(&c));
	const json_t *one;
	size_t i;
	json_array_foreach (json_object_get(document, "alerts"), i, one)
		cli_say(cli, one, "{name}: {outcome}");
	rc = cli_result(cli, document, e);
	return rc == 0 && c.told.failed ? -ERR_FAULT : rc;
}

/* ---- the command ---- */

static int merge(struct cli *cli, struct err *e)
{
	CLEANUP(json_release) json_t *document = NULL;
	int rc = merged_document(cli, &document, e);
	if (rc < 0)
		return rc;
	sheet_print(cli, document);
	bool ok = strcmp(json_text(document, "state"), "ok") == 0;
	rc = cli_result(cli, document, e);
	return rc == 0 && !ok ? -ERR_FAULT : rc;
}

static int health_run_command(struct cli *cli, struct err *e)
{
	const struct health_opts *o = cli->opts;
	int rc = check_opts(cli, e);
	if (rc == 0 && o->merge)
		rc = merge(cli, e);
	else if (rc == 0 && o->test_alert)
		rc = test_alerts(cli, e);
	else if (rc == 0 && o->watch_s)
		rc = watch(cli, e);
	else if (rc == 0)
		rc = run_once(cli, e);
	if (rc < 0 && o->nagios && e->class && !err_is(e, ERR_CANCELLED)) {
		nagios_failed(cli, e);
		err_clear(e);
		rc = 0;
	}
	return rc;
}

const struct command cmd_health = {
	.name = "health",
	.summary = "check whether readers get what is signed, and keep a history",
	.subs = (const struct command *const[]){ &cmd_health_silence, &cmd_health_history, NULL },
	.synopsis = (const char *const[]){ "", "--merge REPORT…", "--test-alert [NAME]", NULL },
	.description =
		"Checks every mirror as a reader uses it: whether it answers, how fast, which "
		"release it shows, whether the files are there with the right bytes, and what "
		"expires soon. Run it every few minutes, from cron or a systemd timer. The exit "
		"status is 1 if anything is not ok, or if an alert could not be sent.",
	.opts = options,
	.opts_size = sizeof(struct health_opts),
	.operand_hint = HINT_FILE,
	.max_operands = -1,
	.run = health_run_command,
	.values = values_publisher,
};
