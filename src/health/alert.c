#include "health/alert_internal.h"

#include "util/mem.h"
#include "util/threads.h"

#include <string.h>

const char *alert_outcome_name(enum alert_outcome o)
{
	static const char *const names[] = {
		[ALERT_QUIET] = "quiet",
		[ALERT_SENT] = "sent",
		[ALERT_FAILED] = "failed",
	};
	return names[o];
}

void alert_results_release(struct alert_results *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->at[i].name);
	free(r->at);
	*r = (struct alert_results){ 0 };
}

/* ---- one alert --------------------------------------------------------------------------- */

struct job {
	const struct settings_alert *alert;
	const struct alert_env *env;
	struct alert_result *result;
	struct alert_rows rows;   /* of the repositories of this run */
	struct alert_rows others; /* the rest, which is kept as it is */
	struct buf payload;
	bool changed; /* the rows are not as they were recorded */
	bool due;     /* the payload is to be sent */
};

static void job_release(struct job *j)
{
	alert_rows_release(&j->rows);
	alert_rows_release(&j->others);
	buf_release(&j->payload);
}

/* Rows of repositories that this run did not look at, which another configuration may have. */
static void set_apart(struct job *j, const struct alert_scope *s)
{
	size_t kept = 0;
	for (size_t i = 0; i < j->rows.count; i++) {
		struct alert_row *row = &j->rows.at[i];
		if (alert_compare_is_here(s, row)) {
			j->rows.at[kept++] = *row;
			continue;
		}
		struct alert_rows *o = &j->others;
		o->at = mem_grow(o->at, o->count, &o->cap, sizeof *o->at);
		o->at[o->count++] = *row;
	}
	j->rows.count = kept;
}

static int write_payload(const struct alert_notice *n, struct buf *out, struct err *e)
{
	int rc;
	if (n->alert->kind == SETTINGS_ALERT_SLACK)
		rc = alert_slack(n, out, e);
	else if (n->alert->kind == SETTINGS_ALERT_ALERTMANAGER)
		rc = alert_alertmanager(n, out, e);
	else
		rc = json_compact(n->document, out, e);
	return rc < 0 ? rc : buf_ok(out, "the notification", e);
}

static void prepare(struct job *j, int64_t now_s, bool test)
{
	struct alert_result *r = j->result;
	CLEANUP(alert_notice_release) struct alert_notice n = {
		.alert = j->alert,
		.rows = &j->rows,
		.now_s = now_s,
		.interval_s = j->env->interval_s,
		.place = j->env->place,
		.test = test,
	};
	alert_document(&n);
	r->changes = n.changes;
	r->active = n.active;
	bool renewed = n.active && j->alert->kind == SETTINGS_ALERT_ALERTMANAGER;
	j->due = n.changes || renewed || test;
	if (!j->due)
		return;
	memcpy(r->id, n.id, sizeof r->id);
	if (write_payload(&n, &j->payload, &r->error) < 0)
		r->outcome = ALERT_FAILED;
}

static void deliver(void *ctx, size_t i)
{
	struct job *j = &((struct job *)ctx)[i];
	struct alert_result *r = j->result;
	if (!j->due || r->outcome == ALERT_FAILED)
		return;
	int rc = alert_deliver(j->alert, j->env, &j->payload, &r->error);
	r->outcome = rc < 0 ? ALERT_FAILED : ALERT_SENT;
}

/* ---- all alerts -------------------------------------------------------------------------- */

struct jobs {
	struct job *at;
	size_t count;
	struct db *db; /* NULL: there is none, or it has failed */
	struct alert_memory *memory, own;
	int64_t now_s;
	struct err why; /* what is wrong with the database */
};

static void jobs_release(struct jobs *all)
{
	for (size_t i = 0; i < all->count; i++)
		job_release(&all->at[i]);
	free(all->at);
	alert_memory_release(&all->own);
}

static void add_job(struct jobs *all, const struct settings_alert *a, const struct alert_env *env,
		    struct alert_results *out)
{
	struct alert_result *r = &out->at[out->count++];
	r->name = mem_strdup(a->name);
	r->kind = a->kind;
	all->at[all->count++] = (struct job){
		.alert = a,
		.env = env,
		.result = r,
		.payload = BUF_INIT(ALERT_PAYLOAD_MAX),
	};
}

static void open_jobs(struct jobs *all, const struct settings_alerts *alerts, const char *name,
		      const struct alert_env *env, struct alert_results *out)
{
	all->at = mem_alloc((alerts->count + 1) * sizeof *all->at);
	out->at = mem_alloc((alerts->count + 1) * sizeof *out->at);
	for (size_t i = 0; i < alerts->count; i++)
		if (!name || strcmp(name, alerts->at[i].name) == 0)
			add_job(all, &alerts->at[i], env, out);
}

/* Without the database, people are still to be told, perhaps of what they know. */
static void load(struct jobs *all)
{
	if (all->db && alert_book_open(all->db, &all->why) < 0)
		all->db = NULL;
	for (size_t i = 0; all->db && i < all->count; i++) {
		struct job *j = &all->at[i];
		if (alert_book_load(all->db, j->alert->name, &j->rows, &all->why) < 0)
			all->db = NULL;
	}
	for (size_t i = 0; !all->db && i < all->count; i++) {
		alert_rows_release(&all->at[i].rows);
		alert_book_recall(all->memory, all->at[i].alert->name, &all->at[i].rows);
	}
}

