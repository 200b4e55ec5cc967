/*
 * select: which models of an index (index.h) somebody is looking for: a pattern of names, words,
 * and filters. What is not set selects everything.
 */
#ifndef FERRY_CATALOG_SELECT_H
#define FERRY_CATALOG_SELECT_H

#include "catalog/index.h"

struct select {
	/* Of `ferry list`: a name with wildcards, a part of id, title or family, or a tag. */
	const char *pattern;
	struct str_list words;   /* each must be found in what a model is called: see below */
	struct str_list license; /* identifiers of SPDX, all of which its license must have */
	const char *family, *kind;
	const char *const *tags; /* it must have all of them */
	size_t tag_count;
	uint64_t max_size, fits; /* bytes; 0: any */
};
void select_release(struct select *s);

/* Splits at blanks, and adds. */
void select_add_words(struct select *s, const char *text);
/* Sets the license from an expression in any spelling. ERR_USAGE when it is none. */
WARN_UNUSED int select_set_license(struct select *s, const char *text, struct err *e);

/*
 * Does the model have what is wanted of models: pattern, words, license, family and tags? *rank is
 * lower the better the words match: each counts by the best place where it is found, and the
 * counts are added.
 *
 *   0  it is the id                  3  it is a tag
 *   1  the id starts with it         4  it is a part of id, title, tags, family, license or a
 *   2  it is a word of the title        quantization
 */
bool select_model(const struct select *s, const struct index_model *m, unsigned *rank);

/* Does the variant have what is wanted of variants: kind, size and memory? */
bool select_variant(const struct select *s, const struct index_variant *v);

/* The memory that an engine needs for it: fit_memory(). */
uint64_t select_memory(const struct index_variant *v);

#endif
