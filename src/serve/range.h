/*
 * What of a file a request is for: conditional requests and ranges, as pure functions.
 *
 * RFC 9110, section 13.2.2 has the order of the conditions, 13.1 what they compare, 14.2 what a
 * range means. Several ranges in one request are answered with the whole file, which 14.2 allows:
 * clients of models ask for one.
 *
 * Prefixes: serve_.
 */
#ifndef FERRY_SERVE_RANGE_H
#define FERRY_SERVE_RANGE_H

#include "util/base.h"

/* The headers of the request; NULL: not sent. */
struct serve_conditions {
	bool get; /* GET, not HEAD: for other methods there are no ranges */
	const char *range, *if_range;
	const char *if_match, *if_none_match, *if_modified_since, *if_unmodified_since;
};

/* What there is. */
struct serve_entity {
	const char *etag;   /* with its quotes; NULL: none */
	int64_t modified_s; /* since 1970; 0: not known */
	uint64_t size;
};

struct serve_part {
	unsigned status; /* 200, 206, 304, 412, 416 */
	uint64_t first;  /* of 200 and 206 */
	uint64_t length; /* the same; of the others 0 */
};

struct serve_part serve_range(const struct serve_conditions *c, const struct serve_entity *n);

/* RFC 9110 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". */
#define SERVE_DATE 30
void serve_date(char out[SERVE_DATE], int64_t time_s);

#endif
