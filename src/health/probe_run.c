#include "health/probe_run.h"

#include "http/url.h"
#include "mirror/kinds.h"
#include "publish/inventory.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define TIMESTAMP_MAX (64 * KIB)

static bool is_web(const char *url)
{
	return url && (str_starts_nocase(url, "http://") || str_starts_nocase(url, "https://"));
}

/* Kinds that read entries of the catalog in their own way have no plain URLs of keys. What is on a
 * stage mirror is not for everybody. */
static bool has_reader(const struct mirror *m)
{
	return is_web(m->url) && !m->ops->reads_entries &&
	       (!m->stage || strcmp(m->ops->kind, "http") == 0);
}

static int open_reader(struct probe_run *r, struct err *e)
{
	static const struct mirror_ops *const kinds[] = { &mirror_http, NULL };
	struct mirror *m = r->m;
	r->reader = m;
	if (strcmp(m->ops->kind, "http") == 0)
		return 0;
	int rc = mirror_open_url(kinds, &m->env, m->id, m->url, &r->own, e);
	r->reader = r->own;
	return rc;
}

/* Scheme and host of a URL. */
static char *server_of(const char *text)
{
	CLEANUP(url_release) struct url url = { 0 };
	struct err ignored = ERR_INIT;
	if (!is_web(text) || url_parse(text, &url, &ignored) < 0)
		return NULL;
	return mem_printf("%s://%s:%u/", url.scheme, url.host, url.port);
}

int probe_run_open(struct probe_run *r, struct err *e)
{
	struct mirror *m = r->m;
	int rc = 0;
	buf_init(&r->timestamp, TIMESTAMP_MAX);
	r->limit_ms = deadline_left_ms(r->s->deadline);
	if (has_reader(m))
		rc = open_reader(r, e);
	else if (!(r->address = server_of(m->url)))
		r->address = server_of(m->place);
	if (rc < 0 || (!r->reader && !r->address))
		return rc;
	const struct http_options options = {
		.stall_s = m->env.stall_s,
		.rate = m->env.rate,
		.access = m->env.access,
		.cancel = m->env.cancel,
		.clock = m->env.clock,
	};
	return http_client_new(&options, &r->client, e);
}

void probe_run_close(struct probe_run *r)
{
	buf_release(&r->timestamp);
	http_response_release(&r->first);
	http_response_release(&r->object);
	http_client_free(r->client);
	if (r->own)
		mirror_close(r->own);
	free(r->address);
}

struct mirror *probe_run_mirror(const struct probe_run *r)
{
	return r->reader ? r->reader : r->m;
}

/* Of a kind with packs, but without them in the tree, only model files are known to be wanted. */
bool probe_run_wants(const struct probe_run *r, const struct repository_file *f)
{
	const struct mirror *m = r->m;
	if (f->class != REPOSITORY_OBJECT && f->class != REPOSITORY_METADATA)
		return false;
	if (m->ops->packs && !r->s->release->packs && !f->manifest_key)
		return false;
	return inventory_wants(m->holds, m->ops->packs, f) && mirror_has(m, f->key);
}

/* ---- requests --------------------------------------------------------------------------- */

/* A little sooner than the deadline of all, which would end the request without a word on how far
 * it came. */
int probe_run_time_left(const struct probe_run *r, uint64_t *out_ms, struct err *e)
{
	uint64_t left_ms = deadline_left_ms(r->s->deadline);
	*out_ms = left_ms == UINT64_MAX ? 0 : left_ms - left_ms / 20;
	return left_ms ? 0 : cancel_check(&r->s->deadline->cancel, e);
}

int probe_run_ask(struct probe_run *r, const char *key, struct http_request *q,
		  struct http_response *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = key ? url_join(r->reader->url, key)
					      : mem_strdup(r->address);
	int rc = probe_run_time_left(r, &q->deadline_ms, e);
	if (rc < 0)
		return rc;
	q->url = url;
	q->what = "";
	return http_perform(r->client, q, out, e);
}

