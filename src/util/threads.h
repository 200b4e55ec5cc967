/*
 * threads: runs independent jobs on a few threads.
 */
#ifndef FERRY_UTIL_THREADS_H
#define FERRY_UTIL_THREADS_H

#include "util/base.h"

#define THREADS_MAX 16

/* Calls fn(ctx, i) once for each i < count, from at most `threads` threads (1 to THREADS_MAX;
 * with 1, or when no thread can be made, from this one), and returns when all are done. */
void threads_run(unsigned threads, size_t count, void (*fn)(void *ctx, size_t i), void *ctx);

#endif
