/* One line of a digest list, in any of the forms that sums.h names. */
#ifndef FERRY_CATALOG_SUMS_LINE_H
#define FERRY_CATALOG_SUMS_LINE_H

#include "hash/grid.h"

enum sums_line_kind {
	SUMS_LINE_EMPTY,   /* blank, a comment, or what a tool prints around digests */
	SUMS_LINE_ENTRY,   /* name, sha256 */
	SUMS_LINE_DIGEST,  /* sha256 alone; name is NULL */
	SUMS_LINE_HEADING, /* "SHA256 hash of NAME:": name; its digest is on the next line */
	SUMS_LINE_HASH,    /* "Hash : HEX": sha256; its name follows in a SUMS_LINE_PATH */
	SUMS_LINE_PATH,    /* "Path : NAME" */
	SUMS_LINE_OTHER,   /* the digest of another algorithm: algorithm */
	SUMS_LINE_FOREIGN, /* nothing of a digest */
	SUMS_LINE_WRONG,   /* half a digest of a file: why */
};

#define SUMS_ALGORITHM_MAX 24

struct sums_line {
	enum sums_line_kind kind;
	char *name; /* within the line */
	bool tool;  /* name is a path as the tool saw it: it may be absolute, of another machine */
	struct digest sha256;
	char algorithm[SUMS_ALGORITHM_MAX + 1];
	const char *why;
};

/* Takes the line apart in place. It has no line end; len is its length, NULs included. */
void sums_line_read(char *line, size_t len, struct sums_line *out);

#endif
