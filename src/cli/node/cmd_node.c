#include "cli/node/node.h"
#include "cli/values.h"

extern const struct command cmd_node;

const struct command cmd_node = {
	.name = "node",
	.summary = "give an engine's machine the models that it must have",
	.description = "The sections [node.NAME] of ferry.conf say which models this machine must "
		       "have, and for which engine.",
	.subs = (const struct command *const[]){ &cmd_node_apply, &cmd_node_status, NULL },
	.values = values_client,
};