int probe_run_read(struct probe_run *r, const char *key, struct buf *out, struct err *e)
{
	uint64_t left_ms;
	int rc = probe_run_time_left(r, &left_ms, e);
	return rc < 0 ? rc : mirror_get_small(probe_run_mirror(r), key, left_ms, out, e);
}

/* ---- failures --------------------------------------------------------------------------- */

const char *probe_run_span(char out[PROBE_RUN_SPAN], int64_t s)
{
	static const struct {
		int64_t s;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
	size_t i = 0;
	s = s < 0 ? -s : s;
	while (i + 1 < ARRAY_LEN(units) && s < 2 * units[i].s)
		i++;
	int64_t n = s / units[i].s;
	snprintf(out, PROBE_RUN_SPAN, "%lld %s%s", (long long)n, units[i].name, n == 1 ? "" : "s");
	return out;
}

/* A network says with this status that it wants a login (RFC 6585, 6). A redirect to a web page may
 * mean the same, but more often it is the mirror's: a domain that was sold, for example. */
#define NETWORK_LOGIN 511

/* Is it this machine, or its network, that failed? */
static bool is_ours(const struct probe_run *r, const struct err *why)
{
	return why->cause == CAUSE_PROXY || why->cause == CAUSE_SETTINGS ||
	       (why->cause == CAUSE_PORTAL && r->first.status == NETWORK_LOGIN) ||
	       (why->class == ERR_SYSTEM && mirror_has_server(r->m)) || why->class == ERR_BUG;
}

static bool is_late(const struct probe_run *r, const struct err *why)
{
	uint64_t left_ms = deadline_left_ms(r->s->deadline);
	if (left_ms == UINT64_MAX || left_ms > r->limit_ms / 10)
		return false;
	if (why->class == ERR_CANCELLED && !deadline_passed(r->s->deadline))
		return false;
	return why->class == ERR_CANCELLED || why->cause == CAUSE_STALLED ||
	       why->cause == CAUSE_UNREACHABLE;
}

static const char *limit(const struct probe_run *r, char out[PROBE_RUN_SPAN])
{
	if (r->limit_ms >= 2000)
		return probe_run_span(out, (int64_t)((MIN(r->limit_ms, INT64_MAX) + 500) / 1000));
	snprintf(out, PROBE_RUN_SPAN, "%llu ms", (unsigned long long)r->limit_ms);
	return out;
}

void probe_run_describe(const struct probe_run *r, const struct err *why, char out[400])
{
	char span[PROBE_RUN_SPAN];
	const char *text = why->text + why->core;
	if (is_late(r, why))
		snprintf(out, 400, "%s within %s",
			 why->cause == CAUSE_UNREACHABLE ? "no connection" : "no complete answer",
			 limit(r, span));
	else if (why->cause == CAUSE_THROTTLED && why->retry_after_s)
		snprintf(out, 400,
			 "the server asks for fewer requests (%.200s), and for a pause "
			 "of %s",
			 text, probe_run_span(span, (int64_t)MIN(why->retry_after_s, INT64_MAX)));
	else if (why->cause == CAUSE_THROTTLED)
		snprintf(out, 400, "the server asks for fewer requests (%.200s)", text);
	else
		snprintf(out, 400, "%.390s", text);
}

bool probe_run_hits_all(const struct probe_run *r, const struct err *why)
{
	return is_ours(r, why) || is_late(r, why) || why->cause == CAUSE_THROTTLED ||
	       why->cause == CAUSE_TLS || why->cause == CAUSE_UNREACHABLE;
}

int probe_run_fault(struct probe_run *r, enum health_check check, enum health_state state,
		    const struct err *why, struct err *e)
{
	char text[400];
	if (why->class == ERR_CANCELLED && !is_late(r, why)) {
		*e = *why;
		return -ERR_CANCELLED;
	}
	probe_run_describe(r, why, text);
	if (is_ours(r, why))
		state = HEALTH_UNKNOWN;
	else if (why->cause == CAUSE_THROTTLED)
		state = HEALTH_WARNING;
	health_find(&r->out->findings, check, state, "%s", text);
	if (!r->lost && probe_run_hits_all(r, why)) {
		r->lost = true;
		memcpy(r->why, text, sizeof text);
	}
	return 0;
}
