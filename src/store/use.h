/*
 * Who uses a variant, and when it was used last.
 *
 *   models/<repository>/<model>/<variant>/.used   empty: its time is that of the last use
 *
 * `ferry run` holds a shared lock (flock) on each blob, which the program that it becomes inherits,
 * and keeps as long as it or a process that it starts runs. Where locks do nothing (some network
 * file systems), what was used within the last hour may be in use.
 */
#ifndef FERRY_STORE_USE_H
#define FERRY_STORE_USE_H

#include "store/store.h"

#define STORE_USE_NAME ".used"
#define STORE_USE_GUESS_S 3600

/* It is used now: by fetch, run, store path, store link. Failures are ignored, and nothing is
 * written in a read-only store. dir and files of *v are not read. */
void store_use(const struct store *s, const struct store_variant *v);
/* When it was used last, in seconds since 1970, UTC; if that is not known, when it was fetched or
 * replaced. */
int64_t store_use_time_s(const struct store *s, const struct store_variant *v);

/* Blobs that this process holds. */
struct store_use_hold {
	int *fds;
	size_t count;
};
/* Holds these files until it is released or the process, with all that inherit the descriptors,
 * ends. A blob that cannot be locked is left out: the hold only keeps others from removing it.
 * ERR_CONFLICT when another process has removed one. */
WARN_UNUSED int store_use_hold(const struct store *s, const struct store_file *files, size_t count,
			       struct store_use_hold *out, struct err *e);
void store_use_release(struct store_use_hold *h); /* safe twice; for CLEANUP */

enum store_use_state {
	STORE_USE_NONE,
	STORE_USE_MAYBE, /* locks do nothing here, and it was used within the last hour */
	STORE_USE_HELD,
};
/* Does another process use one of its blobs? If not, *out keeps others from holding them until it
 * is released, for a caller that removes them. */
WARN_UNUSED enum store_use_state
store_use_claim(const struct store *s, const struct store_variant *v, struct store_use_hold *out);

#endif
