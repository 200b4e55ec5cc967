/* What readers get from a mirror's public URL. */
#include "mirror/measure.h"

#include "http/http.h"
#include "http/url.h"
#include "util/mem.h"

#include <string.h>

#define ORIGIN "https://ferry-probe.example"
#define FIRST 1000 /* bytes that are asked for */

/* The bytes that came, compared with what was put there. */
struct compared {
	const uint8_t *data; /* NULL: not known */
	size_t len, got;
	bool differs;
};

static int compare(void *ctx, const void *data, size_t len, struct err *e)
{
	struct compared *c = ctx;
	(void)e;
	if (c->data && (len > c->len - c->got || memcmp(c->data + c->got, data, len) != 0))
		c->differs = true;
	c->got += MIN(len, c->len - c->got);
	return 0;
}

static int ask(const struct mirror *m, const char *key, struct compared *c, struct http_response *r,
	       struct err *e)
{
	static const char *const headers[] = { "Origin: " ORIGIN, NULL };
	CLEANUP_PTR(http_client_free) struct http_client *client = NULL;
	CLEANUP(mem_free_ptr) char *url = url_join(m->url, key);
	const struct http_options options = {
		.stall_s = m->env.stall_s,
		.cancel = m->env.cancel,
		.clock = m->env.clock,
	};
	const struct http_request q = {
		.url = url,
		.headers = headers,
		.length = c->data ? MIN(c->len, FIRST) : 1,
		.write = compare,
		.ctx = c,
	};
	int rc = http_client_new(&options, &client, e);
	if (rc == 0)
		rc = http_perform(client, &q, r, e);
	if (rc == 0 && c->differs)
		rc = err_set(e, ERR_INTEGRITY, "%s does not serve what was uploaded", m->url);
	return rc;
}

static bool allows_browsers(const struct http_response *r)
{
	const char *origin = http_response_header(r, "access-control-allow-origin");
	return origin && (strcmp(origin, "*") == 0 || strcmp(origin, ORIGIN) == 0);
}

static void tell(const struct http_response *r, struct mirror_findings *out,
		 struct mirror_record *record)
{
	const char *cache = http_response_header(r, "cache-control");
	bool cors = allows_browsers(r);
	mirror_record_set_can(record, MIRROR_RECORD_PUBLIC_RANGES, !r->range_ignored);
	mirror_record_set_can(record, MIRROR_RECORD_PUBLIC_CORS, cors);
	if (r->range_ignored)
		mirror_findings_add(out, "public ranges", MIRROR_FINDING_LACKS,
				    "range requests are not supported: readers cannot resume "
				    "downloads");
	else
		mirror_findings_add(out, "public ranges", MIRROR_FINDING_OK, "yes");
	mirror_findings_add(out, "public CORS", MIRROR_FINDING_OK, "%s",
			    cors ? "yes"
				 : "no: browsers do not let pages of other web sites read it");
	mirror_findings_add(out, "public cache", MIRROR_FINDING_OK, "%.200s",
			    cache ? cache : "no Cache-Control: caches choose the time themselves");
}

int mirror_measure_public(const struct mirror *m, const char *key, const void *data, size_t len,
			  struct mirror_findings *out, struct mirror_record *r, struct err *e)
{
	CLEANUP(http_response_release) struct http_response answer = { 0 };
	struct compared c = { .data = data, .len = len };
	struct err why = ERR_INIT;
	/* A stage mirror is not for readers; a kind that reads entries in its own way probes that
	 * itself. */
	if (!m->url || m->stage || m->ops->reads_entries ||
	    (!str_starts_nocase(m->url, "http://") && !str_starts_nocase(m->url, "https://")))
		return 0;
	int rc = ask(m, key, &c, &answer, &why);
	if (rc == -ERR_CANCELLED) {
		*e = why;
		return rc;
	}
	mirror_record_set_can(r, MIRROR_RECORD_PUBLIC, rc == 0);
	if (rc < 0) {
		mirror_record_forget(r, MIRROR_RECORD_PUBLIC_RANGES);
		mirror_record_forget(r, MIRROR_RECORD_PUBLIC_CORS);
		mirror_findings_fault(out, "public read", &why);
		return 0;
	}
	mirror_findings_add(out, "public read", MIRROR_FINDING_OK, "yes");
	tell(&answer, out, r);
	return 0;
}
