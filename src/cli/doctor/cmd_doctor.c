#include "cli/doctor/doctor.h"

#include "cli/frame/colour.h"
#include "cli/values.h"
#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEADLINE_S 60
#define NO_DEADLINE UINT64_MAX /* none was given */
#define NAME_COLUMNS 11
#define INDENT (5 + NAME_COLUMNS + 1)
#define THREADS 12
#define MAX_REQUESTS 10000
#define DRILL_DEADLINE_S 1800

static const struct opt options[] = {
	OPT_HEADING("What"),
	OPT_HINTED(OPT_LIST, doctor_opts, names, 0, "name", "NAME", HINT_REPOSITORY,
		   "only this repository of ferry.conf; may be repeated"),
	OPT_ENTRY(OPT_DURATION, doctor_opts, deadline_s, 0, "deadline", "TIME",
		  "what has not been checked by then has failed (1m; 30m with --drill)"),
	OPT_ENTRY(OPT_FLAG, doctor_opts, drill, 0, "drill", NULL,
		  "fetch the smallest model from each mirror alone, all others switched off, into "
		  "a scratch store: the quarterly test"),
	OPT_ENTRY(OPT_U64, doctor_opts, rate_limits, 0, "rate-limits", "NUMBER",
		  "ask each web server for one byte until it answers 429, at most this many times"),
	OPT_ENTRY(OPT_FLAG, doctor_opts, test_alerts, 0, "test-alerts", NULL,
		  "send a test to every alert, as ferry health --test-alert does"),
	OPT_HINTED(OPT_LIST, doctor_opts, metrics, 0, "metrics", "FILE", HINT_FILE,
		   "a file that `ferry health --prometheus` or another command writes, and that "
		   "must not be old; may be repeated"),
	OPT_LAST,
};
static const struct doctor_opts defaults = { .deadline_s = NO_DEADLINE };

/* One check of one repository. */
struct job {
	const struct doctor_check *check;
	struct doctor_subject *subject; /* NULL: it is checked once */
	struct doctor_result result;
};

struct jobs {
	struct doctor *doctor;
	struct job *at;
	size_t count, cap;
};

static void jobs_release(struct jobs *j)
{
	for (size_t i = 0; i < j->count; i++)
		doctor_result_release(&j->at[i].result);
	free(j->at);
}

static void doctor_release(struct doctor *d)
{
	for (size_t i = 0; i < d->count; i++) {
		readers_release(&d->subjects[i]);
		facts_release(&d->subjects[i]);
	}
	free(d->subjects);
	client_release(&d->client);
	http_access_list_release(&d->access);
	settings_repositories_release(&d->repositories);
	if (d->scratch)
		file_remove_tree(d->scratch);
	free(d->scratch);
}

/* ---- what is checked ---- */

static bool is_named(const struct opt_list *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->at[i], name) == 0)
			return true;
	return !names->count;
}

static int check_options(const struct doctor_opts *o, struct err *e)
{
	if (o->rate_limits > MAX_REQUESTS)
		return err_set(e, ERR_USAGE, "--rate-limits: at most %d requests", MAX_REQUESTS);
	if (!o->deadline_s)
		return err_set(e, ERR_USAGE, "--deadline: must be at least 1s");
	return 0;
}

static int check_operands(const struct cli *cli, struct err *e)
{
	const char *names[64];
	size_t count = 0;
	for (; count < doctor_check_count && count < ARRAY_LEN(names); count++)
		names[count] = doctor_checks[count].name;
	for (int i = 0; i < cli->count; i++) {
		size_t k = 0;
		while (k < count && strcmp(names[k], cli->operands[i]) != 0)
			k++;
		if (k < count)
			continue;
		CLEANUP(mem_free_ptr) char *shown = text_escaped(cli->operands[i]);
		err_set(e, ERR_USAGE, "there is no check '%s'", shown);
		return text_hint_nearest(cli->operands[i], names, count,
					 "ferry-doctor(1) lists them", e);
	}
	return 0;
}

static int find_subjects(struct doctor *d, struct err *e)
{
	const struct opt_list *names = &d->o->names;
	for (size_t i = 0; i < names->count; i++)
		if (!settings_repositories_find(&d->repositories, names->at[i]))
			return settings_repositories_unknown(&d->repositories, names->at[i],
							     ERR_NOT_FOUND, e);
	d->subjects = mem_alloc((d->repositories.count + 1) * sizeof *d->subjects);
	for (size_t i = 0; i < d->repositories.count; i++) {
		if (!is_named(names, d->repositories.at[i].name))
			continue;
		struct doctor_subject *s = &d->subjects[d->count++];
		s->doctor = d;
		s->settings = &d->repositories.at[i];
		facts_init(s);
	}
	return 0;
}

