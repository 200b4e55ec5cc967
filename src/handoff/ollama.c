/*
 * Ollama:
 *
 *   blobs/sha256-<hex>                                   the GGUF, projectors and adapters; config
 *   manifests/<host>/<namespace>/<model>/<tag>           written last
 *
 * The manifest is a Docker image manifest of schema 2: config and layers with their media types,
 * digests and sizes. Without a layer for the template, the one in the GGUF is used. Blobs are
 * opened by their path, so symbolic links work. `ollama rm` removes a link, not what it leads to.
 * At its start the server removes blobs that no manifest names and that are older than an hour (of
 * a link: the link's own time). A draft model or an importance matrix has no place here.
 *
 * A model is one GGUF: of several layers for the model, released versions load the last, so shards
 * are refused. Newer versions look into manifests-v2/ first.
 *
 * `ollama create` with FROM a linked model sets the time of the blob: the store then hashes it
 * again when it is used next.
 *
 * Names: [HOST/][NAMESPACE/]MODEL[:TAG], each part at most 80 letters, digits, '_', '-' and '.'
 * (none in a namespace), the first a letter, digit or '_'.
 *
 * The folder: OLLAMA_MODELS, else ~/.ollama/models; the service that its installer sets up on
 * Linux runs as the user ollama and has /usr/share/ollama/.ollama/models.
 *
 * Sources: ollama/ollama, 2026 (0.13 to 0.30): manifest/paths.go, manifest/manifest.go
 * (collectManifestRefs, OpenVerifiedManifest), manifest/layer.go (touchLayer), server/images.go
 * (GetModel, PruneLayers), server/create.go (createModel: the config), types/model/config.go,
 * types/model/name.go, format/format.go (HumanNumber), docs/faq.mdx, docs/linux.mdx.
 */
#include "gguf/gguf.h"
#include "handoff/internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <ctype.h>
#include <string.h>

#define SERVICE_FOLDER "/usr/share/ollama/.ollama/models"
#define HOST "registry.ollama.ai"
#define NAMESPACE "library"
#define TAG "latest"
#define MEDIA "application/vnd.ollama.image."
#define MANIFEST_TYPE "application/vnd.docker.distribution.manifest.v2+json"
#define CONFIG_TYPE "application/vnd.docker.container.image.v1+json"
#define DOCUMENT_MAX_BYTES MIB
#define PART_MAX 80

int handoff_ollama_root(char **out, struct err *e)
{
	static const struct handoff_place places[] = { { "OLLAMA_MODELS", NULL }, { NULL, NULL } };
	const char *set = getenv("OLLAMA_MODELS");
	char *root = NULL;
	int rc = handoff_find_root(places, ".ollama/models", &root, e);
	if (rc == 0 && !(set && set[0]) && !file_is_dir(root) && file_is_dir(SERVICE_FOLDER)) {
		free(root);
		root = mem_strdup(SERVICE_FOLDER);
	}
	if (rc == 0)
		*out = root;
	return rc;
}

/* -- the name -------------------------------------------------------------------------------- */

static bool is_part(const char *s, bool dots)
{
	if (!isalnum((unsigned char)s[0]) && s[0] != '_')
		return false;
	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-' && (*p != '.' || !dots))
			return false;
	return strlen(s) <= PART_MAX && !strstr(s, "..");
}

/* "host/namespace/model/tag" of a name; NULL if it is none. The caller frees. */
static char *path_of_name(const char *name)
{
	CLEANUP(str_list_release) struct str_list parts = { 0 };
	CLEANUP(mem_free_ptr) char *copy = mem_strdup(name);
	char *slash = strrchr(copy, '/'), *colon = strrchr(slash ? slash : copy, ':');
	const char *tag = TAG;
	if (colon) {
		*colon = '\0';
		tag = colon + 1;
	}
	str_list_split(&parts, copy, "/");
	if (!parts.count || parts.count > 3 || !is_part(tag, true) || strstr(name, "//") ||
	    name[0] == '/')
		return NULL;
	const char *model = parts.at[parts.count - 1];
	const char *space = parts.count > 1 ? parts.at[parts.count - 2] : NAMESPACE;
	const char *host = parts.count > 2 ? parts.at[0] : HOST;
	return is_part(model, true) && is_part(space, false) && is_part(host, true)
		       ? mem_printf("%s/%s/%s/%s", host, space, model, tag)
		       : NULL;
}

