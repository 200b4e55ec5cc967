/*
 * publication: what mirror_publish() tells a kind about the release: its models with their cards,
 * and which files the mirror holds.
 */
#ifndef FERRY_PUBLISH_PUBLICATION_H
#define FERRY_PUBLISH_PUBLICATION_H

#include "publish/push_plan.h"

/* The cards of the release, read once for all mirrors. */
struct publication {
	struct catalog head; /* repository.json; json NULL: the tree has none */
	struct publication_model {
		struct card card;
		char *notes;
	} * models; /* sorted by id */
	size_t count, cap;
};
void publication_release(struct publication *p);

/* with_models: also the cards, which kinds with wants_models need. The errors of
 * tree_read_small(), and ERR_INTEGRITY for a document that does not parse. */
WARN_UNUSED int publication_load(const struct tree *t, bool with_models, struct publication *out,
				 struct err *e);

/* What is published, and how; borrowed. */
struct publication_how {
	const struct tree *tree;
	const struct push_plan *plan;
	const bool *only; /* the files of the tree that were to be sent; NULL: all */
	bool shown;
	bool staged; /* as in struct mirror_publication */
	struct report *report;
};
/* Publishes on the mirror what it holds by the plan. *changed: readers see something new. */
WARN_UNUSED int publication_send(const struct publication *p, const struct publication_how *how,
				 struct mirror *m, bool *changed, struct err *e);

#endif
