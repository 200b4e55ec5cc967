/*
 * fit: how much memory a variant needs, and which variants fit into the memory that there is. It is
 * what `--fits` and MODEL:auto decide by.
 */
#ifndef FERRY_CATALOG_FIT_H
#define FERRY_CATALOG_FIT_H

#include "catalog/card.h"

/* Fewer tokens of context are estimated like this many. */
#define FIT_MIN_CONTEXT 512

/* The bytes that an engine needs for files of this size: as the publisher says (ram, unless it is
 * 0), else the size, a quarter of it and 256 MiB, for the context and what the engine computes
 * with. */
uint64_t fit_memory(uint64_t size, uint64_t ram);

/*
 * The same of a variant at this many tokens of context; 0: at that of the publisher's estimate.
 * Never too low if the estimate is right: what a token needs does not grow with the context, so
 * what is known of one context, and of its next token, bounds all others. Without "token_bytes", a
 * longer context needs as many times what is there beside the weights, and a shorter one is taken
 * to need the same. Without an estimate, the context changes nothing.
 */
uint64_t fit_needs(const struct card_variant *v, uint64_t context);
/* The tokens that fit_needs() is for; 0: not known. */
uint64_t fit_context(const struct card_variant *v, uint64_t context);

struct fit_want {
	uint64_t memory, context; /* context as in fit_needs() */
	const char *version;      /* as for card_version(), or NULL */
	bool withdrawn;           /* also what was withdrawn */
	/* May it be chosen? NULL: all may. */
	bool (*may)(void *ctx, const struct card_variant *v);
	void *ctx;
};

struct fit_candidate {
	const struct card_variant *variant; /* in the version that was wanted; borrowed */
	uint64_t needs;
};
struct fit {
	struct fit_candidate at[CARD_MAX_VARIANTS]; /* the largest files first */
	size_t count;
	size_t chosen; /* count: none fits */
};

/* The models of the card, and the first that fits. What is used together with a model, needs an
 * engine of its own, is planned or does not have the version is no candidate. */
void fit_choose(const struct card *c, const struct fit_want *want, struct fit *out);

/* The candidate that needs least memory; count: there is no candidate. */
size_t fit_least(const struct fit *f);

#endif
