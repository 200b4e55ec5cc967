/*
 * Models that no section names any more. Prefixes: node_removal_
 *
 * Of those that may be removed, a run removes the least recently used ones, at most remove-most of
 * them. A model stays if it is pinned, a program uses it, a fetch waits for it, or somebody else
 * has linked it into an engine's folder.
 */
#ifndef FERRY_NODE_REMOVAL_H
#define FERRY_NODE_REMOVAL_H

#include "node/fill.h"
#include "node/state.h"
#include "store/keep.h"

struct node_removal_model {
	const struct store_variant *variant; /* borrowed from all */
	enum store_keep why; /* it stays; STORE_KEEP_NOT: it goes, or is one too many: */
	bool chosen, removed;
	int64_t used_s;
	uint64_t freed;
	struct err fault; /* class 0: none */
};
struct node_removal {
	struct store_variants all;
	struct node_removal_model *at; /* that may go by the settings, least recently used first */
	size_t count, chosen;
	uint64_t unlinked; /* layouts that were removed */
	uint64_t versions; /* earlier versions that were removed (keep) */
	uint64_t freed;    /* bytes of all */
};
void node_removal_release(struct node_removal *r); /* safe twice; for CLEANUP */

/* Chooses. Changes nothing. */
WARN_UNUSED int node_removal_plan(const struct store *s, const struct settings_node *settings,
				  const struct node_state *state, const struct node_item *items,
				  size_t count, struct node_removal *out, struct err *e);
/* Removes layouts that earlier runs made, and that no section has now, of the chosen models and of
 * those that are still listed. Before hooks, so that an engine that reads its folder again does not
 * find them. */
WARN_UNUSED int node_removal_unlink(const struct store *s, struct node_state *state,
				    const struct node_item *items, size_t count,
				    struct node_removal *r, struct err *e);
/* Removes the chosen models. One that is in use meanwhile stays. */
WARN_UNUSED int node_removal_run(const struct store *s, struct node_state *state,
				 struct node_removal *r, struct err *e);
/* Removes earlier versions of the sections' models, as `keep` says. */
WARN_UNUSED int node_removal_versions(const struct store *s, const struct node_item *items,
				      size_t count, struct node_removal *r, struct err *e);

#endif
