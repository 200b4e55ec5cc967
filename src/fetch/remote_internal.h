/* Between remote.c, remote_target.c, remote_model.c and remote_known.c, which has what is known
 * from earlier runs. */
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

/* After a failed refresh: can the metadata that was verified before be used? It must not have
 * expired, and nothing newer may be known. Then warns, and clears *e; otherwise the hint of *e says
 * what else there is. */
bool remote_goes_on(struct remote *r, struct err *e);

/* For source_list.read_places: ctx is the remote. The list must be signed by the role targets, as
 * the entry is. */
WARN_UNUSED int remote_read_places(void *ctx, const struct source *s, struct mirror *m,
				   struct err *e);

/* Remembers which of the cached targets is the index. */
void remote_index_keep(const struct remote *r, const struct buf *index);
/* That index, if it is still there: verified when it was fetched, but perhaps not the current one.
 */
bool remote_index_last(const struct remote *r, struct buf *out);

#endif
