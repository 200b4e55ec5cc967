/*
 * A growing buffer with a mandatory maximum size.
 *
 * Appending never fails: an append that would exceed the maximum changes nothing but is
 * remembered. Call buf_ok() once, at the end. There is always a NUL after the last byte, so data
 * works as a C string; data is never NULL after the first append (use buf_str() to be safe on an
 * empty one).
 */
#ifndef FERRY_UTIL_BUF_H
#define FERRY_UTIL_BUF_H

#include "util/base.h"
#include "util/err.h"

struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max; /* ceiling in bytes, without the NUL */
	bool overflow;
};

#define BUF_INIT(max_bytes) BRACES(.max = (max_bytes))

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);
void buf_wipe(struct buf *b);  /* for secrets: zeroes, then releases */
void buf_clear(struct buf *b); /* keeps the memory */

void buf_add(struct buf *b, const void *data, size_t len);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Reserves len more bytes; the caller fills them and then calls buf_commit(). NULL above the
 * maximum. */
void *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);

/* ERR_INTEGRITY "<what> is larger than <max> bytes" if an append was refused. */
WARN_UNUSED int buf_ok(const struct buf *b, const char *what, struct err *e);

const char *buf_str(const struct buf *b);

/* Returns the data as a heap string, owned by the caller; b is empty afterwards. */
char *buf_steal(struct buf *b);

#endif
