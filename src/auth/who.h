/* Who a caller is: copies. */
#ifndef FERRY_AUTH_WHO_H
#define FERRY_AUTH_WHO_H

#include "auth/auth.h"
#include "auth/key.h"

/* Its own copy. */
void auth_who_copy(const struct auth_who *from, struct auth_who *out);
/* Without credentials: may pull everything. */
void auth_who_anybody(struct auth_who *out);
/* Keeps the reference to the keys. */
void auth_who_of_key(const struct auth_key *k, struct auth_keys *of, struct auth_who *out);

#endif
