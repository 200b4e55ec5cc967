/*
 * A limit in bytes per second, shared by any number of connections and threads.
 *
 * All bytes are in one queue: a caller waits until its bytes are due. Unused time is not saved
 * up, so there is no burst after a pause.
 *
 * The limit may depend on the time of the week (rate_table_parse()).
 */
#ifndef FERRY_UTIL_RATE_H
#define FERRY_UTIL_RATE_H

#include "util/clock.h"

#define RATE_MAX_ENTRIES 48

/* From this time on, local time, until that of the next entry. */
struct rate_entry {
	uint64_t bytes_per_s; /* 0: no limit */
	unsigned minute;      /* of the day */
	int weekday;          /* 0: Monday; -1: every day */
};

struct rate_table {
	struct rate_entry at[RATE_MAX_ENTRIES];
	size_t count; /* 0: no limit at any time */
};

/*
 * "20MiB", "off", or a timetable in the syntax of rclone's --bwlimit:
 * "08:00,20MiB 12:30,5M 19:00,off", "Mon-08:00,1M Sat-00:00,off". Sizes as parse_size(). False for
 * anything else; *out is then unchanged.
 */
bool rate_table_parse(const char *text, struct rate_table *out);
/* What applies in a minute of the week, from Monday 00:00; 0: no limit. An entry of a weekday comes
 * before one of every day at the same time. */
uint64_t rate_table_at(const struct rate_table *t, unsigned minute);

struct rate {
	uint64_t bytes_per_s;      /* 0: no limit */
	struct rate_table table;   /* if it is not empty, instead of bytes_per_s */
	struct rate *within;       /* borrowed: a limit for these bytes and others; or NULL */
	const struct clock *clock; /* NULL: the real one */
	_Atomic uint64_t due_us;   /* when everything taken so far is due */
};

/* Waits until `bytes` more may pass. r NULL: returns at once. Any thread may call it. */
WARN_UNUSED int rate_take(struct rate *r, uint64_t bytes, const struct cancel *cancel,
			  struct err *e);

/* The lowest limit that applies at any time, or 0 when there is none: for sizes of buffers. */
uint64_t rate_limit(const struct rate *r);

#endif