static int choose_name(const struct handoff_draft *d, char **path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *variant = handoff_variant_name(d->variant);
	const char *wanted = d->options->name;
	char **name = &d->out->layout.name;
	*name = wanted ? mem_strdup(wanted) : mem_printf("%s:%s", d->variant->model, variant);
	*path = path_of_name(*name);
	if (*path)
		return 0;
	err_set(e, ERR_USAGE, "'%s' is not a valid name for a model in Ollama", *name);
	return err_hint(e, "--name [NAMESPACE/]MODEL[:TAG] gives it another name");
}

/* -- the documents --------------------------------------------------------------------------- */

static char *digest_text(const struct digest *d)
{
	char hex[DIGEST_HEX];
	return mem_printf("sha256:%s", digest_hex(hex, d));
}

static json_t *layer_json(const char *type, const struct digest *d, uint64_t size)
{
	CLEANUP(mem_free_ptr) char *digest = digest_text(d);
	json_t *layer = json_object();
	json_put_string(layer, "mediaType", type);
	json_put_string(layer, "digest", digest);
	json_put_u64(layer, "size", size);
	return layer;
}

/* "6.7B", "124.44M", as Ollama shows it. */
static char *count_text(uint64_t n)
{
	const uint64_t billion = 1000000000, million = 1000000, thousand = 1000;
	if (n >= billion)
		return mem_printf(n % billion ? "%.1fB" : "%.0fB", (double)n / (double)billion);
	if (n >= million)
		return mem_printf(n % million ? "%.2fM" : "%.0fM", (double)n / (double)million);
	if (n >= thousand)
		return mem_printf("%.0fK", (double)n / (double)thousand);
	return mem_printf("%llu", (unsigned long long)n);
}

/* A layer's media type; NULL: Ollama has no place for it. */
static const char *media_type(const struct store_file *f)
{
	return !f->role                          ? MEDIA "model"
	       : handoff_is_role(f, "projector") ? MEDIA "projector"
	       : handoff_is_role(f, "adapter")   ? MEDIA "adapter"
						 : NULL;
}

static int document_text(const json_t *document, char **out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(DOCUMENT_MAX_BYTES);
	int rc = json_compact(document, &text, e);
	if (rc == 0)
		*out = buf_steal(&text);
	return rc;
}

static void put_families(json_t *config, const char *family, const struct store_variant *v)
{
	json_t *families = json_put_array(config, "model_families");
	json_push_string(families, family);
	for (size_t i = 0; i < v->file_count; i++)
		if (handoff_is_role(&v->files[i], "projector")) {
			json_push_string(families, "clip");
			return;
		}
}

static void put_digests(json_t *config, const struct store_variant *v)
{
	json_t *rootfs = json_put_object(config, "rootfs");
	json_put_string(rootfs, "type", "layers");
	json_t *ids = json_put_array(rootfs, "diff_ids");
	for (size_t i = 0; i < v->file_count; i++) {
		CLEANUP(mem_free_ptr) char *digest = digest_text(&v->files[i].sha256);
		if (media_type(&v->files[i]))
			json_push_string(ids, digest);
	}
}

static int config_text(const struct handoff_draft *d, const struct gguf *g, char **out,
		       struct err *e)
{
	struct gguf_metadata m;
	CLEANUP(json_release) json_t *config = json_object();
	gguf_metadata(g, &m);
	CLEANUP(mem_free_ptr) char *type = count_text(m.parameters);
	const char *family = m.architecture ? m.architecture : "unknown";
	json_put_string(config, "model_format", "gguf");
	json_put_string(config, "model_family", family);
	put_families(config, family, d->variant);
	json_put_string(config, "model_type", type);
	json_put_string(config, "file_type", m.quantization ? m.quantization : "unknown");
	json_put_string(config, "architecture", "amd64");
	json_put_string(config, "os", "linux");
	put_digests(config, d->variant);
	return document_text(config, out, e);
}

/* -- the layout ------------------------------------------------------------------------------ */

