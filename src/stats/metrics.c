#include "stats/metrics.h"

#include "stats/import.h"
#include "stats/tables.h"

#include <string.h>

enum {
	REQUESTS,
	DOWNLOADS,
	DOWNLOAD_BYTES,
	VARIANTS,
	COUNTRIES,
	CLIENTS,
	MIRROR_BYTES,
	LINES,
	LAST_IMPORT,
	NEWEST,
	OPEN,
	ASSETS,
	METRICS
};

static const struct metric all[METRICS] = {
	[REQUESTS] = { "ferry_requests_total", METRICS_COUNTER,
		       "Requests for model files by log line, by mirror and outcome" },
	[DOWNLOADS] = { "ferry_downloads_total", METRICS_COUNTER,
			"Downloads by model and outcome; each counts once, when it is complete or "
			"its 24 hours are over" },
	[DOWNLOAD_BYTES] = { "ferry_download_bytes_total", METRICS_COUNTER,
			     "Bytes of model files that were sent, by model" },
	[VARIANTS] = { "ferry_variant_downloads_total", METRICS_COUNTER,
		       "Complete downloads by model and variant" },
	[COUNTRIES] = { "ferry_country_downloads_total", METRICS_COUNTER,
			"Complete downloads by country" },
	[CLIENTS] = { "ferry_client_downloads_total", METRICS_COUNTER,
		      "Complete downloads by kind of client" },
	[MIRROR_BYTES] = { "ferry_mirror_download_bytes_total", METRICS_COUNTER,
			   "Bytes of model files that were sent, by mirror" },
	[LINES] = { "ferry_stats_lines_total", METRICS_COUNTER,
		    "Lines of access logs by what became of them" },
	[LAST_IMPORT] = { "ferry_stats_last_import_timestamp_seconds", METRICS_GAUGE,
			  "When the last import of logs ended" },
	[NEWEST] = { "ferry_stats_newest_request_timestamp_seconds", METRICS_GAUGE,
		     "The newest request for a model file, by mirror" },
	[OPEN] = { "ferry_stats_open_sessions", METRICS_GAUGE,
		   "Sessions that are not complete and whose 24 hours are not over" },
	[ASSETS] = { "ferry_github_asset_downloads", METRICS_GAUGE,
		     "Downloads of all files of a model as GitHub counts them, an upper bound" },
};

/* A metric that is the rows of a question: value, then the labels. */
struct question {
	int metric;
	const char *labels[3]; /* NULL-ended */
	const char *sql;
};

/* Models beyond the first 200 are added up. */
#define MODEL "CASE WHEN t.label IN (" TOP ") THEN t.label ELSE 'other' END"
#define TOP \
	"SELECT label FROM (SELECT label, SUM(value) AS all_of_it FROM stats_total " \
	"WHERE metric = 'downloads' GROUP BY label ORDER BY all_of_it DESC, label LIMIT 200) top"

