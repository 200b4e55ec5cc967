#include "db/internal.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

static bool is_url(const char *where)
{
	return str_starts(where, "postgresql://") || str_starts(where, "postgres://");
}

int db_open(const char *where, const struct cancel *cancel, struct db **out, struct err *e)
{
	CLEANUP_PTR(db_close) struct db *d = NEW(struct db);
	d->cancel = cancel;
	d->ops = is_url(where) ? &db_postgres : &db_sqlite;
	if (!is_url(where) && strstr(where, "://"))
		return err_set(e, ERR_USAGE, "the database must be a file or a postgresql:// URL");
	int rc = d->ops->open(d, where, e);
	if (rc == 0)
		*out = STEAL(d);
	return rc;
}

static void statement_free(struct db_statement *s)
{
	s->db->ops->finish(s);
	for (unsigned i = 0; i < DB_MAX_PARAMETERS; i++)
		free(s->values[i].data);
	free(s->sql);
	free(s);
}

void db_close(struct db *d)
{
	if (!d)
		return;
	while (d->statements) {
		struct db_statement *s = d->statements;
		d->statements = s->next;
		statement_free(s);
	}
	db_rollback(d);
	d->ops->close(d);
	free(d->name);
	free(d);
}

const char *db_name(const struct db *d)
{
	return d->name;
}

bool db_is_server(const struct db *d)
{
	return d->ops == &db_postgres;
}

int db_exec(struct db *d, const char *sql, struct err *e)
{
	return d->ops->exec(d, sql, e);
}

/* -- transactions ------------------------------------------------------------------------------ */

/* A statement that has not reached its end would keep the transaction open. */
static void reset_all(struct db *d)
{
	for (struct db_statement *s = d->statements; s; s = s->next)
		db_reset(s);
}

int db_begin(struct db *d, struct err *e)
{
	if (d->in_transaction)
		return err_set(e, ERR_BUG, "%s: a transaction is open already", d->name);
	d->in_transaction = true;
	int rc = d->ops->exec(d, d->ops->begin, e);
	if (rc < 0)
		db_rollback(d);
	return rc;
}

/* Also after a failed commit: nothing of the transaction is left. */
int db_commit(struct db *d, struct err *e)
{
	if (!d->in_transaction)
		return err_set(e, ERR_BUG, "%s: no transaction is open", d->name);
	reset_all(d);
	int rc = d->ops->exec(d, "COMMIT", e);
	if (rc == 0)
		d->in_transaction = false;
	else
		db_rollback(d);
	return rc;
}

void db_rollback(struct db *d)
{
	struct err ignored = ERR_INIT;
	if (!d->in_transaction)
		return;
	d->in_transaction = false;
	reset_all(d);
	/* SQLite has already undone it after some errors. */
	(void)!d->ops->exec(d, "ROLLBACK", &ignored);
}

/* -- statements -------------------------------------------------------------------------------- */

static struct db_statement *known(const struct db *d, const char *sql)
{
	struct db_statement *s = d->statements;
	while (s && strcmp(s->sql, sql) != 0)
		s = s->next;
	return s;
}

static void forget_values(struct db_statement *s)
{
	for (unsigned i = 0; i < s->parameters; i++)
		s->values[i].type = DB_NULL;
	s->parameters = 0;
}

int db_prepare(struct db *d, const char *sql, struct db_statement **out, struct err *e)
{
	struct db_statement *s = known(d, sql);
	if (s) {
		db_reset(s);
		forget_values(s);
		*out = s;
		return 0;
	}
	s = NEW(struct db_statement);
	s->db = d;
	s->sql = mem_strdup(sql);
	int rc = d->ops->prepare(s, e);
	if (rc < 0) {
		statement_free(s);
		return rc;
	}
	s->next = d->statements;
	d->statements = s;
	*out = s;
	return 0;
}

/* The place of a new value; a number out of range is a mistake of the caller, which SQL for more
 * parameters than can be bound reports. */
static struct db_value *value_at(struct db_statement *s, unsigned at, enum db_type type)
{
	static const unsigned last = DB_MAX_PARAMETERS;
	struct db_value *v = &s->values[at >= 1 && at <= last ? at - 1 : last - 1];
	s->parameters = MAX(s->parameters, MIN(at, last));
	v->type = type;
	return v;
}

void db_bind_i64(struct db_statement *s, unsigned at, int64_t value)
{
	value_at(s, at, DB_I64)->i64 = value;
}

