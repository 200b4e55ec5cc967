#include "db_contract.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char failure[1400];

/* Names the check that did not hold, and the error there is. */
#define CHECK(e, what) \
	do { \
		if (!(what)) { \
			snprintf(failure, sizeof failure, "line %d: %s: %s", __LINE__, #what, \
				 (e)->text); \
			return failure; \
		} \
	} while (0)

static const char *const steps[] = {
	"CREATE TABLE contract_things (id BIGINT PRIMARY KEY, name TEXT, size BIGINT, "
	"digest BYTEA); CREATE INDEX contract_names ON contract_things (name)",
	"ALTER TABLE contract_things ADD COLUMN seen BIGINT NOT NULL DEFAULT 7",
};

static int open_clean(const char *where, struct db **out, struct err *e)
{
	int rc = db_open(where, NULL, out, e);
	if (rc == 0)
		rc = db_exec(*out,
			     "DROP TABLE IF EXISTS contract_things; "
			     "DROP TABLE IF EXISTS ferry_schema",
			     e);
	return rc == 0 ? db_upgrade(*out, "contract", steps, ARRAY_LEN(steps), e) : rc;
}

#define INSERT "INSERT INTO contract_things (id, name, size, digest) VALUES ($1, $2, $3, $4)"

static int insert(struct db *d, int64_t id, const char *name, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(d, INSERT, &s, e);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 1, id);
	db_bind_text(s, 2, name);
	return db_run(s, NULL, e);
}

static int64_t count(struct db *d)
{
	struct err e = ERR_INIT;
	struct db_statement *s;
	int64_t n = -1;
	if (db_prepare(d, "SELECT count(*) FROM contract_things", &s, &e) == 0 &&
	    db_step(s, &e) == 1)
		n = db_i64(s, 0);
	db_reset(s);
	return n;
}

static const char *values_come_back_as_they_were(const char *where)
{
	static const unsigned char digest[] = { 0, 255, '\\', '\'', 'x', 0 };
	struct err e = ERR_INIT;
	CLEANUP_PTR(db_close) struct db *d = NULL;
	struct db_statement *s;
	size_t len;
	CHECK(&e, open_clean(where, &d, &e) == 0);
	CHECK(&e, db_prepare(d, INSERT, &s, &e) == 0);
	/* From the last to the first: the numbers count, not the order. */
	db_bind_blob(s, 4, digest, sizeof digest);
	db_bind_i64(s, 3, INT64_MAX);
	db_bind_text(s, 2, "Grüße '; DROP TABLE contract_things; --");
	db_bind_i64(s, 1, INT64_MIN);
	CHECK(&e, db_run(s, NULL, &e) == 0);
	CHECK(&e, db_prepare(d, "SELECT digest, size, name, id, seen FROM contract_things", &s,
			     &e) == 0);
	CHECK(&e, db_step(s, &e) == 1);
	const void *back = db_blob(s, 0, &len);
	CHECK(&e, len == sizeof digest && memcmp(back, digest, len) == 0);
	CHECK(&e, db_i64(s, 1) == INT64_MAX);
	CHECK(&e, strcmp(db_text(s, 2), "Grüße '; DROP TABLE contract_things; --") == 0);
	CHECK(&e, db_i64(s, 3) == INT64_MIN && db_i64(s, 4) == 7);
	CHECK(&e, db_step(s, &e) == 0);
	return NULL;
}

static const char *what_is_not_bound_is_null(const char *where)
{
	struct err e = ERR_INIT;
	CLEANUP_PTR(db_close) struct db *d = NULL;
	struct db_statement *s;
	size_t len = 5;
	CHECK(&e, open_clean(where, &d, &e) == 0);
	CHECK(&e, insert(d, 1, "bound", &e) == 0);
	CHECK(&e, insert(d, 2, NULL, &e) == 0);
	CHECK(&e, db_prepare(d, "SELECT name, size, digest FROM contract_things WHERE id = $1", &s,
			     &e) == 0);
	db_bind_i64(s, 1, 2);
	CHECK(&e, db_step(s, &e) == 1);
	CHECK(&e, db_is_null(s, 0) && db_is_null(s, 1) && db_is_null(s, 2));
	CHECK(&e, *db_text(s, 0) == '\0' && db_i64(s, 1) == 0);
	(void)db_blob(s, 2, &len);
	CHECK(&e, len == 0);
	return NULL;
}

