/*
 * seen: which files were hashed, with which result: a digest, and the mark that the file had.
 * A file with the same mark need not be hashed again; one whose mark moved is hashed before it is
 * called right.
 *
 * The file, <tree>/.ferry/seen, has a line for each verified file and is only appended to; a line
 * "<sha256> damaged" makes the lines before it with this digest invalid. It is only an aid: without
 * it, files are hashed once. Malformed lines are ignored.
 */
#ifndef FERRY_REPOSITORY_SEEN_H
#define FERRY_REPOSITORY_SEEN_H

#include "hash/sha256.h"
#include "util/mark.h"

struct seen_entry {
	struct digest sha256;
	struct mark mark;
};

struct seen {
	char *path;
	struct seen_entry *at;
	size_t count, cap, sorted; /* the first so many are sorted */
	bool fresh;                /* the next entry starts a new file */
	int fd;                    /* of the file, from the first new entry on; or -1 */
};

/* A record that cannot be read counts as empty. */
void seen_open(struct seen *s, const char *dir);
void seen_close(struct seen *s);

bool seen_knows(const struct seen *s, const struct digest *sha256, const struct mark *m);
/* Was a file with this digest hashed here at all? */
bool seen_any(const struct seen *s, const struct digest *sha256);
/* In the record of the tree: a file with this digest was found damaged although its mark is the
 * same, so that it is hashed at the next look. Failures to write are ignored here and below. */
void seen_forget(const char *dir, const struct digest *sha256);
void seen_add(struct seen *s, const struct digest *sha256, const struct mark *m);

#endif
