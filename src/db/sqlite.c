#include "db/internal.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

struct sqlite {
	sqlite3 *db;
	const struct cancel *cancel;
	uint64_t waiting_since_ms;
};

static struct sqlite *of(const struct db *d)
{
	return d->state;
}

static sqlite3_stmt *stmt(const struct db_statement *s)
{
	return s->state;
}

/* -- errors ------------------------------------------------------------------------------------ */

static int busy(struct db *d, struct err *e)
{
	err_set(e, ERR_CONFLICT, "%s: another process has been writing to it for too long",
		d->name);
	err_cause(e, CAUSE_LOCKED, 0);
	return err_hint(e, "try again when it has ended");
}

static int damaged(struct db *d, const char *why, struct err *e)
{
	err_set(e, ERR_INTEGRITY, "%s: this is no database, or it is damaged: %s", d->name, why);
	return err_hint(e, "restore it from a backup, or move it away to begin anew");
}

/* Result codes: https://www.sqlite.org/rescode.html */
static int fail(struct db *d, int code, struct err *e)
{
	const char *why = of(d)->db ? sqlite3_errmsg(of(d)->db) : sqlite3_errstr(code);
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return cancel_check(d->cancel, e) < 0 ? -ERR_CANCELLED : busy(d, e);
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
	case SQLITE_FORMAT:
		return damaged(d, why, e);
	case SQLITE_FULL:
		return err_sys(e, ENOSPC, "%s", d->name);
	case SQLITE_IOERR:
		/* Of a file beside it; of -shm, a full disk is no other error to SQLite. */
		if (of(d)->db && sqlite3_system_errno(of(d)->db))
			return err_sys(e, sqlite3_system_errno(of(d)->db), "%s", d->name);
		return err_set(e, ERR_SYSTEM, "%s: %s", d->name, why);
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_NOMEM:
	case SQLITE_TOOBIG:
		return err_set(e, ERR_SYSTEM, "%s: %s", d->name, why);
	}
	return err_set(e, ERR_BUG, "%s: %s", d->name, why);
}

/* -- opening ----------------------------------------------------------------------------------- */

#define BUSY_PAUSE_MS 20

/* Not zero: SQLite tries again. */
static int wait_for_others(void *ctx, int earlier)
{
	struct sqlite *q = ctx;
	struct err ignored = ERR_INIT;
	uint64_t now_ms = clock_now_ms(NULL);
	if (!earlier)
		q->waiting_since_ms = now_ms;
	return now_ms - q->waiting_since_ms < DB_WAIT_MS &&
	       clock_sleep_ms(NULL, BUSY_PAUSE_MS, q->cancel, &ignored) == 0;
}

/* SQLite gives its other files the mode of this one. */
static int make_private(const char *path, struct err *e)
{
	int rc = file_mkdirs_for(path, 0700, e);
	if (rc < 0)
		return rc;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, errno, "%s", path);
	close(fd);
	return 0;
}

/* Write-ahead logging lets others read during a write; where the file system cannot do it, SQLite
 * keeps its older journal. */
