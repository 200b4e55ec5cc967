#include "mirror/oci_formats.h"

#include "oci/tag.h"
#include "util/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define REF_NAME "org.opencontainers.image.ref.name"
#define VERSION "org.opencontainers.image.version"
#define LICENSES "org.opencontainers.image.licenses"

static void take_json(json_t *o, struct mirror_oci_blob *out)
{
	struct buf text = BUF_INIT(MIB);
	struct err ignored = ERR_INIT;
	(void)!json_compact(o, &text, &ignored);
	out->len = text.len;
	out->data = buf_steal(&text);
}

static void set_config(struct oci_manifest *m, const char *type, const struct mirror_oci_blob *b)
{
	struct digest d;
	sha256_of(b->data, b->len, &d);
	oci_manifest_set_config(m, type, &d, b->len);
}

static json_t *digest_text(const struct digest *d)
{
	char text[OCI_DIGEST];
	return json_string(oci_digest_text(text, d));
}

/* What the card says of the license; NULL when it says nothing. The caller frees it. */
static char *license_text(const struct card *c)
{
	const json_t *license = json_object_get(c->json, "license");
	const char *name = json_text(license, "name"), *url = json_text(license, "url");
	if (!c->license && !name && !url)
		return NULL;
	struct buf text = BUF_INIT(64 * KIB);
	if (c->license)
		buf_addf(&text, "SPDX-License-Identifier: %s\n", c->license);
	if (name)
		buf_addf(&text, "%s\n", name);
	if (url)
		buf_addf(&text, "%s\n", url);
	return buf_steal(&text);
}

static void add_license(const struct mirror_oci_subject *s, const char *type, const char *path,
			struct oci_manifest *m, struct mirror_oci_blob *out)
{
	struct digest d;
	out->data = license_text(s->card);
	out->len = out->data ? strlen(out->data) : 0;
	if (!out->data)
		return;
	sha256_of(out->data, out->len, &d);
	oci_manifest_add(m, type, &d, out->len, NULL, path);
}

/* "2.7B" */
static char *parameters_text(uint64_t count)
{
	static const struct {
		double unit;
		char suffix;
	} units[] = { { 1e12, 'T' }, { 1e9, 'B' }, { 1e6, 'M' }, { 1e3, 'K' } };
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if ((double)count >= units[i].unit)
			return mem_printf("%.3g%c", (double)count / units[i].unit, units[i].suffix);
	return count ? mem_printf("%llu", (unsigned long long)count) : NULL;
}

static const char *time_of(const struct mirror_oci_subject *s)
{
	return s->variant->released ? s->variant->released : json_text(s->card->json, "created");
}

static void annotate(const struct mirror_oci_subject *s, struct oci_manifest *m)
{
	char version[32];
	snprintf(version, sizeof version, "%llu", (unsigned long long)s->variant->version);
	oci_manifest_annotate(m, REF_NAME, s->tag);
	oci_manifest_annotate(m, VERSION, version);
	oci_manifest_annotate(m, OCI_TITLE, s->card->title);
	if (s->card->license)
		oci_manifest_annotate(m, LICENSES, s->card->license);
}

/* Projector and adapters. */
static void add_companions(const struct mirror_oci_subject *s, const char *projector,
			   const char *adapter, struct oci_manifest *m)
{
	if (s->projector)
		oci_manifest_add(m, projector, &s->projector->sha256, s->projector->size, NULL,
				 NULL);
	for (size_t i = card_model_files(s->variant); i < s->variant->file_count; i++) {
		const struct card_file *f = &s->variant->files[i];
		if (strcmp(f->role, CARD_ADAPTER) == 0)
			oci_manifest_add(m, adapter, &f->sha256, f->size, NULL, NULL);
	}
}

/* -- Docker Model Runner ---------------------------------------------------------------- */

#define DOCKER_CONFIG_TYPE "application/vnd.docker.ai.model.config.v0.1+json"
#define DOCKER_GGUF "application/vnd.docker.ai.gguf.v3"
#define DOCKER_PROJECTOR "application/vnd.docker.ai.mmproj"
#define DOCKER_ADAPTER "application/vnd.docker.ai.gguf.v3.lora"
#define DOCKER_LICENSE "application/vnd.docker.ai.license"

