#include "oci/manifest.h"

#include "oci/reference.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

#define FILE_PATH "org.cncf.model.filepath"

static void layer_release(struct oci_layer *l)
{
	free(l->type);
	free(l->title);
	free(l->path);
	*l = (struct oci_layer){ 0 };
}

void oci_manifest_release(struct oci_manifest *m)
{
	for (size_t i = 0; i < m->count; i++)
		layer_release(&m->layers[i]);
	layer_release(&m->config);
	free(m->layers);
	free(m->type);
	free(m->artifact_type);
	json_release(&m->annotations);
	*m = (struct oci_manifest){ 0 };
}

/* -- building ---------------------------------------------------------------------- */

void oci_manifest_set_config(struct oci_manifest *m, const char *type, const struct digest *d,
			     uint64_t size)
{
	layer_release(&m->config);
	m->config = (struct oci_layer){ .type = mem_strdup(type), .digest = *d, .size = size };
}

void oci_manifest_add(struct oci_manifest *m, const char *type, const struct digest *d,
		      uint64_t size, const char *title, const char *path)
{
	m->layers = mem_grow(m->layers, m->count, &m->cap, sizeof *m->layers);
	m->layers[m->count++] = (struct oci_layer){
		.type = mem_strdup(type),
		.digest = *d,
		.size = size,
		.title = title ? mem_strdup(title) : NULL,
		.path = path ? mem_strdup(path) : NULL,
	};
}

void oci_manifest_annotate(struct oci_manifest *m, const char *key, const char *value)
{
	if (!m->annotations)
		m->annotations = json_object();
	json_put_string(m->annotations, key, value);
}

bool oci_manifest_remove(struct oci_manifest *m, const char *title)
{
	struct oci_layer *l = (struct oci_layer *)oci_manifest_find(m, title);
	if (!l)
		return false;
	layer_release(l);
	m->count--;
	memmove(l, l + 1, (size_t)(m->layers + m->count - l) * sizeof *l);
	if (!m->count)
		oci_manifest_add(m, m->config.type, &m->config.digest, m->config.size, NULL, NULL);
	return true;
}

const struct oci_layer *oci_manifest_find(const struct oci_manifest *m, const char *title)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->layers[i].title && strcmp(m->layers[i].title, title) == 0)
			return &m->layers[i];
	return NULL;
}

/* -- writing ----------------------------------------------------------------------- */

static json_t *descriptor(const struct oci_layer *l)
{
	char digest[OCI_DIGEST];
	json_t *o = json_object();
	json_put_string(o, "mediaType", l->type);
	json_put_string(o, "digest", oci_digest_text(digest, &l->digest));
	json_put_u64(o, "size", l->size);
	if (l->title || l->path || l->time_s) {
		char time[TIME_TEXT];
		json_t *annotations = json_put_object(o, "annotations");
		if (l->time_s) {
			format_time(time, l->time_s);
			json_put_string(annotations, OCI_TIME, time);
		}
		json_put_string(annotations, OCI_TITLE, l->title);
		json_put_string(annotations, FILE_PATH, l->path);
	}
	return o;
}

int oci_manifest_write(const struct oci_manifest *m, struct buf *out, struct err *e)
{
	CLEANUP(json_release) json_t *o = json_object();
	json_put_u64(o, "schemaVersion", 2);
	json_put_string(o, "mediaType", m->type);
	json_put_string(o, "artifactType", m->artifact_type);
	json_put(o, "config", descriptor(&m->config));
	json_t *layers = json_put_array(o, "layers");
	for (size_t i = 0; i < m->count; i++)
		json_push(layers, descriptor(&m->layers[i]));
	if (m->annotations)
		json_put(o, "annotations", json_incref(m->annotations));
	size_t before = out->len;
	int rc = json_compact(o, out, e);
	if (rc < 0 || (!out->overflow && out->len - before <= OCI_MANIFEST_MAX))
		return rc;
	err_set(e, ERR_USAGE, "a manifest of %zu files is larger than registries take", m->count);
	return err_hint(e, "`ferry push --prune` removes what no release needs any more");
}

/* -- parsing ----------------------------------------------------------------------- */

