/* How long before its expiry a role of the metadata is worth a warning. */
#ifndef FERRY_TUF_MARGIN_H
#define FERRY_TUF_MARGIN_H

#include "util/base.h"

/* given_s, unless it is 0: then the default of the role. */
int64_t tuf_margin_s(const char *role, uint64_t given_s);

#endif
