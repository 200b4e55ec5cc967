#include "gguf/internal.h"

#include "util/mem.h"

#include <stdalign.h>

#define CHUNK (64 * KIB)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, cap;
	alignas(max_align_t) uint8_t data[];
};

int arena_take(struct arena *a, size_t size, void **out, struct err *e)
{
	if (size > GGUF_MAX_KEPT || a->used > GGUF_MAX_KEPT - size)
		return err_set(e, ERR_INTEGRITY,
			       "its keys, names and values need more than %llu MiB of memory",
			       (unsigned long long)(GGUF_MAX_KEPT / MIB));
	size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct arena_chunk *chunk = a->chunks;
	if (!chunk || chunk->cap - chunk->used < rounded) {
		size_t cap = MAX(rounded, (size_t)CHUNK);
		chunk = mem_alloc(sizeof *chunk + cap);
		chunk->cap = cap;
		chunk->next = a->chunks;
		a->chunks = chunk;
	}
	*out = chunk->data + chunk->used;
	chunk->used += rounded;
	a->used += rounded;
	return 0;
}

void arena_release(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;
		free(a->chunks);
		a->chunks = next;
	}
	a->used = 0;
}