static void bind_bytes(struct db_value *v, const void *data, size_t len)
{
	if (v->cap < len + 1) {
		v->cap = len + 1;
		v->data = mem_realloc(v->data, v->cap);
	}
	if (len)
		memcpy(v->data, data, len);
	v->data[len] = '\0';
	v->len = len;
}

void db_bind_text(struct db_statement *s, unsigned at, const char *value)
{
	struct db_value *v = value_at(s, at, value ? DB_TEXT : DB_NULL);
	if (value)
		bind_bytes(v, value, strlen(value));
}

void db_bind_blob(struct db_statement *s, unsigned at, const void *data, size_t len)
{
	bind_bytes(value_at(s, at, DB_BLOB), data, len);
}

int db_step(struct db_statement *s, struct err *e)
{
	int rc = cancel_check(s->db->cancel, e);
	if (rc == 0)
		rc = s->db->ops->step(s, e);
	s->running = rc == 1;
	if (rc < 1)
		s->db->ops->reset(s);
	return rc;
}

int db_run(struct db_statement *s, uint64_t *changed, struct err *e)
{
	int rc;
	do
		rc = db_step(s, e);
	while (rc == 1);
	if (rc == 0 && changed)
		*changed = s->db->ops->changed(s);
	return rc;
}

void db_reset(struct db_statement *s)
{
	if (s->running)
		s->db->ops->reset(s);
	s->running = false;
}

bool db_is_null(const struct db_statement *s, unsigned column)
{
	return s->db->ops->is_null(s, column);
}

int64_t db_i64(const struct db_statement *s, unsigned column)
{
	return s->db->ops->i64(s, column);
}

const char *db_text(const struct db_statement *s, unsigned column)
{
	return s->db->ops->text(s, column);
}

const void *db_blob(const struct db_statement *s, unsigned column, size_t *len)
{
	return s->db->ops->blob(s, column, len);
}

/* -- the form of the tables -------------------------------------------------------------------- */

static int steps_done(struct db *d, const char *part, int64_t *done, struct err *e)
{
	struct db_statement *s;
	*done = 0;
	int rc = db_prepare(d, "SELECT steps FROM ferry_schema WHERE part = $1", &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, part);
	rc = db_step(s, e);
	if (rc == 1)
		*done = db_i64(s, 0);
	db_reset(s);
	return rc < 0 ? rc : 0;
}

static int note_steps(struct db *d, const char *part, size_t count, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(d,
			    "INSERT INTO ferry_schema (part, steps) VALUES ($1, $2) "
			    "ON CONFLICT (part) DO UPDATE SET steps = excluded.steps",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, part);
	db_bind_i64(s, 2, (int64_t)count);
	return db_run(s, NULL, e);
}

static int upgrade(struct db *d, const char *part, const char *const *steps, size_t count,
		   struct err *e)
{
	int64_t done;
	int rc = steps_done(d, part, &done, e);
	if (rc == 0 && done > (int64_t)count) {
		err_set(e, ERR_USAGE,
			"%s: a newer version of Model Ferry has changed this database", d->name);
		return err_hint(e, "use that version, or another database");
	}
	bool news = rc == 0 && done < (int64_t)count;
	for (size_t i = (size_t)done; rc == 0 && i < count; i++)
		rc = db_exec(d, steps[i], e);
	return rc == 0 && news ? note_steps(d, part, count, e) : rc;
}

#define SCHEMA \
	"CREATE TABLE IF NOT EXISTS ferry_schema (part TEXT PRIMARY KEY, steps BIGINT NOT NULL)"

/* Usually nothing is to be done: then no right to write is needed. */
static bool is_newest(struct db *d, const char *part, size_t count)
{
	struct err ignored = ERR_INIT;
	int64_t done;
	return steps_done(d, part, &done, &ignored) == 0 && done == (int64_t)count;
}

int db_upgrade(struct db *d, const char *part, const char *const *steps, size_t count,
	       struct err *e)
{
	if (is_newest(d, part, count))
		return 0;
	int rc = db_begin(d, e);
	if (rc == 0)
		rc = db_exec(d, SCHEMA, e);
	if (rc == 0)
		rc = upgrade(d, part, steps, count, e);
	if (rc == 0)
		return db_commit(d, e);
	db_rollback(d);
	return rc;
}

bool db_has(struct db *d, const char *part)
{
	struct err ignored = ERR_INIT;
	int64_t done;
	return steps_done(d, part, &done, &ignored) == 0 && done > 0;
}
