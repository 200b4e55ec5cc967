/*
 * exchange: one request, from its headers to the last byte of its answer.
 *
 * It is a row of steps, in the thread of the server that has the connection: who asks, how often
 * they may, what it is about, the file. A step that would have to wait suspends the connection and
 * goes on when it is woken, with the same step.
 *
 * Prefixes: exchange_.
 */
#ifndef FERRY_SERVE_EXCHANGE_H
#define FERRY_SERVE_EXCHANGE_H

#include "serve/client.h"
#include "serve/edge.h"

#include <microhttpd.h>

struct exchange;

/* What the exchanges of a server share. */
struct exchange_lot {
	struct edge *edge; /* borrowed */
	pthread_mutex_t lock;
	struct exchange *parked; /* those that wait for something */
	bool ending;             /* nobody may begin to wait */
};
void exchange_lot_init(struct exchange_lot *l, struct edge *e);
void exchange_lot_release(struct exchange_lot *l);
/* From now on nothing waits: what is being sent and has to wait ends short, other requests get a
 * 503. What workers do goes on to its end, and wakes whom it is for. */
void exchange_lot_end(struct exchange_lot *l);
/* How many wait. */
size_t exchange_lot_parked(struct exchange_lot *l);

/* A connection. The server has it as the context of its socket. */
struct exchange_caller {
	struct exchange_caller *next, **at; /* the door's list */
	struct exchange_lot *lot;
	char address[CLIENT_TEXT]; /* "192.0.2.1", "2001:db8::1", "unix" */
	uint8_t bytes[16];         /* as settings_serve_address() has it */
	bool trusted;              /* by the Unix socket for administration */
	struct auth_memo memo;
	/* Whom the limits count, kept from request to request: the client of a key or, if that is
	 * NULL, of an address. */
	bool knows_client;
	struct limit_client *client; /* held; NULL: there are no limits */
	char *client_key;
	uint8_t client_bytes[16];
	struct limit_client *counted; /* by limit_connect() */
	bool refused;                 /* by it */
	int fd;
	/* The object that the kernel sends from its file; NULL: none. Only compared. */
	const struct cache_blob *_Atomic sends;
	atomic_ullong idle_since_us; /* no request is complete since then; 0: one is answered */
};

/* Counts its connection, and says whether that is one too many; at the end, takes it back, and
 * forgets what it has shown. */
void exchange_count_caller(struct exchange_caller *c);
void exchange_forget_caller(struct exchange_caller *c);

/* The callbacks of libmicrohttpd, for the door. */
void *exchange_begin(void *lot, const char *target, struct MHD_Connection *connection);
enum MHD_Result exchange_handle(void *lot, struct MHD_Connection *connection, const char *url,
				const char *method, const char *version, const char *data,
				size_t *data_size, void **ctx);
void exchange_end(void *lot, struct MHD_Connection *connection, void **ctx,
		  enum MHD_RequestTerminationCode how);

#endif
