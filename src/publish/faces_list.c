#include "publish/faces_list.h"

#include "api/hub.h"
#include "api/registry.h"
#include "oci/manifest.h"
#include "oci/reference.h"
#include "settings/mirrors.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define TYPE_JSON "application/json"
#define TYPE_BLOB "application/octet-stream"
#define FORMAT "model-ferry-faces"
#define MAX_ITEMS 200000

void faces_list_release(struct faces_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->at[i].key);
		free(l->at[i].from);
		buf_release(&l->at[i].bytes);
	}
	free(l->at);
	*l = (struct faces_list){ 0 };
}

static int compare_keys(const void *a, const void *b)
{
	const struct faces_item *x = a, *y = b;
	return strcmp(x->key, y->key);
}

static int compare_key(const void *key, const void *item)
{
	return strcmp(key, ((const struct faces_item *)item)->key);
}

struct faces_item *faces_list_find(const struct faces_list *l, const char *key)
{
	return l->count ? bsearch(key, l->at, l->count, sizeof *l->at, compare_key) : NULL;
}

/* -- making it ------------------------------------------------------------------------------ */

struct maker {
	const struct tree *t;
	const char *name; /* of the repository */
	bool folder;
	struct faces_list *out;
	struct str_list catalog; /* NAME/MODEL */
	json_t *models;          /* of the Hub */
};

/* Takes the key. */
static struct faces_item *add(struct maker *m, char *key, const char *type)
{
	struct faces_list *l = m->out;
	l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
	l->at[l->count] = (struct faces_item){ .key = key, .type = type };
	return &l->at[l->count++];
}

static void add_bytes(struct maker *m, char *key, const char *type, const void *data, size_t len)
{
	struct faces_item *i = add(m, key, type);
	buf_init(&i->bytes, 16 * MIB);
	buf_add(&i->bytes, data, len);
	sha256_of(data, len, &i->sha256);
}

/* Takes key and value. */
static int add_json(struct maker *m, char *key, json_t *value, struct err *e)
{
	CLEANUP(json_release) json_t *owned = value;
	CLEANUP(buf_release) struct buf text = BUF_INIT(16 * MIB);
	int rc = json_compact(owned, &text, e);
	if (rc == 0)
		rc = buf_ok(&text, key, e);
	if (rc == 0)
		add_bytes(m, key, TYPE_JSON, buf_str(&text), text.len);
	else
		free(key);
	return rc;
}

/* A model file under another name. */
static int add_copy(struct maker *m, char *key, const struct card_file *f, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(f->path);
	char hex[DIGEST_HEX];
	char *from = mem_printf("targets/%s/%s.%s", dir, digest_hex(hex, &f->sha256),
				path_base(f->path));
	struct faces_item *i = add(m, key, TYPE_BLOB);
	i->from = from;
	i->sha256 = f->sha256;
	return tree_find(m->t, from) ? 0 : err_set(e, ERR_INTEGRITY, "the release has no %s", from);
}

/* ---- a registry ---- */

static const char *folder_of(const struct maker *m, const char *type)
{
	return m->folder && strcmp(type, OCI_TYPE_DOCKER) == 0 ? "manifests-docker" : "manifests";
}

static int add_blob(struct maker *m, const struct api_registry *r, const struct oci_layer *l,
		    struct err *e)
{
	CLEANUP(api_document_release) struct api_document d = { 0 };
	const struct card_file *file = api_registry_file(r, &l->digest);
	char digest[OCI_DIGEST];
	char *key = mem_printf("v2/%s/%s/blobs/%s", m->name, r->card->id,
			       oci_digest_text(digest, &l->digest));
	if (file)
		return add_copy(m, key, file, e);
	int rc = api_registry_blob(r, &l->digest, &d, e);
	if (rc == 0)
		add_bytes(m, key, d.type, buf_str(&d.bytes), d.bytes.len);
	else
		free(key);
	return rc;
}

