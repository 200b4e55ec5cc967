#include "mirror/oci_formats.h"

#include "oci/tag.h"
#include "util/mem.h"

#include <string.h>

#define TYPE_MODEL MIRROR_OCI_TYPE ".model.v1"
#define TYPE_LAYER "application/octet-stream"
/* Of the artifact of a model: the digest of all its tags, so that it tells whether any of them has
 * to be written again. It is written last. */
#define TAGS_ANNOTATION "model-ferry.tags"

/* A tag that is to be written. */
struct tagged {
	char *tag;
	char *type;
	struct buf bytes;
	bool if_there; /* only if the tag is there: it is taken away from a withdrawn version */
};

/* All that a model gets. */
struct batch {
	struct mirror_connection *c;
	const struct mirror_model *model;
	bool partial; /* the tags stay as they are, and what is in the artifact stays in it */
	struct mirror_findings *out;
	struct mirror_findings lacks; /* reported only when something is written */
	struct tagged *tags;
	size_t tag_count, tag_cap;
	struct mirror_oci_blob *blobs;
	size_t blob_count, blob_cap;
};

static void batch_release(struct batch *b)
{
	for (size_t i = 0; i < b->tag_count; i++) {
		free(b->tags[i].tag);
		free(b->tags[i].type);
		buf_release(&b->tags[i].bytes);
	}
	for (size_t i = 0; i < b->blob_count; i++)
		free(b->blobs[i].data);
	free(b->tags);
	free(b->blobs);
	mirror_findings_release(&b->lacks);
}

static struct mirror_oci *state_of(const struct batch *b)
{
	return b->c->mirror->state;
}

/* -- what is there ------------------------------------------------------------------------ */

static bool has_file(const struct mirror_model *m, const struct card_file *f)
{
	for (size_t i = 0; i < m->file_count; i++)
		if (m->files[i].there && digest_equal(&m->files[i].sha256, &f->sha256) &&
		    strcmp(m->files[i].path, f->path) == 0)
			return true;
	return false;
}

static bool has_variant(const struct mirror_model *m, const struct card_variant *v)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (!has_file(m, &v->files[i]))
			return false;
	return v->file_count;
}

static bool has_for_all(const void *ctx, const struct card_variant *v)
{
	return has_variant(ctx, v);
}

/* -- one tag ------------------------------------------------------------------------------ */

static void add_blob(struct batch *b, struct mirror_oci_blob *blob)
{
	if (!blob->data)
		return;
	b->blobs = mem_grow(b->blobs, b->blob_count, &b->blob_cap, sizeof *b->blobs);
	b->blobs[b->blob_count++] = *blob;
}

static int add_tag(struct batch *b, const char *tag, const struct oci_manifest *m, bool if_there,
		   struct err *e)
{
	struct buf bytes = BUF_INIT(2 * OCI_MANIFEST_MAX);
	int rc = oci_manifest_write(m, &bytes, e);
	if (rc < 0) {
		buf_release(&bytes);
		return rc;
	}
	b->tags = mem_grow(b->tags, b->tag_count, &b->tag_cap, sizeof *b->tags);
	b->tags[b->tag_count++] = (struct tagged){ .tag = mem_strdup(tag),
						   .type = mem_strdup(m->type),
						   .bytes = bytes,
						   .if_there = if_there };
	return 0;
}

/* version 0: the current one's plain tag. */
static int fill_tag(struct batch *b, const struct mirror_oci_writer *f,
		    const struct card_variant *v, uint64_t version, struct err *e)
{
	const struct card *card = b->model->card;
	CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 };
	CLEANUP(mem_free_ptr) char *tag = oci_tag(card->id, v->id, version, f->suffix);
	struct mirror_oci_blob config = { 0 }, license = { 0 };
	struct mirror_oci_subject s = { .card = card,
					.variant = v,
					.projector = mirror_oci_projector(card, v, has_for_all,
									  b->model),
					.tag = tag };
	f->fill(&s, &m, &config, &license);
	add_blob(b, &config);
	add_blob(b, &license);
	return add_tag(b, tag, &m, false, e);
}

static int withdraw_tag(struct batch *b, const struct mirror_oci_writer *f,
			const struct card_variant *v, uint64_t version, const char *reason,
			struct err *e)
{
	CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 };
	CLEANUP(mem_free_ptr) char *tag = oci_tag(b->model->card->id, v->id, version, f->suffix);
	mirror_oci_withdrawn(tag, reason, &m);
	return add_tag(b, tag, &m, true, e);
}

/* -- one version --------------------------------------------------------------------------- */

static bool can_have(struct batch *b, const struct mirror_oci_writer *f,
		     const struct card_variant *v, bool current)
{
	if (mirror_oci_suits(f->bit, v))
		return true;
	if (current && f->bit == OCI_FORMAT_OLLAMA && mirror_oci_suits(OCI_FORMAT_DOCKER, v))
		mirror_findings_add(&b->lacks, v->id, MIRROR_FINDING_LACKS,
				    "%s: Ollama reads a model from one file only, and this one has "
				    "%zu: there is no tag for Ollama",
				    b->model->card->id, card_model_files(v));
	return false;
}