static int make_scratch(struct doctor *d, struct err *e)
{
	const char *dir = getenv("TMPDIR");
	char *made = mem_printf("%s/ferry-doctor-XXXXXX", dir && *dir ? dir : "/tmp");
	if (mkdtemp(made)) {
		d->scratch = made;
		return 0;
	}
	int why = errno;
	free(made);
	return err_sys(e, why, "cannot create a scratch folder");
}

/* What is read on first use is read before there are threads. */
static int begin(struct doctor *d, struct err *e)
{
	const struct conf *own;
	d->now_s = (int64_t)time(NULL);
	pthread_mutex_init(&d->client_fact.lock, NULL);
	int rc = check_options(d->o, e);
	if (rc == 0)
		rc = check_operands(d->cli, e);
	if (rc == 0)
		rc = cli_conf(d->cli, &d->conf, e);
	if (rc == 0)
		rc = cli_conf_own(d->cli, &own, e);
	if (rc < 0)
		return rc;
	(void)cli_trust(d->cli);
	rc = session_settings(d->cli, &d->repositories, &d->fetch, &d->access, e);
	/* Statistics of downloads leave it out. */
	http_access_program(&d->access, "doctor");
	if (rc == 0)
		rc = find_subjects(d, e);
	if (rc == 0)
		rc = make_scratch(d, e);
	d->deadline_s = d->o->deadline_s != NO_DEADLINE ? d->o->deadline_s
			: d->o->drill                   ? DRILL_DEADLINE_S
							: DEADLINE_S;
	deadline_start(&d->deadline, d->deadline_s * 1000, NULL, d->cli->cancel);
	d->quiet = *d->cli;
	d->quiet.cancel = &d->deadline.cancel;
	d->quiet.report = NULL;
	return rc;
}

/* ---- the checks ---- */

static void add_job(struct jobs *j, const struct doctor_check *c, struct doctor_subject *subject)
{
	j->at = mem_grow(j->at, j->count, &j->cap, sizeof *j->at);
	j->at[j->count++] = (struct job){ .check = c, .subject = subject };
}

/* A repository that is published and fetched here is not drilled twice. */
static bool has_job(const struct jobs *j, const struct doctor_check *c,
		    const struct doctor_subject *subject)
{
	for (size_t i = 0; i < j->count; i++)
		if (j->at[i].check->run == c->run && j->at[i].subject == subject)
			return true;
	return false;
}

static bool is_chosen(const struct cli *cli, const struct doctor_check *c)
{
	for (int i = 0; i < cli->count; i++)
		if (strcmp(cli->operands[i], c->name) == 0)
			return true;
	return !cli->count;
}

static void add_jobs(struct jobs *j, enum doctor_for whom, struct doctor_subject *subject)
{
	for (size_t i = 0; i < doctor_check_count; i++) {
		const struct doctor_check *c = &doctor_checks[i];
		if (c->whom == whom && is_chosen(j->doctor->cli, c) && !has_job(j, c, subject))
			add_job(j, c, subject);
	}
}

/* What was named is checked or refused: to check nothing is not to pass. */
static int check_applies(const struct jobs *j, const char *name, struct err *e)
{
	const struct doctor_check *check = NULL;
	for (size_t i = 0; i < j->count; i++)
		if (strcmp(j->at[i].check->name, name) == 0)
			return 0;
	for (size_t i = 0; i < doctor_check_count && !check; i++)
		if (strcmp(doctor_checks[i].name, name) == 0)
			check = &doctor_checks[i];
	bool publishing = check && (check->whom == DOCTOR_FOR_PUBLISHER ||
				    check->whom == DOCTOR_FOR_OPERATOR);
	err_set(e, ERR_USAGE, "the check '%s' is for machines that %s models", name,
		publishing ? "publish" : "fetch");
	return err_hint(e, publishing ? "run this in the folder of the publisher's ferry.conf"
				      : "`ferry repository add` adds a repository to fetch from");
}

/* In the order in which they are shown. */
static void find_jobs(struct jobs *j)
{
	struct doctor *d = j->doctor;
	bool publishes = false, fetches = !d->count;
	add_jobs(j, DOCTOR_FOR_ALL, NULL);
	for (size_t i = 0; i < d->count; i++) {
		bool published = d->subjects[i].settings->dir != NULL;
		if (published)
			add_jobs(j, DOCTOR_FOR_PUBLISHER, &d->subjects[i]);
		publishes |= published;
	}
	if (publishes)
		add_jobs(j, DOCTOR_FOR_OPERATOR, NULL);
	for (size_t i = 0; i < d->count; i++) {
		bool fetched = d->subjects[i].settings->metadata.count > 0;
		if (fetched)
			add_jobs(j, DOCTOR_FOR_CLIENT, &d->subjects[i]);
		fetches |= fetched;
	}
	if (fetches)
		add_jobs(j, DOCTOR_FOR_USER, NULL);
}

