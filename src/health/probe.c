#include "health/probe_run.h"

#include "util/mem.h"

#include <string.h>

void probe_release(struct probe *p)
{
	health_findings_release(&p->findings);
	*p = (struct probe){ 0 };
}

static void put_defaults(struct probe_options *o)
{
	static const struct probe_options d = PROBE_OPTIONS;
	o->certificate_warning_s = o->certificate_warning_s ? o->certificate_warning_s
							    : d.certificate_warning_s;
	o->certificate_critical_s = o->certificate_critical_s ? o->certificate_critical_s
							      : d.certificate_critical_s;
	o->lag_critical = o->lag_critical ? o->lag_critical : d.lag_critical;
	o->clock_skew_s = o->clock_skew_s ? o->clock_skew_s : d.clock_skew_s;
	o->quota_percent = o->quota_percent ? o->quota_percent : d.quota_percent;
}

/* ---- GitHub's quota -------------------------------------------------------------------------- */

static int check_quota(struct probe_run *r, struct err *e)
{
	struct mirror_quota q;
	struct err why = ERR_INIT;
	char span[PROBE_RUN_SPAN];
	struct probe *p = r->out;
	if (!r->m->ops->quota || r->lost)
		return 0;
	int rc = mirror_quota(r->m, &q, &why);
	if (rc == -ERR_USAGE)
		return 0;
	if (rc < 0)
		return probe_run_fault(r, HEALTH_QUOTA, HEALTH_UNKNOWN, &why, e);
	p->has_quota = true;
	p->quota_limit = q.limit;
	p->quota_left = q.left;
	p->quota_reset_s = q.reset_s;
	bool low = q.left < q.limit * MIN(r->o.quota_percent, 100) / 100 || !q.left;
	int64_t until_s = MAX(q.reset_s - clock_wall_s(r->o.clock), 0);
	health_find(&p->findings, HEALTH_QUOTA, low ? HEALTH_WARNING : HEALTH_OK,
		    "%llu of %llu requests to the API are left for %s", (unsigned long long)q.left,
		    (unsigned long long)q.limit, probe_run_span(span, until_s));
	return 0;
}

/* ---- what was not checked -------------------------------------------------------------------- */

static bool holds_metadata(const struct mirror *m)
{
	return m->holds != MIRROR_HOLDS_OBJECTS && !m->ops->no_metadata;
}

static bool is_https(const struct probe_run *r)
{
	const char *url = r->first.url ? r->first.url
			  : r->reader  ? r->reader->url
			  : r->address ? r->address
				       : "";
	return str_starts_nocase(url, "https://");
}

static bool wants_any(const struct probe_run *r)
{
	const struct tree *t = r->s->release;
	for (size_t i = 0; t && i < t->files.count; i++)
		if (probe_run_wants(r, &t->files.at[i]))
			return true;
	return false;
}

static bool applies(const struct probe_run *r, enum health_check check)
{
	switch (check) {
	case HEALTH_REACH:
		return true;
	case HEALTH_CERTIFICATE:
		return is_https(r);
	case HEALTH_RELEASE:
		return holds_metadata(r->m);
	case HEALTH_CATALOG:
		return holds_metadata(r->m) && !r->s->metadata_only;
	case HEALTH_OBJECTS:
		return !r->s->metadata_only && r->o.objects && wants_any(r);
	case HEALTH_RANGES:
		return r->lost && !r->s->metadata_only && (r->reader || mirror_has_server(r->m)) &&
		       wants_any(r);
	case HEALTH_HEADERS:
		return r->lost && r->reader && (r->o.cors || r->o.cache_control == PROBE_YES);
	case HEALTH_CLOCK:
		return r->lost && r->client;
	case HEALTH_QUOTA:
		return r->lost && r->m->ops->quota;
	default:
		return false; /* the repository's, and those of the audit */
	}
}

static bool is_found(const struct health_findings *f, enum health_check check)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->at[i].check == check)
			return true;
	return false;
}

static const char *why_not(const struct probe_run *r)
{
	if (r->lost)
		return r->why;
	if (!r->s->release)
		return "the newest release is not known";
	if (r->out->shows != PROBE_SHOWS_SAME)
		return "it does not show the newest release";
	return "there was no time left";
}

static void fill_unknown(struct probe_run *r)
{
	for (int check = 0; check < HEALTH_CHECKS; check++)
		if (applies(r, check) && !is_found(&r->out->findings, check))
			health_find(&r->out->findings, check, HEALTH_UNKNOWN, "not checked: %s",
				    why_not(r));
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Objects are last: they take what is left of the time. */
static int run(struct probe_run *r, struct err *e)
{
	int rc = probe_reach(r, e);
	if (rc == 0)
		probe_metadata(r);
	if (rc == 0 && !r->lost)
		rc = probe_pointers(r, e);
	if (rc == 0 && !r->lost && !r->s->metadata_only)
		rc = probe_ranges(r, e);
	if (rc == 0)
		probe_headers(r);
	if (rc == 0 && !r->lost)
		rc = probe_objects(r, e);
	if (rc == 0)
		rc = check_quota(r, e);
	if (rc == 0)
		fill_unknown(r);
	return rc;
}

int probe_mirror(const struct probe_subject *s, struct mirror *m, const struct probe_options *o,
		 struct probe *out, struct err *e)
{
	CLEANUP(probe_state_release) struct probe_state none = { 0 };
	struct probe_subject subject = *s;
	struct err why = ERR_INIT;
	subject.state = s->state ? s->state : &none;
	CLEANUP(probe_run_close) struct probe_run r = {
		.s = &subject, .o = *o, .m = m, .out = out
	};
	uint64_t from_us = clock_now_us(o->clock);
	put_defaults(&r.o);
	int rc = probe_run_open(&r, &why);
	if (rc < 0)
		rc = probe_run_fault(&r, HEALTH_REACH, HEALTH_UNKNOWN, &why, e);
	else
		rc = run(&r, e);
	out->total_us = clock_now_us(o->clock) - from_us;
	return rc;
}
