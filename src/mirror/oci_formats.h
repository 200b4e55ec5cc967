/*
 * The manifests by which other programs read a model from a registry. The file itself is the same
 * blob for all of them. Where a format is from:
 *
 *  - Docker Model Runner: docker/model-runner, pkg/distribution/types/config.go (media types,
 *    struct ConfigFile; commit 1d14f67) and pkg/distribution/distribution/client.go (checkCompat;
 *    commit 0463b8e); docker/model-spec, spec.md (commit 2df8ca0; there the type of an adapter).
 *    Shards are several layers, in order. llama.cpp's --docker-repo takes the first layer whose
 *    type contains "gguf".
 *  - ModelPack (CNCF): modelpack/model-spec, specs-go/v1/mediatype.go (commit 158c46c) and
 *    specs-go/v1/config.go (commit 050fe41), schema/config-schema.json (commit 11571da).
 *  - Ollama: ollama/ollama, server/images.go (GetModel, pullModelManifest; commit 5dbb81b):
 *    Docker's manifest version 2, schema 2; one model file.
 *
 * Projector and adapters have types of their own in Docker's and Ollama's format; draft models and
 * importance matrices are left out there, because no reader would know what they are for.
 */
#ifndef FERRY_MIRROR_OCI_FORMATS_H
#define FERRY_MIRROR_OCI_FORMATS_H

#include "catalog/card.h"
#include "mirror/oci.h"

/* A small blob that a manifest needs. */
struct mirror_oci_blob {
	char *data;
	size_t len;
};

/* A version of a variant, all of whose files are in the registry. */
struct mirror_oci_subject {
	const struct card *card;
	const struct card_variant *variant;
	const struct card_file *projector; /* of the variant, else of the model, or NULL */
	const char *tag;                   /* makes the manifest of each tag another one, so that
					      they can be removed one by one */
};

/* Each fills *m, and adds the blobs that have to be uploaded before it; the caller owns both. */
typedef void mirror_oci_format_fn(const struct mirror_oci_subject *s, struct oci_manifest *m,
				  struct mirror_oci_blob *config, struct mirror_oci_blob *license);

enum mirror_oci_writer_index {
	MIRROR_OCI_DOCKER,
	MIRROR_OCI_MODELPACK,
	MIRROR_OCI_OLLAMA,
	MIRROR_OCI_WRITERS
};
extern const struct mirror_oci_writer {
	enum mirror_oci_format bit;
	const char *suffix; /* of its tags; of Docker's "" */
	mirror_oci_format_fn *fill;
} mirror_oci_writers[MIRROR_OCI_WRITERS];

/* Can readers of this format use the variant? Projectors, adapters and what needs another program
 * are models for ModelPack only; Ollama reads a model from one file. */
bool mirror_oci_suits(enum mirror_oci_format f, const struct card_variant *v);
/* The variant's own projector, else that of the model, if it has only one, of one file; NULL: none.
 * has: is all of a variant there? */
const struct card_file *
mirror_oci_projector(const struct card *c, const struct card_variant *of,
		     bool (*has)(const void *ctx, const struct card_variant *v), const void *ctx);

/* In place of a withdrawn version: no files, and the reason as an annotation. Its only blob is
 * MIRROR_OCI_EMPTY. */
void mirror_oci_withdrawn(const char *tag, const char *reason, struct oci_manifest *m);

#endif
