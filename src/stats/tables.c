#include "stats/tables.h"

#include "stats/agent.h"

#include <string.h>

/* clang-format off */
static const char *const steps[] = {
	"CREATE TABLE stats_day (day BIGINT PRIMARY KEY, salt BYTEA);"
	"CREATE TABLE stats_mirror (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" newest BIGINT NOT NULL);"
	"CREATE TABLE stats_object (id BIGINT PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE,"
	" repository TEXT NOT NULL, model TEXT NOT NULL, variant TEXT NOT NULL,"
	" part BIGINT NOT NULL, size BIGINT NOT NULL);"
	"CREATE TABLE stats_path (path TEXT PRIMARY KEY, object BIGINT NOT NULL);"
	"CREATE TABLE stats_open (day BIGINT NOT NULL, object BIGINT NOT NULL,"
	" requests BYTEA NOT NULL, PRIMARY KEY (day, object));"
	"CREATE TABLE stats_request (day BIGINT NOT NULL, mirror BIGINT NOT NULL,"
	" outcome BIGINT NOT NULL, status BIGINT NOT NULL, requests BIGINT NOT NULL,"
	" bytes BIGINT NOT NULL, PRIMARY KEY (day, mirror, outcome, status));"
	"CREATE TABLE stats_traffic (day BIGINT NOT NULL, object BIGINT NOT NULL,"
	" mirror BIGINT NOT NULL, requests BIGINT NOT NULL, bytes BIGINT NOT NULL,"
	" PRIMARY KEY (day, object, mirror));"
	"CREATE TABLE stats_download (live BIGINT NOT NULL, day BIGINT NOT NULL,"
	" object BIGINT NOT NULL, country TEXT NOT NULL, client TEXT NOT NULL,"
	" outcome BIGINT NOT NULL, downloads BIGINT NOT NULL, bytes BIGINT NOT NULL,"
	" PRIMARY KEY (live, day, object, country, client, outcome));"
	"CREATE TABLE stats_served (live BIGINT NOT NULL, day BIGINT NOT NULL,"
	" object BIGINT NOT NULL, mirror BIGINT NOT NULL, outcome BIGINT NOT NULL,"
	" downloads BIGINT NOT NULL, PRIMARY KEY (live, day, object, mirror, outcome));"
	"CREATE TABLE stats_line (what TEXT PRIMARY KEY, lines BIGINT NOT NULL);"
	"CREATE TABLE stats_mark (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
	"CREATE TABLE stats_value (name TEXT PRIMARY KEY, value BIGINT NOT NULL);"
	"CREATE TABLE stats_total (metric TEXT NOT NULL, label TEXT NOT NULL,"
	" second TEXT NOT NULL, value BIGINT NOT NULL, PRIMARY KEY (metric, label, second))",
};
/* clang-format on */

int stats_tables_upgrade(struct db *db, struct err *e)
{
	return db_upgrade(db, "stats", steps, ARRAY_LEN(steps), e);
}

/* ---- adding ---- */

typedef void bind_fn(struct db_statement *s, const struct stats_tally_row *row, bool live);

static int add(struct db *db, const struct stats_tally *t, const char *sql, bind_fn *bind,
	       bool live, struct err *e)
{
	struct db_statement *s;
	const struct stats_tally_row *row;
	size_t at = 0;
	int rc = db_prepare(db, sql, &s, e);
	while (rc == 0 && (row = stats_tally_next(t, &at))) {
		bind(s, row, live);
		rc = db_run(s, NULL, e);
	}
	return rc;
}

/* Sums stay within 63 bits, whatever logs say. */
static int64_t number(uint64_t n)
{
	return (int64_t)MIN(n, (uint64_t)1 << 50);
}