static int read_layer(const json_t *o, const char *at, struct oci_layer *out, struct err *e)
{
	const char *type, *digest, *title = NULL, *path = NULL, *time = NULL;
	struct oci_layer l = { 0 };
	json_t *annotations = NULL;
	int rc = json_get_string(o, at, "mediaType", &type, e);
	if (rc == 0)
		rc = json_get_string(o, at, "digest", &digest, e);
	if (rc == 0)
		rc = json_get_u64(o, at, "size", &l.size, e);
	if (rc == 0)
		rc = json_opt_object(o, at, "annotations", &annotations, e);
	if (rc == 0 && annotations)
		rc = json_opt_string(annotations, at, OCI_TITLE, &title, e);
	if (rc == 0 && annotations)
		rc = json_opt_string(annotations, at, FILE_PATH, &path, e);
	if (rc == 0 && annotations)
		rc = json_opt_string(annotations, at, OCI_TIME, &time, e);
	if (rc == 0 && !oci_digest_parse(digest, &l.digest))
		rc = err_set(e, ERR_INTEGRITY, "%s: '%.80s' is not a SHA-256 digest", at, digest);
	if (rc < 0)
		return rc;
	l.type = mem_strdup(type);
	l.title = title ? mem_strdup(title) : NULL;
	l.path = path ? mem_strdup(path) : NULL;
	if (time && !parse_time(time, &l.time_s))
		l.time_s = 0;
	*out = l;
	return 0;
}

static int compare_titles(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	return strcmp(*x, *y);
}

static int check_titles(const struct oci_manifest *m, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **titles = mem_alloc((m->count + 1) * sizeof *titles);
	size_t count = 0;
	for (size_t i = 0; i < m->count; i++)
		if (m->layers[i].title)
			titles[count++] = m->layers[i].title;
	if (count)
		qsort(titles, count, sizeof *titles, compare_titles);
	for (size_t i = 1; i < count; i++)
		if (strcmp(titles[i - 1], titles[i]) == 0)
			return err_set(e, ERR_INTEGRITY, "two layers have the title '%.200s'",
				       titles[i]);
	return 0;
}

static int read_layers(const json_t *list, struct oci_manifest *m, struct err *e)
{
	size_t count = json_array_size(list);
	m->layers = mem_alloc((count + 1) * sizeof *m->layers);
	m->cap = count + 1;
	for (size_t i = 0; i < count; i++) {
		int rc = read_layer(json_array_get(list, i), "layers", &m->layers[i], e);
		if (rc < 0)
			return rc;
		m->count++;
	}
	return check_titles(m, e);
}

static int read_manifest(const json_t *root, struct oci_manifest *m, struct err *e)
{
	const char *type = NULL, *artifact = NULL;
	json_t *config, *layers, *annotations = NULL;
	uint64_t version;
	int rc = json_get_u64(root, "", "schemaVersion", &version, e);
	if (rc == 0)
		rc = json_opt_string(root, "", "mediaType", &type, e);
	/* The OCI manifest may leave it out. */
	if (rc == 0 && (version != 2 || (type && strcmp(type, OCI_TYPE_MANIFEST) != 0 &&
					 strcmp(type, OCI_TYPE_DOCKER) != 0)))
		rc = err_set(e, ERR_INTEGRITY, "not a manifest of one artifact (%.100s)",
			     type ? type : "schema 1");
	if (rc == 0)
		rc = json_opt_string(root, "", "artifactType", &artifact, e);
	if (rc == 0)
		rc = json_get_object(root, "", "config", &config, e);
	if (rc == 0)
		rc = json_get_array(root, "", "layers", OCI_MANIFEST_LAYERS, &layers, e);
	if (rc == 0)
		rc = json_opt_object(root, "", "annotations", &annotations, e);
	if (rc == 0)
		rc = read_layer(config, "config", &m->config, e);
	if (rc < 0)
		return rc;
	m->type = mem_strdup(type ? type : OCI_TYPE_MANIFEST);
	m->artifact_type = artifact ? mem_strdup(artifact) : NULL;
	m->annotations = annotations ? json_incref(annotations) : NULL;
	return read_layers(layers, m, e);
}

int oci_manifest_parse(const void *data, size_t len, const char *what, struct oci_manifest *out,
		       struct err *e)
{
	static const struct json_limits limits = { .max_bytes = OCI_MANIFEST_MAX };
	CLEANUP(json_release) json_t *root = NULL;
	CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 };
	int rc = json_parse(data, len, &limits, what, &root, e);
	if (rc < 0)
		return rc;
	if (!json_is_object(root))
		return err_set(e, ERR_INTEGRITY, "%s: not a JSON object", what);
	if (read_manifest(root, &m, e) < 0)
		return err_context(e, "%s", what);
	*out = m;
	m = (struct oci_manifest){ 0 };
	return 0;
}
