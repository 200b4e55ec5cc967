/*
 * SIMULATED: time that passes at once. Preloaded into a command under test, a pause ends as soon as
 * it begins, and the monotonic clock has gone on by as much: so that a test of what comes after
 * the third attempt does not sit out the pauses between them.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define SECOND 1000000000

static atomic_int_least64_t ahead_ns;

int nanosleep(const struct timespec *pause, struct timespec *left)
{
	atomic_fetch_add(&ahead_ns, (int64_t)pause->tv_sec * SECOND + pause->tv_nsec);
	if (left)
		*left = (struct timespec){ 0 };
	return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	int rc = real(clock, now);
	if (rc == 0 && clock == CLOCK_MONOTONIC) {
		int64_t ns = now->tv_nsec + atomic_load(&ahead_ns);
		now->tv_sec += ns / SECOND;
		now->tv_nsec = ns % SECOND;
	}
	return rc;
}
