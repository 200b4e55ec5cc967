/*
 * The access log: one line of JSON for each request, with the names of nginx's variables, so that
 * `ferry stats import` (stats/log.h) counts it like nginx's.
 *
 * A thread of its own writes, so that nobody waits for a disk. If that disk is too slow for too
 * long, lines are lost, and counted.
 */
#ifndef FERRY_SERVE_LOG_H
#define FERRY_SERVE_LOG_H

#include "util/buf.h"
#include "util/err.h"

struct serve_log;
/* `path` "-": standard output. The file is appended to; it is made with mode 0640. */
WARN_UNUSED int serve_log_open(const char *path, struct serve_log **out, struct err *e);
/* Writes what is left. NULL is ignored. */
void serve_log_close(struct serve_log *l);
/* After the file was renamed: the next lines go to a new one. */
void serve_log_reopen(struct serve_log *l);
/* How many lines were lost. */
uint64_t serve_log_lost(struct serve_log *l);

struct serve_log_entry {
	int64_t time_ms; /* since 1970: when the answer ended */
	const char *address, *method;
	const char *target; /* as it was sent */
	const char *file;   /* the file's path on a mirror, if it was asked for by another name: for
			       the count of downloads. NULL: it was not */
	unsigned status;
	uint64_t bytes; /* of the body, that were sent */
	bool partial;   /* 206: of `total` bytes, `length` from `first` */
	uint64_t first, length, total;
	const char *agent, *who, *face; /* agent: as it was sent, or NULL */
	const char *hit;                /* "hit", "miss"; NULL: no object */
	uint64_t duration_us, first_byte_us;
};
/* l NULL: does nothing. */
void serve_log_add(struct serve_log *l, const struct serve_log_entry *n);
/* The line, with its end. */
void serve_log_format(struct buf *out, const struct serve_log_entry *n);

#endif
