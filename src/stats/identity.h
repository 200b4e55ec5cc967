/*
 * Who sent a request, as a key: the fetch token, or an HMAC of address and agent with the salt of
 * the day. Keys are computed once for each client and day of a batch.
 *
 * What always holds here: addresses and agents are only in memory, until the batch is written.
 *
 * Prefix: stats_identit.
 */
#ifndef FERRY_STATS_IDENTITY_H
#define FERRY_STATS_IDENTITY_H

#include "stats/agent.h"
#include "stats/country.h"
#include "stats/days.h"
#include "stats/group.h"
#include "stats/request.h"

struct stats_identity {
	uint8_t address[16]; /* of IPv6: the /64 */
	uint64_t agent;      /* the token, or the number of the text */
	int64_t day;
	struct stats_group group; /* without events */
};

struct stats_identities;
/* country: may be NULL; borrowed. */
struct stats_identities *stats_identities_new(struct stats_country *country);
void stats_identities_free(struct stats_identities *t);
DEFINE_CLEANUP(struct stats_identities, stats_identities_free);

/* The kind of the agent; *number is for stats_identities_find(). */
struct stats_agent stats_identities_agent(struct stats_identities *t, const struct request *r,
					  uint64_t *number);

/* The number of the client of a request on this day (which is open); before: the day before it, or
 * NULL if its salt is gone. */
uint32_t stats_identities_find(struct stats_identities *t, const struct request *r,
			       const struct stats_agent *agent, uint64_t number,
			       const struct stats_day *day, const struct stats_day *before);
const struct stats_identity *stats_identities_at(const struct stats_identities *t, uint32_t number);
size_t stats_identities_count(const struct stats_identities *t);
/* Forgets them all. */
void stats_identities_clear(struct stats_identities *t);

#endif
