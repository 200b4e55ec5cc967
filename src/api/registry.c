#include "api/registry.h"

#include "mirror/oci_formats.h"
#include "oci/tag.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

#define TYPE_JSON "application/json"
#define TYPE_BLOB "application/octet-stream"
#define LATEST "latest"

void api_document_release(struct api_document *d)
{
	buf_release(&d->bytes);
	*d = (struct api_document){ 0 };
}

/* -- what a tag means ----------------------------------------------------------------------- */

/* A version of a variant in one format. */
struct wanted {
	const struct card_variant *variant, *version;
	const struct mirror_oci_writer *format;
};

static bool is_shown(const struct card *c, const struct card_variant *v)
{
	return v->file_count && !card_withdrawn(c, v).reason;
}

static bool is_named(const char *name, const char *text, size_t len)
{
	return name && strlen(name) == len && strncasecmp(name, text, len) == 0;
}

static const struct card_variant *find_variant(const struct card *c, const char *text, size_t len)
{
	if (is_named(LATEST, text, len))
		return card_variant(c, NULL);
	for (size_t i = 0; i < c->variant_count; i++)
		if (is_named(c->variants[i].id, text, len))
			return &c->variants[i];
	for (size_t i = 0; i < c->variant_count; i++)
		if (is_named(c->variants[i].quantization, text, len) &&
		    mirror_oci_suits(OCI_FORMAT_DOCKER, &c->variants[i]))
			return &c->variants[i];
	return NULL;
}

/* "VARIANT" or "VARIANT-vVERSION" */
static bool read_version(const struct card *c, const char *text, size_t len, struct wanted *out)
{
	size_t digits = 0;
	out->variant = out->version = find_variant(c, text, len);
	if (out->variant)
		return true;
	while (digits < len && text[len - digits - 1] >= '0' && text[len - digits - 1] <= '9')
		digits++;
	if (!digits || len < digits + 3 || strncasecmp(text + len - digits - 2, "-v", 2) != 0)
		return false;
	CLEANUP(mem_free_ptr) char *number = mem_strndup(text + len - digits, digits);
	uint64_t version;
	out->variant = find_variant(c, text, len - digits - 2);
	out->version = out->variant && *number != '0' && parse_u64(number, &version)
			       ? card_version(out->variant, number)
			       : NULL;
	/* A label may look like a number. */
	return out->version && out->version->version == version;
}

static bool read_tag(const struct card *c, const char *tag, bool ollama, struct wanted *out)
{
	size_t len = strlen(tag);
	bool found = read_version(c, tag, len, out);
	out->format = &mirror_oci_writers[ollama ? MIRROR_OCI_OLLAMA : MIRROR_OCI_DOCKER];
	for (size_t i = 1; !found && i < MIRROR_OCI_WRITERS; i++) {
		size_t end = strlen(mirror_oci_writers[i].suffix);
		if (len <= end || strcasecmp(tag + len - end, mirror_oci_writers[i].suffix) != 0)
			continue;
		found = read_version(c, tag, len - end, out);
		out->format = &mirror_oci_writers[i];
	}
	return found && is_shown(c, out->version) &&
	       mirror_oci_suits(out->format->bit, out->version);
}

/* -- documents ------------------------------------------------------------------------------ */

static bool is_there(const void *ctx, const struct card_variant *v)
{
	return is_shown(ctx, v);
}

/* The name of a version and a format: that of all tags which mean it, so that they are the same
 * manifest. */
static char *tag_of(const struct wanted *w)
{
	return mem_printf("%s-v%llu%s", w->variant->id, (unsigned long long)w->version->version,
			  w->format->suffix);
}

/* What belongs to a version in one format. */
struct made {
	struct api_document manifest, config, license;
};

static void made_release(struct made *m)
{
	api_document_release(&m->manifest);
	api_document_release(&m->config);
	api_document_release(&m->license);
}

static void take_blob(struct mirror_oci_blob *b, const char *type, struct api_document *out)
{
	buf_init(&out->bytes, MIB);
	out->type = type;
	if (b->data)
		buf_add(&out->bytes, b->data, b->len);
	free(b->data);
	sha256_of(buf_str(&out->bytes), out->bytes.len, &out->digest);
}

static void put_file(const struct api_hub *h, const struct card_file *f, const char *member,
		     json_t *manifest)
{
	const char *path = f ? api_hub_path(h, f) : NULL;
	char digest[OCI_DIGEST];
	if (!path)
		return;
	json_t *o = json_put_object(manifest, member);
	json_put_string(o, "rfilename", path);
	json_put_string(o, "blobId", oci_digest_text(digest, &f->sha256));
	json_put_u64(o, "size", f->size);
}

