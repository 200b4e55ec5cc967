/*
 * A server with canned answers, in a thread of its own: a test states the request that it
 * expects and the reply, in order. Whole bytes: "HTTP/1.1 200 OK\r\n…".
 */
#ifndef FERRY_TESTS_CANNED_H
#define FERRY_TESTS_CANNED_H

#include "util/base.h"

enum canned_then {
	CANNED_KEEP, /* wait for the next request on this connection */
	CANNED_CLOSE,
	CANNED_STALL,   /* send nothing more until the client gives up */
	CANNED_TRICKLE, /* a byte every 100 ms from now on */
};

struct canned {
	const char *want;   /* the request holds this text (case counts); NULL: anything */
	const char *forbid; /* and not this one; NULL: nothing */
	const char *reply;
	size_t len; /* 0: strlen */
	enum canned_then then;
};

struct canned_server;
/* The script is borrowed. Further requests get a 599. */
struct canned_server *canned_start(const struct canned *script, size_t count);
/* "http://127.0.0.1:PORT"; borrowed. */
const char *canned_url(const struct canned_server *s);
unsigned canned_port(const struct canned_server *s);
/* Requests served so far. */
size_t canned_served(const struct canned_server *s);
/* Ends the server and frees it; fails the test when a request was not as expected, or when
 * not all of the script was used. */
void canned_stop(struct canned_server *s);

#endif
