#include "health/metrics.h"

#include <string.h>

#define GAUGE(n, h) BRACES(.name = (n), .type = METRICS_GAUGE, .help = (h))
#define COUNTER(n, h) BRACES(.name = (n), .type = METRICS_COUNTER, .help = (h))

/* ---- of a repository ---- */

/* False: there is no value. */
typedef bool repository_fn(const struct health_report *r, double *out);

static bool last_run(const struct health_report *r, double *out)
{
	*out = (double)r->start_s;
	return true;
}

static bool run_duration(const struct health_report *r, double *out)
{
	*out = (double)r->duration_ms / 1000;
	return true;
}

static bool release(const struct health_report *r, double *out)
{
	*out = (double)r->subject.tree.version;
	return r->has_subject;
}

static bool models(const struct health_report *r, double *out)
{
	*out = (double)r->subject.models;
	return r->has_subject;
}

static bool variants(const struct health_report *r, double *out)
{
	*out = (double)r->subject.variants;
	return r->has_subject;
}

static bool bytes(const struct health_report *r, double *out)
{
	*out = (double)r->subject.bytes;
	return r->has_subject;
}

static bool release_seen(const struct health_report *r, double *out)
{
	*out = (double)r->newest_s;
	return r->newest_s != 0;
}

static const struct {
	struct metric metric;
	repository_fn *value;
} of_repository[] = {
	{ GAUGE("ferry_health_last_run_timestamp_seconds", "When ferry health began last"),
	  last_run },
	{ GAUGE("ferry_health_run_duration_seconds", "How long ferry health took"), run_duration },
	{ GAUGE("ferry_repository_release", "The newest verified release, by its version"),
	  release },
	{ GAUGE("ferry_repository_models", "Models in the newest release"), models },
	{ GAUGE("ferry_repository_variants", "Variants of all models in the newest release"),
	  variants },
	{ GAUGE("ferry_repository_bytes", "Bytes of all objects of the newest release"), bytes },
	{ GAUGE("ferry_repository_release_seen_timestamp_seconds",
		"When the newest release was first seen"),
	  release_seen },
};

static void add_repositories(const struct health_report *reports, size_t count, struct buf *out)
{
	for (size_t k = 0; k < ARRAY_LEN(of_repository); k++) {
		metrics_begin(out, &of_repository[k].metric);
		for (size_t i = 0; i < count; i++) {
			const char *labels[] = { "repository", reports[i].repository->name, NULL };
			double value;
			if (of_repository[k].value(&reports[i], &value))
				metrics_add(out, &of_repository[k].metric, labels, value);
		}
	}
}

static void add_roles(const struct health_report *reports, size_t count, struct buf *out)
{
	static const struct metric metric = GAUGE("ferry_role_expiry_timestamp_seconds",
						  "When a role of the newest release expires");
	metrics_begin(out, &metric);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < reports[i].subject.roles.count; k++) {
			const struct probe_role *role = &reports[i].subject.roles.at[k];
			const char *labels[] = { "repository", reports[i].repository->name, "role",
						 role->name, NULL };
			metrics_add(out, &metric, labels, (double)role->expires_s);
		}
}

/* ---- of a mirror ---- */

typedef bool mirror_fn(const struct health_report *r, const struct health_mirror *m, double *out);

static bool primary(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = m->primary;
	return true;
}

static bool up(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = m->probe.up;
	return true;
}

static bool silenced(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = m->silence != NULL;
	return true;
}

static bool shown(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = (double)m->probe.version;
	return m->probe.version != 0;
}

static bool lag(const struct health_report *r, const struct health_mirror *m, double *out)
{
	*out = r->newest > m->probe.version ? (double)(r->newest - m->probe.version) : 0;
	return m->probe.version && r->newest;
}

static bool newest_seen(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = (double)m->known->newest_s;
	return m->known->newest_s != 0;
}

static bool certificate(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = (double)m->probe.certificate_expires_s;
	return m->probe.certificate_expires_s != 0;
}

static bool speed(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = (double)health_mirror_speed(m);
	return *out > 0;
}

static bool skew(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = (double)m->probe.clock_skew_s;
	return m->probe.has_clock;
}

static bool audit_bytes(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = (double)m->audit.totals.bytes;
	return m->audited;
}