static int check_files(const struct store_variant *v, const struct store_file **model,
		       struct err *e)
{
	size_t count = 0;
	for (size_t i = 0; i < v->file_count; i++)
		count += !v->files[i].role;
	if (count <= 1)
		return 0;
	err_set(e, ERR_USAGE, "%s:%s has %zu files, and Ollama loads models of one file only",
		v->model, v->variant, count);
	return err_hint(e,
			"choose another variant or engine, or join the files: `llama-gguf-split "
			"--merge %s OUT.gguf`, then `ollama create`",
			(*model)->name);
}

static char *blob_path(const struct handoff_draft *d, const struct digest *sha256)
{
	char hex[DIGEST_HEX];
	return handoff_path(d, "blobs/sha256-%s", digest_hex(hex, sha256));
}

static void note(struct handoff *h, char *text)
{
	str_list_take(&h->notes, text);
}

static void add_layers(const struct handoff_draft *d, json_t *layers)
{
	const struct store_variant *v = d->variant;
	for (size_t i = 0; i < v->file_count; i++) {
		const struct store_file *f = &v->files[i];
		const char *type = media_type(f);
		if (!type) {
			note(d->out,
			     mem_printf("%s is left out: Ollama has no place for it", f->name));
			continue;
		}
		handoff_add_file(d, blob_path(d, &f->sha256), f);
		json_push(layers, layer_json(type, &f->sha256, f->size));
	}
}

static int add_documents(const struct handoff_draft *d, char *config, const char *name,
			 struct err *e)
{
	struct handoff *h = d->out;
	CLEANUP(json_release) json_t *manifest = json_object();
	char *text = NULL;
	struct digest sha256;
	sha256_of(config, strlen(config), &sha256);
	json_put_u64(manifest, "schemaVersion", 2);
	json_put_string(manifest, "mediaType", MANIFEST_TYPE);
	json_put(manifest, "config", layer_json(CONFIG_TYPE, &sha256, strlen(config)));
	add_layers(d, json_put_array(manifest, "layers"));
	handoff_add_text(h, blob_path(d, &sha256), config);
	int rc = document_text(manifest, &text, e);
	if (rc == 0)
		handoff_add_text(h, handoff_path(d, "manifests/%s", name), text)->hint =
			"Ollama has a model of this name: `ollama rm` removes it, or choose "
			"another name (--name)";
	return rc;
}

static int open_model(const char *path, struct gguf **out, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	int rc = file_open_read(path, &fd, e);
	return rc < 0 ? rc : gguf_open_fd(fd, path, out, e);
}

static int add_all(const struct handoff_draft *d, const struct store_file *model, const char *name,
		   struct err *e)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(d->store, &model->sha256);
	CLEANUP_PTR(gguf_free) struct gguf *g = NULL;
	struct gguf_template template;
	char *config = NULL;
	int rc = open_model(blob, &g, e);
	if (rc == 0)
		rc = config_text(d, g, &config, e);
	if (rc == 0)
		rc = add_documents(d, config, name, e);
	if (rc == 0 && !gguf_template(g, 0, &template))
		note(d->out, mem_strdup("the model has no chat template: Ollama gives it prompts "
					"as they are"));
	return rc;
}

/* A newer Ollama would use that, whatever we write. */
static int check_newer(const struct handoff_draft *d, const char *name, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = handoff_path(d, "manifests-v2/%s", name);
	if (!file_exists(path))
		return 0;
	err_set(e, ERR_CONFLICT, "%s exists, and is not one of ferry's links", path);
	return err_hint(e,
			"Ollama has a model of this name: `ollama rm %s` removes it, or choose "
			"another name (--name)",
			d->out->layout.name);
}

int handoff_ollama(const struct handoff_draft *d, struct err *e)
{
	const struct store_file *model = NULL;
	CLEANUP(mem_free_ptr) char *name = NULL;
	int rc = handoff_first(d, &model, e);
	if (rc == 0)
		rc = check_files(d->variant, &model, e);
	if (rc == 0)
		rc = choose_name(d, &name, e);
	if (rc == 0)
		rc = check_newer(d, name, e);
	if (rc == 0)
		rc = add_all(d, model, name, e);
	if (rc < 0)
		return rc;
	d->out->open = blob_path(d, &model->sha256);
	d->out->use = mem_printf("ollama run %s", d->out->layout.name);
	return 0;
}
