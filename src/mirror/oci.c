#include "mirror/oci.h"

#include "mirror/kinds.h"
#include "oci/tag.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

static const char *const keys[] = { "image", "mount-from", "formats", "max-object", "netrc", NULL };
static const char *const schemes[] = { "oci://", NULL };

/* -- opening ------------------------------------------------------------------------ */

/* https://docs.github.com/en/packages/working-with-a-github-packages-registry/
 * working-with-the-container-registry: "10 GB size limit for each layer" */
#define GHCR_MAX 10000000000u

static int read_formats(const struct conf *c, const struct conf_section *sec, unsigned *out,
			struct err *e)
{
	static const struct {
		const char *name;
		unsigned format;
	} known[] = { { "docker", OCI_FORMAT_DOCKER },
		      { "modelpack", OCI_FORMAT_MODELPACK },
		      { "ollama", OCI_FORMAT_OLLAMA },
		      { "none", 0 } };
	CLEANUP(str_list_release) struct str_list words = { 0 };
	conf_get_words(sec, "formats", &words);
	*out = words.count ? 0 : OCI_FORMAT_DOCKER | OCI_FORMAT_MODELPACK | OCI_FORMAT_OLLAMA;
	for (size_t i = 0; i < words.count; i++) {
		size_t k = 0;
		while (k < ARRAY_LEN(known) && strcmp(words.at[i], known[k].name) != 0)
			k++;
		if (k == ARRAY_LEN(known)) {
			conf_err(c, sec, "formats", e, "unknown format '%.50s'", words.at[i]);
			return err_hint(e, "the formats are docker, modelpack, ollama and none");
		}
		*out |= known[k].format;
	}
	return 0;
}

static int read_mounts(const struct conf *c, const struct conf_section *sec, struct str_list *out,
		       struct err *e)
{
	conf_get_words(sec, "mount-from", out);
	for (size_t i = 0; i < out->count; i++)
		if (!oci_name_is_valid(out->at[i]))
			return conf_err(c, sec, "mount-from", e,
					"'%.100s' is not a name of a repository in a registry",
					out->at[i]);
	return 0;
}

static int open_section(struct mirror *m, const struct conf *c, const struct conf_section *sec,
			const struct str_list *mounts, struct err *e)
{
	const char *image = conf_get(sec, "image");
	if (!image && !m->url) {
		conf_err(c, sec, NULL, e, "a mirror of kind oci needs 'image'");
		return err_hint(e, "for example: image = ghcr.io/owner/models");
	}
	struct err why = ERR_INIT;
	int rc = mirror_oci_open(m, image ? image : m->url, mounts, true, &why);
	if (rc < 0) {
		conf_err(c, sec, image ? "image" : "url", e, "%s", why.text);
		return err_hint(e, "%s", why.hint);
	}
	struct mirror_oci *s = m->state;
	m->can |= MIRROR_CAN_WRITE | MIRROR_CAN_LIST | MIRROR_IN_ORDER;
	m->max_object = strcmp(s->registry.place.host, "ghcr.io") == 0 ? GHCR_MAX : 0;
	rc = conf_get_size(c, sec, "max-object", &m->max_object, e);
	if (rc == 0)
		rc = conf_get_bool(c, sec, "netrc", &s->http.netrc, e);
	if (rc == 0)
		rc = read_formats(c, sec, &s->formats, e);
	if (rc == 0)
		mirror_oci_load_traits(m);
	return rc;
}

static int oci_open(struct mirror *m, const struct conf *c, const struct conf_section *sec,
		    struct err *e)
{
	CLEANUP(str_list_release) struct str_list mounts = { 0 };
	if (!sec)
		return mirror_oci_read.open(m, c, sec, e);
	int rc = read_mounts(c, sec, &mounts, e);
	if (rc == 0)
		rc = open_section(m, c, sec, &mounts, e);
	if (rc == 0) {
		((struct mirror_oci *)m->state)->mount_from = mounts;
		mounts = (struct str_list){ 0 };
	}
	return rc;
}

/* -- listing ------------------------------------------------------------------------- */

struct listing {
	struct mirror_oci_name *at;
	size_t count, cap;
};

static void listing_release(struct listing *l)
{
	mirror_oci_names_free(l->at, l->count);
}

static void add_layers(struct listing *l, const struct oci_manifest *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct oci_layer *layer = &m->layers[i];
		if (!layer->title || !path_is_key(layer->title))
			continue;
		l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
		l->at[l->count++] = (struct mirror_oci_name){ .key = mem_strdup(layer->title),
							      .digest = layer->digest,
							      .size = layer->size,
							      .time_s = layer->time_s };
	}
}

/* Adds what the artifact of a model keeps. */
static int add_artifact(struct mirror_connection *c, const char *tag, struct listing *l,
			struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(OCI_MANIFEST_MAX);
	CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 };
	struct digest d;
	int rc = oci_manifest_get(&s->registry, c->state, tag, &bytes, &d, e);
	if (rc == 0)
		rc = oci_manifest_parse(buf_str(&bytes), bytes.len, tag, &m, e);
	if (rc == 0)
		add_layers(l, &m);
	return rc;
}

