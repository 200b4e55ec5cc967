/* The kinds, one object file each. */
#ifndef FERRY_MIRROR_KINDS_H
#define FERRY_MIRROR_KINDS_H

#include "http/http.h"
#include "mirror/mirror.h"

/*
 * file: a folder. put() writes to .ferry/partial/<sha256>.part below it and renames; a
 * killed put() goes on where it was, piece by piece, after re-hashing what it finds.
 * Symbolic links below the folder are never followed. Conditional puts hold against every
 * writer that goes through here (a lock file, .ferry/lock, where the file system has locks).
 */
extern const struct mirror_ops mirror_file;

/* http: read only. A server that ignores ranges loses MIRROR_CAN_RANGE when it is first seen
 * to do so; get() then still works, by reading over what comes before the range. */
extern const struct mirror_ops mirror_http;

/* Other settings for a mirror that was opened by its URL; nothing happens on other kinds.
 * Before the first call on m. */
void mirror_http_tune(struct mirror *m, const struct http_options *options);

#endif
