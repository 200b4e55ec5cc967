/*
 * registry: a model as a repository of a registry, NAME/MODEL. Its tags:
 *
 *   VARIANT[-vVERSION][FORMAT]      FORMAT: "" (Docker Model Runner), "-modelpack", "-ollama"
 *   latest                          the default variant
 *
 * Case does not count, and where no variant has the name, its quantization does: "Q4_K_M". The
 * blobs of files are those of the release; configurations and licenses are made here.
 *
 * Older versions of llama.cpp (b4500 to b8100, -hf NAME/MODEL:TAG) ask the Hub's registry for
 * /v2/NAME/MODEL/manifests/TAG and read "ggufFile" and "mmprojFile" of it, which name files of
 * NAME/MODEL/resolve/main/: so these members are in the manifests, too. Readers of manifests ignore
 * members that they do not know (OCI image-spec 1.1, considerations.md, Extensibility).
 */
#ifndef FERRY_API_REGISTRY_H
#define FERRY_API_REGISTRY_H

#include "catalog/card.h"
#include "util/buf.h"

struct api_document {
	const char *type; /* media type */
	struct digest digest;
	struct buf bytes;
};
void api_document_release(struct api_document *d);

struct api_registry {
	const char *repository; /* NAME */
	const struct card *card;
};

/* "latest" and the tags of all current versions, in the order of the card. */
void api_registry_tags(const struct api_registry *r, struct str_list *out);

/* The manifest of a tag. ollama: for a reader that takes Docker's manifests only, so that a tag
 * without FORMAT is Ollama's. ERR_NOT_FOUND. */
WARN_UNUSED int api_registry_manifest(const struct api_registry *r, const char *tag, bool ollama,
				      struct api_document *out, struct err *e);

/* A manifest, by its digest. */
WARN_UNUSED int api_registry_by_digest(const struct api_registry *r, const struct digest *digest,
				       struct api_document *out, struct err *e);
/* A configuration or a license: what is no file of the release. */
WARN_UNUSED int api_registry_blob(const struct api_registry *r, const struct digest *digest,
				  struct api_document *out, struct err *e);

#endif
