/*
 * The TUF client's transport over several endpoints: each is a fallback for the others,
 * file by file.
 *
 *  - timestamp.json is asked for at all of them at once, with a short deadline. What came is
 *    offered in the order of the versions that it claims: so the newest that verifies wins,
 *    and who lies about a version is only passed over;
 *  - the next root, too, is asked for at all of them at once: an endpoint that is behind
 *    does not know that there is one. There is none when at least one says so and no other
 *    has one that verifies;
 *  - everything else is asked for where the timestamp came from, then at the others that are as
 *    new, then at the rest;
 *  - what does not verify is asked for again elsewhere, and who gave it is named and not asked
 *    for metadata again;
 *  - an endpoint that did not answer is asked again only when no other can help.
 */
#ifndef FERRY_FETCH_ENDPOINTS_H
#define FERRY_FETCH_ENDPOINTS_H

#include "fetch/source.h"
#include "tuf/client.h"

enum endpoint_state {
	ENDPOINT_UNKNOWN,       /* was not asked, or not as far as its timestamp */
	ENDPOINT_OK,            /* has the newest timestamp */
	ENDPOINT_STALE,         /* has an older one */
	ENDPOINT_INCOMPLETE,    /* lacks a file that should be there */
	ENDPOINT_SLOW,          /* gave no answer in time */
	ENDPOINT_DOWN,          /* cannot be reached, fails, or refuses */
	ENDPOINT_REJECTED,      /* gave something that does not verify */
	ENDPOINT_STATES,
};
/* "ok", "stale", …: stable, part of the JSON output. */
const char *endpoints_state_name(enum endpoint_state s);

struct endpoint {
	struct source *source;  /* borrowed */
	enum endpoint_state state;
	bool has_version;
	uint64_t version;       /* of its timestamp, as it claims: verified only when ok */
	char fault[200];        /* why it is not ok, without escapes; or "" */
};

/* An answer to a question to all, kept until it is offered. */
struct endpoints_candidate {
	struct endpoint *from;
	uint64_t version;       /* as a timestamp claims; 0: it tells none */
	struct buf bytes;
	bool offered;
};

struct endpoints {
	struct source_list *sources;    /* borrowed; the endpoints are those with `metadata` */
	uint64_t deadline_ms;           /* for questions to all */
	struct endpoint *endpoints;
	size_t endpoint_count, endpoint_cap;

	char *name;                     /* asked for last */
	bool again;                     /* rejected() promised another answer */
	struct endpoint *preferred;     /* gave the timestamp that was accepted */
	struct endpoint *gave;          /* the last answer */
	struct endpoint *unnamed;       /* the only one: gave what does not verify, and the error
					   that says so does not name it */
	bool *tried;                    /* for this name; one for each endpoint */
	bool asked_all;                 /* for this name */
	bool missing;                   /* somebody said that there is no such file */
	bool rejected;                  /* somebody gave what does not verify */
	struct endpoints_candidate *candidates;
	size_t candidate_count, candidate_cap;
	char hint[512];                 /* of the first answer that was rejected */
};

/* deadline_ms: for questions to all of several. */
void endpoints_init(struct endpoints *t, struct source_list *sources, uint64_t deadline_ms);
void endpoints_release(struct endpoints *t);

/* For tuf_client_open(); ctx is t. */
struct tuf_transport endpoints_tuf(struct endpoints *t);

/* After a refresh, whether it succeeded or not: settles what each endpoint is. */
void endpoints_finish(struct endpoints *t);

/* The endpoints in the configuration's order; borrowed. */
const struct endpoint *endpoints_all(struct endpoints *t, size_t *count);

/* The root with this digest, from the first endpoint that has it: how trust begins with
 * nothing but a digest. */
WARN_UNUSED int endpoints_first_root(struct endpoints *t, const struct digest *sha256,
				     struct buf *out, struct err *e);

#endif
