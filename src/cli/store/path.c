#include "cli/store/stock.h"
#include "cli/store/store.h"
#include "store/use.h"

static int run_path(struct cli *cli, struct err *e)
{
	CLEANUP(stock_release) struct stock s = { 0 };
	int rc = stock_open(cli, &s, false, e);
	if (rc == 0)
		rc = stock_find(&s, cli->operands[0], STOCK_USE, e);
	if (rc < 0)
		return rc;
	const struct store_variant *v = s.found[0];
	if (store_variant_check_complete(v, e) < 0)
		return -(int)e->class;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	store_paths(&s.store, v, &paths);
	store_use(&s.store, v);
	json_put(document, "variant", stock_variant_json(&s.store, v, &paths));
	for (size_t i = 0; i < paths.count; i++)
		cli_path(cli, paths.at[i]);
	return cli_result(cli, document, e);
}

const struct command cmd_store_path = {
	.name = "path",
	.asked = true,
	.summary = "print the paths of a model's files, without using the network",
	.description = "One path on each line: the file that engines open first, then the other "
		       "files of the model. Nothing is downloaded.",
	.synopsis = (const char *const[]){ STOCK_REFERENCE, NULL },
	.operand_hint = HINT_STORED,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_path,
};
