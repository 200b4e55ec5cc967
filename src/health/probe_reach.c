/* The first request to a mirror, and what it tells of the connection. */
#include "health/probe_run.h"

#include "util/mem.h"
#include "util/text.h"

/* ---- the request --------------------------------------------------------------------------- */

static bool holds_metadata(const struct probe_run *r)
{
	return r->m->holds != MIRROR_HOLDS_OBJECTS && !r->m->ops->no_metadata;
}

/* A file that has to be on a mirror of objects; NULL if none is known. */
static const char *some_object(const struct probe_run *r)
{
	const struct tree *t = r->s->release;
	for (size_t i = 0; t && i < t->files.count; i++)
		if (probe_run_wants(r, &t->files.at[i]))
			return t->files.at[i].key;
	return NULL;
}

/* On a connection of its own, so that all its steps are seen. */
static struct http_request first_request(void)
{
	static const char *const headers[] = { "Origin: " PROBE_RUN_ORIGIN, NULL };
	return (struct http_request){ .headers = headers, .once = true, .certificate = true };
}

static int ask_timestamp(struct probe_run *r, struct err *e)
{
	struct http_request q = first_request();
	q.into = &r->timestamp;
	int rc = probe_run_ask(r, PROBE_RUN_TIMESTAMP, &q, &r->first, e);
	if (rc == 0 && r->first.html)
		rc = http_fault_page(&r->first, e);
	return rc;
}

/* Any answer is one: whether the object can be read, the mirror's own call tells. */
static int ask_server(struct probe_run *r, const char *key, struct err *e)
{
	struct http_request q = first_request();
	struct err why = ERR_INIT;
	q.method = "HEAD";
	int rc = probe_run_ask(r, key, &q, &r->first, &why);
	if (rc == 0 ||
	    (r->first.status && why.class != ERR_CANCELLED && why.cause != CAUSE_THROTTLED &&
	     why.cause != CAUSE_PROXY && why.cause != CAUSE_PORTAL && why.cause != CAUSE_STALLED))
		return 0;
	*e = why;
	return rc;
}

static int ask_kind(struct probe_run *r, struct err *e)
{
	const char *key = holds_metadata(r) ? PROBE_RUN_TIMESTAMP : some_object(r);
	if (!key)
		return 0;
	if (holds_metadata(r))
		return probe_run_read(r, key, &r->timestamp, e);
	return mirror_stat_key(probe_run_mirror(r), key, NULL, e);
}

static int ask(struct probe_run *r, struct err *e)
{
	if (r->reader && holds_metadata(r))
		return ask_timestamp(r, e);
	const char *key = r->reader ? some_object(r) : NULL;
	int rc = r->client && (key || r->address) ? ask_server(r, key, e) : 0;
	return rc < 0 ? rc : ask_kind(r, e);
}

/* ---- what it tells ---------------------------------------------------------------------- */

static const char *fault_of(enum http_certificate c)
{
	switch (c) {
	case HTTP_CERTIFICATE_EXPIRED:
		return "the certificate has expired";
	case HTTP_CERTIFICATE_NOT_YET_VALID:
		return "the certificate is not valid yet";
	case HTTP_CERTIFICATE_REVOKED:
		return "the certificate was revoked";
	case HTTP_CERTIFICATE_OTHER_NAME:
		return "the certificate is for another name";
	case HTTP_CERTIFICATE_SELF_SIGNED:
		return "the certificate is self-signed";
	case HTTP_CERTIFICATE_UNKNOWN_AUTHORITY:
		return "the certificate chain ends at a root that is not trusted here";
	case HTTP_CERTIFICATE_INCOMPLETE:
		return "the certificate's issuer is not known: the server does not send an "
		       "intermediate certificate, or the authority is not trusted here";
	case HTTP_CERTIFICATE_OK:
	case HTTP_CERTIFICATE_OTHER:
		break;
	}
	return "the certificate cannot be verified";
}