static void bind_request(struct db_statement *s, const struct stats_tally_row *row, bool live)
{
	(void)live;
	db_bind_i64(s, 1, row->key.day);
	db_bind_i64(s, 2, row->key.a);
	db_bind_i64(s, 3, row->key.b);
	db_bind_i64(s, 4, row->key.c);
	db_bind_i64(s, 5, number(row->count));
	db_bind_i64(s, 6, number(row->bytes));
}

int stats_add_requests(struct db *db, const struct stats_tally *t, struct err *e)
{
	return add(db, t,
		   "INSERT INTO stats_request (day, mirror, outcome, status, requests, bytes) "
		   "VALUES ($1, $2, $3, $4, $5, $6) "
		   "ON CONFLICT (day, mirror, outcome, status) DO UPDATE SET "
		   "requests = stats_request.requests + excluded.requests, "
		   "bytes = stats_request.bytes + excluded.bytes",
		   bind_request, false, e);
}

static void bind_traffic(struct db_statement *s, const struct stats_tally_row *row, bool live)
{
	(void)live;
	db_bind_i64(s, 1, row->key.day);
	db_bind_i64(s, 2, row->key.a);
	db_bind_i64(s, 3, row->key.b);
	db_bind_i64(s, 4, number(row->count));
	db_bind_i64(s, 5, number(row->bytes));
}

int stats_add_traffic(struct db *db, const struct stats_tally *t, struct err *e)
{
	return add(db, t,
		   "INSERT INTO stats_traffic (day, object, mirror, requests, bytes) "
		   "VALUES ($1, $2, $3, $4, $5) "
		   "ON CONFLICT (day, object, mirror) DO UPDATE SET "
		   "requests = stats_traffic.requests + excluded.requests, "
		   "bytes = stats_traffic.bytes + excluded.bytes",
		   bind_traffic, false, e);
}

static void bind_download(struct db_statement *s, const struct stats_tally_row *row, bool live)
{
	char country[3] = { (char)(row->key.b >> 8), (char)row->key.b };
	db_bind_i64(s, 1, live);
	db_bind_i64(s, 2, row->key.day);
	db_bind_i64(s, 3, row->key.a);
	db_bind_text(s, 4, country);
	db_bind_text(s, 5, stats_agent_name(row->key.c));
	db_bind_i64(s, 6, row->key.d);
	db_bind_i64(s, 7, number(row->count));
	db_bind_i64(s, 8, number(row->bytes));
}

int stats_add_downloads(struct db *db, const struct stats_tally *t, bool live, struct err *e)
{
	return add(db, t,
		   "INSERT INTO stats_download "
		   "(live, day, object, country, client, outcome, downloads, bytes) "
		   "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
		   "ON CONFLICT (live, day, object, country, client, outcome) DO UPDATE SET "
		   "downloads = stats_download.downloads + excluded.downloads, "
		   "bytes = stats_download.bytes + excluded.bytes",
		   bind_download, live, e);
}

static void bind_served(struct db_statement *s, const struct stats_tally_row *row, bool live)
{
	db_bind_i64(s, 1, live);
	db_bind_i64(s, 2, row->key.day);
	db_bind_i64(s, 3, row->key.a);
	db_bind_i64(s, 4, row->key.b);
	db_bind_i64(s, 5, row->key.c);
	db_bind_i64(s, 6, number(row->count));
}

int stats_add_served(struct db *db, const struct stats_tally *t, bool live, struct err *e)
{
	return add(db, t,
		   "INSERT INTO stats_served (live, day, object, mirror, outcome, downloads) "
		   "VALUES ($1, $2, $3, $4, $5, $6) "
		   "ON CONFLICT (live, day, object, mirror, outcome) DO UPDATE SET "
		   "downloads = stats_served.downloads + excluded.downloads",
		   bind_served, live, e);
}

