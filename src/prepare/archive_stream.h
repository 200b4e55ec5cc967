/*
 * One compressed file as a stream of bytes: gzip, zstd, xz, bzip2, through libarchive. Several
 * compressed files one behind the other are one stream, as for gzip(1).
 */
#ifndef FERRY_PREPARE_ARCHIVE_STREAM_H
#define FERRY_PREPARE_ARCHIVE_STREAM_H

#include "util/base.h"
#include "util/err.h"

struct archive_stream;

/* Bytes that tell whether a file is compressed. */
#define ARCHIVE_STREAM_MAGIC 6
bool archive_stream_is(const void *magic, size_t len);

/* Where the compressed bytes come from. *got: at most len bytes, 0 only at the end. */
struct archive_input {
	int (*read)(void *ctx, void *data, size_t len, size_t *got, struct err *e);
	void *ctx;
};

/* The first bytes that were read already are handed in; they and the name, which is for messages,
 * are borrowed until it is freed. An error of the input is returned as it is. */
WARN_UNUSED int archive_stream_open(const struct archive_input *input, const char *name,
				    const void *first, size_t len, struct archive_stream **out,
				    struct err *e);
/* *got: at most len bytes, 0 only at the end. ERR_INTEGRITY if it is damaged or ends early: what
 * was decompressed before that was read already, but for up to 64 KiB. */
WARN_UNUSED int archive_stream_read(struct archive_stream *s, void *data, size_t len, size_t *got,
				    struct err *e);
void archive_stream_free(struct archive_stream *s);
DEFINE_CLEANUP(struct archive_stream, archive_stream_free);

#endif
