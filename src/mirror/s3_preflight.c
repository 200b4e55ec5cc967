#include "mirror/s3.h"

#include "mirror/probe.h"
#include "util/clock.h"
#include "util/mem.h"
#include "util/retry.h"

#define SKEW_S 300

static int reach(struct mirror_connection *c, struct http_response *r, struct err *e)
{
	struct retry retry = mirror_probe_retry(c->mirror);
	int rc;
	do {
		rc = mirror_s3_reach(c, r, e);
	} while (rc < 0 && retry_again(&retry, e));
	return rc < 0 ? -(int)e->class : 0;
}

/* Are writing and removing allowed? Tries it with a test object. */
static int try_to_write(struct mirror_connection *c, const struct mirror_need *need, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = mirror_s3_scratch(c, "preflight");
	struct s3_request q = { .method = "PUT", .key = name };
	struct retry retry = mirror_probe_retry(c->mirror);
	struct err why = ERR_INIT;
	int rc;
	do {
		rc = mirror_s3_call(c, &q, NULL, e);
	} while (rc < 0 && retry_again(&retry, e));
	if (rc < 0)
		return err_context(e, "writing");
	rc = mirror_s3_remove_scratch(c, name, &why);
	if (rc == 0 || !need->remove)
		return 0;
	*e = why;
	return err_context(e, "removing");
}

static void check_session(struct mirror_connection *c, const struct mirror_need *need,
			  struct mirror_findings *out)
{
	struct mirror_s3 *s = c->mirror->state;
	CLEANUP(s3_keys_release) struct s3_keys keys = { 0 };
	struct err ignored = ERR_INIT;
	char left[DURATION_TEXT];
	if (s3_credentials_get(s->place.credentials, &keys, &ignored) < 0 || !keys.expires_s)
		return;
	int64_t now_s = clock_wall_s(c->mirror->env.clock);
	uint64_t rest = keys.expires_s > now_s ? (uint64_t)(keys.expires_s - now_s) : 0;
	format_duration(left, rest);
	if (need->seconds && rest < need->seconds)
		mirror_findings_add(out, "session", MIRROR_FINDING_LACKS,
				    "the credentials (%s) expire in %s, before the push is likely "
				    "to end: make sure that they can be renewed",
				    s3_credentials_source(s->place.credentials), left);
	else
		mirror_findings_add(out, "session", MIRROR_FINDING_OK, "%s left", left);
}

static void check_clock(struct mirror_connection *c, const struct http_response *r,
			struct mirror_findings *out)
{
	const char *date = http_response_header(r, "date");
	char by[DURATION_TEXT];
	int64_t theirs;
	if (!date || !header_date(date, &theirs))
		return;
	int64_t off = clock_wall_s(c->mirror->env.clock) - theirs;
	uint64_t distance = (uint64_t)(off < 0 ? -off : off);
	format_duration(by, distance);
	if (distance > SKEW_S)
		mirror_findings_add(out, "clock", MIRROR_FINDING_LACKS,
				    "this machine's clock is %s %s the server's; from 15 minutes "
				    "on, the server refuses all requests",
				    by, off < 0 ? "behind" : "ahead of");
	else
		mirror_findings_add(out, "clock", MIRROR_FINDING_OK, "%s off", by);
}

int mirror_s3_preflight(struct mirror_connection *c, const struct mirror_need *need,
			struct mirror_findings *out, struct err *e)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	struct mirror_s3 *s = c->mirror->state;
	struct err why = ERR_INIT;
	const char *what = "bucket";
	int rc = reach(c, &r, &why);
	if (rc == 0) {
		mirror_findings_add(out, "credentials", MIRROR_FINDING_OK, "from %s",
				    s3_credentials_source(s->place.credentials));
		check_clock(c, &r, out);
		check_session(c, need, out);
		what = "permission";
		rc = need->write ? try_to_write(c, need, &why) : 0;
	}
	if (rc == 0 && need->write && !mirror_s3_has(c->mirror, S3_PROBED)) {
		CLEANUP(mirror_findings_release) struct mirror_findings found = { 0 };
		what = "probe";
		rc = mirror_s3_probe_traits(c, &found, &why);
	}
	if (rc == -ERR_CANCELLED)
		*e = why;
	else if (rc < 0)
		mirror_findings_fault(out, what, &why);
	return rc == -ERR_CANCELLED ? rc : 0;
}