int stats_add_line(struct db *db, const char *what, uint64_t count, struct err *e)
{
	struct db_statement *s;
	if (!count)
		return 0;
	int rc = db_prepare(db,
			    "INSERT INTO stats_line (what, lines) VALUES ($1, $2) "
			    "ON CONFLICT (what) DO UPDATE SET "
			    "lines = stats_line.lines + excluded.lines",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, what);
	db_bind_i64(s, 2, number(count));
	return db_run(s, NULL, e);
}

/* ---- single numbers ---- */

int stats_tables_get(struct db *db, const char *name, int64_t *value, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db, "SELECT value FROM stats_value WHERE name = $1", &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, name);
	rc = db_step(s, e);
	if (rc > 0)
		*value = db_i64(s, 0);
	db_reset(s);
	return MIN(rc, 0);
}

int stats_tables_put(struct db *db, const char *name, int64_t value, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db,
			    "INSERT INTO stats_value (name, value) VALUES ($1, $2) "
			    "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, name);
	db_bind_i64(s, 2, value);
	return db_run(s, NULL, e);
}

/* ---- folding ---- */

/* Of $1, the first day that is kept. */
static const char *const folding[] = {
	"INSERT INTO stats_request (day, mirror, outcome, status, requests, bytes) "
	"SELECT -1, mirror, outcome, status, CAST(SUM(requests) AS BIGINT), "
	"CAST(SUM(bytes) AS BIGINT) FROM stats_request WHERE day >= 0 AND day < $1 "
	"GROUP BY mirror, outcome, status "
	"ON CONFLICT (day, mirror, outcome, status) DO UPDATE SET "
	"requests = stats_request.requests + excluded.requests, "
	"bytes = stats_request.bytes + excluded.bytes",
	"DELETE FROM stats_request WHERE day >= 0 AND day < $1",
	"INSERT INTO stats_traffic (day, object, mirror, requests, bytes) "
	"SELECT -1, object, mirror, CAST(SUM(requests) AS BIGINT), "
	"CAST(SUM(bytes) AS BIGINT) FROM stats_traffic WHERE day >= 0 AND day < $1 "
	"GROUP BY object, mirror ON CONFLICT (day, object, mirror) DO UPDATE SET "
	"requests = stats_traffic.requests + excluded.requests, "
	"bytes = stats_traffic.bytes + excluded.bytes",
	"DELETE FROM stats_traffic WHERE day >= 0 AND day < $1",
	"INSERT INTO stats_download "
	"(live, day, object, country, client, outcome, downloads, bytes) "
	"SELECT 0, -1, object, country, client, outcome, "
	"CAST(SUM(downloads) AS BIGINT), CAST(SUM(bytes) AS BIGINT) FROM stats_download "
	"WHERE live = 0 AND day >= 0 AND day < $1 "
	"GROUP BY object, country, client, outcome "
	"ON CONFLICT (live, day, object, country, client, outcome) DO UPDATE SET "
	"downloads = stats_download.downloads + excluded.downloads, "
	"bytes = stats_download.bytes + excluded.bytes",
	"DELETE FROM stats_download WHERE live = 0 AND day >= 0 AND day < $1",
	"INSERT INTO stats_served (live, day, object, mirror, outcome, downloads) "
	"SELECT 0, -1, object, mirror, outcome, CAST(SUM(downloads) AS BIGINT) "
	"FROM stats_served WHERE live = 0 AND day >= 0 AND day < $1 "
	"GROUP BY object, mirror, outcome "
	"ON CONFLICT (live, day, object, mirror, outcome) DO UPDATE SET "
	"downloads = stats_served.downloads + excluded.downloads",
	"DELETE FROM stats_served WHERE live = 0 AND day >= 0 AND day < $1",
};

int stats_tables_fold(struct db *db, int64_t before, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(folding) && rc == 0; i++) {
		struct db_statement *s;
		rc = db_prepare(db, folding[i], &s, e);
		if (rc == 0) {
			db_bind_i64(s, 1, before);
			rc = db_run(s, NULL, e);
		}
	}
	return rc;
}
