/*
 * sample: asks a mirror for a few bytes, to see how fast they come, and how often it may be asked.
 * Both are polite: they read no more than they are told, and stop at the first sign that the server
 * wants fewer requests.
 */
#ifndef FERRY_HEALTH_SAMPLE_H
#define FERRY_HEALTH_SAMPLE_H

#include "mirror/mirror.h"

struct sample_speed {
	uint64_t bytes;
	uint64_t first_us; /* from the request to the first byte */
	uint64_t total_us;
};
/* Bytes per second, without the wait for the first one; 0: not measured. */
uint64_t sample_rate(const struct sample_speed *s);

/* Reads the object from its start until it has this many bytes (0 < bytes <= its size) or this time
 * has passed. clock NULL: the real one. The errors of mirror_get(). */
WARN_UNUSED int sample_read(struct mirror *m, const char *key, uint64_t bytes, uint64_t ms,
			    const struct clock *clock, struct sample_speed *out, struct err *e);

struct sample_limit {
	uint64_t requests;      /* that were sent */
	bool limited;           /* 429, or an answer that asks for a pause */
	uint64_t retry_after_s; /* then: the pause; 0: none was named */
};
/* Asks for the first byte of the object, from a few connections, until the server asks for fewer
 * requests, or this many were sent. An error is any other failure. */
WARN_UNUSED int sample_until_limited(struct mirror *m, const char *key, uint64_t requests,
				     struct sample_limit *out, struct err *e);

#endif
