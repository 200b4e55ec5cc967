/* Ranges, and the headers of answers: what readers, browsers and caches go by. */
#include "health/probe_run.h"

#include "util/mem.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define RANGE_BYTES 32
#define SMALL_MAX (256 * KIB)

/* ---- ranges -------------------------------------------------------------------------------- */

/* The largest file that the mirror is meant to have: it is the one that is read in parts. */
static const struct repository_file *largest(const struct probe_run *r)
{
	const struct tree *t = r->s->release;
	const struct repository_file *best = NULL;
	for (size_t i = 0; i < t->files.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		if (f->class == REPOSITORY_OBJECT && f->size > RANGE_BYTES &&
		    probe_run_wants(r, f) && (!best || f->size > best->size))
			best = f;
	}
	return best;
}

/* A file that is small enough to be read from the tree, so that bytes of it can be compared. */
static const struct repository_file *comparable(const struct probe_run *r)
{
	const struct tree *t = r->s->release;
	for (size_t i = 0; i < t->files.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		if (f->class == REPOSITORY_OBJECT && f->size > 2 * RANGE_BYTES &&
		    f->size <= SMALL_MAX && !f->is_pack && !f->manifest_key &&
		    probe_run_wants(r, f))
			return f;
	}
	return NULL;
}

static int take(void *ctx, const void *data, size_t len, struct err *e)
{
	struct buf *b = ctx;
	buf_add(b, data, len);
	return buf_ok(b, "the answer to a range request", e);
}

/* RANGE_BYTES from the middle of the file. */
static int read_range(struct probe_run *r, const struct repository_file *f, bool *ignored,
		      struct buf *out, struct http_response *answer, struct err *e)
{
	static const char *const headers[] = { "Origin: " PROBE_RUN_ORIGIN, NULL };
	if (r->reader) {
		struct http_request q = {
			.headers = headers,
			.offset = f->size / 2,
			.length = RANGE_BYTES,
			.ignored_range = HTTP_IGNORED_REFUSE,
			.into = out,
		};
		int rc = probe_run_ask(r, f->key, &q, answer, e);
		if (answer->html && answer->status < 300)
			return http_fault_page(answer, e);
		*ignored = answer->range_ignored;
		return rc;
	}
	const struct mirror_sink sink = { take, out };
	struct mirror_range range = { .key = f->key, .offset = f->size / 2, .length = RANGE_BYTES };
	int rc = mirror_get(r->m, &range, &sink, e);
	*ignored = !mirror_can(r->m, MIRROR_CAN_RANGE);
	return rc;
}

static int range_of(struct probe_run *r, const struct repository_file *f, struct buf *out,
		    struct http_response *answer, struct err *e)
{
	struct err why = ERR_INIT;
	bool ignored = false;
	int rc = read_range(r, f, &ignored, out, answer, &why);
	if (ignored) {
		health_find(&r->out->findings, HEALTH_RANGES, HEALTH_WARNING,
			    "ranges are ignored: a range of %s was answered with the whole file%s",
			    f->key, answer->status == 200 ? " (status 200)" : "");
		return 0;
	}
	/* The check of objects tells what is missing. S3 answers 403 for it to who may not list. */
	if (rc == -ERR_NOT_FOUND || (rc < 0 && answer->status == 403))
		return 0;
	if (rc < 0)
		return probe_run_fault(r, HEALTH_RANGES, HEALTH_WARNING, &why, e);
	health_find(&r->out->findings, HEALTH_RANGES, HEALTH_OK, "ranges are answered");
	return 0;
}

static int compare_range(struct probe_run *r, const struct repository_file *f, struct err *e)
{
	CLEANUP(http_response_release) struct http_response answer = { 0 };
	CLEANUP(buf_release) struct buf got = BUF_INIT(RANGE_BYTES);
	CLEANUP(buf_release) struct buf want = BUF_INIT(SMALL_MAX);
	struct err ignored = ERR_INIT;
	if (tree_read_small(r->s->release, f, &want, &ignored) < 0)
		return 0;
	int rc = range_of(r, f, &got, &answer, e);
	if (rc == 0 && got.len == RANGE_BYTES &&
	    memcmp(got.data, want.data + f->size / 2, RANGE_BYTES) != 0)
		health_find(&r->out->findings, HEALTH_RANGES, HEALTH_CRITICAL,
			    "a range of %s has wrong bytes", f->key);
	return rc;
}

int probe_ranges(struct probe_run *r, struct err *e)
{
	const struct repository_file *f;
	CLEANUP(buf_release) struct buf got = BUF_INIT(RANGE_BYTES);
	if (!r->s->release || !(r->reader || mirror_has_server(r->m)))
		return 0;
	int rc = (f = largest(r)) ? range_of(r, f, &got, &r->object, e) : 0;
	if (r->object.status / 100 != 2)
		http_response_release(&r->object);
	if (rc == 0 && !r->lost && (f = comparable(r)))
		rc = compare_range(r, f, e);
	return rc;
}

/* ---- headers ------------------------------------------------------------------------------- */

