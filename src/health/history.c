#include "health/history.h"

#include "util/mem.h"

#include <string.h>

#define DAY 86400
#define MAX_MIRRORS 10000

static const char *const steps[] = {
	"CREATE TABLE health_repositories (repository TEXT PRIMARY KEY, release BIGINT NOT NULL,"
	" release_s BIGINT NOT NULL, run_s BIGINT NOT NULL);"
	"CREATE TABLE health_runs (repository TEXT NOT NULL, start_s BIGINT NOT NULL,"
	" duration_ms BIGINT NOT NULL, state BIGINT NOT NULL, PRIMARY KEY (repository, start_s));"
	"CREATE TABLE health_mirrors (repository TEXT NOT NULL, mirror TEXT NOT NULL,"
	" seen_s BIGINT NOT NULL, newest_s BIGINT NOT NULL, audit_s BIGINT NOT NULL,"
	" audit BYTEA, objects BYTEA, PRIMARY KEY (repository, mirror));"
	"CREATE TABLE health_checks (repository TEXT NOT NULL, mirror TEXT NOT NULL,"
	" name TEXT NOT NULL, state BIGINT NOT NULL, found BIGINT NOT NULL,"
	" since_s BIGINT NOT NULL, bad_s BIGINT NOT NULL, warnings BIGINT NOT NULL,"
	" criticals BIGINT NOT NULL, unknowns BIGINT NOT NULL, reason TEXT NOT NULL,"
	" PRIMARY KEY (repository, mirror, name));"
	"CREATE TABLE health_changes (repository TEXT NOT NULL, mirror TEXT NOT NULL,"
	" name TEXT NOT NULL, at_s BIGINT NOT NULL, since_s BIGINT NOT NULL,"
	" before_state BIGINT NOT NULL, after_state BIGINT NOT NULL, reason TEXT NOT NULL,"
	" PRIMARY KEY (repository, mirror, name, at_s));"
	"CREATE TABLE health_days (repository TEXT NOT NULL, mirror TEXT NOT NULL,"
	" day BIGINT NOT NULL, runs BIGINT NOT NULL, up BIGINT NOT NULL, silenced BIGINT NOT NULL,"
	" ok BIGINT NOT NULL, warning BIGINT NOT NULL, critical BIGINT NOT NULL,"
	" unknown BIGINT NOT NULL, timed BIGINT NOT NULL, first_byte_us BIGINT NOT NULL,"
	" PRIMARY KEY (repository, mirror, day));"
	"CREATE TABLE health_silences (mirror TEXT PRIMARY KEY, from_s BIGINT NOT NULL,"
	" until_s BIGINT NOT NULL, reason TEXT NOT NULL)",
};

int health_history_open(const char *path, const struct cancel *cancel, struct db **out,
			struct err *e)
{
	CLEANUP_PTR(db_close) struct db *d = NULL;
	int rc = db_open(path, cancel, &d, e);
	if (rc == 0)
		rc = db_upgrade(d, "health", steps, ARRAY_LEN(steps), e);
	if (rc == 0)
		*out = STEAL(d);
	return rc;
}

/* ---- what is remembered ---- */

static void known_free(struct health_known *k)
{
	for (int c = 0; c < HEALTH_CHECKS; c++)
		health_seen_release(&k->checks[c]);
	buf_release(&k->audit);
	buf_release(&k->objects);
	free(k->mirror);
	free(k);
}

void health_history_release(struct health_history *h)
{
	for (size_t i = 0; i < h->count; i++)
		known_free(h->at[i]);
	free(h->at);
	*h = (struct health_history)HEALTH_HISTORY_INIT;
}

struct health_known *health_history_of(struct health_history *h, const char *mirror)
{
	for (size_t i = 0; i < h->count; i++)
		if (strcmp(h->at[i]->mirror, mirror) == 0)
			return h->at[i];
	struct health_known *k = NEW(struct health_known);
	k->mirror = mem_strdup(mirror);
	buf_init(&k->audit, HEALTH_HISTORY_MAX_STATE);
	buf_init(&k->objects, HEALTH_HISTORY_MAX_STATE);
	h->at = mem_grow(h->at, h->count, &h->cap, sizeof(*h->at));
	h->at[h->count++] = k;
	return k;
}

