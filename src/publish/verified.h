/*
 * verified: what this publisher has verified on one mirror, so that a later push need not
 * read it again where the mirror itself tells no digest. An entry holds for an object
 * only while the mirror reports the same size, etag and time for it.
 *
 * The file, <tree>/.ferry/push/<mirror>, is a help and no truth: a line for each
 * object, only ever appended; without it objects are read back once. What cannot be
 * understood in it is ignored.
 */
#ifndef FERRY_PUBLISH_VERIFIED_H
#define FERRY_PUBLISH_VERIFIED_H

#include "publish/tree.h"

#define VERIFIED_MAX_BYTES (64 * MIB)

struct record_entry {
	char *key, *etag;       /* percent-encoded, as in the file */
	struct digest sha256;
	uint64_t size;
	int64_t modified_s;
	size_t line;
};

struct verified {
	struct record_entry *at;        /* sorted by key; the last line of a key only */
	size_t count, cap;
	char *path;
	char *first_line;
	int fd;                         /* -1: nothing is written */
	bool fresh;                     /* the file starts anew with the first entry */
};
#define VERIFIED_INIT BRACES(.fd = -1)

/* Of the mirror `id` that readers know by `place` (its URL: a mirror that moved has a new
 * record). A record that cannot be read or written is an empty one. dir NULL: none. */
void verified_open(struct verified *r, const char *dir, const char *id, const char *place);
void verified_close(struct verified *r);
/* Parses the file's text: for verified_open() and tests. */
void verified_parse(struct verified *r, const char *text, size_t len);

bool verified_vouches(const struct verified *r, const struct repository_file *f,
		    const struct mirror_stat *st);
void verified_add(struct verified *r, const struct repository_file *f,
		const struct mirror_stat *st);

#endif
