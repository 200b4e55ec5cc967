/* How long before its metadata expires a role is reported. */
#ifndef FERRY_CLI_ROLE_H
#define FERRY_CLI_ROLE_H

#include <stdint.h>

/* `given_s`; if that is 0, 1 day for timestamp, 2 for snapshot, 30 for all others. */
int64_t role_margin_s(const char *role, uint64_t given_s);

#endif
