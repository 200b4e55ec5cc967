/* How many connections a client has, at this process and at others. */
#include "limit/shared.h"

/* For a client that is refused, Redis is asked again after this time: it may have fewer by now. */
#define ASK_AGAIN_US 0.2e6

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
