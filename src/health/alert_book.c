#include "health/alert_internal.h"

#include "util/mem.h"

#include <string.h>

/* ---- rows in memory ---------------------------------------------------------------------- */

static void row_release(struct alert_row *row)
{
	free(row->alert);
	free(row->repository);
	free(row->mirror);
	free(row->reason);
	free(row->current);
}

void alert_rows_release(struct alert_rows *r)
{
	for (size_t i = 0; i < r->count; i++)
		row_release(&r->at[i]);
	free(r->at);
	*r = (struct alert_rows){ 0 };
}

struct alert_row *alert_rows_add(struct alert_rows *r, const char *alert, const char *repository,
				 const char *mirror, enum health_check check)
{
	r->at = mem_grow(r->at, r->count, &r->cap, sizeof *r->at);
	struct alert_row *row = &r->at[r->count++];
	*row = (struct alert_row){
		.alert = mem_strdup(alert),
		.repository = mem_strdup(repository),
		.mirror = mem_strdup(mirror ? mirror : ""),
		.check = check,
		.reason = mem_strdup(""),
	};
	return row;
}

static bool is_worth_it(const struct alert_row *row)
{
	return row->pending || row->told != HEALTH_OK;
}

void alert_memory_release(struct alert_memory *m)
{
	struct alert_rows all = { m->rows, m->count, m->cap };
	alert_rows_release(&all);
	*m = (struct alert_memory){ 0 };
}

void alert_book_recall(struct alert_memory *m, const char *alert, struct alert_rows *out)
{
	size_t kept = 0;
	for (size_t i = 0; i < m->count; i++) {
		if (strcmp(m->rows[i].alert, alert) != 0) {
			m->rows[kept++] = m->rows[i];
			continue;
		}
		out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
		out->at[out->count++] = m->rows[i];
	}
	m->count = kept;
}

void alert_book_remember(struct alert_memory *m, struct alert_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		struct alert_row *row = &rows->at[i];
		if (!is_worth_it(row)) {
			row_release(row);
			continue;
		}
		row->seen = row->silenced = false;
		m->rows = mem_grow(m->rows, m->count, &m->cap, sizeof *m->rows);
		m->rows[m->count++] = *row;
	}
	rows->count = 0;
}

/* ---- rows in the database ---------------------------------------------------------------- */

int alert_book_open(struct db *db, struct err *e)
{
	static const char *const steps[] = {
		"CREATE TABLE alert_told (alert TEXT NOT NULL, repository TEXT NOT NULL,"
		" mirror TEXT NOT NULL, check_name TEXT NOT NULL, told BIGINT NOT NULL,"
		" told_since BIGINT NOT NULL, told_at BIGINT NOT NULL, next BIGINT,"
		" next_since BIGINT NOT NULL, worst BIGINT NOT NULL, began BIGINT NOT NULL,"
		" reason TEXT NOT NULL, PRIMARY KEY (alert, repository, mirror, check_name));"
		"CREATE TABLE alert_delivery (alert TEXT PRIMARY KEY, sent BIGINT NOT NULL,"
		" failures BIGINT NOT NULL, failing_since BIGINT NOT NULL)",
	};
	return db_upgrade(db, "alert", steps, ARRAY_LEN(steps), e);
}

static bool check_of(const char *name, enum health_check *out)
{
	for (int i = 0; i < HEALTH_CHECKS; i++)
		if (strcmp(name, health_check_name((enum health_check)i)) == 0) {
			*out = (enum health_check)i;
			return true;
		}
	return false;
}

static enum health_state state_of(int64_t value)
{
	return value < HEALTH_OK || value > HEALTH_UNKNOWN ? HEALTH_UNKNOWN
							   : (enum health_state)value;
}

/* A check that this version does not know is not of its concern. */
static void take_row(const struct db_statement *s, const char *alert, struct alert_rows *out)
{
	enum health_check check = HEALTH_REACH;
	if (!check_of(db_text(s, 2), &check))
		return;
	struct alert_row *row = alert_rows_add(out, alert, db_text(s, 0), db_text(s, 1), check);
	row->told = state_of(db_i64(s, 3));
	row->told_since_s = db_i64(s, 4);
	row->told_at_s = db_i64(s, 5);
	row->pending = !db_is_null(s, 6);
	row->next = row->pending ? state_of(db_i64(s, 6)) : HEALTH_OK;
	row->next_since_s = db_i64(s, 7);
	row->worst = state_of(db_i64(s, 8));
	row->began_s = db_i64(s, 9);
	free(row->reason);
	row->reason = mem_strdup(db_text(s, 10));
}

