/* The sections [node.NAME] for the commands of `ferry node`. */
#ifndef FERRY_CLI_NODE_SECTIONS_H
#define FERRY_CLI_NODE_SECTIONS_H

#include "cli/session.h"
#include "node/fill.h"

/* The sections of ferry.conf. */
struct sections {
	struct settings_node settings;
	struct node_wanted_list wanted;
};
void sections_release(struct sections *c); /* safe twice; for CLEANUP */
/* ERR_USAGE, too, when there is no section of a model, and, with `hooks`, when a hook cannot run.
 */
WARN_UNUSED int sections_read(struct cli *cli, bool hooks, struct sections *out, struct err *e);
/* "{name, reference, repository, model, variant, version, size, engine, folder, path}" as far as
 * it is known; the caller owns it. */
json_t *sections_item_json(const struct node_item *item);

#endif
