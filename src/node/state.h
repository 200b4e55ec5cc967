/*
 * What `ferry node apply` keeps from one run to the next, in the store: node/state.json
 *
 *   {"format": "model-ferry-node", "version": 1, "applied": "2026-01-02T03:04:05Z", "faults": 0,
 *    "models": [{"name", "reference", "repository", "model", "variant", "told"}],
 *    "brought": ["demo/phi-2:q4_k_m"], "layouts": ["0123456789abcdef"]}
 *
 * "models" has the sections as the last run resolved them, and what their hook was told last; one
 * whose section is gone stays until its hook was told. "brought" are the models that apply may
 * remove, "layouts" the records (store/links.h) of what it has laid out.
 *
 * Prefixes: node_state_
 */
#ifndef FERRY_NODE_STATE_H
#define FERRY_NODE_STATE_H

#include "store/store.h"

#define NODE_STATE_MAX_BYTES (4 * MIB)

struct node_state_model {
	char *name, *reference;
	char *repository, *model, *variant; /* in the store */
	char *told;                         /* what its hook was told last; "": nothing yet */
};

struct node_state {
	int64_t applied_s; /* the last run; 0: none yet */
	uint64_t faults;   /* of that run */
	struct node_state_model *at;
	size_t count, cap;
	struct str_list brought, layouts;
};
void node_state_release(struct node_state *s); /* safe twice; for CLEANUP */

/* ERR_INTEGRITY. */
WARN_UNUSED int node_state_parse(const void *data, size_t len, struct node_state *out,
				 struct err *e);
/* Empty when there is none, and, after a warning, when it is damaged: then nothing counts as
 * brought by apply, and hooks run once more. */
WARN_UNUSED int node_state_load(const struct store *s, struct node_state *out, struct err *e);
WARN_UNUSED int node_state_save(const struct store *s, const struct node_state *state,
				struct err *e);
/* Waits for another run at most a moment, then ERR_CONFLICT. Closing *fd, which may be -1, ends
 * it. */
WARN_UNUSED int node_state_lock(const struct store *s, int *fd, struct err *e);

/* The entry of a section, or NULL. */
struct node_state_model *node_state_find(const struct node_state *s, const char *name);
/* The same, made if it is missing. */
struct node_state_model *node_state_of(struct node_state *s, const char *name);
/* Sets the entry to a section's reference and the variant that it means. */
void node_state_resolve(struct node_state_model *m, const char *reference,
			const struct store_variant *v);
/* Removes the entry from the list. */
void node_state_drop(struct node_state *s, const char *name);
/* "demo/phi-2:q4_k_m", as in "brought". The caller frees. */
char *node_state_variant(const struct store_variant *v);
/* Adds to a list what it does not have yet; takes it out. */
void node_state_add(struct str_list *list, const char *text);
void node_state_take_out(struct str_list *list, const char *text);

#endif
