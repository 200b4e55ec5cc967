#include "cli/mirror/mirror.h"
#include "publish/push.h"

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

void cmd_mirror_add_failure(struct cmd_mirror_worst *w, const struct mirrors_entry *p,
			    enum err_class class)
{
	if (push_gravity(class) > push_gravity(w->class))
		*w = (struct cmd_mirror_worst){ class, p->settings->id };
}

int cmd_mirror_outcome(const struct cmd_mirror_worst *w, const char *done, struct err *e)
{
	if (w->class != ERR_NONE && w->class != ERR_FAULT)
		return err_set(e, w->class, "mirror %s could not be %s", w->id, done);
	return -(int)w->class;
}
