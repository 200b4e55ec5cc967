#include "util/mem.h"

#include <stdio.h>
#include <string.h>

/* Set by the commands only: in libferry nothing can set it. */
static void (*tell)(void);

void mem_on_exhausted(void (*fn)(void))
{
	tell = fn;
}

static NORETURN void exhausted(void)
{
	if (tell)
		tell();
	abort();
}

void *mem_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);
	if (!p)
		exhausted();
	return p;
}

void *mem_realloc(void *p, size_t size)
{
	void *q = realloc(p, size ? size : 1);
	if (!q)
		exhausted();
	return q;
}

char *mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t len)
{
	char *copy = mem_alloc(len + 1);
	memcpy(copy, s, len);
	return copy;
}

char *mem_vprintf(const char *fmt, va_list args)
{
	char *text = NULL;
	if (vasprintf(&text, fmt, args) < 0)
		exhausted();
	return text;
}

char *mem_printf(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char *text = mem_vprintf(fmt, args);
	va_end(args);
	return text;
}

int mem_array(void **out, uint64_t count, size_t size, uint64_t max_bytes, const char *what,
	      struct err *e)
{
	uint64_t bytes;
	if (!mul_u64(count, size, &bytes) || bytes > max_bytes)
		return err_set(e, ERR_INTEGRITY, "%s is too large: %llu entries", what,
			       (unsigned long long)count);
	void *p = calloc(1, bytes ? bytes : 1);
	if (!p)
		return err_set(e, ERR_SYSTEM, "out of memory for %s", what);
	*out = p;
	return 0;
}

void *mem_grow(void *p, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return p;
	size_t want = *cap ? *cap * 2 : 8;
	size_t bytes;
	if (__builtin_mul_overflow(want, size, &bytes))
		exhausted();
	p = mem_realloc(p, bytes);
	memset((char *)p + *cap * size, 0, (want - *cap) * size);
	*cap = want;
	return p;
}

void mem_free_ptr(void *pp)
{
	void **p = pp;
	free(*p);
	*p = NULL;
}

void mem_wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}
