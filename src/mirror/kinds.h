/* The kinds, one object file each. */
#ifndef FERRY_MIRROR_KINDS_H
#define FERRY_MIRROR_KINDS_H

#include "mirror/mirror.h"

/*
 * file: a folder. An upload writes to .ferry/partial/<sha256>.part below it and renames; a
 * killed upload goes on where it was, piece by piece, after re-hashing what it finds.
 * Symbolic links below the folder are never followed. Conditions hold against every
 * writer that goes through here (a lock file, .ferry/lock, where the file system has locks).
 */
extern const struct mirror_ops mirror_file;

/* http: read only. A server that ignores ranges loses MIRROR_CAN_RANGE when it is first seen
 * to do so; get() then still works, by reading over what comes before the range. */
extern const struct mirror_ops mirror_http;

/* What ferry.conf may name and this version cannot open (listed.c). */
extern const struct mirror_ops mirror_s3;
extern const struct mirror_ops mirror_r2;
extern const struct mirror_ops mirror_github;
extern const struct mirror_ops mirror_git;

#endif
