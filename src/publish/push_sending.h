/*
 * push_sending: the files that the threads of one mirror are sending at the moment. Two with the
 * same bytes must not be sent at the same time, because a mirror may refuse the second (mirror.h):
 * empty bins of one version are such files, and copies of a model under another name.
 */
#ifndef FERRY_PUBLISH_PUSH_SENDING_H
#define FERRY_PUBLISH_PUSH_SENDING_H

#include "repository/repository.h"
#include "util/threads.h"

/* Zero is empty. Under the lock of its owner. */
struct push_sending {
	const struct repository_file *at[THREADS_MAX];
};

/* Is one with the same bytes among them? */
bool push_sending_has(const struct push_sending *s, const struct repository_file *f);
/* At most one of each thread. */
void push_sending_add(struct push_sending *s, const struct repository_file *f);
void push_sending_remove(struct push_sending *s, const struct repository_file *f);

#endif
