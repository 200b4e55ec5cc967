/* What the probes and checks of several kinds share. */
#ifndef FERRY_MIRROR_PROBE_H
#define FERRY_MIRROR_PROBE_H

#include "mirror/mirror.h"
#include "util/retry.h"

/* Of requests whose callers report findings, and do not retry. */
struct retry mirror_probe_retry(const struct mirror *m);

/* A part of the file `what` was read with this result; `sender` is "the server", for example. Says
 * whether it can be read, and in parts. Negative only when it was cancelled. */
WARN_UNUSED int mirror_probe_read(const struct mirror *m, const char *what, const char *sender,
				  int rc, struct err *why, struct mirror_findings *out,
				  struct err *e);

/* A sink for bytes that nobody needs. */
extern const struct mirror_sink mirror_probe_sink;

#endif
