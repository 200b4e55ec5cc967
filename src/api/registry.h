/*
 * registry: a model as a repository of a registry, NAME/MODEL. Its tags:
 *
 *   VARIANT[-vVERSION][FORMAT]      FORMAT: "" (Docker Model Runner), "-modelpack", "-ollama"
 *   latest                          the default variant
 *
 * Case does not count, and where no variant has the name, its quantization does: "Q4_K_M". The
 * blobs of files are those of the release; configurations and licenses are made here.
 *
 * Older versions of llama.cpp (common_get_hf_file, -hf NAME/MODEL:TAG) ask the Hub's registry for
 * /v2/NAME/MODEL/manifests/TAG and read "ggufFile" and "mmprojFile" of it, which name files of
 * NAME/MODEL/resolve/main/: so these members are in the manifests, too. Readers of manifests ignore
 * members that they do not know (OCI image-spec 1.1, considerations.md, Extensibility).
 */
#ifndef FERRY_API_REGISTRY_H
#define FERRY_API_REGISTRY_H

#include "api/hub.h"
#include "util/buf.h"

struct api_document {
	const char *type; /* media type */
	struct digest digest;
	struct buf bytes;
};
void api_document_release(struct api_document *d);

/* What has a digest in a model. */
enum api_registry_kind { API_FILE, API_MANIFEST, API_CONFIG, API_LICENSE };
struct api_registry_entry {
	struct digest digest;
	enum api_registry_kind kind;
	unsigned format;
	const struct card_variant *variant, *version; /* that it belongs to */
	const struct card_file *file;                 /* of API_FILE */
};

/*
 * A model, and an index of its digests, for which each manifest is made once: the cost grows with
 * the number of versions. What is asked of it later costs at most one manifest.
 */
struct api_registry {
	const struct card *card; /* borrowed */
	struct api_hub hub;
	struct api_registry_entry *entries; /* sorted by digest */
	size_t count, cap;
};
WARN_UNUSED int api_registry_init(struct api_registry *out, const char *repository,
				  const struct card *card, struct err *e);
void api_registry_release(struct api_registry *r);

/* "latest" and the tags of all current versions, in the order of the card. */
void api_registry_tags(const struct api_registry *r, struct str_list *out);

/* The manifest of a tag. ollama: for a reader that takes Docker's manifests only, so that a tag
 * without FORMAT is Ollama's. ERR_NOT_FOUND. */
WARN_UNUSED int api_registry_manifest(const struct api_registry *r, const char *tag, bool ollama,
				      struct api_document *out, struct err *e);

/* A manifest, by its digest. */
WARN_UNUSED int api_registry_by_digest(const struct api_registry *r, const struct digest *digest,
				       struct api_document *out, struct err *e);
/* A file of a version that is not withdrawn; NULL: the model has none. */
const struct card_file *api_registry_file(const struct api_registry *r,
					  const struct digest *digest);
/* A configuration or a license: what is no file of the release. */
WARN_UNUSED int api_registry_blob(const struct api_registry *r, const struct digest *digest,
				  struct api_document *out, struct err *e);

#endif
