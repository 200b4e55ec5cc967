/*
 * A key set (JWKS) from a file or a URL, read again when it changes.
 *
 * A file is read when its size, time or inode changed. A URL is asked again (If-None-Match) after
 * the max-age of its answer, between 1 minute and 1 hour, else after 5 minutes; and when a token
 * names a key that the set does not have, at most every 10 seconds. When it does not answer, the
 * keys that it had are used for a day.
 *
 * From any thread.
 */
#ifndef FERRY_AUTH_SET_H
#define FERRY_AUTH_SET_H

#include "auth/jwk.h"
#include "util/cancel.h"
#include "util/clock.h"

struct auth_set;
/* Reads it. ERR_USAGE for a place that cannot be used. */
WARN_UNUSED int auth_set_new(const char *place, const struct clock *clock,
			     const struct cancel *cancel, struct auth_set **out, struct err *e);
void auth_set_free(struct auth_set *s);

/* What was read last, or NULL; to be given back. Does not wait. The generation changes with the
 * keys. */
struct auth_jwks *auth_set_get(struct auth_set *s, uint64_t *generation);
void auth_set_put(struct auth_jwks *keys); /* NULL is ignored */

/* May it be read now, because a key is missing? */
bool auth_set_may_read(struct auth_set *s);
/* Is it being read for that reason? */
bool auth_set_is_read(struct auth_set *s);
/* Reads it then, unless enough others are at it. Waits for the network. */
void auth_set_read_missing(struct auth_set *s);
/* Reads it if its time has come. */
WARN_UNUSED int auth_set_keep(struct auth_set *s, struct err *e);

struct auth_stats;
void auth_set_stats(struct auth_set *s, struct auth_stats *out);

#endif
