#include "mirror/oci.h"

#include "mirror/probe.h"
#include "mirror/record.h"
#include "oci/tag.h"
#include "util/mem.h"
#include "util/retry.h"

#include <string.h>

#define TRAIT_CHUNKS "oci.chunks"
#define CHUNK 1000 /* bytes of the probe's chunks */

void mirror_oci_load_traits(struct mirror *m)
{
	CLEANUP(mirror_record_release) struct mirror_record r = { 0 };
	struct mirror_oci *s = m->state;
	bool chunks;
	mirror_record_load(m, &r);
	if (mirror_record_can(&r, TRAIT_CHUNKS, &chunks))
		s->traits = OCI_PROBED | (chunks ? OCI_CHUNKS : 0);
}

static void save_traits(const struct mirror *m)
{
	const struct mirror_oci *s = m->state;
	CLEANUP(mirror_record_release) struct mirror_record r = { 0 };
	struct err ignored = ERR_INIT;
	mirror_record_load(m, &r);
	mirror_record_set_capabilities(&r, m);
	mirror_record_set_can(&r, TRAIT_CHUNKS, s->traits & OCI_CHUNKS);
	(void)!mirror_record_save(m, &r, &ignored);
}

/* -- what a registry can do ------------------------------------------------------------- */

static int zeros(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	(void)ctx, (void)offset, (void)e;
	memset(data, 0, len);
	return 0;
}

static int one_chunk(struct mirror_connection *c, char **location, uint64_t offset, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct http_request q = { .read_at = zeros, .body_size = CHUNK };
	uint64_t size = 0;
	int rc = oci_upload_chunk(&s->registry, c->state, location, offset, &q, e);
	if (rc == 0)
		rc = oci_upload_size(&s->registry, c->state, location, &size, e);
	if (rc == 0 && size != offset + CHUNK)
		rc = err_set(e, ERR_INTEGRITY, "the registry has %llu bytes of an upload of %llu",
			     (unsigned long long)size, (unsigned long long)(offset + CHUNK));
	return rc;
}

/* Two chunks, after each of which the registry says how much it has. The upload is not finished:
 * nothing stays. */
static int probe_chunks(struct mirror_connection *c, char **location, bool *chunks, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = one_chunk(c, location, 0, &why);
	if (rc == 0)
		rc = one_chunk(c, location, CHUNK, &why);
	*chunks = rc == 0;
	if (rc == -ERR_CANCELLED || rc == -ERR_NETWORK || rc == -ERR_AUTH) {
		*e = why;
		return rc;
	}
	return 0;
}

/* Is writing allowed? An upload that is begun shows it. */
static int probe_write(struct mirror_connection *c, bool probed, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	CLEANUP(mem_free_ptr) char *location = NULL;
	bool chunks = false;
	int rc = oci_upload_begin(&s->registry, c->state, &location, e);
	if (rc == 0 && !probed)
		rc = probe_chunks(c, &location, &chunks, e);
	if (location)
		oci_upload_cancel(&s->registry, c->state, location);
	if (rc == 0 && !probed) {
		s->traits = OCI_PROBED | (chunks ? OCI_CHUNKS : 0);
		save_traits(c->mirror);
	}
	return rc;
}

static int with_patience(struct mirror_connection *c, bool probed, struct err *e)
{
	struct retry retry = mirror_probe_retry(c->mirror);
	int rc;
	do {
		rc = probe_write(c, probed, e);
	} while (rc < 0 && retry_again(&retry, e));
	return rc < 0 ? -(int)e->class : 0;
}

static int reach(struct mirror_connection *c, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	CLEANUP(http_response_release) struct http_response r = { 0 };
	struct retry retry = mirror_probe_retry(c->mirror);
	int rc;
	do {
		rc = oci_ping(&s->registry, c->state, &r, e);
	} while (rc < 0 && retry_again(&retry, e));
	return rc < 0 ? -(int)e->class : 0;
}

static void tell_credentials(struct mirror_connection *c, struct mirror_findings *out)
{
	struct mirror_oci *s = c->mirror->state;
	CLEANUP(mem_free_ptr) char *source = oci_auth_source(s->registry.auth);
	if (oci_auth_has_credentials(s->registry.auth))
		mirror_findings_add(out, "credentials", MIRROR_FINDING_OK, "from %s", source);
	else
		mirror_findings_add(out, "credentials", MIRROR_FINDING_OK, "none are asked for");
}

static int tell(struct mirror_findings *out, const char *what, int rc, const struct err *why,
		struct err *e)
{
	if (rc == -ERR_CANCELLED)
		*e = *why;
	else if (rc < 0)
		mirror_findings_fault(out, what, why);
	return rc == -ERR_CANCELLED ? rc : 0;
}

int mirror_oci_preflight(struct mirror_connection *c, const struct mirror_need *need,
			 struct mirror_findings *out, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct err why = ERR_INIT;
	const char *what = "registry";
	int rc = reach(c, &why);
	if (rc == 0 && need->write) {
		what = "permission";
		rc = with_patience(c, s->traits & OCI_PROBED, &why);
	}
	if (rc == 0)
		tell_credentials(c, out);
	return tell(out, what, rc, &why, e);
}

/* Can those read it who have no credentials? */
static int ask_as_reader(struct mirror_connection *c, struct err *e)
{
	CLEANUP(oci_reference_release) struct oci_reference place = { 0 };
	struct oci_registry r = { 0 };
	struct digest d;
	const struct oci_auth_options auth = { .anonymous = true,
					       .cancel = c->mirror->env.cancel,
					       .clock = c->mirror->env.clock };
	int rc = oci_reference_parse(c->mirror->url, &place, e);
	if (rc < 0)
		return rc;
	oci_registry_open(&r, &place, &auth, &c->mirror->requests);
	rc = oci_manifest_head(&r, c->state, OCI_TAG_METADATA, &d, e);
	oci_registry_close(&r);
	return rc;
}

static int probe_public(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	struct err why = ERR_INIT;
	if (!c->mirror->url || c->mirror->stage)
		return 0;
	int rc = ask_as_reader(c, &why);
	if (rc == 0 || rc == -ERR_NOT_FOUND) {
		mirror_findings_add(out, "public read", MIRROR_FINDING_OK, "yes");
		return 0;
	}
	if (rc == -ERR_AUTH) {
		why.hint[0] = '\0';
		err_hint(&why, "make it public at the registry, or tell readers to log in with "
			       "`docker login`");
	}
	return tell(out, "public read", rc, &why, e);
}

int mirror_oci_probe(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct err why = ERR_INIT;
	if (!mirror_can(c->mirror, MIRROR_CAN_WRITE))
		return mirror_oci_probe_read(c, out, e);
	int rc = reach(c, &why);
	if (rc == 0)
		rc = with_patience(c, false, &why);
	if (rc < 0)
		return tell(out, "registry", rc, &why, e);
	tell_credentials(c, out);
	mirror_findings_add(out, "write", MIRROR_FINDING_OK, "yes");
	if (s->traits & OCI_CHUNKS)
		mirror_findings_add(out, "chunks", MIRROR_FINDING_OK,
				    "an upload that was interrupted continues");
	else
		mirror_findings_add(out, "chunks", MIRROR_FINDING_LACKS,
				    "an upload that was interrupted begins anew");
	return probe_public(c, out, e);
}
