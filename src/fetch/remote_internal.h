/* Between remote.c, prefetch.c, remote_target.c, remote_model.c and remote_known.c, which has what
 * is known from earlier runs. */
#ifndef FERRY_FETCH_REMOTE_INTERNAL_H
#define FERRY_FETCH_REMOTE_INTERNAL_H

#include "fetch/remote.h"

/* Completes an error of the TUF client: adds the endpoint and a hint. */
int remote_fault(struct remote *r, struct err *e);

/* repository.json, or of a repository of version 0.1 the catalog; sets has_cards. */
WARN_UNUSED int remote_load_head(struct remote *r, struct catalog *out, struct err *e);

/* Did the refresh fail because of what endpoints answered or did not answer, so that another could
 * do better? */
bool remote_is_no_answer(const struct err *why);

/* The mirrors of the catalog that was verified last, expired or not, become endpoints after the
 * others. False when there is none that is not one already. */
bool remote_add_mirrors(struct remote *r);

/* The same with the mirrors of this catalog. */
bool remote_add_mirrors_of(struct remote *r, const struct catalog *c);

/* After a failed refresh: can the metadata that was verified before be used? It must not have
 * expired, and nothing newer may be known. Then warns, and clears *e; otherwise the hint of *e says
 * what else there is. */
bool remote_goes_on(struct remote *r, struct err *e);

/* For source_list.read_places: ctx is the remote. The list must be signed by the role targets, as
 * the entry is. */
WARN_UNUSED int remote_read_places(void *ctx, const struct source *s, struct mirror *m,
				   struct err *e);

/* Where a small target with this digest is cached. The caller frees. */
char *remote_cache_path(const struct remote *r, const struct digest *d);
/* Puts verified bytes there. From any thread. */
WARN_UNUSED int remote_cache_keep(const char *path, const struct buf *bytes, struct err *e);
/* The key of the pack in which mirrors may have the target; NULL: in none. The caller frees it. */
char *remote_pack_key(struct remote *r, const char *path);

/* Remembers which of the cached targets is the index. */
void remote_index_keep(const struct remote *r, const struct buf *index);
/* That index, if it is still there: verified when it was fetched, but perhaps not the current one.
 */
bool remote_index_last(const struct remote *r, struct buf *out);

/* Applies remote_options.only and .without, and says if no mirror is in the preferred region.
 * ERR_USAGE, with the mirrors that there are, for an id that none of the repositories has, or when
 * none is left. */
WARN_UNUSED int remotes_select(struct remotes *all, const struct remote_options *options,
			       struct err *e);

#endif
