/*
 * Hooks: programs that tell an engine that its models have changed. A program that several sections
 * name with the same arguments runs once for all of them. On its standard input it gets
 *
 *   {"models": [{"name", "reference", "repository", "model", "variant", "version", "engine",
 *                "folder", "path"}], "removed": ["name"]}
 *
 * Prefixes: node_hook_, node_hooks_
 */
#ifndef FERRY_NODE_HOOKS_H
#define FERRY_NODE_HOOKS_H

#include "node/fill.h"

struct node_hook {
	const struct str_list *words; /* borrowed */
	struct node_item **items;     /* that have changed */
	size_t count;
	struct str_list removed; /* sections that are gone */
	bool ran;                /* else a dry run */
	struct err why;          /* class 0: it succeeded */
};
struct node_hooks {
	struct node_hook *at;
	size_t count, cap;
};
void node_hooks_release(struct node_hooks *h); /* safe twice; for CLEANUP */

/* The programs for the items that have changed and did not fail, and for the sections that are
 * gone, which are told to `machine`. */
void node_hooks_find(struct node_item *items, size_t count, const struct str_list *machine,
		     const struct str_list *removed, struct node_hooks *out);
/* Runs it to its end; a failure is in h->why. Negative only when it was cancelled. */
WARN_UNUSED int node_hook_run(struct node_hook *h, uint64_t timeout_s, struct report *report,
			      const struct cancel *cancel, struct err *e);

#endif