/* A database that another program has written to may hold any number. */
static enum health_state state_at(const struct db_statement *s, unsigned column)
{
	int64_t v = db_i64(s, column);
	return v < HEALTH_OK || v > HEALTH_UNKNOWN ? HEALTH_UNKNOWN : (enum health_state)v;
}

static void copy_blob(const struct db_statement *s, unsigned column, struct buf *out)
{
	size_t len = 0;
	const void *data = db_blob(s, column, &len);
	if (data && len)
		buf_add(out, data, len);
}

static int load_repository(struct db *d, const char *repository, struct health_history *h,
			   struct err *e)
{
	struct db_statement *s = NULL;
	int rc = db_prepare(d,
			    "SELECT release, release_s, run_s FROM health_repositories"
			    " WHERE repository = $1",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, repository);
	rc = db_step(s, e);
	if (rc > 0) {
		h->release = (uint64_t)db_i64(s, 0);
		h->release_s = db_i64(s, 1);
		h->run_s = db_i64(s, 2);
		db_reset(s);
	}
	return MIN(rc, 0);
}

static int load_mirrors(struct db *d, const char *repository, struct health_history *h,
			struct err *e)
{
	struct db_statement *s = NULL;
	int rc = db_prepare(d,
			    "SELECT mirror, newest_s, audit_s, audit, objects FROM health_mirrors"
			    " WHERE repository = $1 ORDER BY mirror",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, repository);
	while ((rc = db_step(s, e)) > 0 && h->count < MAX_MIRRORS) {
		struct health_known *k = health_history_of(h, db_text(s, 0));
		k->newest_s = db_i64(s, 1);
		k->audit_s = db_i64(s, 2);
		copy_blob(s, 3, &k->audit);
		copy_blob(s, 4, &k->objects);
	}
	db_reset(s);
	return MIN(rc, 0);
}

static void take_check(const struct db_statement *s, struct health_seen *seen)
{
	*seen = (struct health_seen){
		.known = true,
		.state = state_at(s, 2),
		.found = state_at(s, 3),
		.since_s = db_i64(s, 4),
		.bad_s = db_i64(s, 5),
		.reason = mem_strdup(db_text(s, 9)),
	};
	for (unsigned i = HEALTH_WARNING; i <= HEALTH_UNKNOWN; i++)
		seen->runs[i] = (unsigned)db_i64(s, 5 + i);
}

static int load_checks(struct db *d, const char *repository, struct health_history *h,
		       struct err *e)
{
	struct db_statement *s = NULL;
	int rc = db_prepare(d,
			    "SELECT mirror, name, state, found, since_s, bad_s, warnings,"
			    " criticals, unknowns, reason FROM health_checks WHERE repository = $1",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, repository);
	while ((rc = db_step(s, e)) > 0) {
		enum health_check check;
		if (!health_check_parse(db_text(s, 1), &check))
			continue;
		struct health_known *k = health_history_of(h, db_text(s, 0));
		health_seen_release(&k->checks[check]);
		take_check(s, &k->checks[check]);
	}
	return rc;
}

int health_history_load(struct db *d, const char *repository, struct health_history *out,
			struct err *e)
{
	CLEANUP(health_history_release) struct health_history h = HEALTH_HISTORY_INIT;
	int rc = load_repository(d, repository, &h, e);
	if (rc == 0)
		rc = load_mirrors(d, repository, &h, e);
	if (rc == 0)
		rc = load_checks(d, repository, &h, e);
	if (rc < 0)
		return rc;
	*out = h;
	h = (struct health_history)HEALTH_HISTORY_INIT;
	return 0;
}

/* ---- what a run has found ---- */

struct saving {
	struct db *d;
	const char *repository;
	const struct health_record *r;
	struct err *e;
};

/* With the repository as $1. */
static int prepare(const struct saving *v, const char *sql, struct db_statement **out)
{
	int rc = db_prepare(v->d, sql, out, v->e);
	if (rc == 0)
		db_bind_text(*out, 1, v->repository);
	return rc;
}

