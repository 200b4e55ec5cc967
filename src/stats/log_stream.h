/*
 * The bytes of a log, decompressed if it is compressed.
 */
#ifndef FERRY_STATS_LOG_STREAM_H
#define FERRY_STATS_LOG_STREAM_H

#include "util/base.h"
#include "util/err.h"

struct cancel;
struct log_stream;

/* Reads from the start of fd if it can be set there, else from where it is. fd stays open; it, the
 * name, for messages, and cancel, for pipes that have nothing, are borrowed. */
WARN_UNUSED int log_stream_open(int fd, const char *name, const struct cancel *cancel,
				struct log_stream **out, struct err *e);
void log_stream_free(struct log_stream *s);
DEFINE_CLEANUP(struct log_stream, log_stream_free);

bool log_stream_is_compressed(const struct log_stream *s);
/* Can log_stream_seek() go anywhere? Else, if can_rewind, to the start. */
bool log_stream_can_seek(const struct log_stream *s);
bool log_stream_can_rewind(const struct log_stream *s);

/* *got: at most len bytes; 0: the end, for now. */
WARN_UNUSED int log_stream_read(struct log_stream *s, void *data, size_t len, size_t *got,
				struct err *e);
/* The next byte to be read; from the start of a compressed log, only 0. */
WARN_UNUSED int log_stream_seek(struct log_stream *s, uint64_t offset, struct err *e);

#endif
