/* Who a caller is: copies. */
#ifndef FERRY_AUTH_WHO_H
#define FERRY_AUTH_WHO_H

#include "auth/auth.h"

void auth_who_copy(const struct auth_who *from, struct auth_who *out);
/* Without credentials: may pull everything. */
void auth_who_anybody(struct auth_who *out);
void auth_who_of_key(const char *name, const struct auth_scope *scopes, size_t count,
		     struct auth_who *out);

#endif