static int add_version(struct batch *b, const struct card_variant *v, const char *id, bool current,
		       struct err *e)
{
	const char *reason = card_withdrawn(b->model->card, v).reason;
	struct card_variant named = *v;
	int rc = 0;
	named.id = id; /* an earlier version has none of its own */
	if (!reason && !has_variant(b->model, v)) {
		if (current && v->file_count)
			mirror_findings_add(&b->lacks, id, MIRROR_FINDING_LACKS,
					    "%s: not all of its files are here: there are no tags "
					    "for it",
					    b->model->card->id);
		return 0;
	}
	for (size_t i = 0; rc == 0 && i < MIRROR_OCI_WRITERS; i++) {
		const struct mirror_oci_writer *f = &mirror_oci_writers[i];
		if (!(state_of(b)->formats & f->bit))
			continue;
		if (reason) {
			rc = withdraw_tag(b, f, &named, v->version, reason, e);
			if (rc == 0 && current)
				rc = withdraw_tag(b, f, &named, 0, reason, e);
		} else if (can_have(b, f, &named, current)) {
			rc = fill_tag(b, f, &named, v->version, e);
			if (rc == 0 && current)
				rc = fill_tag(b, f, &named, 0, e);
		}
	}
	return rc;
}

static int add_versions(struct batch *b, struct err *e)
{
	const struct card *card = b->model->card;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < card->variant_count; i++) {
		const struct card_variant *v = &card->variants[i];
		rc = add_version(b, v, v->id, true, e);
		for (size_t k = 0; rc == 0 && k < v->superseded_count; k++)
			rc = add_version(b, &v->superseded[k], v->id, false, e);
	}
	return rc;
}

/* -- the model's own artifact ---------------------------------------------------------------- */

static void digest_of_tags(const struct batch *b, char hex[DIGEST_HEX])
{
	CLEANUP_PTR(sha256_free) struct sha256 *h = sha256_new();
	struct digest d;
	for (size_t i = 0; i < b->tag_count; i++) {
		const struct tagged *t = &b->tags[i];
		sha256_add(h, t->tag, strlen(t->tag) + 1);
		sha256_add(h, buf_str(&t->bytes), t->bytes.len);
	}
	sha256_final(h, &d);
	digest_hex(hex, &d);
}

/* Its tags, or those of the present one. */
static void annotate(const struct batch *b, const struct oci_manifest *was, struct oci_manifest *m)
{
	const char *old = was->annotations ? json_text(was->annotations, TAGS_ANNOTATION) : NULL;
	char hex[DIGEST_HEX];
	digest_of_tags(b, hex);
	oci_manifest_annotate(m, OCI_TITLE, b->model->card->title);
	if (!b->partial || old)
		oci_manifest_annotate(m, TAGS_ANNOTATION, b->partial ? old : hex);
}

/* was: the present one; only needed for a part. */
static void own_artifact(const struct batch *b, const struct oci_manifest *was,
			 struct oci_manifest *m)
{
	struct digest empty;
	sha256_of(MIRROR_OCI_EMPTY, strlen(MIRROR_OCI_EMPTY), &empty);
	m->type = mem_strdup(OCI_TYPE_MANIFEST);
	m->artifact_type = mem_strdup(TYPE_MODEL);
	oci_manifest_set_config(m, OCI_TYPE_EMPTY, &empty, strlen(MIRROR_OCI_EMPTY));
	for (size_t i = 0; i < b->model->file_count; i++) {
		const struct mirror_file *f = &b->model->files[i];
		if (f->there)
			oci_manifest_add(m, TYPE_LAYER, &f->sha256, f->size, f->key, NULL);
	}
	if (b->partial)
		mirror_oci_keep(m, was, NULL, b->model->card->id, 0);
	if (!m->count)
		oci_manifest_add(m, OCI_TYPE_EMPTY, &empty, strlen(MIRROR_OCI_EMPTY), NULL, NULL);
	annotate(b, was, m);
}

/* -- writing ------------------------------------------------------------------------------- */

/* Does the tag point at these bytes? *there: at anything. */
static int compare_tag(struct batch *b, const char *tag, const struct buf *bytes, bool *same,
		       bool *there, struct err *e)
{
	struct digest want, now = { 0 };
	struct err why = ERR_INIT;
	sha256_of(buf_str(bytes), bytes->len, &want);
	int rc = oci_manifest_head(&state_of(b)->registry, b->c->state, tag, &now, &why);
	if (rc < 0 && rc != -ERR_NOT_FOUND) {
		*e = why;
		return rc;
	}
	*there = rc == 0;
	*same = *there && digest_equal(&want, &now);
	return 0;
}

static int write_tag(struct batch *b, const struct tagged *t, struct str_list *written,
		     struct err *e)
{
	bool same, there;
	int rc = compare_tag(b, t->tag, &t->bytes, &same, &there, e);
	if (rc < 0 || same || (t->if_there && !there))
		return rc;
	rc = oci_manifest_put(&state_of(b)->registry, b->c->state, t->tag, t->type, &t->bytes, e);
	if (rc < 0)
		return err_context(e, "tag %s", t->tag);
	str_list_add(written, t->tag);
	return 0;
}