static int add_tag(struct maker *m, const struct api_registry *r, const char *tag, struct err *e)
{
	CLEANUP(api_document_release) struct api_document d = { 0 };
	CLEANUP(oci_manifest_release) struct oci_manifest parsed = { 0 };
	char digest[OCI_DIGEST];
	int rc = api_registry_manifest(r, tag, false, &d, e);
	if (rc == 0)
		rc = oci_manifest_parse(buf_str(&d.bytes), d.bytes.len, tag, &parsed, e);
	if (rc < 0)
		return rc;
	const char *folder = folder_of(m, d.type);
	add_bytes(m, mem_printf("v2/%s/%s/%s/%s", m->name, r->card->id, folder, tag), d.type,
		  buf_str(&d.bytes), d.bytes.len);
	add_bytes(m,
		  mem_printf("v2/%s/%s/%s/%s", m->name, r->card->id, folder,
			     oci_digest_text(digest, &d.digest)),
		  d.type, buf_str(&d.bytes), d.bytes.len);
	rc = add_blob(m, r, &parsed.config, e);
	for (size_t i = 0; rc == 0 && i < parsed.count; i++)
		rc = add_blob(m, r, &parsed.layers[i], e);
	return rc;
}

static int add_registry(struct maker *m, const struct card *card, struct err *e)
{
	CLEANUP(api_registry_release) struct api_registry r = { 0 };
	CLEANUP(str_list_release) struct str_list tags = { 0 };
	int rc = api_registry_init(&r, m->name, card, e);
	if (rc < 0)
		return rc;
	api_registry_tags(&r, &tags);
	for (size_t i = 0; rc == 0 && i < tags.count; i++)
		rc = add_tag(m, &r, tags.at[i], e);
	if (rc < 0 || !tags.count)
		return rc;
	str_list_take(&m->catalog, mem_printf("%s/%s", m->name, card->id));
	json_t *list = json_object();
	json_put_string(list, "name", m->catalog.at[m->catalog.count - 1]);
	json_put(list, "tags", json_strings(&tags));
	return add_json(m, mem_printf("v2/%s/%s/tags/list", m->name, card->id), list, e);
}

/* ---- the Hub ---- */

static int add_hub_revision(struct maker *m, const struct api_hub *h, const char *revision,
			    struct err *e)
{
	const char *end = m->folder ? ".json" : "";
	int rc = add_json(m, mem_printf("api/models/%s/revision/%s%s", h->name, revision, end),
			  api_hub_model(h), e);
	if (rc == 0)
		rc = add_json(m, mem_printf("api/models/%s/tree/%s%s", h->name, revision, end),
			      api_hub_tree(h, "", true), e);
	return rc;
}

/* Older versions of llama.cpp ask for "main". Where a second name costs nothing, it is there. */
static int add_hub_file(struct maker *m, const struct api_hub *h, const struct api_hub_file *f,
			struct err *e)
{
	int rc = add_copy(m, mem_printf("%s/resolve/%s/%s", h->name, h->commit, f->path), f->file,
			  e);
	return rc == 0 && m->folder
		       ? add_copy(m, mem_printf("%s/resolve/main/%s", h->name, f->path), f->file, e)
		       : rc;
}

static int add_hub(struct maker *m, const struct card *card, struct err *e)
{
	CLEANUP(api_hub_release) struct api_hub h = { 0 };
	const char *end = m->folder ? ".json" : "";
	api_hub_init(&h, m->name, card);
	if (!h.count)
		return 0;
	json_push(m->models, api_hub_entry(&h));
	int rc = add_json(m, mem_printf("api/models/%s%s", h.name, end), api_hub_model(&h), e);
	if (rc == 0)
		rc = add_json(m, mem_printf("api/models/%s/refs%s", h.name, end), api_hub_refs(&h),
			      e);
	if (rc == 0)
		rc = add_hub_revision(m, &h, "main", e);
	if (rc == 0)
		rc = add_hub_revision(m, &h, h.commit, e);
	for (size_t i = 0; rc == 0 && i < h.count; i++)
		rc = add_hub_file(m, &h, &h.files[i], e);
	return rc;
}

/* ---- all of it ---- */

/* What several tags name is there once. */
static void sort(struct faces_list *l)
{
	size_t count = 0;
	if (l->count)
		qsort(l->at, l->count, sizeof *l->at, compare_keys);
	for (size_t i = 0; i < l->count; i++) {
		if (!count || strcmp(l->at[count - 1].key, l->at[i].key) != 0) {
			l->at[count++] = l->at[i];
			continue;
		}
		free(l->at[i].key);
		free(l->at[i].from);
		buf_release(&l->at[i].bytes);
	}
	l->count = count;
}

