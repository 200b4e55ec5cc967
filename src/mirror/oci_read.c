#include "mirror/oci.h"

#include "mirror/kinds.h"
#include "mirror/probe.h"
#include "mirror/web.h"
#include "util/mem.h"

#include <string.h>

static const char *const schemes[] = { "oci://", NULL };
static const char *const no_keys[] = { NULL };

/* -- opening ------------------------------------------------------------------------ */

int mirror_oci_open(struct mirror *m, const char *place, const struct str_list *also, bool write,
		    struct err *e)
{
	CLEANUP(oci_reference_release) struct oci_reference at = { 0 };
	int rc = oci_reference_parse(place, &at, e);
	if (rc < 0)
		return rc;
	struct mirror_oci *s = NEW(struct mirror_oci);
	m->state = s;
	m->can = MIRROR_CAN_RANGE | MIRROR_CAN_SHA256;
	m->place = mem_strdup(at.base);
	web_options(m, &s->http);
	pthread_mutex_init(&s->lock, NULL);
	const struct oci_auth_options auth = {
		.push = write,
		.environment = !m->entry, /* not for a registry that a catalog names */
		.also = also,
		.cancel = m->env.cancel,
		.clock = m->env.clock,
	};
	oci_registry_open(&s->registry, &at, &auth, &m->requests);
	return 0;
}

static int open_url(struct mirror *m, const struct conf *c, const struct conf_section *sec,
		    struct err *e)
{
	if (!m->url)
		return conf_err(c, sec, NULL, e, "a mirror of kind oci needs 'url'");
	return mirror_oci_open(m, m->url, NULL, false, e);
}

void mirror_oci_close(struct mirror *m)
{
	struct mirror_oci *s = m->state;
	oci_registry_close(&s->registry);
	oci_manifest_release(&s->index);
	mirror_oci_names_free(s->staged, s->staged_count);
	for (struct mirror_oci_session *at = s->sessions, *next; at; at = next) {
		next = at->next;
		free(at->location);
		free(at);
	}
	str_list_release(&s->mount_from);
	pthread_mutex_destroy(&s->lock);
	free(s);
	m->state = NULL;
}

int mirror_oci_connect(struct mirror_connection *c, struct err *e)
{
	const struct mirror_oci *s = c->mirror->state;
	struct http_client *client = NULL;
	int rc = http_client_new(&s->http, &client, e);
	c->state = client;
	return rc;
}

void mirror_oci_disconnect(struct mirror_connection *c)
{
	http_client_free(c->state);
}

/* -- stat and get -------------------------------------------------------------------- */

void mirror_oci_describe(struct mirror_stat *out, const struct digest *d, uint64_t size)
{
	*out = (struct mirror_stat){ .size = size, .has_sha256 = true, .sha256 = *d };
	digest_hex(out->etag, d);
}

/* The blob of the key. *size: if *known. */
static int blob_of(struct mirror_connection *c, const char *key, struct digest *d, uint64_t *size,
		   bool *known, struct err *e)
{
	*known = false;
	if (mirror_oci_is_blob(key, d))
		return 0;
	*known = true;
	return mirror_oci_find(c, key, d, size, e);
}

bool mirror_oci_has_credentials(const struct mirror *m)
{
	const struct mirror_oci *s = m->state;
	return oci_auth_find_credentials(s->registry.auth);
}

int mirror_oci_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		    struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct digest d;
	uint64_t size = 0;
	bool known;
	int rc = blob_of(c, key, &d, &size, &known, e);
	if (rc == 0 && !known)
		rc = oci_blob_stat(&s->registry, c->state, &d, &size, e);
	if (rc == 0)
		mirror_oci_describe(out, &d, size);
	return rc;
}

static int on_write(void *ctx, const void *data, size_t len, struct err *e)
{
	const struct mirror_sink *sink = ctx;
	return sink->write(sink->ctx, data, len, e);
}

/* Some registries do not take a range without an end. */
static int closed_range(struct mirror_connection *c, const struct mirror_range *r,
			const struct digest *d, bool known, uint64_t size, struct http_request *q,
			struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	int rc = 0;
	q->offset = r->offset;
	q->length = r->length == UINT64_MAX ? 0 : r->length;
	if (q->length || !q->offset)
		return 0;
	if (!known)
		rc = oci_blob_stat(&s->registry, c->state, d, &size, e);
	if (rc == 0 && q->offset > size)
		rc = err_set(e, ERR_INTEGRITY, "has only %llu bytes there",
			     (unsigned long long)size);
	if (rc == 0)
		q->length = size - q->offset;
	return rc;
}

int mirror_oci_get(struct mirror_connection *c, const struct mirror_range *r,
		   const struct mirror_sink *sink, struct err *e)
{
	CLEANUP(http_response_release) struct http_response out = { 0 };
	struct mirror_oci *s = c->mirror->state;
	struct http_request q = { .deadline_ms = r->deadline_ms,
				  .cancel = r->cancel,
				  .write = on_write,
				  .ctx = (void *)sink };
	struct digest d;
	uint64_t size = 0;
	bool known;
	int rc = blob_of(c, r->key, &d, &size, &known, e);
	if (rc == 0)
		rc = closed_range(c, r, &d, known, size, &q, e);
	if (rc < 0 || (q.offset && !q.length))
		return rc;
	rc = oci_blob_get(&s->registry, c->state, &d, &q, &out, e);
	if (out.range_ignored)
		c->mirror->can &= ~(unsigned)MIRROR_CAN_RANGE;
	return rc;
}

/* -- probing ------------------------------------------------------------------------- */

#define PROBE_KEY "metadata/timestamp.json"

int mirror_oci_probe_read(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	struct mirror_range second = { .key = PROBE_KEY, .offset = 1, .length = 1 };
	struct err why = ERR_INIT;
	int rc = mirror_oci_get(c, &second, &mirror_probe_sink, &why);
	return mirror_probe_read(c->mirror, PROBE_KEY, "the registry", rc, &why, out, e);
}

const struct mirror_ops mirror_oci_read = {
	.kind = "oci",
	.keys = no_keys,
	.schemes = schemes,
	.reads_entries = true,
	.open = open_url,
	.has_credentials = mirror_oci_has_credentials,
	.close = mirror_oci_close,
	.connect = mirror_oci_connect,
	.disconnect = mirror_oci_disconnect,
	.stat = mirror_oci_stat,
	.get = mirror_oci_get,
	.probe = mirror_oci_probe_read,
};
