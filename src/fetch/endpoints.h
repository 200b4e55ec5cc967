/*
 * The TUF client's transport over several endpoints: each is a fallback for the others,
 * file by file.
 *
 *  - timestamp.json is requested from all of them at once, with a short deadline. The answers are
 *    tried in the order of the versions that they claim, so the newest that verifies wins, and
 *    one that lies about its version is only skipped;
 *  - the next root is also requested from all of them at once, because an outdated endpoint may
 *    not have it yet. There is none if at least one endpoint says so and no other has one that
 *    verifies;
 *  - everything else is requested from the endpoint that the timestamp came from, then from
 *    others that are as new, then from the rest;
 *  - a file that does not verify is requested from another endpoint; the one that sent it is
 *    reported and not used for metadata again;
 *  - an endpoint that did not answer is asked again only if no other can help; one that asked for a
 *    pause, not before its end.
 *
 * While another endpoint is there, each request has a deadline (source_list_deadline()).
 */
#ifndef FERRY_FETCH_ENDPOINTS_H
#define FERRY_FETCH_ENDPOINTS_H

#include "fetch/source.h"
#include "tuf/client.h"

enum endpoint_state {
	ENDPOINT_UNKNOWN,    /* its timestamp was not requested */
	ENDPOINT_OK,         /* has the newest timestamp */
	ENDPOINT_STALE,      /* has an older one */
	ENDPOINT_INCOMPLETE, /* lacks a file that should be there */
	ENDPOINT_SLOW,       /* did not answer in time */
	ENDPOINT_DOWN,       /* cannot be reached, fails, or refuses */
	ENDPOINT_REJECTED,   /* sent something that does not verify */
	ENDPOINT_STATES,
};
/* "ok", "stale", …: stable, part of the JSON output. */
const char *endpoints_state_name(enum endpoint_state s);

struct endpoint {
	struct source *source; /* borrowed */
	enum endpoint_state state;
	bool has_version;
	uint64_t version; /* that its timestamp claims; verified only when ok */
	char fault[200];  /* why it is not ok, unescaped; or "" */
};

/* An answer to a request to all, kept until it is used. */
struct endpoints_candidate {
	struct endpoint *from;
	uint64_t version; /* that a timestamp claims; 0: none */
	struct buf bytes;
	bool offered;
};

struct endpoints {
	struct source_list *sources; /* borrowed; the endpoints are those with `metadata` */
	bool keep_end;               /* sources->end_ms holds for all files: otherwise, only
					until a timestamp has been found */
	struct endpoint *endpoints;
	size_t endpoint_count, endpoint_cap;

	char *name;                 /* requested last */
	bool again;                 /* rejected() promised another answer */
	struct endpoint *preferred; /* sent the accepted timestamp */
	struct endpoint *gave;      /* the last answer */
	struct endpoint *unnamed;   /* the only one: it sent something that does not verify,
				       and the error does not name it */
	bool *tried;                /* for this name; one for each endpoint */
	bool asked_all;             /* for this name */
	bool missing;               /* an endpoint said that there is no such file */
	bool rejected;              /* an endpoint sent something that does not verify */
	struct endpoints_candidate *candidates;
	size_t candidate_count, candidate_cap;
	char hint[512]; /* of the first rejected answer */
};

void endpoints_init(struct endpoints *t, struct source_list *sources);
void endpoints_release(struct endpoints *t);

/* After a refresh: sources that are used for metadata since then become endpoints, too. Returns how
 * many. */
size_t endpoints_extend(struct endpoints *t);

/* For tuf_client_open(); ctx is t. */
struct tuf_transport endpoints_tuf(struct endpoints *t);

/* After a refresh, successful or not: determines the state of each endpoint. */
void endpoints_finish(struct endpoints *t);

/* The endpoints in the configuration's order; borrowed. */
const struct endpoint *endpoints_all(struct endpoints *t, size_t *count);

/* The root with this digest, from the first endpoint that has it, to start trust from a digest
 * alone. */
WARN_UNUSED int endpoints_first_root(struct endpoints *t, const struct digest *sha256,
				     struct buf *out, struct err *e);

#endif