static int compare_names(const void *a, const void *b)
{
	const struct mirror_oci_name *x = a, *y = b;
	return strcmp(x->key, y->key);
}

static int collect(struct mirror_connection *c, struct listing *l, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	CLEANUP(str_list_release) struct str_list tags = { 0 };
	int rc = mirror_oci_names(c, &l->at, &l->count, e);
	l->cap = l->count;
	if (rc == 0)
		rc = oci_tags(&s->registry, c->state, &tags, e);
	for (size_t i = 0; rc == 0 && i < tags.count; i++)
		if (str_starts(tags.at[i], OCI_TAG_MODEL) || str_starts(tags.at[i], OCI_TAG_OLD))
			rc = add_artifact(c, tags.at[i], l, e);
	if (rc == 0 && l->count)
		qsort(l->at, l->count, sizeof *l->at, compare_names);
	return rc;
}

static int oci_list(struct mirror_connection *c, const char *prefix, mirror_entry_fn *fn, void *ctx,
		    struct err *e)
{
	CLEANUP(listing_release) struct listing l = { 0 };
	int rc = collect(c, &l, e);
	for (size_t i = 0; rc == 0 && i < l.count; i++) {
		struct mirror_entry entry = { .key = l.at[i].key };
		bool twice = i && strcmp(l.at[i - 1].key, l.at[i].key) == 0;
		if (twice || !str_starts(l.at[i].key, prefix))
			continue;
		mirror_oci_describe(&entry.stat, &l.at[i].digest, l.at[i].size);
		entry.stat.modified_s = l.at[i].time_s;
		rc = fn(ctx, &entry, e);
	}
	return rc;
}

/* -- removing ------------------------------------------------------------------------ */

/* "targets/models/ID/…" → ID; NULL: it is not of a model. */
static char *id_of_key(const char *key)
{
	static const char models[] = "targets/models/";
	const char *id = key + strlen(models), *end;
	if (!str_starts(key, models) || !(end = strchr(id, '/')))
		return NULL;
	CLEANUP(mem_free_ptr) char *name = mem_strndup(id, (size_t)(end - id));
	return path_is_id(name) ? STEAL(name) : NULL;
}

/* Takes the key out of an artifact: the registry removes blobs that no manifest names. */
static int remove_from(struct mirror_connection *c, const char *tag, const char *key, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	CLEANUP(buf_release) struct buf old = BUF_INIT(OCI_MANIFEST_MAX);
	CLEANUP(buf_release) struct buf new = BUF_INIT(2 * OCI_MANIFEST_MAX);
	CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 };
	struct err why = ERR_INIT;
	struct digest d;
	int rc = oci_manifest_get(&s->registry, c->state, tag, &old, &d, &why);
	if (rc == 0)
		rc = oci_manifest_parse(buf_str(&old), old.len, tag, &m, &why);
	if (rc < 0 && rc != -ERR_NOT_FOUND)
		*e = why;
	if (rc < 0)
		return rc == -ERR_NOT_FOUND ? 0 : rc;
	if (!oci_manifest_remove(&m, key))
		return 0;
	rc = oci_manifest_write(&m, &new, e);
	return rc < 0 ? rc : oci_manifest_put(&s->registry, c->state, tag, m.type, &new, e);
}

static int remove_object(struct mirror_connection *c, const char *id, const char *key,
			 struct err *e)
{
	CLEANUP(mem_free_ptr) char *own = oci_tag_model(id), *old = oci_tag_old(id);
	int rc = remove_from(c, own, key, e);
	return rc < 0 ? rc : remove_from(c, old, key, e);
}

static int oci_remove(struct mirror_connection *c, const char *key, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	CLEANUP(mem_free_ptr) char *id = id_of_key(key);
	struct digest d;
	bool changed;
	if (mirror_oci_is_blob(key, &d) && id)
		return remove_object(c, id, key, e);
	mirror_oci_stage(s, key, NULL, 0);
	return mirror_oci_index_write(c, NULL, 0, 0, &changed, e);
}

const struct mirror_ops mirror_oci = {
	.kind = "oci",
	.keys = keys,
	.schemes = schemes,
	.reads_entries = true,
	.wants_models = true,
	.small_connections = 8,
	.open = oci_open,
	.has_credentials = mirror_oci_has_credentials,
	.close = mirror_oci_close,
	.connect = mirror_oci_connect,
	.disconnect = mirror_oci_disconnect,
	.stat = mirror_oci_stat,
	.get = mirror_oci_get,
	.list = oci_list,
	.remove = oci_remove,
	.upload_open = mirror_oci_upload_open,
	.upload_put = mirror_oci_upload_put,
	.upload_commit = mirror_oci_upload_commit,
	.upload_close = mirror_oci_upload_close,
	.upload_abandon = mirror_oci_upload_abandon,
	.publish = mirror_oci_publish,
	.preflight = mirror_oci_preflight,
	.probe = mirror_oci_probe,
};