static int save_job(struct jobs *all, struct job *j, bool count, struct err *e)
{
	int rc = 0;
	if (j->changed) {
		size_t here = j->rows.count;
		struct alert_rows rows = { 0 };
		for (size_t i = 0; i < here + j->others.count; i++) {
			rows.at = mem_grow(rows.at, rows.count, &rows.cap, sizeof *rows.at);
			rows.at[rows.count++] = i < here ? j->rows.at[i] : j->others.at[i - here];
		}
		rc = alert_book_save(all->db, j->alert->name, &rows, e);
		free(rows.at); /* the rows themselves are the job's */
	}
	if (rc == 0 && count)
		rc = alert_book_count(all->db, j->result, all->now_s, e);
	return rc;
}

/* One transaction for all. What was sent and cannot be recorded will be sent again. */
static void save(struct jobs *all, bool count)
{
	if (!all->db)
		return;
	int rc = db_begin(all->db, &all->why);
	for (size_t i = 0; rc == 0 && i < all->count; i++)
		rc = save_job(all, &all->at[i], count, &all->why);
	if (rc == 0)
		rc = db_commit(all->db, &all->why);
	if (rc < 0)
		db_rollback(all->db);
	for (size_t i = 0; rc == 0 && i < all->count; i++)
		all->at[i].changed = false;
}

static void compare(struct jobs *all, const struct alert_finding *findings, size_t count,
		    const struct alert_env *env)
{
	for (size_t i = 0; i < all->count; i++) {
		struct job *j = &all->at[i];
		const struct alert_scope scope = {
			.alert = j->alert,
			.findings = findings,
			.count = count,
			.covered = env->covered,
			.now_s = all->now_s,
		};
		set_apart(j, &scope);
		j->changed = alert_compare(&scope, &j->rows);
		prepare(j, all->now_s, false);
	}
}

static bool any_changed(const struct jobs *all)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].changed)
			return true;
	return false;
}

static void record(struct jobs *all)
{
	for (size_t i = 0; i < all->count; i++) {
		struct job *j = &all->at[i];
		if (j->result->outcome == ALERT_SENT && j->result->changes) {
			alert_compare_delivered(&j->rows, all->now_s, j->alert->repeat_s);
			j->changed = true;
		}
	}
	if (all->db)
		err_clear(&all->why); /* what could not be recorded before, now may be */
	save(all, true);
	for (size_t i = 0; !all->db && i < all->count; i++) {
		alert_book_remember(all->memory, &all->at[i].rows);
		alert_book_remember(all->memory, &all->at[i].others);
	}
}

static void send_all(struct jobs *all, struct alert_results *out)
{
	threads_run((unsigned)MIN(MAX(all->count, 1), THREADS_MAX), all->count, deliver, all->at);
	for (size_t i = 0; i < out->count; i++)
		out->failed = out->failed || out->at[i].outcome == ALERT_FAILED;
}

static int cancelled(const struct alert_env *env, const struct alert_results *out, struct err *e)
{
	for (size_t i = 0; i < out->count; i++)
		if (err_is(&out->at[i].error, ERR_CANCELLED)) {
			*e = out->at[i].error;
			return -ERR_CANCELLED;
		}
	return cancel_check(env->cancel, e);
}

int alert_send(struct db *db, const struct settings_alerts *alerts,
	       const struct alert_finding *findings, size_t count, const struct alert_env *env,
	       struct alert_results *out, struct err *e)
{
	CLEANUP(alert_results_release) struct alert_results results = { 0 };
	CLEANUP(jobs_release) struct jobs all = {
		.db = db,
		.memory = env->memory,
		.now_s = clock_wall_s(env->clock),
	};
	if (!all.memory)
		all.memory = &all.own;
	open_jobs(&all, alerts, NULL, env, &results);
	load(&all);
	results.forgets = !all.db && !env->memory && alerts->count;
	compare(&all, findings, count, env);
	if (any_changed(&all))
		save(&all, false);
	send_all(&all, &results);
	record(&all);
	int rc = cancelled(env, &results, e);
	if (rc == 0 && all.why.class) {
		*e = all.why;
		rc = err_context(e, "the alerts cannot be recorded");
	}
	*out = results;
	results = (struct alert_results){ 0 };
	return rc;
}

int alert_test(const struct settings_alerts *alerts, const char *name, const struct alert_env *env,
	       struct alert_results *out, struct err *e)
{
	CLEANUP(jobs_release) struct jobs all = { .now_s = clock_wall_s(env->clock) };
	CLEANUP(alert_results_release) struct alert_results results = { 0 };
	open_jobs(&all, alerts, name, env, &results);
	if (!all.count) {
		err_set(e, ERR_USAGE,
			name ? "ferry.conf has no [alert.%s]" : "ferry.conf has no [alert.NAME]",
			name);
		return err_hint(e, "see [alert.NAME] in ferry.conf(5)");
	}
	for (size_t i = 0; i < all.count; i++)
		prepare(&all.at[i], all.now_s, true);
	send_all(&all, &results);
	int rc = cancelled(env, &results, e);
	*out = results;
	results = (struct alert_results){ 0 };
	return rc;
}
