/*
 * Counts by a few numbers (day, object, mirror, …), added up in memory before they are written.
 *
 * Prefix: stats_tally.
 */
#ifndef FERRY_STATS_TALLY_H
#define FERRY_STATS_TALLY_H

#include "util/base.h"

struct stats_tally_key {
	int64_t day;
	uint32_t a, b, c, d;
};

struct stats_tally_row {
	struct stats_tally_key key;
	uint64_t count; /* 0: a free place of the table */
	uint64_t bytes;
};

struct stats_tally {
	struct stats_tally_row *at;
	size_t size, used; /* size: a power of two, or 0 */
};
void stats_tally_release(struct stats_tally *t);
void stats_tally_clear(struct stats_tally *t); /* keeps the memory */
/* count: at least 1. */
void stats_tally_add(struct stats_tally *t, const struct stats_tally_key *key, uint64_t count,
		     uint64_t bytes);
/* The next row at or behind *at, which begins with 0; NULL: no more. */
const struct stats_tally_row *stats_tally_next(const struct stats_tally *t, size_t *at);

#endif
