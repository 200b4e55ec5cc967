/* What watches the mirrors: audit, runs of health, logs, alerts, metrics; and the backup. */
#include "cli/doctor/doctor.h"

#include "cli/opsdb.h"
#include "cli/statsdb.h"
#include "health/alert.h"
#include "repository/backup_last.h"
#include "settings/alert.h"
#include "settings/stats.h"
#include "sign/keyring.h"
#include "stats/report.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>
#include <sys/stat.h>

#define HOUR 3600
#define DAY 86400
#define HEALTH_EVERY_S (2 * HOUR)
#define LOGS_EVERY_S (2 * DAY)
#define METRICS_EVERY_S (2 * HOUR)
#define AUDIT_EVERY_S (30 * DAY) /* health's own window of coverage */
#define BACKUP_EVERY_S (92 * DAY)
#define ONE_ALERT "ferry health --test-alert"

static const char *ago(char out[DURATION_TEXT], const struct doctor *d, int64_t then_s)
{
	return format_duration(out, (uint64_t)MAX(d->now_s - then_s, 0));
}

/* ---- the history of ferry health ---- */

/* *out is NULL where it has never run: then no tables are made. */
static int open_history(const struct doctor *d, struct db **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	CLEANUP_PTR(db_close) struct db *db = NULL;
	int rc = opsdb_path(OPSDB_NAME, &path, e);
	*out = NULL;
	if (rc < 0 || !file_exists(path))
		return rc;
	rc = db_open(path, d->quiet.cancel, &db, e);
	if (rc < 0 || !db_has(db, "health"))
		return rc;
	db_close(STEAL(db));
	return health_history_open(path, d->quiet.cancel, out, e);
}

static int load_history(const struct doctor *d, const struct doctor_subject *subject,
			struct health_history *out, struct err *e)
{
	CLEANUP_PTR(db_close) struct db *db = NULL;
	int rc = open_history(d, &db, e);
	return rc < 0 || !db ? rc : health_history_load(db, subject->settings->name, out, e);
}

/* ---- digests ---- */

/* Adds what the audit says of it. False: it was not audited. */
static bool tell_audit(struct doctor_result *r, const struct doctor *d,
		       const struct health_known *k)
{
	char when[DURATION_TEXT];
	static const enum health_check of_audit[] = { HEALTH_INTEGRITY, HEALTH_COVERAGE };
	if (!*k->mirror || !k->audit_s)
		return false;
	if (d->now_s - k->audit_s > AUDIT_EVERY_S)
		doctor_detail(r, "%s: last audited %s ago", k->mirror, ago(when, d, k->audit_s));
	for (size_t i = 0; i < ARRAY_LEN(of_audit); i++) {
		const struct health_seen *s = &k->checks[of_audit[i]];
		if (s->known && (s->state == HEALTH_WARNING || s->state == HEALTH_CRITICAL))
			doctor_detail(r, "%s: %s", k->mirror, s->reason ? s->reason : "");
	}
	return true;
}

int doctor_check_digests(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			 struct err *e)
{
	CLEANUP(health_history_release) struct health_history h = HEALTH_HISTORY_INIT;
	char when[DURATION_TEXT];
	size_t audited = 0;
	int64_t last_s = 0;
	int rc = load_history(d, subject, &h, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < h.count; i++)
		if (tell_audit(r, d, h.at[i])) {
			last_s = MAX(last_s, h.at[i]->audit_s);
			audited++;
		}
	if (!audited) {
		doctor_skip(r, "no audit of the mirrors runs on this machine");
		doctor_next(r, "ferry verify --full");
		doctor_next(r, "ferry health");
	} else if (r->details.count) {
		doctor_fail(r, "the audit has found faults, or no longer runs");
		doctor_next(r, "ferry health");
		doctor_next(r, "ferry verify --full");
		doctor_next(r, "ferry push");
	} else
		doctor_pass(r, "the audit of %zu mirror%s finds no wrong byte; it ran %s ago",
			    audited, audited == 1 ? "" : "s", ago(when, d, last_s));
	return 0;
}

/* ---- runs ---- */

int doctor_check_watch(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
		       struct err *e)
{
	CLEANUP(health_history_release) struct health_history h = HEALTH_HISTORY_INIT;
	char when[DURATION_TEXT];
	int rc = load_history(d, subject, &h, e);
	if (rc < 0)
		return rc;
	if (!h.run_s)
		doctor_fail(r, "ferry health has never run here: faults go unnoticed");
	else if (d->now_s - h.run_s > HEALTH_EVERY_S)
		doctor_fail(r, "ferry health last ran %s ago", ago(when, d, h.run_s));
	else
		doctor_pass(r, "ferry health ran %s ago", ago(when, d, h.run_s));
	if (r->verdict == DOCTOR_FAIL) {
		doctor_next(r, "ferry health");
		doctor_hint(r, "run it every few minutes, from cron or a systemd timer "
			       "(ferry-operations(7))");
	}
	return 0;
}