static void take_error(struct job *job, const struct doctor *d, const struct err *e)
{
	char limit[DURATION_TEXT];
	struct doctor_result *r = &job->result;
	if (!err_is(e, ERR_CANCELLED)) {
		doctor_fail(r, "%s", e->text);
		if (*e->hint)
			doctor_hint(r, "%s", e->hint);
		return;
	}
	doctor_fail(r, "not finished within %s", format_duration(limit, d->deadline_s));
	doctor_next(r, "ferry doctor --deadline 10m %s", job->check->name);
}

/* The catalog's own check says so, once; unless others were asked for without it. */
static bool lacks_catalog(const struct jobs *j, const struct job *job)
{
	bool told = false;
	if (job->check->whom != DOCTOR_FOR_PUBLISHER || job->check->run == doctor_check_catalog)
		return false;
	for (size_t i = 0; i < j->count; i++)
		told |= j->at[i].subject == job->subject &&
			j->at[i].check->run == doctor_check_catalog;
	return told && !facts_was_signed(job->subject);
}

static void run_job(void *ctx, size_t i)
{
	struct jobs *j = ctx;
	struct job *job = &j->at[i];
	struct err e = ERR_INIT;
	if (lacks_catalog(j, job)) {
		doctor_skip(&job->result, "needs a catalog that is signed");
		return;
	}
	if (job->check->run(j->doctor, job->subject, &job->result, &e) < 0)
		take_error(job, j->doctor, &e);
}

/* ---- the document ---- */

static const char *const verdict_names[] = { "pass", "fail", "skip" };
static const char *const whom_names[] = { "all", "publisher", "operator", "client", "user" };

static void put_result(json_t *checks, const struct job *job)
{
	const struct doctor_result *r = &job->result;
	json_t *one = json_push_object(checks);
	json_put_string(one, "check", job->check->name);
	json_put_string(one, "for", whom_names[job->check->whom]);
	if (job->subject)
		json_put_string(one, "repository", job->subject->settings->name);
	json_put_string(one, "verdict", verdict_names[r->verdict]);
	json_put(one, "text", json_string_lossy(r->text, strlen(r->text)));
	json_put(one, "details", json_strings(&r->details));
	if (r->hint)
		json_put(one, "hint", json_string_lossy(r->hint, strlen(r->hint)));
	json_put(one, "next", json_strings(&r->next));
}

static json_t *document_of(const struct jobs *j)
{
	json_t *document = cli_document(j->doctor->cli);
	uint64_t counts[DOCTOR_VERDICTS] = { 0 };
	json_t *checks = json_array();
	for (size_t i = 0; i < j->count; i++) {
		put_result(checks, &j->at[i]);
		counts[j->at[i].result.verdict]++;
	}
	json_put_time(document, "time", j->doctor->now_s);
	json_put_u64(document, "passed", counts[DOCTOR_PASS]);
	json_put_u64(document, "failed", counts[DOCTOR_FAIL]);
	json_put_u64(document, "skipped", counts[DOCTOR_SKIP]);
	json_put(document, "checks", checks);
	return document;
}

/* ---- for people ---- */

struct look {
	bool colour, unicode;
	size_t width; /* 0: no terminal */
};

/* The locale of programs is made one of UTF-8 (cli/frame/cli.c); but a terminal for C may lack the
 * marks. */
