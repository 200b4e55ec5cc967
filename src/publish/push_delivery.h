/*
 * push_delivery: what all the work of push on one mirror shares, on any of its threads.
 */
#ifndef FERRY_PUBLISH_PUSH_DELIVERY_H
#define FERRY_PUBLISH_PUSH_DELIVERY_H

#include "publish/publication.h"
#include "publish/push.h"

struct push_delivery {
	const struct tree *tree;
	const struct push_options *o;
	struct push_mirror *m;
	bool metadata; /* this run writes metadata and pointers to this mirror */
	const struct publication *publication; /* borrowed; NULL: the kind does not need it */
	char *task;                            /* of the report; NULL: not begun */
	bool checking;                         /* the task only reads back */
	pthread_mutex_t lock;                  /* of m's plan and counts, and of what follows */
	struct verified record;
};
void push_delivery_init(struct push_delivery *d, const struct tree *t, const struct push_options *o,
			struct push_mirror *m, bool metadata);
void push_delivery_release(struct push_delivery *d);

/* Threads that work on this mirror at a time; and how many of them on large objects. */
unsigned push_delivery_hands(const struct push_delivery *d);
unsigned push_delivery_large_hands(const struct push_delivery *d);
bool push_delivery_is_large(const struct push_step *s);
/* Runs fn for each step of the plan for which `which` is true, on push_delivery_hands() threads.
 * After an error no other step is begun; the first one is returned. */
typedef bool push_delivery_which(const struct push_step *s);
typedef int push_delivery_step(struct push_delivery *d, struct push_step *s, struct err *e);
WARN_UNUSED int push_delivery_each(struct push_delivery *d, push_delivery_which *which,
				   push_delivery_step *fn, struct err *e);

/* After a failed call: waits and returns true if it may be tried again. */
bool push_delivery_again(struct push_delivery *d, struct retry *retry, struct err *e);

/* Is it written only when readers may see the release? New roots are: clients request the next
 * root by its number and follow it as soon as it exists; then they reject a timestamp signed by
 * keys that it removed. */
bool push_delivery_is_shown(const struct repository_file *f);
bool push_delivery_is_to_be_put(const struct push_step *s);
/* How to write the file, without conditions and content. */
struct mirror_put push_delivery_how(const struct push_delivery *d, const struct repository_file *f);

/* Begins the task "VERB MIRROR"; ending one that was not begun does nothing. */
void push_delivery_begin_task(struct push_delivery *d, const char *verb, uint64_t bytes);
void push_delivery_end_task(struct push_delivery *d, bool ok);

/* Reads the file back and compares it; the task advances only by what was planned. */
WARN_UNUSED int push_delivery_compare(struct push_delivery *d, const struct repository_file *f,
				      bool planned, bool *same, struct err *e);
/* After an upload: counts it, verifies what is there, by the digest that the mirror reports or by
 * reading it back, and records that. root: pieces_sha256, or NULL. */
WARN_UNUSED int push_delivery_written(struct push_delivery *d, const struct repository_file *f,
				      const struct digest *root, struct mirror_stat *st,
				      struct err *e);
/* After ERR_CONFLICT: it is fine if the same bytes are there, because an earlier attempt succeeded,
 * or the same push ran elsewhere. was_wrong as in struct mirror_put: then they are read. */
WARN_UNUSED int push_delivery_settle(struct push_delivery *d, const struct repository_file *f,
				     bool was_wrong, struct mirror_stat *st, struct err *e);
void push_delivery_record(struct push_delivery *d, const struct repository_file *f,
			  const struct mirror_stat *st);

#endif