static const char *a_statement_is_used_again(const char *where)
{
	struct err e = ERR_INIT;
	CLEANUP_PTR(db_close) struct db *d = NULL;
	struct db_statement *s, *same;
	uint64_t changed = 0;
	CHECK(&e, open_clean(where, &d, &e) == 0);
	for (int64_t i = 0; i < 100; i++)
		CHECK(&e, insert(d, i, i % 2 ? "odd" : "even", &e) == 0);
	CHECK(&e,
	      db_prepare(d, "UPDATE contract_things SET seen = $2 WHERE name = $1", &s, &e) == 0);
	db_bind_text(s, 1, "odd");
	db_bind_i64(s, 2, 1);
	CHECK(&e, db_run(s, &changed, &e) == 0);
	CHECK(&e, changed == 50);
	CHECK(&e, db_prepare(d, "SELECT id FROM contract_things ORDER BY id", &s, &e) == 0);
	CHECK(&e, db_step(s, &e) == 1 && db_i64(s, 0) == 0);
	CHECK(&e, db_step(s, &e) == 1 && db_i64(s, 0) == 1);
	CHECK(&e, db_prepare(d, "SELECT id FROM contract_things ORDER BY id", &same, &e) == 0);
	CHECK(&e, same == s);
	CHECK(&e, db_step(s, &e) == 1 && db_i64(s, 0) == 0);
	return NULL;
}

static const char *a_transaction_is_all_or_nothing(const char *where)
{
	struct err e = ERR_INIT;
	CLEANUP_PTR(db_close) struct db *d = NULL;
	CHECK(&e, open_clean(where, &d, &e) == 0);
	CHECK(&e, db_begin(d, &e) == 0);
	CHECK(&e, insert(d, 1, "a", &e) == 0);
	db_rollback(d);
	CHECK(&e, count(d) == 0);
	CHECK(&e, db_begin(d, &e) == 0);
	CHECK(&e, insert(d, 1, "a", &e) == 0);
	CHECK(&e, db_commit(d, &e) == 0);
	CHECK(&e, count(d) == 1);
	CHECK(&e, db_begin(d, &e) == 0);
	CHECK(&e, insert(d, 2, "b", &e) == 0);
	db_close(STEAL(d));
	CHECK(&e, db_open(where, NULL, &d, &e) == 0);
	CHECK(&e, count(d) == 1);
	return NULL;
}

static const char *after_an_error_it_goes_on(const char *where)
{
	struct err e = ERR_INIT, no = ERR_INIT, none = ERR_INIT;
	CLEANUP_PTR(db_close) struct db *d = NULL;
	struct db_statement *s;
	CHECK(&e, open_clean(where, &d, &e) == 0);
	CHECK(&e, insert(d, 1, "a", &e) == 0);
	CHECK(&no, db_exec(d, "SELECT nothing FROM nowhere", &no) == -ERR_BUG);
	CHECK(&none, db_begin(d, &none) == 0);
	CHECK(&none, insert(d, 2, "b", &none) == 0);
	CHECK(&none, insert(d, 1, "a", &none) == -ERR_BUG);
	db_rollback(d);
	err_clear(&none);
	CHECK(&none, db_prepare(d, "SELECT nothing", &s, &none) == -ERR_BUG);
	CHECK(&e, count(d) == 1);
	CHECK(&e, insert(d, 2, "b", &e) == 0);
	return NULL;
}

