/*
 * accept: takes what connects to a socket, in a thread of its own, and hands it to the threads that
 * serve, in turn.
 *
 * libmicrohttpd's own threads accept ten connections between two rounds of sending, so that when
 * many connect at once, the last of them waits until nearly everything is sent to the others. Nor
 * do they share connections evenly.
 */
#ifndef FERRY_SERVE_ACCEPT_H
#define FERRY_SERVE_ACCEPT_H

#include "util/err.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stddef.h>

struct accept_options {
	int fd;                         /* listening and non-blocking */
	struct MHD_Daemon **daemons;    /* without sockets to listen on */
	size_t count;                   /* of them */
	const atomic_uint *connections; /* that there are now */
	unsigned most;                  /* of them: others stay in the socket's queue */
	const atomic_uint *begun;       /* how many the daemons have begun so far */
};
struct accept;
/* All of the options are borrowed. */
WARN_UNUSED int accept_begin(const struct accept_options *o, struct accept **out, struct err *e);
/* Ends the thread. The daemons get no more connections, and have begun those that they got. NULL is
 * ignored. */
void accept_end(struct accept *a);

#endif