static bool coverage(const struct health_report *r, const struct health_mirror *m, double *out)
{
	const struct rolling_coverage *c = &m->audit.coverage;
	(void)r;
	*out = c->bytes ? (double)c->verified / (double)c->bytes : 1;
	return m->audited;
}

static bool oldest(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = (double)m->audit.coverage.oldest_s;
	return m->audited && m->audit.coverage.oldest_s;
}

static bool bad_pieces(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = (double)(m->audit.faults[ROLLING_WRONG] + m->audit.faults[ROLLING_MISSING]);
	return m->audited;
}

static bool missing(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = (double)m->probe.objects_missing;
	return m->probe.objects_checked != 0;
}

static bool quota_left(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = (double)m->probe.quota_left;
	return m->probe.has_quota;
}

static bool quota_limit(const struct health_report *r, const struct health_mirror *m, double *out)
{
	(void)r;
	*out = (double)m->probe.quota_limit;
	return m->probe.has_quota;
}

static const struct {
	struct metric metric;
	mirror_fn *value;
} of_mirror[] = {
	{ GAUGE("ferry_mirror_primary", "Whether clients ask no mirror before this one"), primary },
	{ GAUGE("ferry_mirror_up", "Whether the mirror answered"), up },
	{ GAUGE("ferry_mirror_silenced", "Whether its faults count for nobody"), silenced },
	{ GAUGE("ferry_mirror_release", "The release that the mirror shows"), shown },
	{ GAUGE("ferry_mirror_release_lag", "Releases behind the newest one"), lag },
	{ GAUGE("ferry_mirror_metadata_timestamp_seconds",
		"When it was last seen with the newest release"),
	  newest_seen },
	{ GAUGE("ferry_mirror_certificate_expiry_timestamp_seconds",
		"When the certificate of its server expires"),
	  certificate },
	{ GAUGE("ferry_mirror_read_bytes_per_second", "How fast the audit read from it"), speed },
	{ GAUGE("ferry_mirror_clock_skew_seconds", "How far its server's clock is ahead"), skew },
	{ COUNTER("ferry_mirror_audit_bytes_total", "Bytes that the audit has read"), audit_bytes },
	{ GAUGE("ferry_mirror_audit_coverage_ratio",
		"The part of the bytes that the audit has verified within the window"),
	  coverage },
	{ GAUGE("ferry_mirror_audit_oldest_check_timestamp_seconds",
		"When the audit read what it has not read for the longest time"),
	  oldest },
	{ GAUGE("ferry_mirror_bad_pieces", "Pieces with wrong or missing bytes now"), bad_pieces },
	{ GAUGE("ferry_mirror_missing_objects",
		"Objects that are missing or have another size, of those looked up in the run"),
	  missing },
	{ GAUGE("ferry_github_api_remaining", "Requests to the API of GitHub that are left"),
	  quota_left },
	{ GAUGE("ferry_github_api_limit", "The limit of requests to the API of GitHub"),
	  quota_limit },
};

/* Calls fn for each mirror that was looked at. */
static void each_mirror(const struct health_report *reports, size_t count, struct buf *out,
			void (*fn)(struct buf *out, const struct health_report *r,
				   const struct health_mirror *m, size_t k),
			size_t k)
{
	for (size_t i = 0; i < count; i++)
		for (size_t n = 0; n < reports[i].count; n++)
			if (!reports[i].mirrors[n].left_out)
				fn(out, &reports[i], &reports[i].mirrors[n], k);
}

static void add_value(struct buf *out, const struct health_report *r, const struct health_mirror *m,
		      size_t k)
{
	const char *labels[] = { "repository", r->repository->name, "mirror", m->id, NULL };
	double value;
	if (of_mirror[k].value(r, m, &value))
		metrics_add(out, &of_mirror[k].metric, labels, value);
}

/* ---- with more labels ---- */

static const struct metric info = GAUGE("ferry_mirror_info", "Always 1: what the mirror is");
static const struct metric check_state =
	GAUGE("ferry_mirror_check_state",
	      "The state of a check, after thresholds: 0 ok, 1 warning, 2 critical, 3 unknown");
static const struct metric duration = GAUGE("ferry_probe_duration_seconds",
					    "How long a step of the first request took");