/* For llama.cpp, which reads the model's first file and its projector. */
static int put_files(const struct api_hub *h, const struct mirror_oci_subject *s, struct buf *bytes,
		     struct err *e)
{
	static const struct json_limits limits = { .max_bytes = OCI_MANIFEST_MAX };
	CLEANUP(json_release) json_t *o = NULL;
	int rc = json_parse(buf_str(bytes), bytes->len, &limits, "the manifest", &o, e);
	if (rc < 0)
		return rc;
	put_file(h, &s->variant->files[0], "ggufFile", o);
	put_file(h, s->projector, "mmprojFile", o);
	buf_clear(bytes);
	return json_compact(o, bytes, e);
}

static int make(const struct api_registry *r, const struct wanted *w, struct made *out,
		struct err *e)
{
	CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 };
	CLEANUP(mem_free_ptr) char *tag = tag_of(w);
	struct mirror_oci_blob config = { 0 }, license = { 0 };
	struct card_variant named = *w->version;
	named.id = w->variant->id; /* an earlier version has none of its own */
	struct mirror_oci_subject s = { .card = r->card, .variant = &named, .tag = tag };
	s.projector = mirror_oci_projector(r->card, &named, is_there, r->card);
	w->format->fill(&s, &m, &config, &license);
	take_blob(&config, TYPE_JSON, &out->config);
	take_blob(&license, TYPE_BLOB, &out->license);
	buf_init(&out->manifest.bytes, 2 * OCI_MANIFEST_MAX);
	int rc = oci_manifest_write(&m, &out->manifest.bytes, e);
	if (rc == 0 && w->format->bit == OCI_FORMAT_DOCKER)
		rc = put_files(&r->hub, &s, &out->manifest.bytes, e);
	out->manifest.type = strcmp(m.type, OCI_TYPE_DOCKER) == 0 ? OCI_TYPE_DOCKER
								  : OCI_TYPE_MANIFEST;
	sha256_of(buf_str(&out->manifest.bytes), out->manifest.bytes.len, &out->manifest.digest);
	return rc;
}

static int not_found(const struct api_registry *r, const char *what, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "%s has no such %s", r->hub.name, what);
}

int api_registry_manifest(const struct api_registry *r, const char *tag, bool ollama,
			  struct api_document *out, struct err *e)
{
	CLEANUP(made_release) struct made m = { 0 };
	struct wanted w = { 0 };
	if (!read_tag(r->card, tag, ollama, &w))
		return not_found(r, "tag", e);
	int rc = make(r, &w, &m, e);
	if (rc < 0)
		return rc;
	*out = m.manifest;
	m.manifest = (struct api_document){ 0 };
	return 0;
}

/* -- all of them ----------------------------------------------------------------------------- */

/* Set only the card; use variant, version and format after each call that returns true. */
struct walk {
	const struct card *card;
	struct wanted at;
	size_t variant, version, format;
};

static bool walk_next(struct walk *w)
{
	for (; w->variant < w->card->variant_count; w->variant++, w->version = 0) {
		const struct card_variant *v = &w->card->variants[w->variant];
		for (; w->version <= v->superseded_count; w->version++, w->format = 0) {
			const struct card_variant *at = w->version ? &v->superseded[w->version - 1]
								   : v;
			while (is_shown(w->card, at) && w->format < MIRROR_OCI_WRITERS) {
				const struct mirror_oci_writer *f =
					&mirror_oci_writers[w->format++];
				w->at = (struct wanted){ v, at, f };
				if (mirror_oci_suits(f->bit, at))
					return true;
			}
		}
	}
	return false;
}

void api_registry_tags(const struct api_registry *r, struct str_list *out)
{
	struct walk w = { .card = r->card };
	struct wanted latest;
	if (read_tag(r->card, LATEST, false, &latest))
		str_list_add(out, LATEST);
	while (walk_next(&w)) {
		if (w.at.variant == w.at.version)
			str_list_take(out,
				      mem_printf("%s%s", w.at.variant->id, w.at.format->suffix));
		str_list_take(out, tag_of(&w.at));
	}
}

/* -- by digest -------------------------------------------------------------------------------- */

