#include "db/internal.h"
#include "util/clock.h"
#include "util/mem.h"
#include "util/text.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_MS 10000
#define POLL_MS 100
#define NUMBER_TEXT 32

struct postgres {
	PGconn *connection;
	unsigned prepared; /* names given out */
};

/* A statement; all rows of its result are in memory. */
struct prepared {
	char name[16];
	unsigned parameters;
	PGresult *result;
	int row, rows;
	uint64_t changed;
	/* Blobs of the current row, decoded: one for each column that was asked for. */
	struct {
		unsigned char *data;
		size_t len;
	} * blobs;
	int columns;
};

static struct postgres *of(const struct db *d)
{
	return d->state;
}

static struct prepared *prep(const struct db_statement *s)
{
	return s->state;
}

/* -- errors ------------------------------------------------------------------------------------ */

/* The first line of what the server or libpq says. */
static char *first_line(const char *message)
{
	size_t len = message ? strcspn(message, "\n") : 0;
	return len ? mem_strndup(message, len) : mem_strdup("the connection was lost");
}

static int locked(struct db *d, const char *why, struct err *e)
{
	err_set(e, ERR_CONFLICT, "%s: %s", d->name, why);
	err_cause(e, CAUSE_LOCKED, 0);
	return err_hint(e, "another process writes to the database: try again when it has ended");
}

/* https://www.postgresql.org/docs/current/errcodes-appendix.html */
static enum err_class class_of(const char *state)
{
	static const struct {
		const char *prefix;
		enum err_class class;
	} classes[] = {
		{ "28", ERR_AUTH },        { "42501", ERR_AUTH },  { "3D", ERR_USAGE },
		{ "08", ERR_NETWORK },     { "57P", ERR_NETWORK }, { "57014", ERR_CONFLICT },
		{ "55P03", ERR_CONFLICT }, { "40", ERR_CONFLICT }, { "53100", ERR_SYSTEM },
		{ "53", ERR_NETWORK },     { "58", ERR_SYSTEM },   { "25006", ERR_AUTH },
		{ "XX", ERR_INTEGRITY },
	};
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (state && str_starts(state, classes[i].prefix))
			return classes[i].class;
	return state ? ERR_BUG : ERR_NETWORK;
}

static int fail(struct db *d, const PGresult *result, struct err *e)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *said = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	CLEANUP(mem_free_ptr) char *why = first_line(said ? said
							  : PQerrorMessage(of(d)->connection));
	enum err_class class = class_of(state);
	return class == ERR_CONFLICT ? locked(d, why, e)
				     : err_set(e, class, "%s: %s", d->name, why);
}

/* -- waiting ----------------------------------------------------------------------------------- */

static int wait_for_socket(struct db *d, short events, struct err *e)
{
	struct pollfd p = { .fd = PQsocket(of(d)->connection), .events = events };
	int rc = cancel_check(d->cancel, e);
	if (rc == 0 && poll(&p, 1, POLL_MS) < 0 && errno != EINTR)
		rc = err_sys(e, errno, "%s", d->name);
	return rc;
}

/* Asks the server to stop what it is doing. */
static void stop(struct db *d)
{
	char ignored[256];
	PGcancel *c = PQgetCancel(of(d)->connection);
	if (c)
		(void)!PQcancel(c, ignored, sizeof ignored);
	PQfreeCancel(c);
}

/* Until the next result can be had without blocking. */
static int wait_for_result(struct db *d, struct err *e)
{
	PGconn *c = of(d)->connection;
	while (PQisBusy(c)) {
		int rc = wait_for_socket(d, POLLIN, e);
		if (rc < 0) {
			stop(d);
			return rc;
		}
		if (!PQconsumeInput(c))
			return fail(d, NULL, e);
	}
	return 0;
}