static bool has_unicode(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *value = NULL;
	for (size_t i = 0; i < ARRAY_LEN(names) && !(value && *value); i++)
		value = getenv(names[i]);
	return value && *value && strcmp(value, "C") != 0 && strcmp(value, "POSIX") != 0 &&
	       strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* The mark is put in behind, because the sequence of a colour has no columns. */
static void print_verdict(struct cli *cli, const struct look *l, const json_t *one)
{
	static const char *const marks[][2] = { { "ok", "\u2713 " },
						{ "!!", "\u2717 " },
						{ "--", "\u2013 " } };
	static const enum cli_colour colours[] = { COLOUR_GOOD, COLOUR_BAD, COLOUR_NONE };
	size_t v = 0;
	while (strcmp(verdict_names[v], json_text(one, "verdict")) != 0)
		v++;
	CLEANUP(mem_free_ptr)
	char *line = mem_printf("     %-*s %s", NAME_COLUMNS, json_text(one, "check"),
				json_text(one, "text"));
	CLEANUP(mem_free_ptr) char *shown = text_escaped(line);
	CLEANUP(mem_free_ptr) char *lines = cli_wrap(shown, l->width, INDENT);
	CLEANUP(mem_free_ptr)
	char *all = mem_printf("  %s%s%s%s\n", cli_colour(l->colour, colours[v]),
			       marks[v][l->unicode], cli_colour_end(l->colour, colours[v]),
			       lines + 4);
	cli_raw(cli, all);
}

/* Digests are shortened, but for -v. */
static void print_detail(struct cli *cli, const char *text)
{
	CLEANUP(mem_free_ptr) char *brief = cli_shortened(text, SIZE_MAX);
	cli_prose(cli, INDENT + 2, "%*s%s", INDENT, "", cli->verbose ? text : brief);
}

static void print_check(struct cli *cli, const struct look *l, const json_t *one)
{
	const json_t *line;
	size_t i;
	print_verdict(cli, l, one);
	json_array_foreach (json_object_get(one, "details"), i, line)
		print_detail(cli, json_string_value(line));
	if (json_text(one, "hint"))
		cli_prose(cli, INDENT, "%*s%s", INDENT, "", json_text(one, "hint"));
	json_array_foreach (json_object_get(one, "next"), i, line)
		cli_line(cli, "%*s$ %s", INDENT, "", json_string_value(line));
}

static char *heading_of(const json_t *one)
{
	const char *whom = json_text(one, "for"), *name = json_text(one, "repository");
	if (strcmp(whom, whom_names[DOCTOR_FOR_PUBLISHER]) == 0)
		return mem_printf("Repository %s, published here", name);
	if (strcmp(whom, whom_names[DOCTOR_FOR_CLIENT]) == 0)
		return mem_printf("Repository %s, fetched from here", name);
	if (strcmp(whom, whom_names[DOCTOR_FOR_OPERATOR]) == 0)
		return mem_strdup("Operation");
	return mem_strdup(strcmp(whom, whom_names[DOCTOR_FOR_ALL]) == 0 ? "Configuration"
									: "This machine");
}

static void print_checks(struct cli *cli, const json_t *document)
{
	const struct look l = {
		.colour = cli_has_colour(cli->out),
		.unicode = has_unicode(),
		.width = cli_terminal_width(cli->out),
	};
	CLEANUP(mem_free_ptr) char *before = mem_strdup("");
	const json_t *one;
	size_t i;
	json_array_foreach (json_object_get(document, "checks"), i, one) {
		CLEANUP(mem_free_ptr) char *heading = heading_of(one);
		if (*before && strcmp(heading, before) != 0)
			cli_raw(cli, "\n");
		if (strcmp(heading, before) != 0)
			cli_line(cli, "%s:", heading);
		free(before);
		before = STEAL(heading);
		print_check(cli, &l, one);
	}
	cli_raw(cli, "\n");
	cli_say(cli, document, "{passed} passed, {failed} failed, {skipped} skipped");
}

/* ---- the command ---- */

static void offer(struct cli *cli, const struct cli_sought *what, struct str_list *out)
{
	if (what->hint != HINT_CHECK) {
		values_publisher(cli, what, out);
		return;
	}
	for (size_t i = 0; i < doctor_check_count; i++)
		str_list_add(out, doctor_checks[i].name);
	values_unique(out);
}

static int run(struct cli *cli, struct err *e)
{
	CLEANUP(doctor_release) struct doctor d = { .cli = cli, .o = cli->opts };
	CLEANUP(jobs_release) struct jobs jobs = { .doctor = &d };
	int rc = begin(&d, e);
	if (rc < 0)
		return rc;
	find_jobs(&jobs);
	for (int i = 0; i < cli->count; i++)
		if ((rc = check_applies(&jobs, cli->operands[i], e)) < 0)
			return rc;
	report_wait(cli->report, "the checks");
	threads_run(THREADS, jobs.count, run_job, &jobs);
	report_waited(cli->report, "the checks");
	rc = cancel_check(cli->cancel, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = document_of(&jobs);
	print_checks(cli, document);
	rc = cli_result(cli, document, e);
	return rc == 0 && json_number(document, "failed") ? -ERR_FAULT : rc;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.asked = true,
	.summary = "check that everything is ready, and say what to do if not",
	.synopsis = (const char *const[]){ "[CHECK…]", NULL },
	.description =
		"Goes through a list of checks and prints for each whether it passed, failed or "
		"was skipped, with the command that helps. On a publisher's machine these are "
		"the catalog, keys, mirrors and what watches them; on a user's machine the "
		"configuration, the store, and each place that models come from. Nothing is "
		"changed. The exit status is 1 if a check failed.",
	.opts = options,
	.opts_size = sizeof(struct doctor_opts),
	.defaults = &defaults,
	.operand_hint = HINT_CHECK,
	.max_operands = -1,
	.run = run,
	.values = offer,
};
