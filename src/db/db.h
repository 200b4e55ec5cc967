/*
 * db: one interface for SQLite, a file, and PostgreSQL, a server, with the same SQL text for both.
 *
 * What always holds here:
 *  - parameters are $1, $2, … and are bound, never put into the text;
 *  - PostgreSQL infers the type of a parameter: CAST($1 AS BIGINT) where it is not that of a
 *    column. It has all rows of a result in memory: limit them;
 *  - the SQL is what both know: BIGINT, TEXT, BYTEA; INSERT … ON CONFLICT;
 *    no AUTOINCREMENT, no SERIAL, no functions of one of them alone. Text is UTF-8 without NUL;
 *  - a database is used by one thread at a time. Other processes may use it meanwhile: a write of
 *    theirs is waited for;
 *  - what is written outside of a transaction is a transaction of its own;
 *  - a password in a URL is in no message.
 *
 * Error classes: ERR_SYSTEM (the disk is full, no permission), ERR_CONFLICT (another process has
 * held the database for too long; with PostgreSQL also a transaction that has to be repeated),
 * ERR_INTEGRITY (the file is no database, or damaged), ERR_NETWORK and ERR_AUTH (PostgreSQL),
 * ERR_USAGE (a URL that cannot be used), ERR_BUG (wrong SQL).
 */
#ifndef FERRY_DB_DB_H
#define FERRY_DB_DB_H

#include "util/base.h"
#include "util/cancel.h"
#include "util/err.h"

struct db;

/* `where`: a path, whose folder is created, or a postgresql:// URL. The file is for its owner only.
 * A damaged file is an error: it is never replaced. cancel ends waiting; may be NULL. */
WARN_UNUSED int db_open(const char *where, const struct cancel *cancel, struct db **out,
			struct err *e);
void db_close(struct db *d); /* an open transaction is undone */
DEFINE_CLEANUP(struct db, db_close);
/* The path, or the URL without its password; for messages. */
const char *db_name(const struct db *d);
bool db_is_server(const struct db *d);

/*
 * Brings the tables of a part of the program ("stats", "health") to their newest form: runs
 * steps[k] for each step that this database has not had. A step may be several statements,
 * separated by ';'. Steps are never changed once they were released, only added. ERR_USAGE for a
 * database that a newer program has changed.
 */
WARN_UNUSED int db_upgrade(struct db *d, const char *part, const char *const *steps, size_t count,
			   struct err *e);

/* Has a part of the program its tables there? For those that must not make them. */
bool db_has(struct db *d, const char *part);

/* Transactions do not nest. begin takes the right to write at once. */
WARN_UNUSED int db_begin(struct db *d, struct err *e);
WARN_UNUSED int db_commit(struct db *d, struct err *e);
void db_rollback(struct db *d); /* without a transaction, nothing */

/* Statements without parameters and results. */
WARN_UNUSED int db_exec(struct db *d, const char *sql, struct err *e);

/* A statement, for use again and again: it belongs to d and is freed with it, and the same text
 * gives the same statement. Bound values are forgotten. */
struct db_statement;
WARN_UNUSED int db_prepare(struct db *d, const char *sql, struct db_statement **out, struct err *e);
/* `at`: 1 for $1. Texts and blobs are copied. Without a value it is NULL. */
void db_bind_i64(struct db_statement *s, unsigned at, int64_t value);
void db_bind_text(struct db_statement *s, unsigned at, const char *value); /* NULL: NULL */
void db_bind_blob(struct db_statement *s, unsigned at, const void *data, size_t len);
/* 1: there is a row, 0: no more. After 0 or an error the statement can be bound and run again. */
WARN_UNUSED int db_step(struct db_statement *s, struct err *e);
/* Runs it to its end; rows are dropped. *changed (may be NULL): the rows that were changed. */
WARN_UNUSED int db_run(struct db_statement *s, uint64_t *changed, struct err *e);
/* Ends it before its last row. */
void db_reset(struct db_statement *s);

/* Of the current row, from 0 on; borrowed until the next db_step(). NULL is 0, "" or no bytes. */
bool db_is_null(const struct db_statement *s, unsigned column);
int64_t db_i64(const struct db_statement *s, unsigned column);
const char *db_text(const struct db_statement *s, unsigned column);
const void *db_blob(const struct db_statement *s, unsigned column, size_t *len);

#endif
