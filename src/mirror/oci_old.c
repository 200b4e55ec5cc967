/* What left a release, but is still read by clients that have older metadata: until it is pruned,
 * the artifact ferry-old-ID keeps its blobs. */
#include "mirror/oci.h"

#include "oci/tag.h"
#include "util/clock.h"
#include "util/mem.h"

#include <string.h>

int mirror_oci_artifact(struct mirror_connection *c, const char *tag, struct oci_manifest *out,
			struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(OCI_MANIFEST_MAX);
	struct err why = ERR_INIT;
	struct digest d;
	int rc = oci_manifest_get(&s->registry, c->state, tag, &bytes, &d, &why);
	if (rc == 0)
		rc = oci_manifest_parse(buf_str(&bytes), bytes.len, tag, out, &why);
	/* What somebody else has put there is written over. */
	if (rc == 0 || rc == -ERR_NOT_FOUND || rc == -ERR_INTEGRITY)
		return 0;
	*e = why;
	return rc;
}

/* Is the layer an object of this model, named as we do it? */
static bool is_object(const struct oci_layer *l, const char *prefix)
{
	struct digest d;
	return l->title && str_starts(l->title, prefix) && mirror_oci_is_blob(l->title, &d) &&
	       digest_equal(&d, &l->digest);
}

size_t mirror_oci_keep(struct oci_manifest *m, const struct oci_manifest *was,
		       const struct oci_manifest *without, const char *id, int64_t time_s)
{
	CLEANUP(mem_free_ptr) char *prefix = mem_printf("targets/models/%s/", id);
	size_t added = 0;
	for (size_t i = 0; i < was->count; i++) {
		const struct oci_layer *l = &was->layers[i];
		if (!is_object(l, prefix) || oci_manifest_find(m, l->title) ||
		    (without && oci_manifest_find(without, l->title)))
			continue;
		oci_manifest_add(m, l->type, &l->digest, l->size, l->title, NULL);
		m->layers[m->count - 1].time_s = time_s;
		added++;
	}
	return added;
}

static void begin(struct oci_manifest *m, const struct digest *empty)
{
	m->type = mem_strdup(OCI_TYPE_MANIFEST);
	m->artifact_type = mem_strdup(MIRROR_OCI_TYPE ".old.v1");
	oci_manifest_set_config(m, OCI_TYPE_EMPTY, empty, strlen(MIRROR_OCI_EMPTY));
}

/* The present one with what left now, but without what came back. */
static size_t merge(struct oci_manifest *m, const struct oci_manifest *present,
		    const struct oci_manifest *was, const struct oci_manifest *now, const char *id,
		    int64_t time_s)
{
	for (size_t i = 0; i < present->count; i++) {
		const struct oci_layer *l = &present->layers[i];
		if (!l->title || oci_manifest_find(now, l->title))
			continue;
		oci_manifest_add(m, l->type, &l->digest, l->size, l->title, NULL);
		m->layers[m->count - 1].time_s = l->time_s;
	}
	return mirror_oci_keep(m, was, now, id, time_s);
}

int mirror_oci_keep_old(struct mirror_connection *c, const char *id, const struct oci_manifest *was,
			const struct oci_manifest *now, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	CLEANUP(oci_manifest_release) struct oci_manifest present = { 0 }, m = { 0 };
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(2 * OCI_MANIFEST_MAX);
	CLEANUP(mem_free_ptr) char *tag = oci_tag_old(id);
	struct digest empty;
	int rc = mirror_oci_artifact(c, tag, &present, e);
	if (rc < 0)
		return rc;
	sha256_of(MIRROR_OCI_EMPTY, strlen(MIRROR_OCI_EMPTY), &empty);
	begin(&m, &empty);
	if (!merge(&m, &present, was, now, id, clock_wall_s(c->mirror->env.clock)))
		return 0;
	rc = oci_manifest_write(&m, &bytes, e);
	return rc < 0 ? rc : oci_manifest_put(&s->registry, c->state, tag, m.type, &bytes, e);
}
