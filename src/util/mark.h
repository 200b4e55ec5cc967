/*
 * The mark of a file: size, time and inode. While they are as they were when its content was
 * verified, nobody has written to it or put another file in its place by ordinary means.
 */
#ifndef FERRY_UTIL_MARK_H
#define FERRY_UTIL_MARK_H

#include "util/base.h"

#include <sys/stat.h>

struct mark {
	uint64_t size, modified_ns;
	uint64_t inode; /* 0 where a file does not keep its number (FAT, exFAT, FUSE, 9p) */
};

/* False unless the path is a regular file, or with `follow` leads to one. */
bool mark_of(const char *path, bool follow, struct mark *out);

/* "<size> <modified_ns> <inode>", and back; parsing is strict. */
#define MARK_TEXT 64
const char *mark_text(char text[MARK_TEXT], const struct mark *m);
bool mark_parse(const char *text, struct mark *out);

#endif