static void docker_config(const struct mirror_oci_subject *s, const struct oci_manifest *m,
			  struct mirror_oci_blob *out)
{
	CLEANUP(json_release) json_t *o = json_object();
	CLEANUP(mem_free_ptr) char *parameters = parameters_text(s->card->parameters);
	char size[SIZE_TEXT];
	json_t *config = json_put_object(o, "config");
	json_put_string(config, "format", "gguf");
	json_put_string(config, "quantization", s->variant->quantization);
	json_put_string(config, "parameters", parameters);
	if (*s->card->family)
		json_put_string(config, "architecture", s->card->family);
	json_put_string(config, "size", format_size(size, s->variant->size));
	json_t *descriptor = json_put_object(o, "descriptor");
	json_put_string(descriptor, "created", time_of(s));
	json_t *rootfs = json_put_object(o, "rootfs");
	json_put_string(rootfs, "type", "rootfs");
	json_t *ids = json_put_array(rootfs, "diff_ids");
	for (size_t i = 0; i < m->count; i++)
		json_push(ids, digest_text(&m->layers[i].digest));
	take_json(o, out);
}

static void fill_docker(const struct mirror_oci_subject *s, struct oci_manifest *m,
			struct mirror_oci_blob *config, struct mirror_oci_blob *license)
{
	m->type = mem_strdup(OCI_TYPE_MANIFEST);
	for (size_t i = 0; i < card_model_files(s->variant); i++) {
		const struct card_file *f = &s->variant->files[i];
		oci_manifest_add(m, DOCKER_GGUF, &f->sha256, f->size, NULL, NULL);
	}
	add_companions(s, DOCKER_PROJECTOR, DOCKER_ADAPTER, m);
	add_license(s, DOCKER_LICENSE, NULL, m, license);
	docker_config(s, m, config);
	set_config(m, DOCKER_CONFIG_TYPE, config);
	annotate(s, m);
}

/* -- ModelPack --------------------------------------------------------------------------- */

#define MODELPACK_TYPE "application/vnd.cncf.model.manifest.v1+json"
#define MODELPACK_CONFIG_TYPE "application/vnd.cncf.model.config.v1+json"
#define MODELPACK_WEIGHT "application/vnd.cncf.model.weight.v1.raw"
#define MODELPACK_DOC "application/vnd.cncf.model.doc.v1.raw"

static void modelpack_descriptor(const struct mirror_oci_subject *s, json_t *o)
{
	const json_t *source = json_object_get(s->card->json, "source");
	const char *author = json_text(source, "author");
	char version[32];
	snprintf(version, sizeof version, "%llu", (unsigned long long)s->variant->version);
	json_put_string(o, "createdAt", time_of(s));
	if (author)
		json_push_string(json_put_array(o, "authors"), author);
	if (*s->card->family)
		json_put_string(o, "family", s->card->family);
	json_put_string(o, "name", s->card->id);
	json_put_string(o, "sourceURL", json_text(source, "url"));
	json_put_string(o, "version", version);
	json_put_string(o, "revision", json_text(source, "revision"));
	if (s->card->license)
		json_push_string(json_put_array(o, "licenses"), s->card->license);
	json_put_string(o, "title", s->card->title);
	if (*s->card->summary)
		json_put_string(o, "description", s->card->summary);
}

