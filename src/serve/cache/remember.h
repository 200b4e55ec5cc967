/*
 * remember: what the edge knows of the files of its cache, kept for the next start in edge/objects
 * of the store: a line for each, in the order of their use, the oldest first:
 *
 *   <sha256> <size> <time of the content, ns> <time of the last change, ns> <inode>
 *       <used last, s> <checked last, s; 0: it must be checked before it is used>
 *
 * A file that is no longer like that counts as not checked. What a killed edge did not write down
 * is found among the blobs, and compared with its mark (store/blob.h).
 *
 * Prefixes: remember_, cache_.
 */
#ifndef FERRY_SERVE_CACHE_REMEMBER_H
#define FERRY_SERVE_CACHE_REMEMBER_H

#include "hash/sha256.h"
#include "util/buf.h"

#define REMEMBER_LINE 256

struct remembered {
	struct digest sha256;
	uint64_t size, modified_ns, changed_ns, inode;
	uint64_t used_s, checked_s;
};
/* Appends the line. */
void remember_write(const struct remembered *r, struct buf *out);
/* Calls fn for each line that is one. */
void remember_parse(const char *text, size_t len, void (*fn)(void *ctx, const struct remembered *r),
		    void *ctx);

#endif
