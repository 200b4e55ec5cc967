/* A model of the store in the folder of its engine. Prefixes: node_place_ */
#ifndef FERRY_NODE_PLACING_H
#define FERRY_NODE_PLACING_H

#include "node/wanted.h"

/* What would be made, for a section with an engine; source as in handoff_options. Errors are those
 * of handoff_plan(). */
WARN_UNUSED int node_place_plan(const struct store *s, const struct node_wanted *w,
				const struct store_variant *v, const char *source,
				struct handoff *out, struct err *e);
/* Is everything as it is to be? */
bool node_place_is_made(const struct handoff *h);
/* Makes it, and before that a missing folder, which then belongs to the owner. */
WARN_UNUSED int node_place_make(const struct store *s, const struct node_wanted *w,
				struct handoff *h, struct err *e);
/* Removes the layout with this id, if there is one; *left counts files that stay because others
 * have changed them. */
WARN_UNUSED int node_place_remove(const struct store *s, const char *id, size_t *left,
				  struct err *e);

#endif