static void modelpack_config(const struct mirror_oci_subject *s, const struct oci_manifest *m,
			     struct mirror_oci_blob *out)
{
	CLEANUP(json_release) json_t *o = json_object();
	CLEANUP(mem_free_ptr) char *parameters = parameters_text(s->card->parameters);
	for (char *c = parameters; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	modelpack_descriptor(s, json_put_object(o, "descriptor"));
	json_t *fs = json_put_object(o, "modelfs");
	json_put_string(fs, "type", "layers");
	json_t *ids = json_put_array(fs, "diffIds");
	for (size_t i = 0; i < m->count; i++)
		json_push(ids, digest_text(&m->layers[i].digest));
	json_t *config = json_put_object(o, "config");
	json_put_string(config, "format", "gguf");
	json_put_string(config, "paramSize", parameters);
	json_put_string(config, "quantization", s->variant->quantization);
	take_json(o, out);
}

static void fill_modelpack(const struct mirror_oci_subject *s, struct oci_manifest *m,
			   struct mirror_oci_blob *config, struct mirror_oci_blob *license)
{
	m->type = mem_strdup(OCI_TYPE_MANIFEST);
	m->artifact_type = mem_strdup(MODELPACK_TYPE);
	for (size_t i = 0; i < s->variant->file_count; i++) {
		const struct card_file *f = &s->variant->files[i];
		oci_manifest_add(m, MODELPACK_WEIGHT, &f->sha256, f->size, NULL, f->name);
	}
	add_license(s, MODELPACK_DOC, "LICENSE", m, license);
	modelpack_config(s, m, config);
	set_config(m, MODELPACK_CONFIG_TYPE, config);
	annotate(s, m);
}

/* -- Ollama ------------------------------------------------------------------------------- */

#define OLLAMA_CONFIG_TYPE "application/vnd.docker.container.image.v1+json"
#define OLLAMA_MODEL "application/vnd.ollama.image.model"
#define OLLAMA_PROJECTOR "application/vnd.ollama.image.projector"
#define OLLAMA_ADAPTER "application/vnd.ollama.image.adapter"
#define OLLAMA_LICENSE "application/vnd.ollama.image.license"

/* Docker's manifest has no annotations, so the tag is in the config: Ollama ignores members that it
 * does not know. */
static void ollama_config(const struct mirror_oci_subject *s, const struct oci_manifest *m,
			  struct mirror_oci_blob *out)
{
	CLEANUP(json_release) json_t *o = json_object();
	CLEANUP(mem_free_ptr) char *parameters = parameters_text(s->card->parameters);
	const char *family = *s->card->family ? s->card->family : NULL;
	json_put_string(o, "model_format", "gguf");
	json_put_string(o, "model_family", family);
	if (family)
		json_push_string(json_put_array(o, "model_families"), family);
	json_put_string(o, "model_type", parameters);
	json_put_string(o, "file_type", s->variant->quantization);
	json_put_string(o, "architecture", "amd64");
	json_put_string(o, "os", "linux");
	json_t *rootfs = json_put_object(o, "rootfs");
	json_put_string(rootfs, "type", "layers");
	json_t *ids = json_put_array(rootfs, "diff_ids");
	for (size_t i = 0; i < m->count; i++)
		json_push(ids, digest_text(&m->layers[i].digest));
	json_put_string(o, "model_ferry_tag", s->tag);
	take_json(o, out);
}

static void fill_ollama(const struct mirror_oci_subject *s, struct oci_manifest *m,
			struct mirror_oci_blob *config, struct mirror_oci_blob *license)
{
	const struct card_file *f = &s->variant->files[0];
	m->type = mem_strdup(OCI_TYPE_DOCKER);
	oci_manifest_add(m, OLLAMA_MODEL, &f->sha256, f->size, NULL, NULL);
	add_companions(s, OLLAMA_PROJECTOR, OLLAMA_ADAPTER, m);
	add_license(s, OLLAMA_LICENSE, NULL, m, license);
	ollama_config(s, m, config);
	set_config(m, OLLAMA_CONFIG_TYPE, config);
}

/* -- which variants ------------------------------------------------------------------------ */

static bool is_kind(const struct card_variant *v, const char *kind)
{
	return v->kind && strcmp(v->kind, kind) == 0;
}

bool mirror_oci_suits(enum mirror_oci_format f, const struct card_variant *v)
{
	if (f == OCI_FORMAT_MODELPACK)
		return true;
	if (v->engine || (v->kind && !is_kind(v, "model")))
		return false;
	return f != OCI_FORMAT_OLLAMA || card_model_files(v) == 1;
}

const struct card_file *
mirror_oci_projector(const struct card *c, const struct card_variant *of,
		     bool (*has)(const void *ctx, const struct card_variant *v), const void *ctx)
{
	const struct card_file *found = NULL;
	for (size_t i = card_model_files(of); i < of->file_count; i++)
		if (strcmp(of->files[i].role, CARD_PROJECTOR) == 0)
			return &of->files[i];
	for (size_t i = 0; i < c->variant_count; i++) {
		const struct card_variant *v = &c->variants[i];
		if (!is_kind(v, "projector") || card_withdrawn(c, v).reason)
			continue;
		if (found || v->file_count != 1 || !has(ctx, v))
			return NULL;
		found = &v->files[0];
	}
	return found;
}

/* -- withdrawn versions -------------------------------------------------------------------- */

void mirror_oci_withdrawn(const char *tag, const char *reason, struct oci_manifest *m)
{
	struct digest d;
	sha256_of(MIRROR_OCI_EMPTY, strlen(MIRROR_OCI_EMPTY), &d);
	m->type = mem_strdup(OCI_TYPE_MANIFEST);
	m->artifact_type = mem_strdup(MIRROR_OCI_TYPE ".withdrawn.v1");
	oci_manifest_set_config(m, OCI_TYPE_EMPTY, &d, strlen(MIRROR_OCI_EMPTY));
	oci_manifest_add(m, OCI_TYPE_EMPTY, &d, strlen(MIRROR_OCI_EMPTY), NULL, NULL);
	oci_manifest_annotate(m, REF_NAME, tag);
	oci_manifest_annotate(m, "org.opencontainers.image.description", reason);
}

const struct mirror_oci_writer mirror_oci_writers[MIRROR_OCI_WRITERS] = {
	[MIRROR_OCI_DOCKER] = { OCI_FORMAT_DOCKER, "", fill_docker },
	[MIRROR_OCI_MODELPACK] = { OCI_FORMAT_MODELPACK, OCI_TAG_MODELPACK, fill_modelpack },
	[MIRROR_OCI_OLLAMA] = { OCI_FORMAT_OLLAMA, OCI_TAG_OLLAMA, fill_ollama },
};
