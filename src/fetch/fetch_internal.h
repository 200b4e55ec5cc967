/* Between fetch.c, batch.c, fetch_output.c, fetch_result.c, fetch_stored.c and import_run.c. */
#ifndef FERRY_FETCH_FETCH_INTERNAL_H
#define FERRY_FETCH_FETCH_INTERNAL_H

#include "fetch/fetch.h"

/* A model of the run. */
struct fetching {
	struct fetch_want *want;
	struct fetch_plan plan;
	struct store_variant variant;
	bool linked;  /* it is in the store, as it should be */
	bool moves;   /* there is no room for a copy: the files are moved to the output */
	bool settled; /* the result is known, and was told */
	struct fetch_result result;

	/* Of batch.c. */
	bool expected;
	size_t *jobs; /* of each file; SIZE_MAX: none, it is in the store */
	size_t left;  /* jobs that are not over */
	struct fetching *next;
};

struct fetch_run {
	struct fetching *all;
	size_t count;
	fetch_done_fn *done;
	void *ctx;
	void (*settle)(struct fetch_run *run, struct fetching *f);
};

/* What is recorded in the store when it is there; dir, complete and size are not set. The caller
 * releases it. */
struct store_variant fetch_stored_form(const struct fetch_want *w);

/* Names, sizes and digests of the files; no paths yet. */
void fetch_result_of(struct fetching *f);

/* Makes a reflink, hard link or copy of each blob, atomically for each file. One file: `output`
 * is its new path, or an existing folder. Several: a folder, created if missing. moves: renames
 * the blobs instead. Appends the absolute paths. */
WARN_UNUSED int fetch_place(const struct store *s, const struct store_variant *v,
			    const char *output, bool moves, struct str_list *paths, struct err *e);

#endif
