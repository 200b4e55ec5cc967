#include "gguf/internal.h"

#include "util/mem.h"
#include "util/os.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CHUNK (64 * KIB)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, cap;
	alignas(max_align_t) uint8_t data[];
};

int arena_take(struct arena *a, size_t size, void **out, struct err *e)
{
	if (size > GGUF_MAX_KEPT || a->used > GGUF_MAX_KEPT - size)
		return err_set(e, ERR_INTEGRITY, "its names and values take more than %llu MiB of memory",
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

/* ---- names ---- */

static const struct gguf_text *text_at(const void *texts, size_t stride, size_t i)
{
	return (const struct gguf_text *)(const void *)((const uint8_t *)texts + i * stride);
}

static uint64_t hash_of(const char *s, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;       /* FNV-1a */
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
		return err_set(e, ERR_INTEGRITY, "there are two %ss named '%.*s'", kind, SHOW(*t));
	}
	return 0;
}

long name_index_find(const struct name_index *x, const void *texts, size_t stride,
		     const char *name)
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

/* ---- findings ---- */

static void add(struct gguf_findings *f, const char *code, bool note, const char *fmt, va_list ap)
{
	if (f->count == GGUF_MAX_FINDINGS) {
		f->dropped++;
		return;
	}
	char text[512];
	vsnprintf(text, sizeof text, fmt, ap);
	f->at = mem_grow(f->at, f->count, &f->cap, sizeof *f->at);
	f->at[f->count++] = (struct gguf_finding){ code, mem_strdup(text), note };
}

void finding_add(struct gguf_findings *f, const char *code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(f, code, false, fmt, ap);
	va_end(ap);
}

void finding_note(struct gguf_findings *f, const char *code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(f, code, true, fmt, ap);
	va_end(ap);
}

void findings_move(struct gguf_findings *to, struct gguf_findings *from)
{
	for (size_t i = 0; i < from->count; i++) {
		to->at = mem_grow(to->at, to->count, &to->cap, sizeof *to->at);
		to->at[to->count++] = from->at[i];
	}
	to->dropped += from->dropped;
	free(from->at);
	*from = (struct gguf_findings){ 0 };
}

void gguf_findings_release(struct gguf_findings *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->at[i].text);
	free(f->at);
	*f = (struct gguf_findings){ 0 };
}
