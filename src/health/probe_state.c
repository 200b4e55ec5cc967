#include "health/probe_run.h"

#include "hash/sha256.h"
#include "util/mem.h"

#include <string.h>

#define MAGIC "ferry-probe-1\n"
#define MAGIC_BYTES (sizeof MAGIC - 1)
#define STATE_BYTES MIB
#define WORD 8
/* MAGIC, key, position, what was found, and the SHA-256 of all that. */
#define FIXED_BYTES (MAGIC_BYTES + 2 * WORD + sizeof(struct digest))
#define MAX_FOUND ((STATE_BYTES - FIXED_BYTES) / WORD)

void probe_state_release(struct probe_state *s)
{
	free(s->found);
	*s = (struct probe_state){ 0 };
}

/* A bijection of 64-bit numbers that spreads neighbours: the finaliser of MurmurHash3. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
	return x ^ x >> 33;
}

/* FNV-1a. */
uint64_t probe_state_hash(const char *key)
{
	uint64_t h = 0xcbf29ce484222325;
	for (const unsigned char *c = (const unsigned char *)key; *c; c++)
		h = (h ^ *c) * 0x100000001b3;
	return h;
}

uint64_t probe_state_place(const struct probe_state *s, uint64_t hash)
{
	return mix(hash ^ s->key);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

bool probe_state_has(const struct probe_state *s, uint64_t hash)
{
	return s->found_count &&
	       bsearch(&hash, s->found, s->found_count, sizeof hash, compare) != NULL;
}

void probe_state_set(struct probe_state *s, uint64_t *found, size_t count)
{
	free(s->found);
	if (count > 1)
		qsort(found, count, sizeof *found, compare);
	s->found = found;
	s->found_count = count;
}

/* ---- as bytes ------------------------------------------------------------------------------ */

static void put(struct buf *out, uint64_t v)
{
	uint8_t bytes[WORD];
	for (int i = 0; i < WORD; i++)
		bytes[i] = (uint8_t)(v >> 8 * i);
	buf_add(out, bytes, sizeof bytes);
}

static uint64_t take(const uint8_t *bytes)
{
	uint64_t v = 0;
	for (int i = 0; i < WORD; i++)
		v |= (uint64_t)bytes[i] << 8 * i;
	return v;
}

void probe_state_encode(const struct probe_state *s, struct buf *out)
{
	size_t from = out->len;
	struct digest sum;
	buf_adds(out, MAGIC);
	put(out, s->key);
	put(out, s->position);
	for (size_t i = 0; s->found_count <= MAX_FOUND && i < s->found_count; i++)
		put(out, s->found[i]);
	sha256_of(out->data + from, out->len - from, &sum);
	buf_add(out, &sum, sizeof sum);
}

static bool is_whole(const uint8_t *data, size_t len)
{
	struct digest sum;
	if (len < FIXED_BYTES || (len - FIXED_BYTES) % WORD || len > STATE_BYTES ||
	    memcmp(data, MAGIC, MAGIC_BYTES) != 0)
		return false;
	sha256_of(data, len - sizeof sum, &sum);
	return memcmp(data + len - sizeof sum, &sum, sizeof sum) == 0;
}

int probe_state_parse(const void *data, size_t len, struct probe_state *out, struct err *e)
{
	const uint8_t *from = (const uint8_t *)data + MAGIC_BYTES;
	if (!is_whole(data, len))
		return err_set(e, ERR_INTEGRITY,
			       "what was known of the objects on the mirror is damaged");
	size_t count = (len - FIXED_BYTES) / WORD;
	uint64_t *found = mem_alloc((count + 1) * sizeof *found);
	for (size_t i = 0; i < count; i++)
		found[i] = take(from + 2 * WORD + i * WORD);
	*out = (struct probe_state){ .key = take(from), .position = take(from + WORD) };
	probe_state_set(out, found, count);
	return 0;
}
