#include "cli/mirror/mirror.h"
#include "cli/values.h"

extern const struct command cmd_mirror;

const struct command cmd_mirror = {
	.name = "mirror",
	.summary = "add, list, probe, set up and clean mirrors",
	.subs = (const struct command *const[]){ &cmd_mirror_add, &cmd_mirror_remove,
						 &cmd_mirror_list, &cmd_mirror_probe,
						 &cmd_mirror_setup, &cmd_mirror_cleanup,
						 &cmd_mirror_config, &cmd_mirror_presign, NULL },
	.values = values_publisher,
};
