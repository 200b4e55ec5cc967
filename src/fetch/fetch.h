/*
 * fetch: from a reference to a verified model in the store.
 *
 *   remote     a repository that is followed: refreshed trust, and the cards that are asked for
 *   endpoints  its base URLs, used for metadata, each a fallback for the others
 *   plan       variant → files, their pieces, what the store has already
 *   prefetch   cards and manifests of several models at a time
 *   batch      the models of one repository: one run of the engine, then links
 *   delta      what other files of the store have of a file
 *   engine     pieces from sources into partial files, verified one by one
 *   partial    an unfinished file: pieces, journal, whole-file digest, commit
 *   source     a place to read from, and its record in this run
 *
 * What always holds here:
 *  - only verified bytes are written to a partial file, and only a file verified as a whole is
 *    stored;
 *  - every source that fails is reported with its fault; one that sends wrong bytes is not used
 *    again;
 *  - a killed process loses only what was in flight;
 *  - no configuration is read: settings, cancellation, clock and rate are passed in.
 *
 * This file is one fetch, from resolved references to the paths of the files: plan, expect,
 * download, commit, link, and optionally a copy elsewhere.
 */
#ifndef FERRY_FETCH_FETCH_H
#define FERRY_FETCH_FETCH_H

#include "fetch/plan.h"
#include "store/kept.h"

struct fetch_options {
	const char *output;  /* -o: file or folder, or NULL */
	bool check_blobs;    /* hash again what the store has */
	bool versioned;      /* the version was named: it is kept beside the current one */
	bool withdrawn;      /* take it even if it was withdrawn */
	uint64_t limit_rate; /* bytes per second; 0: the configuration's */
};

struct fetch_file {
	char *path;       /* absolute */
	const char *name; /* borrowed from the catalog, like the next two */
	const char *role; /* as in the card; NULL: the model, or a shard of it */
	uint64_t size;
	struct digest sha256;
	uint64_t fetched;      /* bytes downloaded in this run */
	uint64_t resumed;      /* bytes from an earlier run that were still correct */
	uint64_t reused;       /* bytes copied from other files of the store */
	uint64_t hashed_twice; /* bytes read again for the digest of the whole file */
};

struct fetch_result {
	struct fetch_file *files; /* the one to open comes first, companions last */
	size_t count;
	uint64_t fetched, resumed, reused, hashed_twice, size;
	uint64_t kept;               /* the version that it replaced, and that is kept; 0: none */
	uint64_t kept_bytes;         /* that only that version needs */
	struct kept_removed removed; /* by [fetch] keep-versions */
	bool delivered; /* the files were at the output already, and are not in the store */
};
void fetch_result_release(struct fetch_result *r);

/* ERR_INTEGRITY, with the publisher's reason, when the version was withdrawn. */
WARN_UNUSED int fetch_refuse_withdrawn(const struct card *model, const struct card_variant *v,
				       struct err *e);

/* A model to be fetched. */
struct fetch_want {
	struct remote *remote; /* borrowed, like the next two */
	const struct card *model;
	const struct card_variant *variant;
	struct fetch_options options;
	/* out */
	struct fetch_result result; /* the caller releases it */
	struct err why;             /* class 0: it is there */
};
typedef void fetch_done_fn(void *ctx, struct fetch_want *w);

/*
 * Plans all, checks the space for all, and then fetches the files of each repository in one run of
 * the engine. A model that fails does not stop the others. `done` is called for each when its
 * result is known, from any thread, one at a time. The options of all are the same but for
 * `versioned`; only one model may have an output.
 *
 * Errors of a model, beside those of its files: ERR_INTEGRITY when the version was withdrawn, or is
 * lower than that of the same variant in the store. remote->sources records what each source did,
 * even on failure. Negative only when it was cancelled.
 */
WARN_UNUSED int fetch_variants(struct fetch_want *wants, size_t count, fetch_done_fn *done,
			       void *ctx, struct err *e);

/* Is the variant, in this version (store_variant_is()), complete in the store? For programs that
 * try this before the network. Variant NULL: the only one in the store. ERR_NOT_FOUND otherwise.
 * The names in *out belong to *keep, which the caller releases. */
WARN_UNUSED int fetch_from_store(const struct store *s, const char *repository, const char *model,
				 const char *variant, const char *version,
				 struct store_variants *keep, const struct store_variant **out,
				 struct err *e);

/* The same; but if no version is asked for, and the variant is not there under its plain name, it
 * is the highest version that was fetched by its number. */
WARN_UNUSED int fetch_any_from_store(const struct store *s, const char *repository,
				     const char *model, const char *variant, const char *version,
				     struct store_variants *keep, const struct store_variant **out,
				     struct err *e);

/* The same as fetch_variants() for what fetch_from_store() found, which is neither looked up in a
 * catalog nor downloaded. The names in *out are borrowed from v. */
WARN_UNUSED int fetch_stored(const struct store *s, const struct store_variant *v,
			     const struct fetch_options *options, struct fetch_result *out,
			     struct err *e);

#endif
