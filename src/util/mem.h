/*
 * Allocation of small, fixed sizes: running out of memory aborts the process. What is sized by
 * foreign input uses struct buf with its maximum size, or mem_array(), which refuses a product
 * above the maximum.
 */
#ifndef FERRY_UTIL_MEM_H
#define FERRY_UTIL_MEM_H

#include "util/base.h"
#include "util/err.h"

#include <stdarg.h>
#include <stdlib.h>

/* What is called before that. For main(), before there are threads. */
void mem_on_exhausted(void (*fn)(void));

void *mem_alloc(size_t size); /* zeroed */
void *mem_realloc(void *p, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t len); /* copies len bytes, adds a NUL */
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
char *mem_vprintf(const char *fmt, va_list args) PRINTF_LIKE(1, 0);

#define NEW(type) ((type *)mem_alloc(sizeof(type)))

/* A zeroed array of count elements, or ERR_INTEGRITY "<what> is too large" when
 * it would take more than max_bytes. */
WARN_UNUSED int mem_array(void **out, uint64_t count, size_t size, uint64_t max_bytes,
			  const char *what, struct err *e);

/* Makes room for one more element in a growing array: `p` becomes at least
 * `count + 1` elements; *cap is kept by this function. For counts that are
 * bounded elsewhere. */
void *mem_grow(void *p, size_t count, size_t *cap, size_t size);

/* For CLEANUP(mem_free_ptr): frees *p. */
void mem_free_ptr(void *pp);

/* Overwrites with zeros; the compiler does not remove it. */
void mem_wipe(void *p, size_t len);

#endif