static int save_run(const struct saving *v, const struct health_history *h)
{
	struct db_statement *s = NULL;
	int rc = prepare(v,
			 "INSERT INTO health_repositories (repository, release, release_s, run_s)"
			 " VALUES ($1, $2, $3, $4) ON CONFLICT (repository) DO UPDATE SET"
			 " release = excluded.release, release_s = excluded.release_s,"
			 " run_s = excluded.run_s",
			 &s);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 2, (int64_t)h->release);
	db_bind_i64(s, 3, h->release_s);
	db_bind_i64(s, 4, v->r->start_s);
	rc = db_run(s, NULL, v->e);
	if (rc == 0)
		rc = prepare(v,
			     "INSERT INTO health_runs (repository, start_s, duration_ms, state)"
			     " VALUES ($1, $2, $3, $4) ON CONFLICT (repository, start_s) DO"
			     " UPDATE SET duration_ms = excluded.duration_ms,"
			     " state = excluded.state",
			     &s);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 2, v->r->start_s);
	db_bind_i64(s, 3, (int64_t)v->r->duration_ms);
	db_bind_i64(s, 4, v->r->state);
	return db_run(s, NULL, v->e);
}

static int save_mirror(const struct saving *v, const struct health_known *k)
{
	struct db_statement *s = NULL;
	int rc = prepare(v,
			 "INSERT INTO health_mirrors (repository, mirror, seen_s, newest_s,"
			 " audit_s, audit, objects) VALUES ($1, $2, $3, $4, $5, $6, $7)"
			 " ON CONFLICT (repository, mirror) DO UPDATE SET"
			 " seen_s = excluded.seen_s, newest_s = excluded.newest_s,"
			 " audit_s = excluded.audit_s, audit = excluded.audit,"
			 " objects = excluded.objects",
			 &s);
	if (rc < 0)
		return rc;
	db_bind_text(s, 2, k->mirror);
	db_bind_i64(s, 3, v->r->start_s);
	db_bind_i64(s, 4, k->newest_s);
	db_bind_i64(s, 5, k->audit_s);
	if (k->audit.len)
		db_bind_blob(s, 6, k->audit.data, k->audit.len);
	if (k->objects.len)
		db_bind_blob(s, 7, k->objects.data, k->objects.len);
	return db_run(s, NULL, v->e);
}

static int save_check(const struct saving *v, const char *mirror, enum health_check check,
		      const struct health_seen *seen)
{
	struct db_statement *s = NULL;
	int rc = prepare(v,
			 "INSERT INTO health_checks (repository, mirror, name, state, found,"
			 " since_s, bad_s, warnings, criticals, unknowns, reason)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
			 " ON CONFLICT (repository, mirror, name) DO UPDATE SET"
			 " state = excluded.state, found = excluded.found,"
			 " since_s = excluded.since_s, bad_s = excluded.bad_s,"
			 " warnings = excluded.warnings, criticals = excluded.criticals,"
			 " unknowns = excluded.unknowns, reason = excluded.reason",
			 &s);
	if (rc < 0)
		return rc;
	db_bind_text(s, 2, mirror);
	db_bind_text(s, 3, health_check_name(check));
	db_bind_i64(s, 4, seen->state);
	db_bind_i64(s, 5, seen->found);
	db_bind_i64(s, 6, seen->since_s);
	db_bind_i64(s, 7, seen->bad_s);
	for (unsigned i = HEALTH_WARNING; i <= HEALTH_UNKNOWN; i++)
		db_bind_i64(s, 7 + i, seen->runs[i]);
	db_bind_text(s, 11, seen->reason ? seen->reason : "");
	return db_run(s, NULL, v->e);
}

static bool took_part(const struct health_record *r, const char *mirror)
{
	for (size_t i = 0; i < r->result_count; i++)
		if (strcmp(r->results[i].mirror, mirror) == 0)
			return true;
	return !*mirror;
}

/* The mirrors that were not in the run stay as they are, and are pruned one day. */
static int save_known(const struct saving *v, const struct health_history *h)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < h->count; i++) {
		const struct health_known *k = h->at[i];
		if (!took_part(v->r, k->mirror))
			continue;
		rc = save_mirror(v, k);
		for (int c = 0; rc == 0 && c < HEALTH_CHECKS; c++)
			if (k->checks[c].known)
				rc = save_check(v, k->mirror, (enum health_check)c, &k->checks[c]);
	}
	return rc;
}