static const struct question questions[] = {
	/* With zeros for the outcomes that have not come yet: a counter that begins with the first
	 * failure has no increase at the first failure. */
	{ REQUESTS,
	  { "mirror", "outcome" },
	  "SELECT CAST(SUM(CASE WHEN r.outcome = k.outcome THEN r.requests ELSE 0 END) AS BIGINT), "
	  "COALESCE(m.name, 'other'), k.name FROM stats_request r CROSS JOIN (SELECT 0 AS outcome, "
	  "'success' AS name UNION ALL SELECT 1, 'failure' UNION ALL SELECT 2, 'other') k "
	  "LEFT JOIN stats_mirror m ON m.id = r.mirror "
	  "GROUP BY COALESCE(m.name, 'other'), k.name ORDER BY 2, 3" },
	{ DOWNLOADS,
	  { "model", "outcome" },
	  "SELECT CAST(SUM(CASE WHEN t.second = k.name THEN t.value ELSE 0 END) AS BIGINT), " MODEL
	  ", k.name FROM stats_total t CROSS JOIN (SELECT 'complete' AS name UNION ALL "
	  "SELECT 'partial' UNION ALL SELECT 'failed') k "
	  "WHERE t.metric = 'downloads' GROUP BY " MODEL ", k.name ORDER BY 2, 3" },
	{ DOWNLOAD_BYTES,
	  { "model" },
	  "SELECT CAST(SUM(x.bytes) AS BIGINT), x.model FROM (SELECT s.bytes AS bytes, "
	  "CASE WHEN o.model IN (" TOP ") THEN o.model ELSE 'other' END AS model "
	  "FROM stats_traffic s JOIN stats_object o ON o.id = s.object) x "
	  "GROUP BY x.model ORDER BY 2" },
	{ VARIANTS,
	  { "model", "variant" },
	  "SELECT CAST(SUM(x.value) AS BIGINT), x.model, x.variant FROM (SELECT t.value AS value, "
	  "CASE WHEN t.label IN (" TOP ") THEN t.label ELSE 'other' END AS model, "
	  "CASE WHEN t.label IN (" TOP ") THEN t.second ELSE 'other' END AS variant "
	  "FROM stats_total t WHERE t.metric = 'variants') x "
	  "GROUP BY x.model, x.variant ORDER BY 2, 3" },
	{ COUNTRIES,
	  { "country" },
	  "SELECT value, CASE label WHEN '' THEN 'unknown' ELSE label END FROM stats_total "
	  "WHERE metric = 'countries' ORDER BY 2" },
	{ CLIENTS,
	  { "client" },
	  "SELECT value, label FROM stats_total WHERE metric = 'clients' ORDER BY 2" },
	{ MIRROR_BYTES,
	  { "mirror" },
	  "SELECT CAST(SUM(t.bytes) AS BIGINT), COALESCE(m.name, 'other') FROM stats_traffic t "
	  "LEFT JOIN stats_mirror m ON m.id = t.mirror GROUP BY COALESCE(m.name, 'other') "
	  "ORDER BY 2" },
	{ NEWEST,
	  { "mirror" },
	  "SELECT newest, name FROM stats_mirror WHERE newest > 0 ORDER BY 2" },
	{ ASSETS,
	  { "model" },
	  "SELECT CAST(SUM(x.downloads) AS BIGINT), x.model FROM (SELECT downloads, "
	  "CASE WHEN model IN (SELECT model FROM (SELECT model, SUM(downloads) AS most "
	  "FROM counters_asset GROUP BY model ORDER BY most DESC, model LIMIT 200) top) "
	  "THEN model ELSE 'other' END AS model FROM counters_asset) x "
	  "GROUP BY x.model ORDER BY 2" },
};

static int add_question(struct db *db, const struct question *q, struct buf *out, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db, q->sql, &s, e);
	if (rc < 0)
		return rc;
	metrics_begin(out, &all[q->metric]);
	while ((rc = db_step(s, e)) > 0) {
		const char *labels[5] = { q->labels[0], db_text(s, 1) };
		if (q->labels[1]) {
			labels[2] = q->labels[1];
			labels[3] = db_text(s, 2);
		}
		metrics_add(out, &all[q->metric], labels, (double)db_i64(s, 0));
	}
	return rc;
}

/* All results, also those that no line had. */
static int add_lines(struct db *db, struct buf *out, struct err *e)
{
	static const char *const results[] = { "counted", "excluded", "foreign", "malformed",
					       "late" };
	uint64_t sums[ARRAY_LEN(results)] = { 0 };
	struct db_statement *s;
	int rc = db_prepare(db, "SELECT what, lines FROM stats_line", &s, e);
	if (rc < 0)
		return rc;
	while ((rc = db_step(s, e)) > 0)
		for (int l = 0; l < STATS_LINES; l++)
			for (size_t r = 0; r < ARRAY_LEN(results); r++)
				if (!strcmp(db_text(s, 0), stats_line_name(l)) &&
				    !strcmp(stats_line_result(l), results[r]))
					sums[r] += (uint64_t)db_i64(s, 1);
	metrics_begin(out, &all[LINES]);
	for (size_t r = 0; r < ARRAY_LEN(results); r++)
		metrics_add(out, &all[LINES], (const char *[]){ "result", results[r], NULL },
			    (double)sums[r]);
	return rc;
}

static int add_value(struct db *db, int metric, const char *name, struct buf *out, struct err *e)
{
	int64_t value = 0;
	int rc = stats_tables_get(db, name, &value, e);
	metrics_single(out, &all[metric], (double)value);
	return rc;
}

int stats_metrics_make(struct db *db, struct buf *out, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(questions) && rc == 0; i++)
		rc = add_question(db, &questions[i], out, e);
	if (rc == 0)
		rc = add_lines(db, out, e);
	if (rc == 0)
		rc = add_value(db, LAST_IMPORT, "last_import", out, e);
	return rc < 0 ? rc : add_value(db, OPEN, "open", out, e);
}
