/*
 * What the two kinds of databases share. Used by the files of this folder only.
 *
 * Prefixes: db_
 */
#ifndef FERRY_DB_INTERNAL_H
#define FERRY_DB_INTERNAL_H

#include "db/db.h"

/* How long another process that writes is waited for. */
#define DB_WAIT_MS 30000
#define DB_MAX_PARAMETERS 32

enum db_type { DB_NULL, DB_I64, DB_TEXT, DB_BLOB };

struct db_value {
	enum db_type type;
	int64_t i64;
	char *data; /* of a text, with NUL, or of a blob; owned */
	size_t len, cap;
};

struct db_statement {
	struct db *db;
	struct db_statement *next;
	char *sql;
	struct db_value values[DB_MAX_PARAMETERS];
	unsigned parameters; /* the highest that is bound */
	bool running;        /* a row was returned, and the end not yet */
	void *state;         /* the kind's own */
};

struct db_ops {
	int (*open)(struct db *d, const char *where, struct err *e);
	void (*close)(struct db *d);
	int (*exec)(struct db *d, const char *sql, struct err *e);
	const char *begin; /* takes the right to write */
	int (*prepare)(struct db_statement *s, struct err *e);
	void (*finish)(struct db_statement *s); /* releases state */
	/* With the values bound, the first time. 1, 0 or an error. */
	int (*step)(struct db_statement *s, struct err *e);
	uint64_t (*changed)(const struct db_statement *s); /* by what has run last */
	void (*reset)(struct db_statement *s);
	bool (*is_null)(const struct db_statement *s, unsigned column);
	int64_t (*i64)(const struct db_statement *s, unsigned column);
	const char *(*text)(const struct db_statement *s, unsigned column);
	const void *(*blob)(const struct db_statement *s, unsigned column, size_t *len);
};

struct db {
	const struct db_ops *ops;
	const struct cancel *cancel; /* may be NULL */
	char *name;
	bool in_transaction;
	struct db_statement *statements;
	void *state; /* the kind's own */
};

extern const struct db_ops db_sqlite, db_postgres;

#endif
