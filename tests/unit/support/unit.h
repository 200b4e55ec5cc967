/*
 * What every unit test includes: cmocka with the headers it needs, and scratch folders. A test
 * touches nothing outside of its scratch folders: it has no HOME, and no XDG_….
 */
#ifndef FERRY_TESTS_UNIT_H
#define FERRY_TESTS_UNIT_H

#include "util/base.h"
#include "util/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Are the calls in use that only Linux has (util/os.h), or their fall-backs? */
#if defined __linux__ && !defined FERRY_PORTABLE
#define NATIVE true
#else
#define NATIVE false
#endif

/* Fails with the error's own text when rc is not 0. */
void assert_ok_at(int rc, const struct err *e, const char *file, int line);
#define assert_ok(rc, e) assert_ok_at((rc), (e), __FILE__, __LINE__)

/* A new empty folder below $TMPDIR; scratch_free() removes it with all it holds. */
char *scratch_new(void);
void scratch_free(char *dir);

/* Writes a small file, making its folders. */
void scratch_write(const char *dir, const char *name, const void *data, size_t len);

#endif