/* ---- the backup ---- */

/* Is the private key of root in the folder of keys? Then a backup without keys is not enough. */
static bool has_root_key(const struct doctor_subject *subject, struct err *e)
{
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	const char *dir = subject->settings->keys;
	if (!dir || keyring_load(dir, subject->settings->dir, &keys, e) < 0)
		return false;
	const struct str_list *root = &subject->roles.at[0].keyids;
	for (size_t i = 0; i < root->count; i++) {
		const struct keyring_key *k = keyring_by_id(&keys, root->at[i]);
		if (k && k->kind == KEYRING_FILE)
			return true;
	}
	return false;
}

static void judge_backup(struct doctor *d, const struct doctor_subject *subject,
			 const struct backup_last *b, bool root_key, struct doctor_result *r)
{
	char when[DURATION_TEXT];
	ago(when, d, b->time_s);
	if (root_key && !b->keys)
		doctor_fail(r, "the last backup has no keys, and a key of root is only here");
	else if (b->root < backup_last_root(subject->settings->dir))
		doctor_fail(r, "root has changed since the last backup, %s ago", when);
	else if (d->now_s - b->time_s > BACKUP_EVERY_S)
		doctor_fail(r, "the last backup was made %s ago", when);
	else
		doctor_pass(r, "release %llu was backed up %s ago, with%s keys",
			    (unsigned long long)b->release, when, b->keys ? "" : "out");
	doctor_detail(r, "it was written to %s", b->path);
}

int doctor_check_backup(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			struct err *e)
{
	CLEANUP(backup_last_release) struct backup_last last = { 0 };
	struct err none = ERR_INIT;
	int rc = facts_roles(subject, e);
	if (rc < 0)
		return rc;
	bool root_key = has_root_key(subject, &none);
	err_clear(&none);
	rc = backup_last_read(subject->settings->dir, &last, &none);
	if (rc < 0 && !err_is(&none, ERR_NOT_FOUND)) {
		*e = none;
		return rc;
	}
	if (rc == 0)
		judge_backup(d, subject, &last, root_key, r);
	else
		doctor_fail(r, "no backup was made of this tree");
	if (r->verdict == DOCTOR_FAIL) {
		doctor_next(r, "ferry catalog backup%s /OTHER/DISK/%s.tar.zst",
			    root_key ? " --with-keys" : "", subject->settings->name);
		doctor_hint(r, "keep it on another machine: without root's key the repository "
			       "ends when it expires");
	}
	return 0;
}

/* ---- logs ---- */

struct newest {
	const struct doctor *doctor;
	struct doctor_result *r;
	size_t late, count;
	struct str_list mirrors;
};

static void tell_newest(void *ctx, const char *mirror, int64_t newest_s)
{
	struct newest *n = ctx;
	char when[DURATION_TEXT];
	bool late = n->doctor->now_s - newest_s > LOGS_EVERY_S;
	n->late += late;
	n->count++;
	str_list_add(&n->mirrors, mirror);
	if (newest_s)
		doctor_detail(n->r, "%s: newest request %s ago", mirror,
			      ago(when, n->doctor, newest_s));
	else
		doctor_detail(n->r, "%s: no request at all", mirror);
}

/* Of a log that was never there, the statistics know nothing. */
static int tell_missing(struct newest *n, struct err *e)
{
	CLEANUP(settings_stats_release) struct settings_stats settings = { 0 };
	int rc = settings_stats_read(n->doctor->conf, &settings, e);
	for (size_t i = 0; rc == 0 && i < settings.count; i++) {
		const char *mirror = settings.logs[i].mirror;
		if (!mirror || str_list_has(&n->mirrors, mirror))
			continue;
		doctor_detail(n->r, "%s: no log has arrived yet", mirror);
		str_list_add(&n->mirrors, mirror);
		n->late++;
	}
	return rc;
}

static void judge_logs(struct doctor_result *r, const struct newest *n)
{
	size_t all = n->mirrors.count;
	if (!n->count)
		doctor_fail(r, "no log has arrived yet");
	else if (n->late)
		doctor_fail(r, "the logs of %zu of %zu mirror%s are missing, or older than 2 days",
			    n->late, all, all == 1 ? "" : "s");
	else
		doctor_pass(r, "logs of %zu mirror%s arrive", all, all == 1 ? "" : "s");
	if (r->verdict == DOCTOR_FAIL)
		doctor_next(r, "ferry stats import");
}

