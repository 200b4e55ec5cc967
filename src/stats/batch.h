/*
 * Requests that were read and are not written yet, in memory of a limited size.
 *
 * Prefix: stats_batch.
 */
#ifndef FERRY_STATS_BATCH_H
#define FERRY_STATS_BATCH_H

#include "stats/days.h"
#include "stats/identity.h"
#include "stats/known.h"
#include "stats/tally.h"

struct stats_batch_request {
	uint32_t object, identity;
	uint32_t second;
	uint16_t mirror, kind;
	uint64_t first, bytes;
};

struct stats_batch {
	struct stats_batch_request *at;
	size_t count, cap;
};
void stats_batch_release(struct stats_batch *b);
void stats_batch_add(struct stats_batch *b, const struct stats_batch_request *r);

/* Adds them to stats_open, within a transaction, and is empty then. *late: requests of days that
 * were closed meanwhile. */
WARN_UNUSED int stats_batch_write(struct stats_batch *b, const struct stats_identities *clients,
				  const struct stats_known *known, const struct stats_days *days,
				  struct db *db, uint64_t *late, struct err *e);

/* ---- what is stored of a day and object ---- */

/* Empty if there is nothing. */
WARN_UNUSED int stats_batch_load(struct db *db, int64_t day, int64_t object,
				 struct stats_groups *out, struct err *e);
WARN_UNUSED int stats_batch_store(struct db *db, int64_t day, int64_t object,
				  const struct stats_groups *g, struct err *e);

#endif
