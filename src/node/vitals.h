/*
 * Does the engine answer? Its URL (health = URL) is asked without a proxy; any 2xx means yes. Each
 * answer is kept in the store (node/engines.json), so that a later run can say since when the
 * engine has been up or down.
 *
 * Prefixes: node_vitals_
 */
#ifndef FERRY_NODE_VITALS_H
#define FERRY_NODE_VITALS_H

#include "node/wanted.h"
#include "store/store.h"

#define NODE_VITALS_MAX_BYTES (256 * KIB)

struct node_vitals_engine {
	const char *url; /* borrowed from the settings */
	bool up;
	struct err why;   /* it is not */
	uint64_t took_ms; /* for the answer */
	int64_t since_s;  /* it was first seen like this; 0: not known */
};
struct node_vitals {
	struct node_vitals_engine *at; /* one for each URL, in the order of the sections */
	size_t count, cap;
};
void node_vitals_release(struct node_vitals *v); /* safe twice; for CLEANUP */

/* Asks them all, one after the other, each for at most 5 seconds. Negative only when it was
 * cancelled. */
WARN_UNUSED int node_vitals_ask(const struct store *s, const struct node_wanted_list *wanted,
				struct node_vitals *out, struct err *e);

/* Since when the engine has been up (or down, with up = false), by the record of earlier answers,
 * which may be damaged; 0: the record does not say. */
int64_t node_vitals_since(const void *data, size_t len, const char *url, bool up);

#endif