static int save_day(const struct saving *v, const struct health_result *m)
{
	struct db_statement *s = NULL;
	int rc = prepare(v,
			 "INSERT INTO health_days (repository, mirror, day, runs, up, silenced, "
			 "ok, warning,"
			 " critical, unknown, timed, first_byte_us)"
			 " VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8, $9, $10, $11)"
			 " ON CONFLICT (repository, mirror, day) DO UPDATE SET"
			 " runs = health_days.runs + 1, up = health_days.up + excluded.up,"
			 " silenced = health_days.silenced + excluded.silenced,"
			 " ok = health_days.ok + excluded.ok,"
			 " warning = health_days.warning + excluded.warning,"
			 " critical = health_days.critical + excluded.critical,"
			 " unknown = health_days.unknown + excluded.unknown,"
			 " timed = health_days.timed + excluded.timed,"
			 " first_byte_us = health_days.first_byte_us + excluded.first_byte_us",
			 &s);
	if (rc < 0)
		return rc;
	db_bind_text(s, 2, m->mirror);
	db_bind_i64(s, 3, v->r->start_s / DAY);
	db_bind_i64(s, 4, m->up);
	db_bind_i64(s, 5, m->silenced);
	for (unsigned i = HEALTH_OK; i <= HEALTH_UNKNOWN; i++)
		db_bind_i64(s, 6 + i, m->state == i);
	db_bind_i64(s, 10, m->first_byte_us != 0);
	db_bind_i64(s, 11, (int64_t)m->first_byte_us);
	return db_run(s, NULL, v->e);
}

static int save_change(const struct saving *v, const struct health_change *c)
{
	struct db_statement *s = NULL;
	int rc = prepare(v,
			 "INSERT INTO health_changes (repository, mirror, name, at_s, since_s,"
			 " before_state, after_state, reason)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
			 " ON CONFLICT (repository, mirror, name, at_s) DO UPDATE SET"
			 " after_state = excluded.after_state, reason = excluded.reason",
			 &s);
	if (rc < 0)
		return rc;
	db_bind_text(s, 2, c->mirror);
	db_bind_text(s, 3, health_check_name(c->check));
	db_bind_i64(s, 4, v->r->start_s);
	db_bind_i64(s, 5, c->since_s);
	db_bind_i64(s, 6, c->from);
	db_bind_i64(s, 7, c->to);
	db_bind_text(s, 8, c->reason);
	return db_run(s, NULL, v->e);
}

static int save_lists(const struct saving *v)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < v->r->result_count; i++)
		rc = save_day(v, &v->r->results[i]);
	for (size_t i = 0; rc == 0 && i < v->r->change_count; i++)
		rc = save_change(v, &v->r->changes[i]);
	return rc;
}

static int prune(const struct saving *v)
{
	static const struct {
		const char *sql;
		int64_t unit;
	} all[] = {
		{ "DELETE FROM health_runs WHERE repository = $1 AND start_s < $2", 1 },
		{ "DELETE FROM health_changes WHERE repository = $1 AND at_s < $2", 1 },
		{ "DELETE FROM health_days WHERE repository = $1 AND day < $2", DAY },
		{ "DELETE FROM health_checks WHERE repository = $1 AND mirror IN (SELECT mirror"
		  " FROM health_mirrors WHERE repository = $1 AND seen_s < $2)",
		  1 },
		{ "DELETE FROM health_mirrors WHERE repository = $1 AND seen_s < $2", 1 },
	};
	int64_t before_s = v->r->start_s - (int64_t)v->r->keep_s;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(all); i++) {
		struct db_statement *s = NULL;
		rc = prepare(v, all[i].sql, &s);
		if (rc < 0)
			return rc;
		db_bind_i64(s, 2, before_s / all[i].unit);
		rc = db_run(s, NULL, v->e);
	}
	return rc;
}

int health_history_save(struct db *d, const char *repository, const struct health_history *h,
			const struct health_record *r, struct err *e)
{
	const struct saving v = { d, repository, r, e };
	int rc = db_begin(d, e);
	if (rc == 0)
		rc = save_run(&v, h);
	if (rc == 0)
		rc = save_known(&v, h);
	if (rc == 0)
		rc = save_lists(&v);
	if (rc == 0)
		rc = prune(&v);
	if (rc == 0)
		rc = db_commit(d, e);
	if (rc < 0)
		db_rollback(d);
	return rc;
}
