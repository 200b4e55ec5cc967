#include "stats/report.h"

#include "util/mem.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

void stats_report_release(struct stats_report *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->at[i].name);
	free(r->at);
	*r = (struct stats_report){ 0 };
}

/* ---- the questions ---- */

#define SESSIONS(of, outcome, first) \
	"CAST(SUM(CASE WHEN " of ".outcome = " outcome first " THEN " of ".downloads ELSE 0 END) " \
	"AS BIGINT)"
#define COUNTS(of) \
	SESSIONS(of, "0", " AND o.part = 0") \
	", " SESSIONS(of, "1", " AND o.part = 0") ", " SESSIONS( \
		of, "2", " AND o.part = 0") ", " SESSIONS(of, "3", " AND o.part = 0")
#define BY(name) \
	"SELECT " name \
	" AS name, " COUNTS("d") ", CAST(SUM(d.bytes) AS BIGINT), 0, 0 FROM stats_download d " \
				 "JOIN stats_object o ON o.id = d.object WHERE d.day >= $1 AND " \
				 "d.day < $2 GROUP BY " name

/* Columns: name, complete, partial, failed, open, bytes, requests, failures. */
static const char *const questions[] = {
	[STATS_BY_MODEL] = BY("o.model"),
	[STATS_BY_VARIANT] = BY("o.model || ':' || o.variant"),
	[STATS_BY_DAY] = BY("d.day"),
	[STATS_BY_WEEK] = BY("CASE WHEN d.day < 0 THEN -1 ELSE (d.day + 3) / 7 * 7 - 3 END"),
	[STATS_BY_COUNTRY] = BY("d.country"),
	[STATS_BY_CLIENT] = BY("d.client"),
	/* Three tables are joined as rows of one. */
	[STATS_BY_MIRROR] =
		"SELECT COALESCE(m.name, 'other') AS name, CAST(SUM(x.complete) AS BIGINT), "
		"CAST(SUM(x.partial) AS BIGINT), CAST(SUM(x.failed) AS BIGINT), "
		"CAST(SUM(x.still) AS BIGINT), CAST(SUM(x.bytes) AS BIGINT), "
		"CAST(SUM(x.requests) AS BIGINT), CAST(SUM(x.failures) AS BIGINT) FROM ("
		"SELECT s.mirror AS mirror, "
		"CASE WHEN s.outcome = 0 THEN s.downloads ELSE 0 END AS complete, "
		"CASE WHEN s.outcome = 1 THEN s.downloads ELSE 0 END AS partial, "
		"CASE WHEN s.outcome = 2 THEN s.downloads ELSE 0 END AS failed, "
		"CASE WHEN s.outcome = 3 THEN s.downloads ELSE 0 END AS still, "
		"0 AS bytes, 0 AS requests, 0 AS failures FROM stats_served s "
		"JOIN stats_object o ON o.id = s.object "
		"WHERE o.part = 0 AND s.day >= $1 AND s.day < $2 "
		"UNION ALL SELECT t.mirror, 0, 0, 0, 0, t.bytes, 0, 0 FROM stats_traffic t "
		"WHERE t.day >= $1 AND t.day < $2 "
		"UNION ALL SELECT r.mirror, 0, 0, 0, 0, 0, "
		"CASE WHEN r.outcome < 2 THEN r.requests ELSE 0 END, "
		"CASE WHEN r.outcome = 1 THEN r.requests ELSE 0 END FROM stats_request r "
		"WHERE r.day >= $1 AND r.day < $2) x LEFT JOIN stats_mirror m ON m.id = x.mirror "
		"GROUP BY COALESCE(m.name, 'other')",
	[STATS_BY_STATUS] =
		"SELECT r.status AS name, 0, 0, 0, 0, CAST(SUM(r.bytes) AS BIGINT), "
		"CAST(SUM(r.requests) AS BIGINT), "
		"CAST(SUM(CASE WHEN r.outcome = 1 THEN r.requests ELSE 0 END) AS BIGINT) "
		"FROM stats_request r WHERE r.day >= $1 AND r.day < $2 GROUP BY r.status",
};

static bool is_date(enum stats_report_by by)
{
	return by == STATS_BY_DAY || by == STATS_BY_WEEK;
}

static char *row_name(enum stats_report_by by, const struct db_statement *s)
{
	char time[TIME_TEXT];
	if (is_date(by)) {
		if (db_i64(s, 0) < 0)
			return mem_strdup("earlier");
		format_time(time, db_i64(s, 0) * 86400);
		return mem_strndup(time, 10);
	}
	if (by == STATS_BY_STATUS)
		return mem_printf("%lld", (long long)db_i64(s, 0));
	return mem_strdup(*db_text(s, 0) ? db_text(s, 0) : "unknown");
}

