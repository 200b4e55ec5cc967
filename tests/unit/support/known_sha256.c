#include "known_sha256.h"

#include "util/mem.h"

#include <pthread.h>
#include <string.h>

#define LARGE (64 * KIB)
#define BLOCKS 12

static struct {
	pthread_mutex_t lock;
	struct block {
		void *data;
		size_t len;
		struct digest sha256;
	} block[BLOCKS];
	size_t next; /* the oldest one */
} known = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const struct block *find(const void *data, size_t len)
{
	for (size_t i = 0; i < BLOCKS; i++)
		if (known.block[i].len == len && memcmp(known.block[i].data, data, len) == 0)
			return &known.block[i];
	return NULL;
}

static const struct block *note(const void *data, size_t len)
{
	struct block *b = &known.block[known.next++ % BLOCKS];
	free(b->data);
	b->data = mem_alloc(len);
	memcpy(b->data, data, len);
	b->len = len;
	sha256_of(data, len, &b->sha256);
	return b;
}

void known_sha256_of(const void *data, size_t len, struct digest *out)
{
	if (len < LARGE) {
		sha256_of(data, len, out);
		return;
	}
	pthread_mutex_lock(&known.lock);
	const struct block *b = find(data, len);
	if (!b)
		b = note(data, len);
	*out = b->sha256;
	pthread_mutex_unlock(&known.lock);
}
