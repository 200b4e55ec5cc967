#include "cli/store/store.h"
#include "cli/values.h"

extern const struct command cmd_store;

const struct command cmd_store = {
	.name = "store",
	.summary = "manage the local store",
	.description = "The store contains verified models. It is in $FERRY_HOME, "
		       "$XDG_DATA_HOME/ferry or ~/.local/share/ferry.",
	.subs = (const struct command *const[]){ &cmd_store_list, &cmd_store_path,
						 &cmd_store_verify, &cmd_store_remove,
						 &cmd_store_import, &cmd_store_link,
						 &cmd_store_unlink, &cmd_store_partials,
						 &cmd_store_du, &cmd_store_gc, NULL },
	.values = values_client,
};