static const char *its_form_is_upgraded_once(const char *where)
{
	struct err e = ERR_INIT, newer = ERR_INIT;
	CLEANUP_PTR(db_close) struct db *d = NULL;
	CHECK(&e, open_clean(where, &d, &e) == 0);
	CHECK(&e, insert(d, 1, "a", &e) == 0);
	CHECK(&e, db_upgrade(d, "contract", steps, ARRAY_LEN(steps), &e) == 0);
	CHECK(&e, db_has(d, "contract") && !db_has(d, "contracts"));
	CHECK(&e, count(d) == 1);
	CHECK(&newer, db_upgrade(d, "contract", steps, 1, &newer) == -ERR_USAGE);
	return NULL;
}

/* Adds one to a number, reading it first, again and again. */
static void *add_often(void *ctx)
{
	struct err e = ERR_INIT;
	CLEANUP_PTR(db_close) struct db *d = NULL;
	struct db_statement *s;
	int rc = db_open(ctx, NULL, &d, &e);
	for (int i = 0; rc == 0 && i < 20; i++) {
		rc = db_begin(d, &e);
		if (rc == 0)
			rc = db_prepare(d, "SELECT seen FROM contract_things WHERE id = 1", &s, &e);
		if (rc == 0)
			rc = db_step(s, &e) == 1 ? 0 : -ERR_BUG;
		int64_t seen = rc == 0 ? db_i64(s, 0) : 0;
		if (rc == 0)
			rc = db_prepare(d, "UPDATE contract_things SET seen = $1 WHERE id = 1", &s,
					&e);
		if (rc == 0)
			db_bind_i64(s, 1, seen + 1);
		if (rc == 0)
			rc = db_run(s, NULL, &e);
		if (rc == 0)
			rc = db_commit(d, &e);
	}
	return rc == 0 ? ctx : NULL;
}

static const char *two_writers_wait_for_each_other(const char *where)
{
	struct err e = ERR_INIT;
	CLEANUP_PTR(db_close) struct db *d = NULL;
	pthread_t threads[2];
	void *ended[2];
	struct db_statement *s;
	CHECK(&e, open_clean(where, &d, &e) == 0);
	CHECK(&e, insert(d, 1, "a", &e) == 0);
	for (size_t i = 0; i < 2; i++)
		CHECK(&e, pthread_create(&threads[i], NULL, add_often, (void *)where) == 0);
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], &ended[i]);
	CHECK(&e, ended[0] && ended[1]);
	CHECK(&e, db_prepare(d, "SELECT seen FROM contract_things", &s, &e) == 0);
	CHECK(&e, db_step(s, &e) == 1);
	CHECK(&e, db_i64(s, 0) == 7 + 40);
	return NULL;
}

static const char *a_cancellation_ends_it(const char *where)
{
	struct err e = ERR_INIT;
	struct cancel cancel = CANCEL_INIT;
	CLEANUP_PTR(db_close) struct db *d = NULL;
	struct db_statement *s;
	CHECK(&e, open_clean(where, &d, &e) == 0);
	db_close(STEAL(d));
	CHECK(&e, db_open(where, &cancel, &d, &e) == 0);
	CHECK(&e, db_prepare(d, "SELECT count(*) FROM contract_things", &s, &e) == 0);
	cancel_ask(&cancel, 2);
	CHECK(&e, db_step(s, &e) == -ERR_CANCELLED);
	return NULL;
}

const struct db_contract_test db_contract_tests[] = {
	{ "values come back as they were", values_come_back_as_they_were },
	{ "what is not bound is NULL", what_is_not_bound_is_null },
	{ "a statement is used again", a_statement_is_used_again },
	{ "a transaction is all or nothing", a_transaction_is_all_or_nothing },
	{ "after an error it goes on", after_an_error_it_goes_on },
	{ "its form is upgraded once", its_form_is_upgraded_once },
	{ "two writers wait for each other", two_writers_wait_for_each_other },
	{ "a cancellation ends it", a_cancellation_ends_it },
};
const size_t db_contract_count = ARRAY_LEN(db_contract_tests);
