#include "cli/mirror/mirror.h"

static void print_error(struct cli *cli, const json_t *mirror)
{
	cli_say(cli, mirror, "{id}: {error.message}");
	if (json_object_get(json_object_get(mirror, "error"), "hint"))
		cli_say(cli, mirror, "  hint: {error.hint}");
}

void cmd_mirror_print_errors(struct cli *cli, const json_t *mirrors)
{
	const json_t *mirror;
	size_t i;
	json_array_foreach (mirrors, i, mirror)
		if (json_object_get(mirror, "error"))
			print_error(cli, mirror);
}
