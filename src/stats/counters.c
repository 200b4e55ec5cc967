#include "stats/counters.h"

#include "util/mem.h"
#include "util/text.h"

#include <string.h>

#define HOUR 3600
#define FIRST_HOURS (90 * 24)
#define AGAIN_HOURS 6
#define PREFIX "targets/models/"

/* clang-format off */
static const char *const steps[] = {
	"CREATE TABLE counters_asset (mirror TEXT NOT NULL, path TEXT NOT NULL,"
	" model TEXT NOT NULL, downloads BIGINT NOT NULL, seen BIGINT NOT NULL,"
	" PRIMARY KEY (mirror, path));"
	"CREATE TABLE counters_hour (mirror TEXT NOT NULL, hour BIGINT NOT NULL,"
	" requests BIGINT NOT NULL, bytes BIGINT NOT NULL, failures BIGINT NOT NULL,"
	" PRIMARY KEY (mirror, hour))",
};
/* clang-format on */

int stats_counters_upgrade(struct db *db, struct err *e)
{
	return db_upgrade(db, "counters", steps, ARRAY_LEN(steps), e);
}

bool stats_counters_has(const struct mirror *m)
{
	return mirror_has_downloads(m) || m->has_traffic;
}

/* What a server says is read before anything is written: the database is not held meanwhile. */
struct asset {
	char *path, *model;
	uint64_t downloads;
};

struct import {
	struct asset *assets;
	size_t asset_count, asset_cap;
	struct mirror_traffic *hours;
	size_t hour_count, hour_cap;
};

static void import_release(struct import *i)
{
	for (size_t k = 0; k < i->asset_count; k++) {
		free(i->assets[k].path);
		free(i->assets[k].model);
	}
	free(i->assets);
	free(i->hours);
}

/* ---- asking ------------------------------------------------------------------------ */

/* Of cards, manifests and the like there are no downloads that anybody would count. */
static char *model_of(const char *key)
{
	const char *end = strrchr(key, '/');
	if (!str_starts(key, PREFIX) || !str_ends(key, ".gguf") || end <= key + strlen(PREFIX))
		return NULL;
	return mem_strndup(key + strlen(PREFIX), (size_t)(end - key) - strlen(PREFIX));
}

static int on_downloads(void *ctx, const char *key, uint64_t count, struct err *e)
{
	struct import *i = ctx;
	char *model = model_of(key);
	(void)e;
	if (!model)
		return 0;
	i->assets = mem_grow(i->assets, i->asset_count, &i->asset_cap, sizeof *i->assets);
	i->assets[i->asset_count++] = (struct asset){ mem_strdup(key), model, count };
	return 0;
}

static int on_traffic(void *ctx, const struct mirror_traffic *t, struct err *e)
{
	struct import *i = ctx;
	(void)e;
	i->hours = mem_grow(i->hours, i->hour_count, &i->hour_cap, sizeof *i->hours);
	i->hours[i->hour_count++] = *t;
	return 0;
}

static int last_hour(struct db *db, const char *mirror, int64_t *out, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db,
			    "SELECT COALESCE(MAX(hour), 0) FROM counters_hour WHERE mirror = $1",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, mirror);
	rc = db_step(s, e);
	if (rc > 0)
		*out = db_i64(s, 0);
	db_reset(s);
	return MIN(rc, 0);
}

static int ask_traffic(struct db *db, struct import *i, struct mirror *m, int64_t now_s,
		       struct err *e)
{
	int64_t last = 0, from = now_s - (int64_t)FIRST_HOURS * HOUR;
	int rc = last_hour(db, m->id, &last, e);
	if (rc < 0)
		return rc;
	return mirror_traffic(m, MAX(from, last - AGAIN_HOURS * HOUR), now_s, on_traffic, i, e);
}

/* ---- writing ----------------------------------------------------------------------- */

/* Sums stay within 63 bits, whatever a server says. */
static int64_t number(uint64_t n)
{
	return (int64_t)MIN(n, (uint64_t)1 << 50);
}

