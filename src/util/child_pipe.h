/*
 * A program that is talked to while it runs: what is written goes to its stdin, what it prints on
 * stdout is read. It is started as by util/child.h: without a shell, in a process group of its
 * own, without credentials in its environment. What it prints on stderr is kept.
 *
 * One thread at a time. No call waits longer than stall_s for a byte, and a cancellation ends a
 * wait within 200 ms.
 */
#ifndef FERRY_UTIL_CHILD_PIPE_H
#define FERRY_UTIL_CHILD_PIPE_H

#include "util/base.h"
#include "util/cancel.h"
#include "util/err.h"

struct child_pipe_options {
	const char *const *argv;     /* NULL-ended; argv[0] is the program's path */
	const char *hide;            /* variables that begin so are left out, too; or NULL */
	const char *const *set;      /* "NAME=value", NULL-ended; or NULL */
	uint64_t stall_s;            /* without a byte in any direction: ERR_NETWORK; 0: none */
	const struct cancel *cancel; /* NULL: nothing stops it */
};

struct child_pipe;
/* ERR_SYSTEM or ERR_NOT_FOUND when the program cannot be started. */
WARN_UNUSED int child_pipe_open(const struct child_pipe_options *o, struct child_pipe **out,
				struct err *e);
/* All of it. ERR_NETWORK with CAUSE_DROPPED when the program no longer reads. */
WARN_UNUSED int child_pipe_write(struct child_pipe *p, const void *data, size_t len, struct err *e);
/* What there is, at most size bytes; *len 0: the program has closed its output. */
WARN_UNUSED int child_pipe_read(struct child_pipe *p, void *data, size_t size, size_t *len,
				struct err *e);
/* What it has printed on stderr so far, at most the first CHILD_PIPE_ERRORS bytes. The caller
 * frees it. */
#define CHILD_PIPE_ERRORS 4096
char *child_pipe_errors(const struct child_pipe *p);
/* Closes its input, waits until it ends, and kills it if that takes longer than 5 seconds. */
void child_pipe_close(struct child_pipe *p);
DEFINE_CLEANUP(struct child_pipe, child_pipe_close);

#endif
