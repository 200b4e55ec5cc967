/* The models of the sections: from the mirrors into the store. Prefixes: node_fill_, node_item_ */
#ifndef FERRY_NODE_FILL_H
#define FERRY_NODE_FILL_H

#include "ferry/retrieve.h"
#include "node/wanted.h"

/* A section in a run. */
struct node_item {
	const struct node_wanted *wanted; /* borrowed */
	struct retrieved got;
	struct err why; /* class 0: so far everything worked */
	/* What the store has of it; NULL: nothing that is complete. */
	const struct store_variant *variant;
	struct store_variants stored;

	/* Of apply and standing. */
	struct handoff layout; /* for a section with an engine */
	bool has_layout;
	char *path;   /* for a program that opens it; NULL: not there */
	char *told;   /* what its hook must have been told */
	bool made;    /* this run changed the engine's folder */
	bool changed; /* the hook was told something else, or nothing yet */
};
void node_item_release(struct node_item *item);

/* How many failed because the disk is full. */
size_t node_fill_without_room(const struct node_item *items, size_t count);
/* Finds, fetches and verifies the models; the error of each is in its item. With r->dry_run,
 * nothing is downloaded, and a model that is missing has got.preview instead of a variant. An item
 * that has failed is left out, until node_fill_again(). Negative only when it was cancelled. */
WARN_UNUSED int node_fill(struct retrieval *r, struct node_item *items, size_t count,
			  struct err *e);
void node_fill_again(struct node_item *item);

#endif
