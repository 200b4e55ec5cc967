/* What the machine has of what its sections want; nothing is changed, and no mirror is asked.
 * Prefixes: node_standing_ */
#ifndef FERRY_NODE_STANDING_H
#define FERRY_NODE_STANDING_H

#include "node/removal.h"
#include "node/vitals.h"

enum node_standing_state {
	NODE_STANDING_READY,
	NODE_STANDING_MISSING,   /* not complete in the store */
	NODE_STANDING_UNPLACED,  /* not, or not as it must be, in the engine's folder */
	NODE_STANDING_TOO_LARGE, /* it needs more memory than the machine has */
};
const char *node_standing_state_name(enum node_standing_state state); /* "ready" */

struct node_standing_model {
	struct node_item item;
	enum node_standing_state state;
	uint64_t needs; /* bytes of memory; 0: not known */
	bool estimated; /* from its size, because the catalog does not say */
	bool told;      /* its hook knows of it, or it has none */
};
struct node_standing {
	struct node_standing_model *at;
	size_t count, ready;
	struct fitting_memory memory; /* of the machine; bytes 0: not known */
	uint64_t needs;               /* of all models together */
	struct node_vitals engines;
	size_t up;
	struct node_removal unlisted; /* as the next run of apply would remove them */
	int64_t applied_s;            /* the last run of apply; 0: none yet */
	uint64_t faults;              /* of that run */
};
void node_standing_release(struct node_standing *s); /* safe twice; for CLEANUP */

/* c: with settings and store, not connected. Negative when it was cancelled, or the store cannot be
 * read. */
WARN_UNUSED int node_standing_find(struct client *c, const struct settings_node *settings,
				   const struct node_wanted_list *wanted, struct node_standing *out,
				   struct err *e);
/* Is every model ready and every engine up? */
bool node_standing_is_ok(const struct node_standing *s);

#endif
