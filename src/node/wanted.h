/* The sections [node.NAME], checked. Prefixes: node_wanted_ */
#ifndef FERRY_NODE_WANTED_H
#define FERRY_NODE_WANTED_H

#include "catalog/catalog.h"
#include "handoff/handoff.h"
#include "settings/node.h"

struct node_wanted {
	const struct settings_node_model *set; /* borrowed */
	struct reference reference;
	bool placed; /* it is laid out for an engine: */
	enum handoff_engine engine;
	char *root; /* absolute */
	bool other; /* the engine runs as another user than this: */
	uid_t uid;
	gid_t gid;
};

struct node_wanted_list {
	struct node_wanted *at;
	struct reference *references; /* of each, borrowed from it */
	size_t count;
};
void node_wanted_release(struct node_wanted_list *l); /* safe twice; for CLEANUP */

/* n is what was read from c. ERR_USAGE "ferry.conf:7: [node.phi]: …". The folders need not exist. n
 * must outlive *out. */
WARN_UNUSED int node_wanted_read(const struct conf *c, const struct settings_node *n,
				 struct node_wanted_list *out, struct err *e);
/* Are all hooks there, and may this user run them? Else the same error: they would only be missed
 * when everything has been fetched. */
WARN_UNUSED int node_wanted_hooks(const struct conf *c, const struct settings_node *n,
				  struct err *e);

#endif
