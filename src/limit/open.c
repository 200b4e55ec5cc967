/* How many connections a client has, at this process and at others. */
#include "limit/shared.h"

/* For a client that is refused, Redis is asked again after this time: it may have fewer by now. */
#define ASK_AGAIN_US 0.2e6
/* Connections that last are told again before their lease is over. */
#define TELL_AGAIN_US (LIMIT_LEASE_MS * 1000.0 / 4)

static double now_us(const struct limit *l)
{
	return (double)clock_now_us(l->clock);
}

/* What is known of other processes holds as long as their leases. */
static unsigned others(const struct limit *l, const struct limit_client *c)
{
	bool known = limit_asks_redis(l) && now_us(l) < c->open.said_us + LIMIT_LEASE_MS * 1000.0;
	return known ? c->open.others : 0;
}

/* With the lock. The account of clients without room in the table means nothing to others. */
static void tell(struct limit *l, struct limit_client *c)
{
	if (limit_asks_redis(l) && c != &c->shard->rest)
		limit_shared_tell(l->shared, c);
}

bool limit_connect(struct limit *l, struct limit_client *c)
{
	if (!c || !l->connections)
		return true;
	limit_lock(c);
	bool may = c->open.here + others(l, c) < l->connections;
	c->open.here += may;
	if (may || now_us(l) >= c->open.said_us + ASK_AGAIN_US)
		tell(l, c);
	limit_unlock(c);
	return may;
}

void limit_disconnect(struct limit *l, struct limit_client *c)
{
	if (!c || !l->connections)
		return;
	limit_lock(c);
	c->open.here--;
	tell(l, c);
	limit_unlock(c);
}

void limit_tell_open(struct limit *l)
{
	double now = now_us(l);
	for (size_t i = 0; l->connections && i < LIMIT_SHARDS; i++) {
		struct limit_shard *shard = &l->table.shards[i];
		pthread_mutex_lock(&shard->lock);
		for (size_t n = 0; n < LIMIT_BUCKETS; n++)
			for (struct limit_client *c = shard->buckets[n]; c; c = c->next)
				if (c->open.here && now >= c->open.said_us + TELL_AGAIN_US)
					tell(l, c);
		pthread_mutex_unlock(&shard->lock);
	}
}
