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

static void cut(struct rolling_object *o)
{
	struct grid g = { .count = 1 };
	struct err ignored = ERR_INIT;
	o->whole = grid_for(o->file->size, &g, &ignored) < 0 ||
		   (g.count > 1 && !o->file->manifest_key);
	o->count = o->whole ? 1 : g.count;
	while (!o->whole && (uint64_t)1 << o->shift < g.piece_length)
		o->shift++;
}

void rolling_sequence_add(struct rolling_sequence *s, const uint8_t *key,
			  const struct repository_file *f, uint64_t weight)
{
	struct rolling_object o = { .file = f, .weight = (uint32_t)MIN(weight, INT32_MAX) };
	if (!f->size)
		return;
	cut(&o);
	seed(&o, key, f);
	s->at = mem_grow(s->at, s->count, &s->cap, sizeof *s->at);
	s->at[s->count++] = o;
	s->pieces += o.count;
	s->bytes += f->size;
	s->cost += rolling_sequence_offset(&o, o.count - 1) +
		   rolling_sequence_cost(&o, o.count - 1);
	s->largest = MAX(s->largest, rolling_sequence_cost(&o, 0));
}

uint64_t rolling_sequence_position(const struct rolling_object *o, uint32_t piece)
{
	return mix(mix(o->seed[0] + piece * 0x9e3779b97f4a7c15) ^ o->seed[1]);
}

uint64_t rolling_sequence_offset(const struct rolling_object *o, uint32_t piece)
{
	return (uint64_t)piece << o->shift;
}

uint64_t rolling_sequence_length(const struct rolling_object *o, uint32_t piece)
{
	uint64_t left = o->file->size - rolling_sequence_offset(o, piece);
	return piece + 1 < o->count ? (uint64_t)1 << o->shift : left;
}

uint64_t rolling_sequence_cost(const struct rolling_object *o, uint32_t piece)
{
	return MAX(rolling_sequence_length(o, piece), ROLLING_REQUEST);
}
