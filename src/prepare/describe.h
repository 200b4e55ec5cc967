/*
 * Makes a model card from the model's metadata.
 */
#ifndef FERRY_PREPARE_DESCRIBE_H
#define FERRY_PREPARE_DESCRIBE_H

#include "catalog/license.h"
#include "catalog/manifest.h"
#include "gguf/gguf.h"

struct describe {
	const char *id, *variant; /* "phi-2", "q4_k_m" */
	const char *quantization; /* "Q4_K_M", or NULL */
	enum gguf_kind kind;
	const struct gguf *const *files; /* shards in order */
	size_t count;
	const struct manifest *manifests; /* of the same files, under their final names; then those
					     of companions */
	const char *const *roles;         /* of each manifest; NULL for the model's */
	size_t manifest_count;
	const char *source_url; /* or NULL */
	bool source_is_file;    /* source_url is the URL of this one file */
	const struct gguf_ram *ram;
};

/* A card with this one variant, without dates. Texts that are not allowed in a card (control
 * characters, too long) are cleaned or left out. The caller owns it. */
json_t *describe_card(const struct describe *d);

/* Replaces control characters by blanks, and cuts between characters after at most max bytes. NULL
 * when nothing is left; the caller frees. */
char *describe_text(const char *s, size_t max);

/* The license that the model's metadata name. */
void describe_license(const struct gguf_metadata *m, struct license *out);

#endif
