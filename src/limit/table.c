/* The clients, in shards with a lock each. */
#include "limit/internal.h"
#include "util/mem.h"
#include "util/os.h"

#include <string.h>

/* With all of them busy, the memory is about 8 MiB; further ones share one account in each shard.
 */
#define SHARD_CLIENTS 2048
#define SWEEP_PAUSE_US 1e6
#define FNV_OFFSET 14695981039346656037U
#define FNV_PRIME 1099511628211U

static uint64_t hash_of(const struct limit_table *t, const char *s)
{
	uint64_t h = FNV_OFFSET ^ t->seed;
	while (*s)
		h = (h ^ (uint8_t)*s++) * FNV_PRIME;
	return h ^ h >> 32;
}

static void client_free(struct limit_client *c)
{
	free(c->name);
	free(c);
}

static bool is_idle(const struct limit_client *c, double now)
{
	for (unsigned i = 0; i < LIMIT_RATES; i++)
		if (c->counts[i].tat_us > now || c->counts[i].refused_us > now ||
		    (c->counts[i].portion && c->counts[i].portion_us > now))
			return false;
	return !c->open.here && !c->held;
}

static void sweep(struct limit_shard *shard, double now)
{
	if (now < shard->swept_us + SWEEP_PAUSE_US)
		return;
	shard->swept_us = now;
	for (size_t i = 0; i < LIMIT_BUCKETS; i++)
		for (struct limit_client **at = &shard->buckets[i]; *at;) {
			struct limit_client *c = *at;
			if (!is_idle(c, now)) {
				at = &c->next;
				continue;
			}
			*at = c->next;
			client_free(c);
			shard->count--;
		}
}

/* With the lock. */
static struct limit_client *find(struct limit_table *t, struct limit_shard *shard,
				 struct limit_client **bucket, const char *name)
{
	for (struct limit_client *c = *bucket; c; c = c->next)
		if (strcmp(c->name, name) == 0)
			return c;
	if (shard->count >= SHARD_CLIENTS)
		sweep(shard, (double)clock_now_us(t->clock));
	if (shard->count >= SHARD_CLIENTS)
		return &shard->rest;
	struct limit_client *c = NEW(struct limit_client);
	c->name = mem_strdup(name);
	c->shard = shard;
	c->next = *bucket;
	*bucket = c;
	shard->count++;
	return c;
}

struct limit_client *limit_table_hold(struct limit_table *t, const char *name)
{
	uint64_t hash = hash_of(t, name);
	struct limit_shard *shard = &t->shards[hash % LIMIT_SHARDS];
	pthread_mutex_lock(&shard->lock);
	struct limit_client *c = find(t, shard,
				      &shard->buckets[hash / LIMIT_SHARDS % LIMIT_BUCKETS], name);
	c->held++;
	pthread_mutex_unlock(&shard->lock);
	return c;
}

void limit_lock(struct limit_client *c)
{
	pthread_mutex_lock(&c->shard->lock);
}

void limit_unlock(struct limit_client *c)
{
	pthread_mutex_unlock(&c->shard->lock);
}

void limit_release(struct limit_client *c)
{
	if (!c)
		return;
	limit_lock(c);
	c->held--;
	limit_unlock(c);
}

uint64_t limit_table_count(struct limit_table *t)
{
	uint64_t count = 0;
	for (size_t i = 0; i < LIMIT_SHARDS; i++) {
		pthread_mutex_lock(&t->shards[i].lock);
		count += t->shards[i].count;
		pthread_mutex_unlock(&t->shards[i].lock);
	}
	return count;
}

int limit_table_init(struct limit_table *t, const struct clock *clock, struct err *e)
{
	t->clock = clock;
	for (size_t i = 0; i < LIMIT_SHARDS; i++) {
		struct limit_shard *shard = &t->shards[i];
		pthread_mutex_init(&shard->lock, NULL);
		os_cond_init(&shard->answered);
		shard->rest.shard = shard;
		shard->rest.name = mem_strdup("(others)");
	}
	return os_random(&t->seed, sizeof t->seed)
		       ? 0
		       : err_set(e, ERR_SYSTEM, "the system has no random numbers");
}

void limit_table_release(struct limit_table *t)
{
	for (size_t i = 0; i < LIMIT_SHARDS; i++) {
		struct limit_shard *shard = &t->shards[i];
		for (size_t n = 0; n < LIMIT_BUCKETS; n++)
			while (shard->buckets[n]) {
				struct limit_client *c = shard->buckets[n];
				shard->buckets[n] = c->next;
				client_free(c);
			}
		free(shard->rest.name);
		pthread_cond_destroy(&shard->answered);
		pthread_mutex_destroy(&shard->lock);
	}
}
