/* Between the files that ferry.h is made of.
 *
 * Prefixes: listener_, call_, error_, owned_. */
#ifndef FERRY_FERRY_INTERNAL_H
#define FERRY_FERRY_INTERNAL_H

#include "ferry/client.h"
#include "ferry/ferry.h"
#include "util/mem.h"

#include <pthread.h>

/* Never changed after it was opened, except that the limits in settings.access count. */
struct ferry {
	struct client base; /* its settings and store; not connected */
	bool offline;
	uint64_t limit_rate;
	struct conf *conf; /* what base.fetch borrows from; or NULL */
};

struct ferry_cancel {
	struct cancel token;
};

/* -error->class; fills in *out unless it is NULL, escaped. */
int error_give(const struct err *e, struct ferry_error *out);

/* ---- one call ---- */

/* Turns the reports of the engines into events. */
struct listener {
	struct report report; /* first, so that a report is a listener */
	struct ferry_call call;
	pthread_mutex_t lock;
	uint64_t done, total;
};
void listener_init(struct listener *l, const struct ferry_call *call);
void listener_release(struct listener *l);

/* The handle's client for this call, which borrows everything from f; the caller connects it, and
 * releases its remotes only. It must not be moved once it is connected. */
void call_client(const struct ferry *f, struct listener *l, struct client *out);

/* The member of a struct that the caller filled in, or NULL or 0 if the caller's is an older one
 * without it. */
#define GIVEN(s, member) \
	((s) && (s)->size >= offsetof(__typeof__(*(s)), member) + sizeof(s)->member)
/* ERR_USAGE if the caller gave a struct and forgot its size. */
#define CHECK_SIZE(s, e) \
	((s) && !GIVEN(s, size) ? err_set(e, ERR_USAGE, #s ".size is not set: use its INIT macro") \
				: 0)

/* ---- memory of a result, freed all at once ---- */

struct owned {
	void **at;
	size_t count, cap;
};
void owned_release(struct owned *o);
void *owned_new(struct owned *o, size_t size); /* zeroed */
/* NULL stays NULL. */
const char *owned_text(struct owned *o, const char *text);

#endif