static void judge_certificate(struct probe_run *r)
{
	struct health_findings *f = &r->out->findings;
	char span[PROBE_RUN_SPAN];
	int64_t expires_s = r->first.certificate_expires_s;
	if (r->first.certificate != HTTP_CERTIFICATE_OK) {
		health_find(f, HEALTH_CERTIFICATE, HEALTH_CRITICAL, "%s",
			    fault_of(r->first.certificate));
		return;
	}
	if (!expires_s)
		return;
	int64_t left_s = expires_s - clock_wall_s(r->o.clock);
	r->out->certificate_expires_s = expires_s;
	enum health_state state = left_s <= (int64_t)r->o.certificate_critical_s  ? HEALTH_CRITICAL
				  : left_s <= (int64_t)r->o.certificate_warning_s ? HEALTH_WARNING
										  : HEALTH_OK;
	health_find(f, HEALTH_CERTIFICATE, state, "the certificate expires in %s",
		    probe_run_span(span, MAX(left_s, 0)));
}

/* A cache sends the Date of the original answer, and its Age (RFC 9111, 5.1). */
static void judge_clock(struct probe_run *r)
{
	const struct http_times *t = &r->first.times;
	const char *date = http_response_header(&r->first, "date");
	const char *age = http_response_header(&r->first, "age");
	char span[PROBE_RUN_SPAN];
	int64_t date_s;
	uint64_t age_s = 0, before_body = t->resolve + t->connect + t->tls + t->first_byte;
	if (!date || !header_date(date, &date_s) || (age && !parse_u64(age, &age_s)) ||
	    age_s > INT32_MAX)
		return;
	/* It was written half a round trip before the first byte came. */
	uint64_t ago_us = (t->total > before_body ? t->total - before_body : 0) + t->first_byte / 2;
	int64_t skew_s = date_s + (int64_t)age_s -
			 (clock_wall_s(r->o.clock) - (int64_t)(ago_us / 1000000));
	/* Both clocks are read in whole seconds. */
	skew_s = skew_s >= -1 && skew_s <= 1 ? 0 : skew_s;
	r->out->has_clock = true;
	r->out->clock_skew_s = skew_s;
	uint64_t off_s = (uint64_t)(skew_s < 0 ? -skew_s : skew_s);
	if (off_s <= r->o.clock_skew_s)
		health_find(&r->out->findings, HEALTH_CLOCK, HEALTH_OK, "its clock is right");
	else
		health_find(&r->out->findings, HEALTH_CLOCK, HEALTH_WARNING,
			    "its clock is %s %s ours", probe_run_span(span, skew_s),
			    skew_s > 0 ? "ahead of" : "behind");
}

static void judge_reach(struct probe_run *r)
{
	struct health_findings *f = &r->out->findings;
	r->out->up = true;
	if (r->out->has_times)
		health_find(f, HEALTH_REACH, HEALTH_OK, "answers after %llu ms",
			    (unsigned long long)(r->first.times.total / 1000));
	else
		health_find(f, HEALTH_REACH, HEALTH_OK, "can be read");
}

/* The server answers, but has nothing: another check than whether it can be reached. */
static bool has_nothing(struct probe_run *r, const struct err *why)
{
	struct health_findings *f = &r->out->findings;
	if (why->class != ERR_NOT_FOUND || !holds_metadata(r))
		return false;
	health_find(f, HEALTH_REACH, HEALTH_OK, "answers, but it has no " PROBE_RUN_TIMESTAMP);
	health_find(f, HEALTH_RELEASE, HEALTH_CRITICAL, "it has no " PROBE_RUN_TIMESTAMP);
	return true;
}

int probe_reach(struct probe_run *r, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = ask(r, &why);
	r->out->has_times = r->first.times.total > 0;
	r->out->times = r->first.times;
	if (r->client)
		judge_certificate(r);
	if (r->first.status)
		judge_clock(r);
	if (rc == 0) {
		judge_reach(r);
		return 0;
	}
	buf_clear(&r->timestamp);
	if (has_nothing(r, &why))
		return 0;
	r->out->up = why.cause == CAUSE_THROTTLED;
	rc = probe_run_fault(r, HEALTH_REACH, HEALTH_CRITICAL, &why, e);
	if (rc == 0 && !r->lost) {
		r->lost = true;
		probe_run_describe(r, &why, r->why);
	}
	return rc;
}
