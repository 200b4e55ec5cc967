/*
 * Whom a file belongs to, before what it says is obeyed: a file that another user left in a folder
 * where people work must not decide which programs run (as in git's CVE-2022-24765).
 *
 * A file is accepted if it, and a symbolic link that leads to it, belongs to this user, to root, or
 * to the user who called sudo, and if nobody else can write it: not everybody, and a group only if
 * it is this user's own, or that of a set-group-ID folder which the file is in.
 */
#ifndef FERRY_UTIL_OWNER_H
#define FERRY_UTIL_OWNER_H

#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <sys/stat.h>

/* What is accepted besides. */
struct owner_trust {
	struct str_list dirs; /* everything in and below these folders; "*" is everything */
	bool has_user;        /* and files of this user, if only their owner can write them */
	uid_t user;
};
void owner_trust_release(struct owner_trust *t);

/* Reads a file that is accepted, as file_read_all(). ERR_USAGE "FILE belongs to another user, NAME"
 * or "FILE: other users can write this file", without a hint. trust NULL: nothing besides. */
WARN_UNUSED int owner_read(const char *path, const struct owner_trust *trust, struct buf *out,
			   struct err *e);
/* The same check of a file that is not read here. What does not exist is accepted. */
WARN_UNUSED int owner_check(const char *path, const struct owner_trust *trust, struct err *e);
/* The same for a folder, which a group may share by making it set-group-ID. */
WARN_UNUSED int owner_check_dir(const char *path, const struct owner_trust *trust, struct err *e);

#endif
