/*
 * lint: finds errors, doubtful values and gaps in cards, mirrors and a repository tree. A finding
 * is for people and is never an error of the linter.
 *
 * Prefixes: lint_.
 */
#ifndef FERRY_CATALOG_LINT_H
#define FERRY_CATALOG_LINT_H

#include "catalog/catalog.h"

enum lint_level {
	LINT_NOTE,    /* worth knowing */
	LINT_WARNING, /* readers would miss it */
	LINT_ERROR,   /* must not be signed */
};
const char *lint_level_name(enum lint_level level); /* "note", … */

struct lint_finding {
	enum lint_level level;
	char *where; /* "phi-2", "phi-2:q4_k_m", "mirror eu" */
	char *text;
};
struct lint_findings {
	struct lint_finding *at; /* in the order found */
	size_t count, cap;
	size_t levels[3]; /* how many of each level */
};
void lint_add(struct lint_findings *f, enum lint_level level, const char *where, const char *fmt,
	      ...) PRINTF_LIKE(4, 5);
void lint_release(struct lint_findings *f);

/* One card by itself. */
void lint_card(const struct card *c, struct lint_findings *f);
/* The license of a card; lint_card() includes it. */
void lint_license(const struct card *c, struct lint_findings *f);
/* Variants whose id names another quantization than they have, and variants with the same bytes;
 * lint_card() includes it. */
void lint_variants(const struct card *c, struct lint_findings *f);
/* Roles that are not known, that are given twice, or that need a model; lint_card() includes it. */
void lint_roles(const struct card_variant *v, const char *where, struct lint_findings *out);
/* What the manifests of a variant say about the model. */
struct lint_shape {
	char *architecture;  /* NULL: no model is known */
	uint64_t parameters; /* of all shards */
	uint64_t embeddings; /* parameters of them */
};
void lint_shape_release(struct lint_shape *s);
/* The member "gguf" of the manifest of the variant's next file. */
void lint_shape_add(struct lint_shape *s, const json_t *gguf);
/* Are the variants of a card forms of one model? One shape for each variant. */
void lint_shapes(const struct card *c, const struct lint_shape *shapes, struct lint_findings *f);
/* Checks across cards: do replacements exist, do two models claim one path with different
 * content? */
void lint_cards(const struct card *cards, size_t count, struct lint_findings *f);
/* Are there replacements for what is withdrawn, and may they be used? lint_cards() includes it. */
void lint_withdrawn(const struct card *cards, size_t count, struct lint_findings *f);
/* The "mirrors" array of a catalog. */
void lint_mirrors(const json_t *mirrors, struct lint_findings *f);

#endif
