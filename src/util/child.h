/*
 * Runs an external program: without a shell, with a process group of its own, stdin from
 * /dev/null or from memory, and without credentials in its environment (variables whose names end
 * in TOKEN, KEY, SECRET, PASSWORD, PASSPHRASE or CREDENTIALS, and AWS_*), unless the user trusts
 * it with them.
 */
#ifndef FERRY_UTIL_CHILD_H
#define FERRY_UTIL_CHILD_H

#include "util/base.h"
#include "util/buf.h"
#include "util/cancel.h"
#include "util/err.h"
#include "util/report.h"

#define CHILD_HEAD (4 * KIB)
#define CHILD_OUTPUT (64 * KIB)

struct child {
	const char *const *argv;     /* NULL-ended; argv[0] is the program's path */
	const char *dir;             /* to run in; NULL: this one */
	uint64_t timeout_s;          /* 0: as long as it takes */
	const struct cancel *cancel; /* NULL: nothing stops it */
	struct report *report;       /* each line of output is a REPORT_DETAIL */
	/* Progress, unless task is NULL: the growth of a file, or of all files in a folder. */
	const char *task, *watch;
	uint64_t expected; /* bytes; 0: unknown */
	const void *input; /* what stdin gives; NULL: nothing */
	size_t input_len;
	/* If not 0, stdout is collected separately as the answer, and a program that writes more
	 * bytes than this is stopped. */
	size_t answer_max;
	/* The program keeps its credentials (except FERRY_PASSPHRASE) and stays in the terminal's
	 * foreground, so that it can ask for a PIN. Programs that it starts are not killed with
	 * it. */
	bool trusted;
	/* The program keeps its credentials, but nothing else of that. */
	bool credentials;
};

struct child_result {
	int status; /* as waitpid() gives it */
	bool timed_out;
	bool too_long;     /* the answer had more than answer_max bytes */
	struct buf answer; /* stdout, where it is kept apart */
	struct buf head;   /* stdout and stderr, the first CHILD_HEAD bytes */
	struct buf output; /* and at least the last CHILD_OUTPUT */
};
void child_result_release(struct child_result *r);

/* Returns 0 when the program ran and ended, however it ended. ERR_SYSTEM or ERR_NOT_FOUND when
 * it could not be started; ERR_CANCELLED after the whole process group was killed (SIGTERM,
 * five seconds later SIGKILL). If this process dies, so does the child (Linux). */
WARN_UNUSED int child_run(const struct child *c, struct child_result *out, struct err *e);

/* Is this "NAME=value" of an environment a credential, which programs do not get? */
bool child_is_secret(const char *variable);

/* Default signal handlers again: in a child process before exec. Async-signal-safe. */
void child_default_signals(void);

static inline bool child_ok(const struct child_result *r)
{
	return r->status == 0 && !r->timed_out && !r->too_long;
}

/* The program `name` of PATH as an absolute path, or NULL; the caller frees. */
char *child_on_path(const char *name);

/* "ended with status 1", "was killed by SIGABRT: …"; static or in out. */
const char *child_describe(const struct child_result *r, char *out, size_t size);

#endif