/* The last result of what was sent, or its first error; *out NULL after an error. */
static int last_result(struct db *d, PGresult **out, struct err *e)
{
	PGresult *last = NULL, *next;
	int rc = wait_for_result(d, e);
	/* After a cancellation, too, the results have to be fetched: the server was asked to
	 * stop. */
	while ((next = PQgetResult(of(d)->connection))) {
		ExecStatusType status = PQresultStatus(next);
		if (rc == 0 && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
			rc = fail(d, next, e);
		PQclear(last);
		last = next;
	}
	if (rc == 0 && !last)
		rc = fail(d, NULL, e);
	if (rc < 0) {
		PQclear(last);
		last = NULL;
	}
	*out = last;
	return rc;
}

static int postgres_exec(struct db *d, const char *sql, struct err *e)
{
	PGresult *result;
	if (!PQsendQuery(of(d)->connection, sql))
		return fail(d, NULL, e);
	int rc = last_result(d, &result, e);
	PQclear(result);
	return rc;
}

/* -- opening ----------------------------------------------------------------------------------- */

static const char *option(const PQconninfoOption *all, const char *keyword)
{
	for (const PQconninfoOption *o = all; o && o->keyword; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o->val && *o->val ? o->val : NULL;
	return NULL;
}

/* Without password and parameters. */
static char *shown(const PQconninfoOption *all)
{
	const char *user = option(all, "user"), *host = option(all, "host");
	const char *port = option(all, "port"), *name = option(all, "dbname");
	return mem_printf("postgresql://%s%s%s%s%s/%s", user ? user : "", user ? "@" : "",
			  host ? host : "", port ? ":" : "", port ? port : "", name ? name : "");
}

static int parse_url(struct db *d, const char *url, struct err *e)
{
	char *why = NULL;
	PQconninfoOption *all = PQconninfoParse(url, &why);
	if (all) {
		d->name = shown(all);
		PQconninfoFree(all);
		return 0;
	}
	/* The reason may quote the URL, with its password. */
	PQfreemem(why);
	d->name = mem_strdup("the database");
	err_set(e, ERR_USAGE, "the database's URL cannot be used");
	return err_hint(e, "its form is postgresql://USER@HOST:PORT/DATABASE; a password may be in "
			   "~/.pgpass or PGPASSWORD");
}

static int connect_failed(struct db *d, struct err *e)
{
	PGconn *c = of(d)->connection;
	CLEANUP(mem_free_ptr) char *why = first_line(PQerrorMessage(c));
	if (PQconnectionNeedsPassword(c) || PQconnectionUsedPassword(c)) {
		err_set(e, ERR_AUTH, "%s: %s", d->name, why);
		return err_hint(e, "a password may be in ~/.pgpass or PGPASSWORD");
	}
	return err_set(e, ERR_NETWORK, "%s: %s", d->name, why);
}

static int finish_connecting(struct db *d, struct err *e)
{
	uint64_t end_ms = clock_now_ms(NULL) + CONNECT_MS;
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;
	while (state != PGRES_POLLING_OK) {
		if (state == PGRES_POLLING_FAILED)
			return connect_failed(d, e);
		if (clock_now_ms(NULL) > end_ms)
			return err_set(e, ERR_NETWORK, "%s: does not answer", d->name);
		int rc = wait_for_socket(d, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, e);
		if (rc < 0)
			return rc;
		state = PQconnectPoll(of(d)->connection);
	}
	return 0;
}

static void drop_notice(void *ctx, const PGresult *notice)
{
	(void)ctx;
	(void)notice;
}

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
static const char settings[] =
	"SET lock_timeout = " TEXT(DB_WAIT_MS) "; SET TIME ZONE 'UTC'; "
					       "SET client_min_messages = error";

static int postgres_open(struct db *d, const char *url, struct err *e)
{
	/* What is in front of dbname, the URL may override. */
	static const char *const names[] = { "fallback_application_name", "dbname",
					     "client_encoding", NULL };
	const char *const values[] = { "ferry", url, "UTF8", NULL };
	int rc = parse_url(d, url, e);
	if (rc < 0)
		return rc;
	struct postgres *p = NEW(struct postgres);
	d->state = p;
	p->connection = PQconnectStartParams(names, values, 1);
	if (!p->connection || PQstatus(p->connection) == CONNECTION_BAD)
		return connect_failed(d, e);
	rc = finish_connecting(d, e);
	if (rc < 0)
		return rc;
	PQsetNoticeReceiver(p->connection, drop_notice, NULL);
	return postgres_exec(d, settings, e);
}

static void postgres_close(struct db *d)
{
	if (d->state)
		PQfinish(of(d)->connection);
	free(d->state);
}

/* -- statements -------------------------------------------------------------------------------- */

static int count_parameters(struct db_statement *s, struct err *e)
{
	struct prepared *p = prep(s);
	PGresult *result;
	if (!PQsendDescribePrepared(of(s->db)->connection, p->name))
		return fail(s->db, NULL, e);
	int rc = last_result(s->db, &result, e);
	p->parameters = rc < 0 ? 0 : (unsigned)PQnparams(result);
	PQclear(result);
	return p->parameters <= DB_MAX_PARAMETERS
		       ? rc
		       : err_set(e, ERR_BUG, "%s: too many parameters: %s", s->db->name, s->sql);
}

static int postgres_prepare(struct db_statement *s, struct err *e)
{
	struct postgres *p = of(s->db);
	struct prepared *out = NEW(struct prepared);
	PGresult *result;
	s->state = out;
	snprintf(out->name, sizeof out->name, "s%u", ++p->prepared);
	if (!PQsendPrepare(p->connection, out->name, s->sql, 0, NULL))
		return fail(s->db, NULL, e);
	int rc = last_result(s->db, &result, e);
	PQclear(result);
	return rc < 0 ? rc : count_parameters(s, e);
}

static void forget_blobs(struct prepared *p)
{
	for (int i = 0; i < p->columns; i++) {
		PQfreemem(p->blobs[i].data);
		p->blobs[i].data = NULL;
	}
}

static void postgres_reset(struct db_statement *s)
{
	struct prepared *p = prep(s);
	forget_blobs(p);
	free(p->blobs);
	PQclear(p->result);
	p->blobs = NULL;
	p->result = NULL;
	p->columns = p->rows = p->row = 0;
}

static void postgres_finish(struct db_statement *s)
{
	if (s->state)
		postgres_reset(s);
	free(s->state);
}

/* As the server takes them: numbers as text, blobs as bytes. */
struct arguments {
	const char *values[DB_MAX_PARAMETERS];
	int lengths[DB_MAX_PARAMETERS], formats[DB_MAX_PARAMETERS];
	char numbers[DB_MAX_PARAMETERS][NUMBER_TEXT];
};

static void put_argument(struct arguments *a, unsigned i, const struct db_value *v)
{
	char *number = a->numbers[i];
	a->values[i] = v->type == DB_NULL                         ? NULL
		       : v->type == DB_TEXT || v->type == DB_BLOB ? v->data
								  : number;
	a->formats[i] = v->type == DB_BLOB;
	a->lengths[i] = v->type == DB_BLOB ? (int)v->len : 0;
	if (v->type == DB_I64)
		snprintf(number, NUMBER_TEXT, "%lld", (long long)v->i64);
}

static int run(struct db_statement *s, struct err *e)
{
	struct prepared *p = prep(s);
	struct arguments a;
	for (unsigned i = 0; i < p->parameters; i++)
		put_argument(&a, i, &s->values[i]);
	postgres_reset(s);
	if (!PQsendQueryPrepared(of(s->db)->connection, p->name, (int)p->parameters, a.values,
				 a.lengths, a.formats, 0))
		return fail(s->db, NULL, e);
	int rc = last_result(s->db, &p->result, e);
	if (rc < 0)
		return rc;
	p->rows = PQntuples(p->result);
	p->columns = PQnfields(p->result);
	p->blobs = mem_alloc((size_t)(p->columns + 1) * sizeof *p->blobs);
	p->changed = strtoull(PQcmdTuples(p->result), NULL, 10);
	p->row = -1;
	return 0;
}

static int postgres_step(struct db_statement *s, struct err *e)
{
	int rc = s->running ? 0 : run(s, e);
	if (rc < 0)
		return rc;
	forget_blobs(prep(s));
	return ++prep(s)->row < prep(s)->rows;
}

static uint64_t postgres_changed(const struct db_statement *s)
{
	return prep(s)->changed;
}

static const char *postgres_text(const struct db_statement *s, unsigned column)
{
	return PQgetvalue(prep(s)->result, prep(s)->row, (int)column);
}

static bool postgres_is_null(const struct db_statement *s, unsigned column)
{
	return PQgetisnull(prep(s)->result, prep(s)->row, (int)column);
}

static int64_t postgres_i64(const struct db_statement *s, unsigned column)
{
	return strtoll(postgres_text(s, column), NULL, 10);
}

static const void *postgres_blob(const struct db_statement *s, unsigned column, size_t *len)
{
	struct prepared *p = prep(s);
	*len = 0;
	if ((int)column >= p->columns)
		return "";
	if (!p->blobs[column].data)
		p->blobs[column].data =
			PQunescapeBytea((const unsigned char *)postgres_text(s, column),
					&p->blobs[column].len);
	*len = p->blobs[column].data ? p->blobs[column].len : 0;
	return p->blobs[column].data ? (const void *)p->blobs[column].data : "";
}

/* Like SQLite, one writer at a time: then no transaction fails because of another. The number is
 * "ferry" in ASCII. */
const struct db_ops db_postgres = {
	.open = postgres_open,
	.close = postgres_close,
	.exec = postgres_exec,
	.begin = "BEGIN; SELECT pg_advisory_xact_lock(439956240761)",
	.prepare = postgres_prepare,
	.finish = postgres_finish,
	.step = postgres_step,
	.changed = postgres_changed,
	.reset = postgres_reset,
	.is_null = postgres_is_null,
	.i64 = postgres_i64,
	.text = postgres_text,
	.blob = postgres_blob,
};
