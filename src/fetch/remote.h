/*
 * A repository for a client: its refreshed metadata (offline: the stored metadata), the signed
 * repository.json, and from then on what is asked for: one model's card, or the index of all.
 * Repositories of version 0.1 have a catalog of all cards instead.
 *
 * Verified small targets (cards, the index, manifests) are cached in the trust folder under their
 * SHA-256 and hashed again when they are used.
 */
#ifndef FERRY_FETCH_REMOTE_H
#define FERRY_FETCH_REMOTE_H

#include "catalog/catalog.h"
#include "catalog/index.h"
#include "tuf/client.h"
#include "fetch/source.h"
#include "fetch/endpoints.h"
#include "http/access.h"
#include "store/store.h"
#include "settings/fetch.h"
#include "settings/repository.h"
#include "util/opt.h"

struct remote_options {
	bool offline;          /* no request is made */
	bool hurry;            /* what is wanted is probably in the store: the whole refresh, and
				  each small object after it, has a deadline */
	bool strict;           /* metadata that cannot be refreshed is an error */
	bool keeps_nothing;    /* what is learned of the mirrors is not kept for later runs */
	const char *only_from; /* a base URL: nothing else is asked. NULL: the settings' endpoints
				  and the catalog's mirrors */
	const struct opt_list *only, *without; /* ids of mirrors: source_list_select(); NULL: all */
	struct report *report;
	const struct mirror_ops *const *kinds;
	const struct cancel *cancel; /* NULL: nothing stops it */
	const struct clock *clock;   /* NULL: the real one */
};

struct remote {
	char *repository;          /* NAME of [repository.NAME] */
	const struct store *store; /* borrowed */
	struct report *report;
	bool offline, hurry;
	bool alone;                   /* the mirrors of the catalog are not asked */
	bool read_only;               /* what would be downloaded cannot be kept: offline, too */
	const char *expired;          /* offline, and by remote_inspect(): the role that has
					 expired, or NULL */
	char *unrefreshed;            /* why the metadata that was verified before is used although
					 it was to be refreshed, or NULL */
	bool ask_mirrors;             /* the mirrors of the known catalog are asked at once */
	struct rate_table limit_rate; /* of [fetch], like these two */
	unsigned connections;
	uint64_t max_memory;
	uint64_t confirm_above; /* of [fetch], too, like this: */
	uint64_t keep_versions;
	char *prefer_region;        /* or NULL */
	struct source_list sources; /* the catalog's mirrors by priority, then endpoints */
	struct endpoints endpoints;
	struct tuf_client *tuf;
	struct catalog catalog;    /* repository.json, without models; of 0.1: all of it */
	bool has_cards;            /* false: a repository of 0.1 */
	struct remote_card *cards; /* those that were asked for */
	size_t card_count, card_cap;
};

struct remote_card {
	struct card *card;
	char *signer; /* the role that signed it; NULL: the card is from the catalog */
};

/*
 * The first time, trust starts from the settings' root or its digest. With a read-only store it
 * works offline, with a warning.
 *
 * If no configured endpoint has valid metadata, the mirrors of the catalog that was verified last
 * are asked as well. If none of them has newer metadata either, that which was verified before is
 * used while it has not expired, with a warning.
 *
 * ERR_USAGE when the settings have no metadata URL or no pinned root; ERR_INTEGRITY when no
 * endpoint has valid metadata; ERR_NOT_FOUND offline when nothing is stored yet.
 */
WARN_UNUSED int remote_open(const struct settings_repository *set,
			    const struct settings_fetch *fetch, const struct store *s,
			    const struct remote_options *options, struct remote **out,
			    struct err *e);
/* The same for inspecting a repository: errors are returned in *why (unset: none), and the remote
 * is opened anyway, with the state of its endpoints and the metadata that was trusted before.
 * Without any trusted metadata, tuf is NULL and the catalog is empty. */
WARN_UNUSED int remote_inspect(const struct settings_repository *set,
			       const struct settings_fetch *fetch, const struct store *s,
			       const struct remote_options *options, struct remote **out,
			       struct err *why, struct err *e);
/* After it was opened: asks the mirrors of the catalog that have metadata, too, so that the state
 * of each is known, and newer metadata is used. The time is bounded as in a refresh; those that do
 * not answer are no error. */
WARN_UNUSED int remote_ask_mirrors(struct remote *r, struct err *e);
void remote_free(struct remote *r);
DEFINE_CLEANUP(struct remote, remote_free);

/* The card of a model, borrowed from r. ERR_NOT_FOUND, with the nearest name. ERR_INTEGRITY when
 * the card names what is not its own (card_check_own()), or when no role has signed a card for a
 * model that the index lists. */
WARN_UNUSED int remote_model(struct remote *r, const char *id, const struct card **out,
			     struct err *e);
/* The same of a model that is in the store: *out is NULL when the catalog has no such model, and no
 * other is suggested. ERR_NOT_FOUND offline when it has, but the card is not in the cache. */
WARN_UNUSED int remote_listed_model(struct remote *r, const char *id, const struct card **out,
				    struct err *e);
/* Calls fn for each model of the index; of a repository of 0.1, of its catalog. If the current
 * index is not available, the models are those of the index that was read last, or else those in
 * the store, with a warning. */
WARN_UNUSED int remote_each_model(struct remote *r, index_model_fn *fn, void *ctx, struct err *e);
/* The role that signed a card of remote_model(), and must have signed its files; NULL: any. */
const char *remote_signer(const struct remote *r, const struct card *model);

/* Sessions with several repositories, and the errors of those that could not be opened. */
struct remotes_failure {
	char *repository;
	struct err why;
};
struct remotes {
	struct remote **at;
	size_t count, cap;
	struct remotes_failure *failed;
	size_t failed_count, failed_cap;
};
void remotes_release(struct remotes *c);
/* The session with this repository; NULL: there is none. */
struct remote *remotes_find(const struct remotes *all, const char *repository);

/* Opens the repository `name`, or with NULL every one that has metadata URLs. A failure is a
 * warning if another one works; if none does, the first error is returned. */
WARN_UNUSED int remotes_open(const struct settings_repositories *set,
			     const struct settings_fetch *fetch, const char *name,
			     const struct store *s, const struct remote_options *options,
			     struct remotes *out, struct err *e);

/* Finds the model, variant and version of a reference in the sessions. ERR_NOT_FOUND with
 * suggestions; ERR_USAGE when several repositories have it and the reference names none. */
WARN_UNUSED int remotes_resolve(struct remotes *all, const struct reference *r,
				struct remote **remote, const struct card **model,
				const struct card_variant **variant, struct err *e);

/* The verified bytes of a small target, from the cache or downloaded. Replaces out. `signer` as
 * in remote_find(). ERR_NOT_FOUND offline when it is not in the cache; ERR_INTEGRITY when it is
 * larger than max_bytes. */
WARN_UNUSED int remote_target(struct remote *r, const char *path, const char *signer,
			      uint64_t max_bytes, struct buf *out, struct err *e);

/* The same, only from the cache; false when it is not there, or no longer a target. */
bool remote_target_cached(struct remote *r, const char *path, const char *signer,
			  uint64_t max_bytes, struct buf *out);

/* tuf_client_target(), with a hint in the error. `signer` (may be NULL) must have signed it:
 * ERR_INTEGRITY. */
WARN_UNUSED int remote_find(struct remote *r, const char *path, const char *signer,
			    struct tuf_target *out, struct err *e);

/* The key of the target on mirrors. Caller frees. */
char *remote_target_key(const struct remote *r, const char *path, const struct tuf_target *t);

#endif
