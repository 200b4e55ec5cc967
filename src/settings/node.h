/*
 * [node] and [node.NAME]: what the machine of an engine must have, one section for each model.
 *
 * [node] has what concerns the machine, and the defaults of the models. Programs (hooks) are words,
 * never a line for a shell.
 */
#ifndef FERRY_SETTINGS_NODE_H
#define FERRY_SETTINGS_NODE_H

#include "settings/conf.h"

/* Which models `ferry node apply` removes when no section names them any more. */
enum settings_node_remove {
	SETTINGS_NODE_REMOVE_OWN, /* those that it has brought */
	SETTINGS_NODE_REMOVE_ALL, /* everything in the store */
	SETTINGS_NODE_REMOVE_NO,
};

#define SETTINGS_NODE_KEEP_UNSET UINT64_MAX
#define SETTINGS_NODE_MAX_MODELS 256

struct settings_node_model {
	char *name;      /* NAME of the section */
	char *reference; /* "phi-2:q4_k_m", as written; not parsed */
	char *engine;    /* as written; NULL: the store's path is enough */
	char *owner;     /* the user that the engine runs as; NULL: this one */
	char *to;        /* the engine's folder; NULL: where it looks */
	char *as;        /* what the engine calls the model; NULL: made from the model's name */
	char *health;    /* URL that answers while the engine is up, or NULL */
	bool copy;       /* bytes may be copied where links do not work */
	uint64_t keep;   /* earlier versions that stay in the store; SETTINGS_NODE_KEEP_UNSET */
	uint64_t memory, context; /* for MODEL:auto: bytes, tokens; 0: the machine's, the card's */
	struct str_list hook;     /* the program and its arguments; empty: none */
};

struct settings_node {
	struct settings_node_model *at; /* in the order of the file */
	size_t count, cap;
	struct str_list hook; /* of [node]: also runs when a model is removed */
	uint64_t hook_timeout_s;
	uint64_t memory; /* of [node]: that models may need; 0: the machine's */
	enum settings_node_remove remove;
	uint64_t remove_most; /* models that one run removes */
};
void settings_node_release(struct settings_node *n); /* safe twice; for CLEANUP */

/* ERR_USAGE for a section that cannot be used. Without sections of models, there are none. */
WARN_UNUSED int settings_node_read(const struct conf *c, struct settings_node *out, struct err *e);

#endif