int doctor_check_logs(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
		      struct err *e)
{
	CLEANUP(statsdb_release) struct statsdb stats = { 0 };
	struct newest n = { .doctor = d, .r = r };
	struct cli quiet = d->quiet;
	(void)subject;
	if (!conf_find(d->conf, "stats", "")) {
		doctor_skip(r, "ferry.conf has no [stats]: downloads are not counted");
		doctor_hint(r, "ferry-logs(7) describes how");
		return 0;
	}
	int rc = statsdb_open_any(&quiet, NULL, &stats, e);
	if (rc == 0 && stats.db)
		rc = stats_report_newest(stats.db, tell_newest, &n, e);
	if (rc == 0)
		rc = tell_missing(&n, e);
	if (rc == 0)
		judge_logs(r, &n);
	str_list_release(&n.mirrors);
	return rc;
}

/* ---- alerts ---- */

static int tell_failing(const struct doctor *d, struct db *db, const struct settings_alert *a,
			struct doctor_result *r, struct err *e)
{
	struct alert_result told = { .name = a->name };
	char when[DURATION_TEXT];
	if (a->fault.class) {
		doctor_detail(r, "%s: %s", a->name, a->fault.text);
		return 0;
	}
	int rc = db ? alert_record(db, &told, e) : 0;
	if (rc == 0 && told.failing_since_s)
		doctor_detail(r, "%s: nothing could be sent for %s", a->name,
			      ago(when, d, told.failing_since_s));
	return rc;
}

static int look_at_record(struct doctor *d, const struct settings_alerts *alerts,
			  struct doctor_result *r, struct err *e)
{
	CLEANUP_PTR(db_close) struct db *db = NULL;
	int rc = open_history(d, &db, e);
	for (size_t i = 0; rc == 0 && i < alerts->count; i++)
		rc = tell_failing(d, db, &alerts->at[i], r, e);
	if (rc < 0)
		return rc;
	if (r->details.count)
		doctor_fail(r, "%zu of %zu alert%s nobody", r->details.count, alerts->count,
			    r->details.count == 1 ? " reaches" : "s reach");
	else
		doctor_pass(r, "%zu configured, and none has failed lately", alerts->count);
	doctor_next(r, ONE_ALERT);
	return 0;
}

static int send_tests(struct doctor *d, const struct settings_alerts *alerts,
		      struct doctor_result *r, struct err *e)
{
	CLEANUP(alert_results_release) struct alert_results told = { 0 };
	const struct http_options http = { .access = &d->access };
	const struct alert_env env = {
		.dir = d->conf->dir,
		.http = &http,
		.cancel = d->quiet.cancel,
	};
	int rc = alert_test(alerts, NULL, &env, &told, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < told.count; i++)
		if (told.at[i].outcome == ALERT_FAILED)
			doctor_detail(r, "%s: %s", told.at[i].name, told.at[i].error.text);
	if (r->details.count)
		doctor_fail(r, "%zu of %zu tests could not be sent", r->details.count, told.count);
	else
		doctor_pass(r, "%zu test%s sent: make sure that people got them", told.count,
			    told.count == 1 ? " was" : "s were");
	return 0;
}

int doctor_check_alerts(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			struct err *e)
{
	CLEANUP(settings_alerts_release) struct settings_alerts alerts = { 0 };
	int rc = settings_alerts_read(d->conf, &alerts, e);
	(void)subject;
	if (rc < 0)
		return rc;
	if (!alerts.count) {
		doctor_skip(r, "ferry.conf has no [alert.NAME]: nobody is told of faults");
		doctor_hint(r, "not needed where Prometheus alerts; see ferry.conf(5)");
		return 0;
	}
	return d->o->test_alerts ? send_tests(d, &alerts, r, e) : look_at_record(d, &alerts, r, e);
}

/* ---- metrics ---- */

int doctor_check_metrics(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			 struct err *e)
{
	const struct opt_list *files = &d->o->metrics;
	char when[DURATION_TEXT];
	(void)subject;
	(void)e;
	for (size_t i = 0; i < files->count; i++) {
		struct stat st;
		if (stat(files->at[i], &st) != 0)
			doctor_detail(r, "%s is not there", files->at[i]);
		else if (!S_ISREG(st.st_mode) || !st.st_size)
			doctor_detail(r, "%s has no metrics", files->at[i]);
		else if (st.st_mtime - d->now_s > METRICS_EVERY_S)
			doctor_detail(r, "%s has a time in the future", files->at[i]);
		else if (d->now_s - st.st_mtime > METRICS_EVERY_S)
			doctor_detail(r, "%s was written %s ago", files->at[i],
				      ago(when, d, st.st_mtime));
	}
	if (!files->count) {
		doctor_skip(r, "not checked: no file is named");
		doctor_next(r, "ferry doctor metrics --metrics FILE.prom");
	} else if (r->details.count) {
		doctor_fail(r, "dashboards show old numbers");
		doctor_next(r, "ferry health --prometheus FILE.prom");
	} else
		doctor_pass(r, "%zu file%s up to date", files->count,
			    files->count == 1 ? " is" : "s are");
	return 0;
}
