/*
 * retrieve: a model: from the mirrors, or what the store has.
 *
 * A model in the store was verified when it was fetched. Whatever keeps the command from comparing
 * it with the catalog now (no network, a login page, metadata that has expired, a model that left
 * the catalog) is no reason against it: it is used, with a warning. A configuration that is wrong,
 * or a pinned root that is not the one that the model was verified with, is.
 */
#ifndef FERRY_FERRY_RETRIEVE_H
#define FERRY_FERRY_RETRIEVE_H

#include "ferry/fitting.h"
#include "fetch/fetch.h"
#include "fetch/preview.h"

struct retrieval {
	/* Set before retrieve_open(): the store and the settings, or in why what is wrong with
	 * them. */
	struct client client;
	bool offline;
	struct err why; /* why it is not open */
	bool open;      /* the client is connected */
	/* The caller may set these until retrieve_find(). */
	struct fitting_opts fitting; /* for MODEL:auto */
	bool yes;                    /* nothing is asked */
	bool runs; /* for what is not to fail: the model in the store is used where nobody confirmed
		      a download */
	bool dry_run; /* nothing is downloaded: retrieved.preview is made */
	/* May it be downloaded? ERR_USAGE with CAUSE_UNCONFIRMED: no; then *instead may be set to
	 * the variant that can be used of what is in the store. NULL: everything may. */
	int (*confirm)(void *ctx, const struct retrieval *r, const struct reference *reference,
		       struct fetch_want *w, const char **instead, struct err *e);
	void *ctx;
};
/* For all of the references; the network is not waited for long when the store has them. from: as
 * in client_connect(). The caller closes it, also after an error. */
WARN_UNUSED int retrieve_open(struct retrieval *r, const struct reference *references, size_t count,
			      const char *from, struct err *e);
/* Gets the cards of these models, several at a time. What fails is found out, and told, by
 * retrieve_find(). */
void retrieve_prefetch(struct retrieval *r, const struct reference *references, size_t count);
void retrieve_close(struct retrieval *r); /* safe twice; for CLEANUP */

struct retrieved {
	const char *repository, *model, *variant; /* borrowed from the retrieval, or from kept */
	uint64_t version;
	const char *kind;          /* borrowed; if the card says that it is no model; or NULL */
	bool pinned;               /* in the store, at this version (store/pinned.h) */
	char *fallback;            /* why the store's model is used, without the catalog; or NULL */
	json_t *chosen;            /* of MODEL:auto: fitting_resolve(); or NULL */
	struct fetch_result files; /* empty after a dry run, unless the store's model is used */
	struct preview preview;    /* of a dry run */
	struct store_variants kept;

	/* Of the steps between. */
	const struct reference *reference;
	struct fetch_want want; /* without a remote: it is not to be fetched */
	const char *instead;    /* the variant in the store that may serve; NULL: any */
	bool there;
	struct err why; /* the mirrors cannot serve it, but the store may */
};
void retrieve_release(struct retrieved *r);
/* Which model it is, and why: members of the JSON output. */
void retrieve_put(json_t *object, const struct retrieved *r);

/*
 * Several models, in three steps; the caller initialises each with { 0 }, and keeps references and
 * options until it is released:
 *
 *   find     which model it is. An error is the model's
 *   fetch    all that were found and need it, in one run: done is called for each that is there, as
 *            soon as it is, from any thread, one at a time. Negative only when it was cancelled
 *   settle   for each that is not there: what the store has, or why there is nothing
 */
WARN_UNUSED int retrieve_find(struct retrieval *r, const struct reference *reference,
			      const struct fetch_options *options, struct retrieved *out,
			      struct err *e);
typedef void retrieve_done_fn(void *ctx, struct retrieved *m);
WARN_UNUSED int retrieve_fetch(struct retrieved *const *all, size_t count, retrieve_done_fn *done,
			       void *ctx, struct err *e);
WARN_UNUSED int retrieve_settle(struct retrieval *r, struct retrieved *m, struct err *e);

/* Without a version, a pinned variant (store/pinned.h) is the version that the person chose, not
 * the catalog's current one: *variant becomes that. ERR_NOT_FOUND: the card does not have it. */
WARN_UNUSED int retrieve_pinned(const struct store *s, const struct reference *reference,
				const char *repository, const struct card *model,
				const struct card_variant **variant, bool *pinned, struct err *e);

/* The three for one. */
WARN_UNUSED int retrieve_model(struct retrieval *r, const struct reference *reference,
			       const struct fetch_options *options, struct retrieved *out,
			       struct err *e);

#endif