static const struct metric pieces = COUNTER("ferry_mirror_pieces_checked_total",
					    "Pieces that the audit has read");

static void add_info(struct buf *out, const struct health_report *r, const struct health_mirror *m,
		     size_t k)
{
	const char *labels[] = { "repository", r->repository->name,
				 "mirror",     m->id,
				 "kind",       m->kind,
				 "region",     m->region ? m->region : "",
				 "holds",      holds_name(m->holds),
				 NULL };
	(void)k;
	metrics_add(out, &info, labels, 1);
}

static void add_checks(struct buf *out, const struct health_report *r,
		       const struct health_mirror *m, size_t k)
{
	(void)k;
	for (int c = 0; c < HEALTH_CHECKS; c++) {
		const char *labels[] = { "repository", r->repository->name,
					 "mirror",     m->id,
					 "check",      health_check_name((enum health_check)c),
					 NULL };
		if (m->known->checks[c].known)
			metrics_add(out, &check_state, labels, m->known->checks[c].state);
	}
}

static void add_times(struct buf *out, const struct health_report *r, const struct health_mirror *m,
		      size_t k)
{
	const struct http_times *t = &m->probe.times;
	const struct {
		const char *name;
		uint64_t us;
	} phases[] = {
		{ "resolve", t->resolve },       { "connect", t->connect }, { "tls", t->tls },
		{ "first_byte", t->first_byte }, { "total", t->total },
	};
	(void)k;
	for (size_t i = 0; m->probe.up && m->probe.has_times && i < ARRAY_LEN(phases); i++) {
		const char *labels[] = { "repository", r->repository->name, "mirror", m->id,
					 "phase",      phases[i].name,      NULL };
		metrics_add(out, &duration, labels, (double)phases[i].us / 1e6);
	}
}

static void add_pieces(struct buf *out, const struct health_report *r,
		       const struct health_mirror *m, size_t k)
{
	const struct rolling_totals *t = &m->audit.totals;
	const struct {
		const char *name;
		uint64_t count;
	} results[] = { { "ok", t->right }, { "bad", t->wrong }, { "missing", t->missing } };
	(void)k;
	for (size_t i = 0; m->audited && i < ARRAY_LEN(results); i++) {
		const char *labels[] = { "repository", r->repository->name, "mirror", m->id,
					 "result",     results[i].name,     NULL };
		metrics_add(out, &pieces, labels, (double)results[i].count);
	}
}

static void add_mirrors(const struct health_report *reports, size_t count, struct buf *out)
{
	metrics_begin(out, &info);
	each_mirror(reports, count, out, add_info, 0);
	for (size_t k = 0; k < ARRAY_LEN(of_mirror); k++) {
		metrics_begin(out, &of_mirror[k].metric);
		each_mirror(reports, count, out, add_value, k);
	}
	metrics_begin(out, &check_state);
	each_mirror(reports, count, out, add_checks, 0);
	metrics_begin(out, &duration);
	each_mirror(reports, count, out, add_times, 0);
	metrics_begin(out, &pieces);
	each_mirror(reports, count, out, add_pieces, 0);
}

/* ---- all of them ---- */

static void add_build(struct buf *out)
{
	static const struct metric metric = GAUGE("ferry_build_info", "Always 1: the version");
	const char *labels[] = { "version", FERRY_VERSION, NULL };
	metrics_begin(out, &metric);
	metrics_add(out, &metric, labels, 1);
}

static void add_alerts(const struct health_metrics_alert *alerts, size_t count, struct buf *out)
{
	static const struct metric metric = COUNTER("ferry_alert_failures_total",
						    "Notifications that could not be sent");
	metrics_begin(out, &metric);
	for (size_t i = 0; i < count; i++) {
		const char *labels[] = { "alert", alerts[i].name, NULL };
		metrics_add(out, &metric, labels, (double)alerts[i].failures);
	}
}

void health_metrics(const struct health_report *reports, size_t count,
		    const struct health_metrics_alert *alerts, size_t alert_count, struct buf *out)
{
	add_build(out);
	add_repositories(reports, count, out);
	add_roles(reports, count, out);
	add_mirrors(reports, count, out);
	add_alerts(alerts, alert_count, out);
}
