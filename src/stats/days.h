/*
 * The days that logs tell of, and their salts: 32 random bytes for each UTC day, in the database.
 *
 * A day is open until its salt is destroyed, 72 hours after it ended (and not while an import is
 * going on, so that old logs can be imported as a whole). From then on, nothing can connect its
 * sessions with anybody, and its late requests are counted as bytes, not as sessions.
 *
 * Prefix: stats_day.
 */
#ifndef FERRY_STATS_DAYS_H
#define FERRY_STATS_DAYS_H

#include "db/db.h"
#include "hash/sha256_chain.h"

#define STATS_DAY_S 86400
#define STATS_SALT 32
#define STATS_LATE_S (72 * 3600)

struct stats_day {
	int64_t day; /* since 1970 */
	bool open;
	/* Of HMAC-SHA256 with the salt, after the padded key; if open. */
	struct sha256_chain inner, outer;
	uint64_t scatter; /* a number that is as secret */
};

struct stats_days {
	struct stats_day *at; /* sorted */
	size_t count, cap;
};
void stats_days_release(struct stats_days *d); /* wipes them */

/* Replaces what it has by what the database has. */
WARN_UNUSED int stats_days_load(struct stats_days *d, struct db *db, struct err *e);

/* The day; borrowed until the next call. One that the database does not have is new: it and, for
 * sessions that pass midnight, the day before it get their salts, at once. Not within a
 * transaction. */
WARN_UNUSED int stats_days_get(struct stats_days *d, struct db *db, int64_t day,
			       const struct stats_day **out, struct err *e);
/* The day if it is there, or NULL. */
const struct stats_day *stats_days_find(const struct stats_days *d, int64_t day);

/* May the salt of the day be destroyed? */
bool stats_day_is_over(int64_t day, int64_t now_s);
/* Destroys it. Within a transaction. */
WARN_UNUSED int stats_day_close(struct stats_days *d, struct db *db, int64_t day, struct err *e);

/* HMAC-SHA256 (RFC 2104), the first 64 bits. */
uint64_t stats_day_hmac(const struct stats_day *d, const void *data, size_t len);

#endif
