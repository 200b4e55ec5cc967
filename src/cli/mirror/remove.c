#include "cli/mirror/mirror.h"
#include "util/mem.h"

static int not_there(const struct conf *c, const char *path, const char *name, struct err *e)
{
	const char *names[64];
	size_t count = 0;
	const struct conf_section *s;
	for (; count < ARRAY_LEN(names) && (s = conf_nth(c, "mirror", count)); count++)
		names[count] = s->name;
	err_set(e, ERR_NOT_FOUND, "%s has no mirror %s", path, name);
	return text_hint_nearest(name, names, count, "`ferry mirror list` lists the mirrors", e);
}

static int run(struct cli *cli, struct err *e)
{
	const char *name = cli->operands[0];
	CLEANUP(mem_free_ptr) char *path = NULL;
	CLEANUP(buf_release) struct buf text = BUF_INIT(CONF_MAX_BYTES);
	CLEANUP(conf_release) struct conf conf = { 0 };
	int rc = cli_conf_path(cli, &path, e);
	if (rc == 0)
		rc = conf_edit_read(path, &text, &conf, e);
	if (rc == 0 && !conf_find(&conf, "mirror", name))
		rc = not_there(&conf, path, name, e);
	if (rc == 0)
		rc = conf_edit_remove(&text, path, "mirror", name, e);
	if (rc == 0)
		rc = conf_edit_write(path, &text, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put_string(document, "name", name);
	json_put_string(document, "config", path);
	cli_note(cli, document, "removed [mirror.{name}] from {config}");
	cli_note(cli, document, "nothing was deleted on the mirror itself");
	return cli_result(cli, document, e);
}

const struct command cmd_mirror_remove = {
	.name = "remove",
	.summary = "remove a mirror from ferry.conf",
	.synopsis = (const char *const[]){ "NAME", NULL },
	.description =
		"Removes the section [mirror.NAME] and changes nothing else in the file. Nothing "
		"on the mirror is deleted, and the signed catalog names it until the next one is "
		"signed.",
	.operand_hint = HINT_MIRROR,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
