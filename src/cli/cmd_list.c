#include "cli/selection.h"
#include "cli/values.h"

extern const struct command cmd_list;

static const struct opt list_opts[] = { SELECTION_OPTS, OPT_LAST };

static int run(struct cli *cli, struct err *e)
{
	CLEANUP(select_release) struct select select = {
		.pattern = cli->count ? cli->operands[0] : NULL,
	};
	CLEANUP(json_release) json_t *document = cli_document(cli);
	return selection_print(cli, cli->opts, &select, false, document, e);
}

const struct command cmd_list = {
	.name = "list",
	.asked = true,
	.summary = "list the models in the catalog",
	.synopsis = (const char *const[]){ "[PATTERN]", NULL },
	.description =
		"Refreshes the signed catalog and lists its models: name, variants (with a star if "
		"in the store), size of the default variant, license, title. PATTERN is a name "
		"with wildcards (* and ?), a part of a name, title or family, or a tag. With "
		"filters, only what all of them leave is listed.",
	.opts = list_opts,
	.opts_size = sizeof(struct selection_opts),
	.max_operands = 1,
	.operand_hint = HINT_MODEL,
	.run = run,
	.values = values_client,
};
