/*
 * One fetch, from a resolved reference to the paths of the files: plan, pin, engine, commit,
 * link, and, if wanted, a copy somewhere else.
 */
#ifndef FERRY_FETCH_FETCH_H
#define FERRY_FETCH_FETCH_H

#include "fetch/plan.h"

struct fetch_options {
	const char *output;     /* -o: file or folder, or NULL */
	bool check_blobs;       /* hash again what the store has */
	uint64_t limit_rate;    /* bytes per second; 0: the configuration's */
};

struct fetch_file {
	char *path;             /* absolute: where the caller finds it */
	const char *name;       /* borrowed from the catalog, like the digest */
	uint64_t size;
	struct digest sha256;
	uint64_t fetched;       /* bytes that came in this run */
	uint64_t resumed;       /* bytes of an earlier run that were still right */
};

struct fetch_result {
	struct fetch_file *files;       /* the one to open first */
	size_t count;
	uint64_t fetched, resumed, size;
};
void fetch_result_release(struct fetch_result *r);

/* What each source did is in c->sources, also when it fails. */
WARN_UNUSED int fetch_variant(struct remote *c, const struct card *model,
			      const struct card_variant *variant,
			      const struct fetch_options *options, struct fetch_result *out,
			      struct err *e);

/* What a program that needs no network asks first: is the reference's variant in the store
 * whole? Fills out as fetch_variant() does. The variant NULL: the only one that is there.
 * ERR_NOT_FOUND otherwise. The names in *out belong to *keep, which the caller releases. */
WARN_UNUSED int fetch_from_store(const struct store *s, const char *repository,
				 const char *model, const char *variant,
				 struct store_variants *keep, const struct store_variant **out,
				 struct err *e);

#endif
