/*
 * Stopping a long operation: a token that is passed in. Its owner may set it from a signal
 * handler or any thread; the operation checks it between steps and ends with ERR_CANCELLED. Every
 * function accepts NULL for a token that is never set.
 */
#ifndef FERRY_UTIL_CANCEL_H
#define FERRY_UTIL_CANCEL_H

#include "util/base.h"
#include "util/err.h"

struct cancel {
	_Atomic int signal;        /* that asked to stop; 0: none did */
	const struct cancel *also; /* borrowed; stops it, too. NULL: nothing else does */
	/* Called from any thread: the signal that stops it by now, or 0 (deadline.h). NULL: none.
	 */
	int (*asks)(void *ctx);
	void *ctx;
};
#define CANCEL_INIT BRACES(0)

/* Async-signal-safe. */
void cancel_ask(struct cancel *c, int signal);
/* The signal that asked to stop, or 0. */
int cancel_signal(const struct cancel *c);
/* 0, or ERR_CANCELLED when a signal asked to stop: for loops. */
WARN_UNUSED int cancel_check(const struct cancel *c, struct err *e);

#endif