static struct api_registry_entry *add_entry(struct api_registry *r, enum api_registry_kind kind,
					    const struct digest *digest)
{
	r->entries = mem_grow(r->entries, r->count, &r->cap, sizeof *r->entries);
	struct api_registry_entry *to = &r->entries[r->count++];
	*to = (struct api_registry_entry){ .digest = *digest, .kind = kind };
	return to;
}

static void add_document(struct api_registry *r, enum api_registry_kind kind,
			 const struct wanted *w, const struct api_document *d)
{
	if (!d->bytes.len)
		return;
	struct api_registry_entry *to = add_entry(r, kind, &d->digest);
	to->variant = w->variant;
	to->version = w->version;
	to->format = (unsigned)(w->format - mirror_oci_writers);
}

static int add_documents(struct api_registry *r, struct err *e)
{
	struct walk w = { .card = r->card };
	int rc = 0;
	while (rc == 0 && walk_next(&w)) {
		CLEANUP(made_release) struct made m = { 0 };
		rc = make(r, &w.at, &m, e);
		if (rc < 0)
			continue;
		add_document(r, API_MANIFEST, &w.at, &m.manifest);
		add_document(r, API_CONFIG, &w.at, &m.config);
		add_document(r, API_LICENSE, &w.at, &m.license);
	}
	return rc;
}

static void add_files(struct api_registry *r)
{
	struct card_walk w = { .card = r->card };
	while (card_next_file(&w))
		if (!card_withdrawn(r->card, w.variant).reason)
			add_entry(r, API_FILE, &w.file->sha256)->file = w.file;
}

static int compare_entries(const void *a, const void *b)
{
	const struct api_registry_entry *x = a, *y = b;
	int order = memcmp(&x->digest, &y->digest, sizeof x->digest);
	return order ? order : (int)x->kind - (int)y->kind;
}

/* Versions share licenses, and sometimes files: one of each is enough. */
static void sort(struct api_registry *r)
{
	size_t count = 0;
	if (r->count)
		qsort(r->entries, r->count, sizeof *r->entries, compare_entries);
	for (size_t i = 0; i < r->count; i++)
		if (!count || compare_entries(&r->entries[count - 1], &r->entries[i]) != 0)
			r->entries[count++] = r->entries[i];
	r->count = count;
}

int api_registry_init(struct api_registry *out, const char *repository, const struct card *card,
		      struct err *e)
{
	*out = (struct api_registry){ .card = card };
	api_hub_init(&out->hub, repository, card);
	add_files(out);
	int rc = add_documents(out, e);
	if (rc < 0)
		api_registry_release(out);
	else
		sort(out);
	return rc;
}

void api_registry_release(struct api_registry *r)
{
	api_hub_release(&r->hub);
	free(r->entries);
	*r = (struct api_registry){ 0 };
}

static const struct api_registry_entry *
find(const struct api_registry *r, enum api_registry_kind kind, const struct digest *digest)
{
	const struct api_registry_entry key = { .digest = *digest, .kind = kind };
	return r->count ? bsearch(&key, r->entries, r->count, sizeof key, compare_entries) : NULL;
}

static int make_again(const struct api_registry *r, const struct api_registry_entry *n,
		      struct api_document *out, struct err *e)
{
	CLEANUP(made_release) struct made m = { 0 };
	const struct wanted w = { n->variant, n->version, &mirror_oci_writers[n->format] };
	int rc = make(r, &w, &m, e);
	if (rc < 0)
		return rc;
	struct api_document *d = n->kind == API_MANIFEST ? &m.manifest
				 : n->kind == API_CONFIG ? &m.config
							 : &m.license;
	*out = *d;
	*d = (struct api_document){ 0 };
	return 0;
}

int api_registry_by_digest(const struct api_registry *r, const struct digest *digest,
			   struct api_document *out, struct err *e)
{
	const struct api_registry_entry *n = find(r, API_MANIFEST, digest);
	return n ? make_again(r, n, out, e) : not_found(r, "manifest", e);
}

const struct card_file *api_registry_file(const struct api_registry *r, const struct digest *digest)
{
	const struct api_registry_entry *n = find(r, API_FILE, digest);
	return n ? n->file : NULL;
}

int api_registry_blob(const struct api_registry *r, const struct digest *digest,
		      struct api_document *out, struct err *e)
{
	const struct api_registry_entry *n = find(r, API_CONFIG, digest);
	if (!n)
		n = find(r, API_LICENSE, digest);
	return n ? make_again(r, n, out, e) : not_found(r, "blob", e);
}
