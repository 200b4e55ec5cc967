/*
 * The TUF client's transport over several endpoints: each is a fallback for the others,
 * file by file.
 *
 *  - timestamp.json is taken from all that answer, and the newest is offered first: so the
 *    newest valid one wins, and an endpoint that is behind is named as stale;
 *  - what does not verify is asked for again from the next endpoint, and the one that gave
 *    it is named and not asked for metadata again;
 *  - an endpoint that does not answer is asked again only when no other can help.
 */
#ifndef FERRY_FETCH_TRANSPORT_H
#define FERRY_FETCH_TRANSPORT_H

#include "catalog/tuf/client.h"
#include "fetch/source.h"

/* An answer to timestamp.json, kept until it is offered. */
struct transport_answer {
	struct source *from;
	uint64_t version;       /* as it claims */
	struct buf bytes;
	bool offered;
};

struct transport {
	struct source_list *sources;    /* borrowed; the endpoints are those with `metadata` */
	struct report *report;
	char *name;                     /* asked for last */
	bool again;                     /* rejected() promised another answer */
	struct source *preferred;       /* gave the timestamp that was accepted */
	struct source *gave;            /* the last answer */
	struct source **tried;          /* for this name */
	size_t tried_count, tried_cap;
	struct transport_answer *answers;
	size_t answer_count, answer_cap;
};

void transport_init(struct transport *t, struct source_list *sources, struct report *report);
void transport_release(struct transport *t);

/* For tuf_client_open(); ctx is t. */
struct tuf_transport transport_tuf(struct transport *t);

/* After a refresh: names the endpoints that turned out to be behind. */
void transport_finish(struct transport *t);

/* The root with this digest, from the first endpoint that has it: how trust begins with
 * nothing but a digest. */
WARN_UNUSED int transport_first_root(struct transport *t, const struct digest *sha256,
				     struct buf *out, struct err *e);

#endif
