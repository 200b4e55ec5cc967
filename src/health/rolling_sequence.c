#include "health/rolling_sequence.h"

#include "util/mem.h"

#include <string.h>

void rolling_sequence_release(struct rolling_sequence *s)
{
	free(s->at);
	*s = (struct rolling_sequence){ 0 };
}

/* The finalizer of SplitMix64 (https://prng.di.unimi.it/splitmix64.c): one to one, and each bit of
 * the input changes about half of the bits of the result. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* The seeds are secret, and unlike those of each other object. */
static void seed(struct rolling_object *o, const uint8_t *key, const struct repository_file *f)
{
	CLEANUP_PTR(sha256_free) struct sha256 *hash = sha256_new();
	struct digest d;
	sha256_add(hash, key, ROLLING_KEY);
	sha256_add(hash, f->sha256.bytes, sizeof f->sha256.bytes);
	sha256_add(hash, f->key, strlen(f->key));
	sha256_final(hash, &d);
	memcpy(o->seed, d.bytes, sizeof o->seed);
	memcpy(&o->sum, d.bytes + sizeof o->seed, sizeof o->sum);
	memcpy(&o->group, d.bytes + sizeof o->seed + sizeof o->sum, sizeof o->group);
}

void rolling_sequence_add(struct rolling_sequence *s, const uint8_t *key,
			  const struct repository_file *f, uint64_t weight)
{
	struct rolling_object o = { .file = f, .weight = weight, .size = f->size };
	struct grid g;
	struct err ignored = ERR_INIT;
	if (!f->size)
		return;
	o.whole = grid_for(f->size, &g, &ignored) < 0 || (g.count > 1 && !f->manifest_key);
	o.count = o.whole ? 1 : g.count;
	o.piece_length = o.whole ? f->size : g.piece_length;
	seed(&o, key, f);
	s->at = mem_grow(s->at, s->count, &s->cap, sizeof *s->at);
	s->at[s->count++] = o;
	s->pieces += o.count;
	s->bytes += o.size;
	uint64_t last = rolling_sequence_cost(&o, o.count - 1);
	s->cost += (o.count - 1) * o.piece_length + last;
	s->largest = MAX(s->largest, o.count > 1 ? o.piece_length : last);
}

uint64_t rolling_sequence_position(const struct rolling_object *o, uint32_t piece)
{
	return mix(mix(o->seed[0] + piece * 0x9e3779b97f4a7c15) ^ o->seed[1]);
}

uint64_t rolling_sequence_length(const struct rolling_object *o, uint32_t piece)
{
	return MIN(o->piece_length, o->size - piece * o->piece_length);
}

uint64_t rolling_sequence_cost(const struct rolling_object *o, uint32_t piece)
{
	return MAX(rolling_sequence_length(o, piece), ROLLING_REQUEST);
}
