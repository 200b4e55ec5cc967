/*
 * verified: records what this publisher has verified on a mirror, so that later pushes need not
 * read it again if the mirror reports no digest. An entry is valid only while the mirror reports
 * the same size, etag and time for the object. `verify` withdraws the entry of an object that it
 * finds wrong, and the next push reads it back, whatever the mirror reports about it.
 *
 * The file, <tree>/.ferry/push/<mirror>, has a line for each object and is only appended to. It
 * is only an aid: without it, objects are read back once. Malformed lines are ignored.
 */
#ifndef FERRY_PUBLISH_VERIFIED_H
#define FERRY_PUBLISH_VERIFIED_H

#include "publish/tree.h"

/* About 2 million objects. */
#define VERIFIED_MAX_BYTES (512 * MIB)

struct record_entry {
	const char *key, *etag; /* percent-encoded, in the text of the file */
	struct digest sha256;
	uint64_t size;
	int64_t modified_s;
};

struct verified {
	struct record_entry *at; /* sorted by key; the last line of a key only */
	size_t count, cap;
	struct buf text; /* of the file; cut into words */
	char *path;
	char *first_line;
	int fd;     /* -1: nothing is written */
	bool fresh; /* the file is started again with the first entry */
};
#define VERIFIED_INIT BRACES(.fd = -1, .text.max = VERIFIED_MAX_BYTES)

/* Opens the record of the mirror `id` at `place` (its URL; a mirror that moved gets a new
 * record). A record that cannot be read or written counts as empty. dir NULL: none. */
void verified_open(struct verified *r, const char *dir, const char *id, const char *place);
void verified_close(struct verified *r);
/* Parses the file's text; for verified_open() and tests. */
void verified_parse(struct verified *r, const char *text, size_t len);

bool verified_vouches(const struct verified *r, const struct repository_file *f,
		      const struct mirror_stat *st);
/* Was it withdrawn, and not verified since? */
bool verified_is_wrong(const struct verified *r, const struct repository_file *f);
/* Does the etag show that the object was replaced since it was verified? */
bool verified_is_changed(const struct verified *r, const struct repository_file *f,
			 const struct mirror_stat *st);
void verified_add(struct verified *r, const struct repository_file *f,
		  const struct mirror_stat *st);
void verified_withdraw(struct verified *r, const struct repository_file *f);

#endif
