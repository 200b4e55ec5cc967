/*
 * Errors. The class decides on the exit code and on retries, the cause on everything else. The
 * text is for people; no code reads it.
 *
 * A fallible function takes `struct err *` as its last parameter, never NULL.
 * The caller owns it and initialises it with ERR_INIT. The first error wins:
 * setting an error that is already set changes nothing, so an undo step cannot
 * hide the cause. Boundaries add context in front: "mirror eu: part 17: reset".
 *
 * A message says what failed, on what and why; the hint says what to do.
 */
#ifndef FERRY_UTIL_ERR_H
#define FERRY_UTIL_ERR_H

#include "util/base.h"

/* The values are the exit codes. */
enum err_class {
	ERR_NONE = 0,
	ERR_FAULT = 1, /* the work was done, and it found a fault */
	ERR_USAGE = 2, /* wrong usage or configuration */
	ERR_NOT_FOUND = 3,
	ERR_NETWORK = 4,   /* transient: every source failed, try later */
	ERR_AUTH = 5,      /* a server refused authentication or permission */
	ERR_INTEGRITY = 6, /* hash, signature, rollback, expiry, malformed */
	ERR_SYSTEM = 7,    /* disk full, I/O, local permission */
	ERR_CONFLICT = 8,  /* another publisher, a lock */
	ERR_CANCELLED = 9, /* a signal asked to stop; never an exit code: the
			      process ends by that signal (cli/frame/cli.c) */
	ERR_BUG = 70,
};

/* What is wrong with a server or a model, if decisions depend on it. */
enum err_cause {
	CAUSE_NONE,
	CAUSE_UNREACHABLE, /* no connection: name not resolved, refused, not in time */
	CAUSE_DROPPED,     /* the connection ended in the middle of an answer */
	CAUSE_STALLED,     /* no data for too long, or not everything in time */
	CAUSE_SERVER,      /* the server reports a failure (5xx and similar) */
	CAUSE_THROTTLED,   /* the server asks for fewer requests */
	CAUSE_TLS,         /* the server's certificate does not verify */
	CAUSE_PROXY,       /* a proxy failed or refused: nothing is known about the server */
	CAUSE_SETTINGS,    /* what is set for the server cannot be used: it was not asked */
	CAUSE_PAGE,        /* a web page came in place of a file */
	CAUSE_PORTAL,      /* a network that wants a login answers in place of the server */
	CAUSE_LOCKED,      /* another process holds a lock */
	CAUSE_WITHDRAWN,   /* the publisher has withdrawn it */
	CAUSE_UNCONFIRMED, /* a person has to confirm it first */
	CAUSE_UNLISTED,    /* no role that is trusted for it lists it */
	CAUSE_CHANGED,     /* a file of others is no longer the version that is signed */
};

struct err {
	enum err_class class;
	enum err_cause cause;
	int sys; /* errno where one was the cause, of ERR_CANCELLED the signal, else 0 */
	uint64_t retry_after_s; /* the pause that the server asked for; 0: none */
	/* Offsets into text, for reports that name the place themselves: of the message as it was
	 * set, and of the text without its last context (of err_context() or err_sys()). 0 if
	 * there is none. */
	size_t core, inner;
	char text[1024]; /* one line, no newline at the end */
	char hint[512];  /* what the person can do, or "" */
};

#define ERR_INIT BRACES(0)

/* Each returns -class of the error that e then holds, so that a function can
 * end with `return err_set(...)`. */
int err_set(struct err *e, enum err_class class, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The message, then ": " and strerror(sys). ENOENT and ENOTDIR become
 * ERR_NOT_FOUND, everything else ERR_SYSTEM; a full disk and a file that is too large for the file
 * system get a hint. */
#define ERR_HINT_FILE_SIZE \
	"choose a folder on another disk, or a model in several files (llama-gguf-split makes " \
	"them); exFAT, unlike FAT32, has no such limit"
int err_sys(struct err *e, int sys, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "fmt: " in front of the text of an error that is set. ERR_CANCELLED stays as it is: where
 * a signal interrupted the work does not matter. */
int err_context(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Sets the hint, unless there is one already. */
int err_hint(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Sets the cause, unless there is one already, and what the server asked for. */
int err_cause(struct err *e, enum err_cause cause, uint64_t retry_after_s);

/* Changes the class, e.g. a missing local file that is a usage error. */
int err_class_set(struct err *e, enum err_class class);

void err_clear(struct err *e);

static inline bool err_is(const struct err *e, enum err_class class)
{
	return e->class == class;
}

/* "integrity", "not-found", …; stable: part of the JSON output. */
const char *err_class_name(enum err_class class);
/* The class with this name; false if there is none. */
bool err_class_parse(const char *name, enum err_class *out);

/* May the same request to the same place succeed later? */
bool err_is_transient(const struct err *e);

#endif
