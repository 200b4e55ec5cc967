#include "cli/repository/repository.h"
#include "cli/values.h"

extern const struct command cmd_repository;

const struct command cmd_repository = {
	.name = "repository",
	.summary = "manage the repositories that models come from",
	.description = "A repository is a signed catalog of models and the mirrors that serve "
		       "them. Trust in it starts with its first root, received from the publisher "
		       "over a channel that you trust.",
	.subs = (const struct command *const[]){ &cmd_repository_add, &cmd_repository_list,
						 &cmd_repository_status, &cmd_repository_remove,
						 NULL },
	.values = values_client,
};
