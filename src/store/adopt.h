/*
 * adopt: a file of others becomes a blob, without a copy where that can be had:
 *
 *   clone   the bytes are shared until one of the two files is written to
 *   link    the blob is another name of the file, which is made read-only for everybody; only of
 *           a file of this user, or a read-only one of root
 *   copy    the bytes are written once more
 *
 * What always holds here:
 *  - what becomes the blob was hashed: a clone and a copy are made first, under a temporary name,
 *    and it is they that are hashed. A file that is linked is hashed itself, and refused if its
 *    size, time or inode moved before it was linked;
 *  - the file itself is neither written to nor removed; only its mode changes when it is linked;
 *  - who writes to a linked file later, through its other name, moves the mark of the blob, so
 *    that it is hashed again before it is used (blob.h).
 */
#ifndef FERRY_STORE_ADOPT_H
#define FERRY_STORE_ADOPT_H

#include "store/store.h"
#include "util/file.h"

enum store_adopt_how {
	STORE_ADOPT_NONE, /* it can only be hashed */
	STORE_ADOPT_CLONE,
	STORE_ADOPT_LINK,
	STORE_ADOPT_COPY,
};
/* "none", "clone", "link", "copy". */
const char *store_adopt_how_name(enum store_adopt_how how);

/* Which of them are allowed. They are tried in the order above. */
enum store_adopt_ways {
	STORE_ADOPT_HASH = 0, /* none: only hash */
	STORE_ADOPT_CLONES = 1,
	STORE_ADOPT_LINKS = 2,
	STORE_ADOPT_COPIES = 4,
};

struct store_adopt {
	const struct store *store;
	char *path;
	int fd; /* of the file */
	struct stat before;
	struct file_new made; /* the clone, or the copy */
	enum store_adopt_how how;
	bool hashed;
	struct digest sha256;
};
#define STORE_ADOPT_INIT BRACES(.fd = -1, .made = FILE_NEW_INIT)
void store_adopt_release(struct store_adopt *a); /* safe twice; for CLEANUP */

/*
 * Opens a regular file, and finds out how it can become a blob: a.how, which is STORE_ADOPT_NONE
 * if none of `ways` works. `out` was initialised. ERR_USAGE for what is not a regular file;
 * ERR_SYSTEM when it cannot be read, or there is no room for a copy.
 */
WARN_UNUSED int store_adopt_open(const struct store *s, const char *path, unsigned ways,
				 struct store_adopt *out, struct err *e);
/* Hashes what is to become the blob, and makes the copy. Reports the bytes as a task with the name
 * `task`. Any thread. ERR_CONFLICT when the file got shorter or longer meanwhile. */
WARN_UNUSED int store_adopt_hash(struct store_adopt *a, const char *task, struct err *e);
/*
 * Gives it the name of its digest, synced. Succeeds if the blob is there. The caller sees to it
 * that a record expects the blob (store_expect()), and that one thread at a time calls this.
 * ERR_CONFLICT when a file that is linked has changed since it was hashed; ERR_SYSTEM.
 */
WARN_UNUSED int store_adopt_commit(struct store_adopt *a, struct err *e);

#endif