/* A count that is lower than before is that of an asset that was uploaded again. */
static int write_assets(struct db *db, const struct import *i, const char *mirror, int64_t now_s,
			struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db,
			    "INSERT INTO counters_asset (mirror, path, model, downloads, seen) "
			    "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (mirror, path) DO UPDATE SET "
			    "downloads = CASE WHEN excluded.downloads > counters_asset.downloads "
			    "THEN excluded.downloads ELSE counters_asset.downloads END, "
			    "seen = excluded.seen",
			    &s, e);
	for (size_t k = 0; k < i->asset_count && rc == 0; k++) {
		db_bind_text(s, 1, mirror);
		db_bind_text(s, 2, i->assets[k].path);
		db_bind_text(s, 3, i->assets[k].model);
		db_bind_i64(s, 4, number(i->assets[k].downloads));
		db_bind_i64(s, 5, now_s);
		rc = db_run(s, NULL, e);
	}
	return rc;
}

static int write_hours(struct db *db, const struct import *i, const char *mirror, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db,
			    "INSERT INTO counters_hour (mirror, hour, requests, bytes, failures) "
			    "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (mirror, hour) DO UPDATE SET "
			    "requests = excluded.requests, bytes = excluded.bytes, "
			    "failures = excluded.failures",
			    &s, e);
	for (size_t k = 0; k < i->hour_count && rc == 0; k++) {
		db_bind_text(s, 1, mirror);
		db_bind_i64(s, 2, i->hours[k].hour_s);
		db_bind_i64(s, 3, number(i->hours[k].requests));
		db_bind_i64(s, 4, number(i->hours[k].bytes));
		db_bind_i64(s, 5, number(i->hours[k].failures));
		rc = db_run(s, NULL, e);
	}
	return rc;
}

int stats_counters_import(struct db *db, struct mirror *m, int64_t now_s, struct err *e)
{
	CLEANUP(import_release) struct import i = { 0 };
	int rc = 0;
	if (mirror_has_downloads(m))
		rc = mirror_downloads(m, on_downloads, &i, e);
	if (rc == 0 && m->has_traffic)
		rc = ask_traffic(db, &i, m, now_s, e);
	if (rc == 0)
		rc = db_begin(db, e);
	if (rc < 0)
		return rc;
	rc = write_assets(db, &i, m->id, now_s, e);
	if (rc == 0)
		rc = write_hours(db, &i, m->id, e);
	if (rc == 0)
		rc = db_commit(db, e);
	if (rc < 0)
		db_rollback(db);
	return rc;
}

/* ---- reading ----------------------------------------------------------------------- */

int stats_counters_models(struct db *db, stats_counters_model_fn *fn, void *ctx, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db,
			    "SELECT model, CAST(SUM(downloads) AS BIGINT) FROM counters_asset "
			    "GROUP BY model ORDER BY model",
			    &s, e);
	while (rc == 0 && (rc = db_step(s, e)) == 1)
		rc = fn(ctx, db_text(s, 0), (uint64_t)db_i64(s, 1), e);
	if (rc < 0)
		db_reset(s);
	return rc;
}

int stats_counters_traffic(struct db *db, int64_t since_s, stats_counters_traffic_fn *fn, void *ctx,
			   struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db,
			    "SELECT mirror, MIN(hour), MAX(hour), CAST(SUM(requests) AS BIGINT), "
			    "CAST(SUM(bytes) AS BIGINT), CAST(SUM(failures) AS BIGINT) "
			    "FROM counters_hour WHERE hour >= $1 GROUP BY mirror ORDER BY mirror",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 1, since_s);
	while (rc == 0 && (rc = db_step(s, e)) == 1) {
		const struct stats_counters_traffic t = { .mirror = db_text(s, 0),
							  .first_s = db_i64(s, 1),
							  .last_s = db_i64(s, 2),
							  .requests = (uint64_t)db_i64(s, 3),
							  .bytes = (uint64_t)db_i64(s, 4),
							  .failures = (uint64_t)db_i64(s, 5) };
		rc = fn(ctx, &t, e);
	}
	if (rc < 0)
		db_reset(s);
	return rc;
}