static int write_blobs(struct batch *b, struct err *e)
{
	struct oci_registry *r = &state_of(b)->registry;
	struct digest d;
	int rc = oci_blob_put(r, b->c->state, MIRROR_OCI_EMPTY, strlen(MIRROR_OCI_EMPTY), &d, e);
	for (size_t i = 0; rc == 0 && i < b->blob_count; i++)
		rc = oci_blob_put(r, b->c->state, b->blobs[i].data, b->blobs[i].len, &d, e);
	return rc;
}

static void tell(struct batch *b, const struct str_list *written)
{
	CLEANUP(buf_release) struct buf tags = BUF_INIT(4 * KIB);
	for (size_t i = 0; i < written->count; i++)
		buf_addf(&tags, "%s%s", i ? " " : "", written->at[i]);
	if (written->count)
		mirror_findings_add(b->out, b->model->card->id, MIRROR_FINDING_CHANGED, "tags %s",
				    buf_str(&tags));
	for (size_t i = 0; i < b->lacks.count; i++)
		mirror_findings_add(b->out, b->lacks.at[i].what, b->lacks.at[i].state, "%s",
				    b->lacks.at[i].text);
}

/* Readers of an older release may still want what is not in this one. */
static int keep_old(struct batch *b, const char *tag, const struct oci_manifest *own, struct err *e)
{
	CLEANUP(oci_manifest_release) struct oci_manifest was = { 0 };
	int rc = mirror_oci_artifact(b->c, tag, &was, e);
	return rc < 0 ? rc : mirror_oci_keep_old(b->c, b->model->card->id, &was, own, e);
}

static int write_batch(struct batch *b, struct err *e)
{
	CLEANUP(oci_manifest_release) struct oci_manifest own = { 0 }, was = { 0 };
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(2 * OCI_MANIFEST_MAX);
	CLEANUP(mem_free_ptr) char *tag = oci_tag_model(b->model->card->id);
	CLEANUP(str_list_release) struct str_list written = { 0 };
	bool same = false, there = false;
	int rc = b->partial ? mirror_oci_artifact(b->c, tag, &was, e) : 0;
	if (rc < 0)
		return rc;
	own_artifact(b, &was, &own);
	rc = oci_manifest_write(&own, &bytes, e);
	if (rc == 0)
		rc = compare_tag(b, tag, &bytes, &same, &there, e);
	if (rc < 0 || same)
		return rc;
	if (!b->partial && there)
		rc = keep_old(b, tag, &own, e);
	if (rc == 0)
		rc = write_blobs(b, e);
	for (size_t i = 0; rc == 0 && i < b->tag_count; i++)
		rc = write_tag(b, &b->tags[i], &written, e);
	if (rc == 0)
		rc = oci_manifest_put(&state_of(b)->registry, b->c->state, tag, own.type, &bytes,
				      e);
	tell(b, &written);
	return rc;
}

static bool has_any(const struct mirror_model *m)
{
	for (size_t i = 0; i < m->file_count; i++)
		if (m->files[i].there)
			return true;
	return false;
}

static int publish_model(struct mirror_connection *c, const struct mirror_model *m, bool partial,
			 struct mirror_findings *out, struct err *e)
{
	CLEANUP(batch_release)
	struct batch b = { .c = c, .model = m, .partial = partial, .out = out };
	if (partial && !has_any(m))
		return 0;
	int rc = partial ? 0 : add_versions(&b, e);
	if (rc == 0)
		rc = write_batch(&b, e);
	return rc < 0 ? err_context(e, "model %s", m->card->id) : 0;
}

/* Objects of no model are kept by the artifact of the metadata. */
static int publish_index(struct mirror_connection *c, const struct mirror_publication *p,
			 struct mirror_findings *out, struct err *e)
{
	CLEANUP(mem_free_ptr) struct mirror_oci_name *more =
		mem_alloc((p->other_count + 1) * sizeof *more);
	size_t count = 0;
	bool changed;
	for (size_t i = 0; i < p->other_count; i++) {
		const struct mirror_file *f = &p->others[i];
		struct digest d;
		if (f->there && mirror_oci_is_blob(f->key, &d))
			more[count++] = (struct mirror_oci_name){ .key = (char *)f->key,
								  .digest = f->sha256,
								  .size = f->size };
	}
	int rc = mirror_oci_index_write(c, more, count, p->version, &changed, e);
	if (rc == 0 && changed)
		mirror_findings_add(out, OCI_TAG_METADATA, MIRROR_FINDING_CHANGED, "version %llu",
				    (unsigned long long)p->version);
	return rc;
}

int mirror_oci_publish(struct mirror_connection *c, const struct mirror_publication *p,
		       struct mirror_findings *out, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; !p->shown && rc == 0 && i < p->model_count; i++)
		rc = publish_model(c, &p->models[i], p->partial || p->staged, out, e);
	return p->shown && rc == 0 ? publish_index(c, p, out, e) : rc;
}