static const char settings[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
			       "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; "
			       "SELECT count(*) FROM sqlite_schema";

static int sqlite_exec(struct db *d, const char *sql, struct err *e)
{
	int code = sqlite3_exec(of(d)->db, sql, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : fail(d, code, e);
}

static int sqlite_open(struct db *d, const char *where, struct err *e)
{
	struct sqlite *q = NEW(struct sqlite);
	d->state = q;
	d->name = mem_strdup(where);
	q->cancel = d->cancel;
	int rc = make_private(where, e);
	if (rc < 0)
		return rc;
	int code = sqlite3_open_v2(where, &q->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
				   NULL);
	if (code != SQLITE_OK)
		return fail(d, code, e);
	sqlite3_extended_result_codes(q->db, 1);
	sqlite3_busy_handler(q->db, wait_for_others, q);
	sqlite3_db_config(q->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return sqlite_exec(d, settings, e);
}

static void sqlite_close(struct db *d)
{
	if (d->state)
		sqlite3_close_v2(of(d)->db);
	free(d->state);
}

/* -- statements -------------------------------------------------------------------------------- */

static int sqlite_prepare(struct db_statement *s, struct err *e)
{
	sqlite3_stmt *out = NULL;
	int code = sqlite3_prepare_v3(of(s->db)->db, s->sql, -1, SQLITE_PREPARE_PERSISTENT, &out,
				      NULL);
	s->state = out;
	return code == SQLITE_OK ? 0 : fail(s->db, code, e);
}

static void sqlite_finish(struct db_statement *s)
{
	sqlite3_finalize(stmt(s));
}

static int bind_value(sqlite3_stmt *to, int at, const struct db_value *v)
{
	switch (v->type) {
	case DB_NULL:
		return sqlite3_bind_null(to, at);
	case DB_I64:
		return sqlite3_bind_int64(to, at, v->i64);
	case DB_TEXT:
		return sqlite3_bind_text64(to, at, v->data, v->len, SQLITE_STATIC, SQLITE_UTF8);
	case DB_BLOB:
		return sqlite3_bind_blob64(to, at, v->data, v->len, SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

/* SQLite numbers $1, $2, … in the order in which they come first, whatever their digits are. */
static int bind_all(struct db_statement *s, struct err *e)
{
	int count = sqlite3_bind_parameter_count(stmt(s));
	for (int i = 1; i <= count; i++) {
		const char *name = sqlite3_bind_parameter_name(stmt(s), i);
		unsigned long at = name ? strtoul(name + 1, NULL, 10) : 0;
		if (at < 1 || at > DB_MAX_PARAMETERS)
			return err_set(e, ERR_BUG, "%s: parameter %lu of: %s", s->db->name, at,
				       s->sql);
		int code = bind_value(stmt(s), i, &s->values[at - 1]);
		if (code != SQLITE_OK)
			return fail(s->db, code, e);
	}
	return 0;
}

static int sqlite_step(struct db_statement *s, struct err *e)
{
	int rc = s->running ? 0 : bind_all(s, e);
	if (rc < 0)
		return rc;
	int code = sqlite3_step(stmt(s));
	return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : fail(s->db, code, e);
}

static uint64_t sqlite_changed(const struct db_statement *s)
{
	return (uint64_t)sqlite3_changes64(of(s->db)->db);
}

static void sqlite_reset(struct db_statement *s)
{
	sqlite3_reset(stmt(s));
	sqlite3_clear_bindings(stmt(s));
}

static bool sqlite_is_null(const struct db_statement *s, unsigned column)
{
	return sqlite3_column_type(stmt(s), (int)column) == SQLITE_NULL;
}

static int64_t sqlite_i64(const struct db_statement *s, unsigned column)
{
	return sqlite3_column_int64(stmt(s), (int)column);
}

static const char *sqlite_text(const struct db_statement *s, unsigned column)
{
	const unsigned char *text = sqlite3_column_text(stmt(s), (int)column);
	return text ? (const char *)text : "";
}

static const void *sqlite_blob(const struct db_statement *s, unsigned column, size_t *len)
{
	const void *data = sqlite3_column_blob(stmt(s), (int)column);
	*len = (size_t)sqlite3_column_bytes(stmt(s), (int)column);
	return data ? data : "";
}

const struct db_ops db_sqlite = {
	.open = sqlite_open,
	.close = sqlite_close,
	.exec = sqlite_exec,
	.begin = "BEGIN IMMEDIATE",
	.prepare = sqlite_prepare,
	.finish = sqlite_finish,
	.step = sqlite_step,
	.changed = sqlite_changed,
	.reset = sqlite_reset,
	.is_null = sqlite_is_null,
	.i64 = sqlite_i64,
	.text = sqlite_text,
	.blob = sqlite_blob,
};