int alert_book_load(struct db *db, const char *alert, struct alert_rows *out, struct err *e)
{
	CLEANUP(alert_rows_release) struct alert_rows rows = { 0 };
	struct db_statement *s = NULL;
	int rc = db_prepare(db,
			    "SELECT repository, mirror, check_name, told, told_since, told_at,"
			    " next, next_since, worst, began, reason FROM alert_told"
			    " WHERE alert = $1 ORDER BY repository, mirror, check_name",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, alert);
	while ((rc = db_step(s, e)) > 0)
		take_row(s, alert, &rows);
	if (rc < 0)
		return rc;
	*out = rows;
	rows = (struct alert_rows){ 0 };
	return 0;
}

static int insert(struct db_statement *s, const struct alert_row *row, struct err *e)
{
	db_bind_text(s, 1, row->alert);
	db_bind_text(s, 2, row->repository);
	db_bind_text(s, 3, row->mirror);
	db_bind_text(s, 4, health_check_name(row->check));
	db_bind_i64(s, 5, row->told);
	db_bind_i64(s, 6, row->told_since_s);
	db_bind_i64(s, 7, row->told_at_s);
	if (row->pending)
		db_bind_i64(s, 8, row->next);
	db_bind_i64(s, 9, row->next_since_s);
	db_bind_i64(s, 10, row->worst);
	db_bind_i64(s, 11, row->began_s);
	db_bind_text(s, 12, row->reason);
	return db_run(s, NULL, e);
}

int alert_book_save(struct db *db, const char *alert, const struct alert_rows *rows, struct err *e)
{
	struct db_statement *clear = NULL, *add = NULL;
	int rc = db_prepare(db, "DELETE FROM alert_told WHERE alert = $1", &clear, e);
	if (rc == 0)
		rc = db_prepare(db,
				"INSERT INTO alert_told (alert, repository, mirror, check_name, "
				"told,"
				" told_since, told_at, next, next_since, worst, began, reason)"
				" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
				&add, e);
	if (rc < 0)
		return rc;
	db_bind_text(clear, 1, alert);
	rc = db_run(clear, NULL, e);
	for (size_t i = 0; rc == 0 && i < rows->count; i++)
		if (is_worth_it(&rows->at[i]))
			rc = insert(add, &rows->at[i], e);
	return rc;
}

/* ---- deliveries -------------------------------------------------------------------------- */

static int read_counts(struct db *db, struct alert_result *r, struct err *e)
{
	struct db_statement *s = NULL;
	int rc = db_prepare(db,
			    "SELECT failures, failing_since FROM alert_delivery WHERE alert = $1",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, r->name);
	rc = db_step(s, e);
	if (rc <= 0)
		return rc;
	r->failures_total = (uint64_t)db_i64(s, 0);
	r->failing_since_s = db_i64(s, 1);
	db_reset(s);
	return 0;
}

int alert_book_count(struct db *db, struct alert_result *r, int64_t now_s, struct err *e)
{
	struct db_statement *s = NULL;
	bool failed = r->outcome == ALERT_FAILED;
	int rc = read_counts(db, r, e);
	if (rc < 0 || r->outcome == ALERT_QUIET)
		return rc;
	r->failures_total += failed;
	r->failing_since_s = !failed ? 0 : r->failing_since_s ? r->failing_since_s : now_s;
	rc = db_prepare(db,
			"INSERT INTO alert_delivery (alert, sent, failures, failing_since)"
			" VALUES ($1, $2, $3, $4) ON CONFLICT (alert) DO UPDATE SET"
			" sent = alert_delivery.sent + excluded.sent,"
			" failures = excluded.failures, failing_since = excluded.failing_since",
			&s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, r->name);
	db_bind_i64(s, 2, !failed);
	db_bind_i64(s, 3, (int64_t)r->failures_total);
	db_bind_i64(s, 4, r->failing_since_s);
	return db_run(s, NULL, e);
}

int alert_record(struct db *db, struct alert_result *r, struct err *e)
{
	if (!db_has(db, "alert"))
		return 0;
	int rc = alert_book_open(db, e);
	return rc < 0 ? rc : read_counts(db, r, e);
}
