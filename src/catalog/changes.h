/*
 * changes: what differs between two versions of a variant, in sentences for people. They are the
 * member "changes" of a card, and the text of release notes.
 *
 * They come from the cards and from the manifests of all files. Of what neither has, as most keys
 * of a GGUF, nothing is said. Words from files are escaped and shortened.
 */
#ifndef FERRY_CATALOG_CHANGES_H
#define FERRY_CATALOG_CHANGES_H

#include "catalog/card.h"
#include "catalog/manifest.h"

#define CHANGES_MAX 20                  /* sentences */
#define CHANGES_MAX_TENSORS (1U << 20U) /* of a version; with more they are not compared */

/* A version; card and variant are borrowed. */
struct changes_side {
	const struct card *card;
	const struct card_variant *variant;
	struct manifest *manifests; /* of the model's files, without pieces */
	size_t count, cap;
	size_t tensors; /* of all */
};
void changes_side_release(struct changes_side *s);
/* The manifest of the variant's next file without a role; *m is empty afterwards. A version of
 * which not every such manifest is there is compared by its card and digests only. */
void changes_side_add(struct changes_side *s, struct manifest *m);

/* An array of sentences, the most important first: license, chat template, what the model is,
 * companions, tensors, sizes, other metadata. The caller owns it. */
json_t *changes_between(const struct changes_side *before, const struct changes_side *after);

#endif
