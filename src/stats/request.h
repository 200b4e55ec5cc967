/*
 * A request that a log tells of, whatever the log's format: what the readers of logs hand to
 * what counts.
 */
#ifndef FERRY_STATS_REQUEST_H
#define FERRY_STATS_REQUEST_H

#include "util/base.h"
#include "util/err.h"

enum request_method {
	REQUEST_GET,
	REQUEST_HEAD,
	REQUEST_OPTIONS,
	REQUEST_OTHER,
};

/* Bytes of the log or of the reader's scratch space, not ended by NUL; {NULL, 0}: not known. */
struct request_text {
	const char *at;
	size_t len;
};

struct request {
	int64_t time_s; /* of the request's end, since 1970, UTC */
	enum request_method method;
	unsigned status;          /* 100 … 599 */
	struct request_text path; /* of the URL: without query, still percent-encoded, begins with
				     '/'. Of S3: the key, still encoded, behind a '/' */
	struct request_text address, agent, country; /* country: two capital letters */
	uint64_t bytes;                              /* of the body, as far as the log says */
	bool has_range;                              /* Content-Range of the answer: */
	uint64_t first, last;                        /* bytes, inclusive */
	bool has_total; /* the size of the object, from Content-Range or the log */
	uint64_t total;
};

/* Everything is borrowed until it returns. A negative return ends reading and is returned. */
typedef int request_fn(void *ctx, const struct request *r, struct err *e);

#endif