static int make(struct maker *m, const struct publication *p, unsigned faces, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < p->count; i++) {
		if (faces & SETTINGS_FACE_OCI)
			rc = add_registry(m, &p->models[i].card, e);
		if (rc == 0 && faces & SETTINGS_FACE_HUB)
			rc = add_hub(m, &p->models[i].card, e);
	}
	if (rc == 0 && faces & SETTINGS_FACE_OCI) {
		json_t *catalog = json_object();
		json_put(catalog, "repositories", json_strings(&m->catalog));
		rc = add_json(m, mem_strdup("v2/_catalog"), catalog, e);
	}
	if (rc == 0 && faces & SETTINGS_FACE_HUB)
		rc = add_json(m, mem_printf("api/models%s", m->folder ? ".json" : ""),
			      json_incref(m->models), e);
	return rc;
}

int faces_list_make(const struct tree *t, const struct publication *p, unsigned faces, bool folder,
		    struct faces_list *out, struct err *e)
{
	CLEANUP(faces_list_release) struct faces_list l = { 0 };
	CLEANUP(json_release) json_t *models = json_array();
	struct maker m = { .t = t, .folder = folder, .out = &l, .models = models };
	if (!p->head.json || !path_is_id(p->head.name))
		return err_set(e, ERR_USAGE,
			       "the name of the repository cannot be that of a face: '%.100s'",
			       p->head.json ? p->head.name : "");
	m.name = p->head.name;
	int rc = make(&m, p, faces, e);
	str_list_release(&m.catalog);
	if (rc < 0)
		return rc;
	sort(&l);
	*out = l;
	l = (struct faces_list){ 0 };
	return 0;
}

/* -- faces.json ----------------------------------------------------------------------------- */

/* Nothing else is ever removed because the list says so. */
static bool is_of_face(const char *key)
{
	return path_is_key(key) && !str_starts(key, "targets/") &&
	       (str_starts(key, "v2/") || str_starts(key, "api/models") ||
		strstr(key, "/resolve/"));
}

static int parse_item(const json_t *o, struct faces_item *out, struct err *e)
{
	const char *key, *unused = NULL;
	int rc = json_get_string(o, "files", "key", &key, e);
	if (rc == 0)
		rc = json_get_hex(o, "files", "sha256", out->sha256.bytes, DIGEST_SIZE, e);
	if (rc == 0)
		rc = json_opt_string(o, "files", "unused", &unused, e);
	if (rc == 0 && (!is_of_face(key) || (unused && !parse_time(unused, &out->unused_s))))
		rc = err_set(e, ERR_INTEGRITY, "'%.100s' is not a file of a face", key);
	if (rc == 0)
		out->key = mem_strdup(key);
	return rc;
}

static int parse_items(const json_t *files, struct faces_list *l, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < json_array_size(files); i++) {
		struct faces_item item = { 0 };
		rc = parse_item(json_array_get(files, i), &item, e);
		if (rc < 0)
			break;
		l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
		l->at[l->count++] = item;
	}
	return rc;
}

int faces_list_parse(const void *data, size_t len, struct faces_list *out, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = 64 * MIB };
	CLEANUP(json_release) json_t *root = NULL;
	CLEANUP(faces_list_release) struct faces_list l = { 0 };
	const char *format;
	json_t *files;
	int rc = json_parse(data, len, &limits, "faces.json", &root, e);
	if (rc == 0 && !json_is_object(root))
		rc = err_set(e, ERR_INTEGRITY, "faces.json: not a JSON object");
	if (rc == 0)
		rc = json_get_string(root, "", "format", &format, e);
	if (rc == 0 && strcmp(format, FORMAT) != 0)
		rc = err_set(e, ERR_INTEGRITY, "faces.json: its format is not " FORMAT);
	if (rc == 0)
		rc = json_get_array(root, "", "files", MAX_ITEMS, &files, e);
	if (rc == 0)
		rc = parse_items(files, &l, e);
	if (rc < 0)
		return rc;
	sort(&l);
	*out = l;
	l = (struct faces_list){ 0 };
	return 0;
}

int faces_list_write(const struct faces_list *l, struct buf *out, struct err *e)
{
	CLEANUP(json_release) json_t *root = json_object();
	json_put_string(root, "format", FORMAT);
	json_put_u64(root, "version", 1);
	json_t *files = json_put_array(root, "files");
	for (size_t i = 0; i < l->count; i++) {
		json_t *o = json_push_object(files);
		json_put_string(o, "key", l->at[i].key);
		json_put_hex(o, "sha256", l->at[i].sha256.bytes, DIGEST_SIZE);
		if (l->at[i].unused_s)
			json_put_time(o, "unused", l->at[i].unused_s);
	}
	int rc = json_rows(root, out, e);
	return rc == 0 ? buf_ok(out, "faces.json", e) : rc;
}
