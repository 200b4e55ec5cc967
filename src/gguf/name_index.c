#include "gguf/internal.h"

#include "util/mem.h"
#include "util/os.h"

#include <string.h>

static const struct gguf_text *text_at(const void *texts, size_t stride, size_t i)
{
	return (const struct gguf_text *)(const void *)((const uint8_t *)texts + i * stride);
}

static uint64_t hash_of(const char *s, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)s[i]) * 0x100000001b3u;
	return h;
}

struct compare_context {
	const void *texts;
	size_t stride;
};

static int compare_entries(const void *pa, const void *pb, void *ctx)
{
	const struct name_entry *a = pa, *b = pb;
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	const struct compare_context *cc = ctx;
	const struct gguf_text *ta = text_at(cc->texts, cc->stride, a->at);
	const struct gguf_text *tb = text_at(cc->texts, cc->stride, b->at);
	if (ta->len != tb->len)
		return ta->len < tb->len ? -1 : 1;
	return memcmp(ta->s, tb->s, ta->len);
}

int name_index_build(struct name_index *x, const void *texts, size_t stride, size_t count,
		     const char *kind, struct err *e)
{
	struct compare_context cc = { texts, stride };
	x->entries = mem_alloc(count * sizeof *x->entries);
	x->count = count;
	for (size_t i = 0; i < count; i++) {
		const struct gguf_text *t = text_at(texts, stride, i);
		x->entries[i] = (struct name_entry){ hash_of(t->s, t->len), (uint32_t)i };
	}
	os_sort(x->entries, count, sizeof *x->entries, compare_entries, &cc);
	for (size_t i = 1; i < count; i++) {
		if (compare_entries(&x->entries[i - 1], &x->entries[i], &cc) != 0)
			continue;
		const struct gguf_text *t = text_at(texts, stride, x->entries[i].at);
		return err_set(e, ERR_INTEGRITY, "the %s '%.*s' appears twice", kind, SHOW(*t));
	}
	return 0;
}

long name_index_find(const struct name_index *x, const void *texts, size_t stride, const char *name)
{
	size_t len = strlen(name), low = 0, high = x->count;
	uint64_t hash = hash_of(name, len);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (x->entries[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < x->count && x->entries[low].hash == hash; low++) {
		const struct gguf_text *t = text_at(texts, stride, x->entries[low].at);
		if (t->len == len && memcmp(t->s, name, len) == 0)
			return (long)x->entries[low].at;
	}
	return -1;
}
