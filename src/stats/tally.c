#include "stats/tally.h"

#include "util/mem.h"

#include <string.h>

#define FIRST_SIZE 1024

void stats_tally_release(struct stats_tally *t)
{
	free(t->at);
	*t = (struct stats_tally){ 0 };
}

void stats_tally_clear(struct stats_tally *t)
{
	if (t->used)
		memset(t->at, 0, t->size * sizeof *t->at);
	t->used = 0;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static uint64_t hash(const struct stats_tally_key *k)
{
	uint64_t h = mix(0, (uint64_t)k->day);
	h = mix(h, (uint64_t)k->a << 32 | k->b);
	return mix(h, (uint64_t)k->c << 32 | k->d);
}

static bool same(const struct stats_tally_key *a, const struct stats_tally_key *b)
{
	return a->day == b->day && a->a == b->a && a->b == b->b && a->c == b->c && a->d == b->d;
}

static struct stats_tally_row *place(const struct stats_tally *t, const struct stats_tally_key *key)
{
	size_t i = (size_t)hash(key) & (t->size - 1);
	while (t->at[i].count && !same(&t->at[i].key, key))
		i = (i + 1) & (t->size - 1);
	return &t->at[i];
}

static void grow(struct stats_tally *t)
{
	struct stats_tally larger = { .size = t->size ? 2 * t->size : FIRST_SIZE, .used = t->used };
	larger.at = mem_alloc(larger.size * sizeof *larger.at);
	for (size_t i = 0; i < t->size; i++)
		if (t->at[i].count)
			*place(&larger, &t->at[i].key) = t->at[i];
	free(t->at);
	*t = larger;
}

void stats_tally_add(struct stats_tally *t, const struct stats_tally_key *key, uint64_t count,
		     uint64_t bytes)
{
	if (4 * t->used >= 3 * t->size)
		grow(t);
	struct stats_tally_row *row = place(t, key);
	t->used += row->count == 0;
	row->key = *key;
	row->count += count;
	row->bytes += bytes;
}

const struct stats_tally_row *stats_tally_next(const struct stats_tally *t, size_t *at)
{
	while (*at < t->size)
		if (t->at[(*at)++].count)
			return &t->at[*at - 1];
	return NULL;
}
