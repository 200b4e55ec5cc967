/*
 * util: the lowest room. Every other room uses it, and nothing in it knows about models.
 *
 * What always holds here:
 *  - no function prints or exits; but running out of memory for a small fixed allocation aborts
 *    (mem.h);
 *  - a fallible function returns 0, or a negative error class and fills the
 *    caller's struct err (err.h);
 *  - output parameters are set only on success;
 *  - T_free(NULL) is safe, and T_release() may be called twice.
 */
#ifndef FERRY_UTIL_BASE_H
#define FERRY_UTIL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WARN_UNUSED __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define NORETURN __attribute__((noreturn))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/* The braces of an initialiser in a macro: clang-format would take bare braces for a block. */
/* clang-format off */
#define BRACES(...) { __VA_ARGS__ }
/* clang-format on */

/*
 * Scope-bound cleanup: `CLEANUP(buf_release) struct buf b = BUF_INIT(MIB);`
 * calls buf_release(&b) when b leaves its scope. For pointers there is
 * CLEANUP_PTR, which needs `DEFINE_CLEANUP(T, fn)` once, beside fn.
 */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define DEFINE_CLEANUP(type, fn) \
	static inline void fn##_cleanup(type **p) \
	{ \
		if (*p) \
			fn(*p); \
	} \
	struct fn##_needs_semicolon
#define CLEANUP_PTR(fn) CLEANUP(fn##_cleanup)

/* Returns the value of a variable and clears the variable, so that its cleanup releases nothing. */
#define STEAL(p) \
	__extension__({ \
		__typeof__(p) stolen_ = (p); \
		(p) = NULL; \
		stolen_; \
	})

/* a * b and a + b: false if the result does not fit; *out is set only if it does. */
static inline bool mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
	uint64_t r;
	if (__builtin_mul_overflow(a, b, &r))
		return false;
	*out = r;
	return true;
}

static inline bool add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
	uint64_t r;
	if (__builtin_add_overflow(a, b, &r))
		return false;
	*out = r;
	return true;
}

#endif