static void add_row(struct stats_report *r, enum stats_report_by by, const struct db_statement *s)
{
	r->at = mem_grow(r->at, r->count, &r->cap, sizeof *r->at);
	r->at[r->count++] = (struct stats_report_row){
		.name = row_name(by, s),
		.complete = (uint64_t)db_i64(s, 1),
		.partial = (uint64_t)db_i64(s, 2),
		.failed = (uint64_t)db_i64(s, 3),
		.open = (uint64_t)db_i64(s, 4),
		.bytes = (uint64_t)db_i64(s, 5),
		.requests = (uint64_t)db_i64(s, 6),
		.failures = (uint64_t)db_i64(s, 7),
	};
}

/* "earlier" comes first. */
static int compare_names(const void *x, const void *y)
{
	const struct stats_report_row *a = x, *b = y;
	bool early_a = *a->name == 'e', early_b = *b->name == 'e';
	return early_a != early_b ? (early_a ? -1 : 1) : strcmp(a->name, b->name);
}

static int compare_downloads(const void *x, const void *y)
{
	const struct stats_report_row *a = x, *b = y;
	if (a->complete != b->complete)
		return a->complete > b->complete ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return strcmp(a->name, b->name);
}

int stats_report_read(struct db *db, enum stats_report_by by, int64_t since, int64_t until,
		      struct stats_report *out, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db, questions[by], &s, e);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 1, since ? since : INT32_MIN);
	db_bind_i64(s, 2, until);
	while ((rc = db_step(s, e)) > 0)
		add_row(out, by, s);
	if (rc == 0 && out->count)
		qsort(out->at, out->count, sizeof *out->at,
		      is_date(by) || by == STATS_BY_STATUS ? compare_names : compare_downloads);
	return rc;
}

/* ---- what is published ---- */

static uint64_t sessions(const struct stats_report_row *r)
{
	return r->complete + r->partial + r->failed + r->open;
}

static void add_to(struct stats_report_row *sum, const struct stats_report_row *r)
{
	sum->complete += r->complete;
	sum->partial += r->partial;
	sum->failed += r->failed;
	sum->open += r->open;
	sum->bytes += r->bytes;
	sum->requests += r->requests;
	sum->failures += r->failures;
}

static size_t smallest(const struct stats_report *r)
{
	size_t found = 0;
	for (size_t i = 1; i < r->count; i++)
		if (sessions(&r->at[i]) <= sessions(&r->at[found]))
			found = i;
	return found;
}

static void remove_row(struct stats_report *r, size_t i)
{
	free(r->at[i].name);
	memmove(&r->at[i], &r->at[i + 1], (--r->count - i) * sizeof *r->at);
}

void stats_report_fold(struct stats_report *r)
{
	struct stats_report_row other = { 0 };
	while (r->count) {
		size_t i = smallest(r);
		bool small = sessions(&other) && sessions(&other) < STATS_REPORT_FEW;
		if (sessions(&r->at[i]) >= STATS_REPORT_FEW && !small)
			break;
		add_to(&other, &r->at[i]);
		remove_row(r, i);
	}
	if (sessions(&other) < STATS_REPORT_FEW)
		return;
	other.name = mem_strdup("other");
	r->at = mem_grow(r->at, r->count, &r->cap, sizeof *r->at);
	r->at[r->count++] = other;
}

/* ---- do logs arrive? ---- */

int stats_report_newest(struct db *db, stats_report_newest_fn *fn, void *ctx, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db, "SELECT name, newest FROM stats_mirror ORDER BY name", &s, e);
	if (rc < 0)
		return rc;
	while ((rc = db_step(s, e)) > 0)
		fn(ctx, db_text(s, 0), db_i64(s, 1));
	return rc;
}

/* ---- for the audit ---- */

int stats_hot(struct db *db, int64_t since, size_t max, struct stats_hot *out, size_t *count,
	      struct err *e)
{
	struct db_statement *s;
	size_t found = 0;
	int rc = db_prepare(db,
			    "SELECT o.sha256, CAST(SUM(d.downloads) AS BIGINT) AS total "
			    "FROM stats_download d JOIN stats_object o ON o.id = d.object "
			    "WHERE d.day >= $1 AND d.outcome = 0 GROUP BY o.sha256 "
			    "ORDER BY total DESC, o.sha256 LIMIT $2",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 1, since);
	db_bind_i64(s, 2, (int64_t)max);
	while ((rc = db_step(s, e)) > 0)
		if (digest_parse(&out[found].sha256, db_text(s, 0)))
			out[found++].downloads = (uint64_t)db_i64(s, 1);
	if (rc == 0)
		*count = found;
	return rc;
}