/* Push sets them where the kind can; elsewhere it is up to the server's configuration. */
static bool judges_cache(const struct probe_run *r)
{
	const char *kind = r->m->ops->kind;
	if (r->o.cache_control == PROBE_DEFAULT)
		return mirror_can(r->m, MIRROR_CAN_WRITE) &&
		       (strcmp(kind, "s3") == 0 || strcmp(kind, "r2") == 0);
	return r->o.cache_control == PROBE_YES;
}

/* Is the word one of a list with commas? Its value behind '=', or "" (RFC 9110, 5.6.1). */
static bool list_has(const char *list, const char *word, char value[32])
{
	CLEANUP(str_list_release) struct str_list parts = { 0 };
	size_t len = strlen(word);
	str_list_split(&parts, list, ", \t");
	for (size_t i = 0; i < parts.count; i++) {
		const char *p = parts.at[i];
		if (!str_starts_nocase(p, word) || (p[len] && p[len] != '='))
			continue;
		size_t n = p[len] ? strspn(p + len + 1, "0123456789") : 0;
		if (value)
			snprintf(value, 32, "%.*s", (int)MIN(n, 31), p[len] ? p + len + 1 : "");
		return true;
	}
	return false;
}

static void warn(struct probe_run *r, const char *text)
{
	health_find(&r->out->findings, HEALTH_HEADERS, HEALTH_WARNING, "%s", text);
}

static uint64_t max_age_s(const char *cache)
{
	char value[32] = "";
	uint64_t s;
	return cache && list_has(cache, "max-age", value) && parse_u64(value, &s) ? s : 0;
}

/* Longer than this, readers of a cache are late for a release by more than people expect. */
#define TIMESTAMP_MAX_AGE_S 3600
#define OBJECT_MIN_AGE_S 86400

static void judge_timestamp(struct probe_run *r)
{
	const char *cache = http_response_header(&r->first, "cache-control");
	char value[32];
	if (cache &&
	    (list_has(cache, "immutable", value) || max_age_s(cache) > TIMESTAMP_MAX_AGE_S)) {
		health_find(&r->out->findings, HEALTH_HEADERS, HEALTH_WARNING,
			    "caches may keep " PROBE_RUN_TIMESTAMP
			    " for too long: Cache-Control is '%.100s'",
			    cache);
	}
	if (!judges_cache(r))
		return;
	if (!cache)
		warn(r, PROBE_RUN_TIMESTAMP " has no Cache-Control: caches choose how long they "
					    "keep it");
	if (strcmp(r->first.type, "application/json") != 0)
		health_find(&r->out->findings, HEALTH_HEADERS, HEALTH_WARNING,
			    "Content-Type of " PROBE_RUN_TIMESTAMP
			    " is '%.60s', not application/json",
			    r->first.type);
}

static void judge_object(struct probe_run *r)
{
	const char *cache = http_response_header(&r->object, "cache-control");
	/* Some servers and caches compress or change text. */
	if (str_starts(r->object.type, "text/"))
		health_find(&r->out->findings, HEALTH_HEADERS, HEALTH_WARNING,
			    "Content-Type of model files is '%.60s', but they are not text",
			    r->object.type);
	if (judges_cache(r) && max_age_s(cache) < OBJECT_MIN_AGE_S)
		health_find(&r->out->findings, HEALTH_HEADERS, HEALTH_WARNING,
			    "caches do not keep model files, which never change: Cache-Control is "
			    "'%.100s'",
			    cache ? cache : "");
}

static bool allows_origin(const struct http_response *a)
{
	const char *origin = http_response_header(a, "access-control-allow-origin");
	return origin && (strcmp(origin, "*") == 0 || strcmp(origin, PROBE_RUN_ORIGIN) == 0);
}

/* Content-Length needs no permission: https://fetch.spec.whatwg.org/#cors-safelisted-response-
 * header-name */
static void judge_cors(struct probe_run *r)
{
	const struct http_response *a = r->object.status ? &r->object : &r->first;
	const char *exposed = http_response_header(a, "access-control-expose-headers");
	if (!allows_origin(a) || (r->first.status && r->reader && !allows_origin(&r->first))) {
		warn(r, "web pages cannot read it: there is no Access-Control-Allow-Origin for "
			"them");
		return;
	}
	if (r->object.status != 206)
		return;
	if (!exposed ||
	    (!list_has(exposed, "*", NULL) &&
	     (!list_has(exposed, "content-range", NULL) || !list_has(exposed, "etag", NULL))))
		warn(r, "web pages cannot read ranges safely: Access-Control-Expose-Headers "
			"lacks Content-Range or ETag");
}

void probe_headers(struct probe_run *r)
{
	if (!r->reader || !r->out->up || !(r->first.status / 100 == 2 || r->object.status))
		return;
	if (r->timestamp.len)
		judge_timestamp(r);
	if (r->object.status)
		judge_object(r);
	if (r->o.cors)
		judge_cors(r);
	if (r->timestamp.len || r->object.status || r->o.cors)
		health_find(&r->out->findings, HEALTH_HEADERS, HEALTH_OK,
			    "the headers are as they should be");
}
