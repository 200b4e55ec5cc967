/* Shared by the files of the exchange; not for others. */
#ifndef FERRY_SERVE_EXCHANGE_INTERNAL_H
#define FERRY_SERVE_EXCHANGE_INTERNAL_H

#include "serve/exchange.h"
#include "serve/range.h"
#include "serve/route.h"

/* Of the memory of a connection (door.c), the headers of a request: the rest is for an answer's. */
#define EXCHANGE_MAX_HEADERS (11 * KIB / 2)
#define EXCHANGE_MAX_BODY (64 * KIB)    /* of a request */
#define EXCHANGE_MAX_RECEIVED (1 * MIB) /* then the connection is closed without an answer */

enum exchange_step {
	STEP_READ,   /* the request: its path, its method */
	STEP_WHO,    /* its credentials */
	STEP_LIMIT,  /* may they ask now? */
	STEP_ANSWER, /* what is asked for */
	STEP_FILE,   /* which part of which file */
	STEP_FIRST,  /* is its first byte there? */
	STEP_SEND,
	STEPS,
};

/* Of the request itself; FAULT_OPTIONS is none, but is answered like them. */
enum exchange_fault { FAULT_NONE, FAULT_PATH, FAULT_OPTIONS, FAULT_METHOD, FAULT_BODY };

enum exchange_wait { WAIT_BLOB, WAIT_STREAM, WAIT_JOB };

struct exchange {
	struct exchange_lot *lot; /* borrowed, like these two */
	struct edge *edge;
	struct exchange_caller *caller;
	struct MHD_Connection *connection;
	enum exchange_step step;
	enum exchange_fault fault;
	unsigned unread; /* 400, 414, 431: its headers are refused, and its body is not read */
	bool called;     /* the server has handed over the headers */

	char *target;       /* as it was sent */
	const char *method; /* the connection's */
	char *path;         /* decoded */
	const char *query;  /* in target; or NULL */
	char *base;
	char address[CLIENT_TEXT];    /* of the client, also behind a front */
	uint8_t bytes[16];            /* the same */
	struct limit_client *client;  /* the caller's */
	struct limit_client *counted; /* by limit_connect() */
	char *refusal;                /* why the credentials are refused; NULL: they are not */
	bool later;                   /* they are not: they cannot be checked at present */
	struct buf body;
	uint64_t received; /* of the body, also behind its end */
	struct auth_who who;
	bool limited; /* `limit` says something */
	enum limit_result admitted;
	struct limit_state limit;
	struct edge_views *views;
	const struct route_service *service; /* NULL: the faces answer */

	struct face_answer answer;
	struct route_stream *stream;
	struct cache_blob *blob;
	bool fetches; /* of the blob what is missing, too */
	const char *hit;
	struct serve_part part; /* of a file */
	uint64_t total;
	unsigned status;
	bool by_file;  /* the server sends from the file itself */
	bool cut;      /* it ends short */
	uint64_t sent; /* by the reader */
	uint64_t start_us, first_us;

	/* While it waits. */
	struct exchange *next, **at; /* the lot's list */
	bool parked, registered;
	enum exchange_wait waits;
	struct cache_wait wait;
	struct worker_job job;
	void (*work)(struct exchange *x);
};

/* ---- exchange_park.c: all of these suspend the connection, or return false: nobody may begin to
 * wait any more ---- */

/* Until the blob's byte at `offset`, of a part up to `end`, is there or never comes. */
WARN_UNUSED bool exchange_wait_blob(struct exchange *x, uint64_t offset, uint64_t end);
WARN_UNUSED bool exchange_wait_stream(struct exchange *x);
/* Until a worker has called work(x); after so many milliseconds, if they are not 0. */
WARN_UNUSED bool exchange_wait_work(struct exchange *x, void (*work)(struct exchange *x),
				    uint64_t after_ms);

/* ---- exchange_caller.c ---- */

/* The header's value, or NULL. */
const char *exchange_header(const struct exchange *x, const char *name);
/* 400: headers that a front may understand differently: two hosts, two lengths of the body, a
 * coding of it other than "chunked", any coding in HTTP/1.0, a blank in a name (RFC 9112, 3.2, 5.1,
 * 6.1, 6.3). 414, 431: they are so large that there may be no memory for the headers of an answer.
 * Else 0. */
unsigned exchange_framing_fault(const struct exchange *x, const char *version);
/* Sets address, and base. */
void exchange_know_caller(struct exchange *x);
/* Sets client, once it is known who they are. */
void exchange_know_client(struct exchange *x);
/* False: the client has too many already. */
WARN_UNUSED bool exchange_count_request(struct exchange *x);

/* ---- exchange_send.c ---- */

/* Hands the answer to the server. */
enum MHD_Result exchange_send(struct exchange *x);

#endif
