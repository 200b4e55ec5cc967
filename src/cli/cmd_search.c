#include "cli/selection.h"
#include "cli/values.h"

extern const struct command cmd_search;

static const struct opt search_opts[] = { SELECTION_OPTS, OPT_LAST };

static int check(const struct cli *cli, struct err *e)
{
	if (cli->count || selection_has_filters(cli->opts))
		return 0;
	err_set(e, ERR_USAGE, "no words and no filters are given");
	return err_hint(e, "`ferry list` lists all models");
}

static int run(struct cli *cli, struct err *e)
{
	CLEANUP(select_release) struct select select = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_t *words = json_put_array(document, "words");
	int rc = check(cli, e);
	if (rc < 0)
		return rc;
	for (int i = 0; i < cli->count; i++)
		select_add_words(&select, cli->operands[i]);
	for (size_t i = 0; i < select.words.count; i++)
		json_push_string(words, select.words.at[i]);
	return selection_print(cli, cli->opts, &select, true, document, e);
}

const struct command cmd_search = {
	.name = "search",
	.asked = true,
	.summary = "search the catalog for models",
	.synopsis = (const char *const[]){ "[WORD…]", NULL },
	.description =
		"Searches name, title, tags, family, license and quantizations of the models in "
		"the signed catalog. All words must be found, whole or as a part, in any case; the "
		"best matches are listed first, and deprecated and withdrawn models last. Filters "
		"may be given with words or alone: `ferry search chat --fits`.",
	.opts = search_opts,
	.opts_size = sizeof(struct selection_opts),
	.max_operands = -1,
	.operand_hint = HINT_MODEL,
	.run = run,
	.values = values_client,
};
