/*
 * door: sockets, connections and the threads of libmicrohttpd.
 *
 * A connection on which no request is complete for too long, or whose caller takes nothing for too
 * long, is closed.
 */
#ifndef FERRY_SERVE_DOOR_H
#define FERRY_SERVE_DOOR_H

#include "serve/edge.h"
#include "serve/socket.h"

struct door;
/* Serves at all of them from now on. Both are borrowed. */
WARN_UNUSED int door_open(struct edge *e, const struct serve_sockets *sockets, struct door **out,
			  struct err *e_out);
/* Accepts no more connections; those that are there go on. */
void door_quiesce(struct door *d);
/* How many requests are being answered. */
unsigned door_requesting(struct door *d);
/* Ends everything: what is still being sent ends short. NULL is ignored. */
void door_close(struct door *d);

/* Closes the connections that are idle for too long; to be called about once a second. */
void door_sweep(struct door *d);
/* For how long there has been no connection, in milliseconds; 0: there is one. */
uint64_t door_idle_ms(struct door *d);

#endif
