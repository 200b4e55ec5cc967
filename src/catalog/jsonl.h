/*
 * JSON Lines, compressed with zstd (RFC 8878): how the index (index.h) and the lists of places
 * (places.h) are stored. They are read in a stream, line by line.
 */
#ifndef FERRY_CATALOG_JSONL_H
#define FERRY_CATALOG_JSONL_H

#include "util/base.h"
#include "util/buf.h"
#include "util/err.h"

struct jsonl_limits {
	uint64_t max_text; /* bytes of all lines, decompressed; whole MiB */
	size_t max_line;   /* bytes of a line, without its newline; whole KiB */
};

/* Gets each line, without its newline but with a NUL behind it; the bytes are borrowed for the
 * call. A negative return ends the reading and is returned. */
typedef int jsonl_line_fn(void *ctx, const char *line, size_t len, struct err *e);

/* ERR_INTEGRITY, with `what` in front: it cannot be decompressed, ends in the middle, or is over a
 * limit. */
WARN_UNUSED int jsonl_read(const void *data, size_t len, const struct jsonl_limits *limits,
			   const char *what, jsonl_line_fn *fn, void *ctx, struct err *e);

/* Compresses the text. Replaces out. */
WARN_UNUSED int jsonl_pack(const struct buf *text, struct buf *out, struct err *e);

#endif
