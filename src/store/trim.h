/*
 * Making room: removes variants, those that were not used for the longest time first. Never one
 * that store_keep_why() keeps.
 */
#ifndef FERRY_STORE_TRIM_H
#define FERRY_STORE_TRIM_H

#include "store/keep.h"

struct store_trim_options {
	uint64_t
		max_size; /* bytes on the disk that the store is to have at most; UINT64_MAX: any */
	uint64_t unused_s; /* remove what was not used for so long; UINT64_MAX: nothing */
	uint64_t freed;    /* of a dry run: what would have been removed before */
	bool dry_run;
};

/* A variant that was removed (or that would be), or would have been next but stays. */
struct store_trim_row {
	const struct store_variant *variant; /* of store_trim.all */
	int64_t used_s;                      /* the last use */
	uint64_t bytes;                      /* that were freed; 0 if it stays */
	enum store_keep keep;
};
struct store_trim {
	struct store_variants all;
	struct store_trim_row *at; /* least recently used first */
	size_t count;
	uint64_t bytes; /* freed in all */
	uint64_t size;  /* bytes of the store afterwards */
};
void store_trim_release(struct store_trim *t); /* safe twice; for CLEANUP */
/* Stops at the first that cannot be removed. */
WARN_UNUSED int store_trim(const struct store *s, const struct store_trim_options *options,
			   struct store_trim *out, struct err *e);

#endif
