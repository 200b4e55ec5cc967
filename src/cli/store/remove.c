#include "cli/several.h"
#include "cli/store/stock.h"
#include "cli/store/store.h"
#include "store/keep.h"

#include <string.h>

struct remove_opts {
	bool force, all_versions;
};

static const struct opt remove_opts[] = {
	OPT_ENTRY(OPT_FLAG, remove_opts, all_versions, 0, "all-versions", NULL,
		  "also the versions that are kept under their numbers"),
	OPT_ENTRY(OPT_FLAG, remove_opts, force, 'f', "force", NULL,
		  "also what a program uses now, or what an engine's folder has links to; not what "
		  "is pinned"),
	OPT_LAST,
};

struct removal {
	struct cli *cli;
	struct stock stock;
	struct store_layouts layouts;
	json_t *removed, *left; /* left: versions beside one that was removed */
	uint64_t freed;
};

static void removal_release(struct removal *r)
{
	store_layouts_release(&r->layouts);
	stock_release(&r->stock);
}

static int refuse(const struct removal *r, const struct store_variant *v, enum store_keep why,
		  struct err *e)
{
	const char *const names[] = { v->repository, v->model, v->variant };
	switch (why) {
	case STORE_KEEP_IN_USE:
		err_set(e, ERR_CONFLICT, "a program uses %s/%s:%s", names[0], names[1], names[2]);
		return err_hint(e,
				"end the program that `ferry run` started, or use --force: what it "
				"has open, it keeps");
	case STORE_KEEP_LINKED:
		if (r->layouts.damaged)
			err_set(e, ERR_CONFLICT,
				"a record of the links to models is damaged, so %s/%s:%s may be "
				"needed by an engine's folder",
				names[0], names[1], names[2]);
		else
			err_set(e, ERR_CONFLICT, "an engine's folder has links to %s/%s:%s",
				names[0], names[1], names[2]);
		return err_hint(e,
				"`ferry store unlink %s/%s:%s` removes the links; with --force "
				"they are left, and lead nowhere",
				names[0], names[1], names[2]);
	default:
		return 0;
	}
}

static int remove_variant(struct removal *r, const struct store_variant *v, struct err *e)
{
	const struct remove_opts *o = r->cli->opts;
	const struct store *s = &r->stock.store;
	CLEANUP(store_use_release) struct store_use_hold claim = { 0 };
	enum store_keep why = store_keep_why(s, &r->stock.all, &r->layouts, v, &claim);
	int rc = o->force ? 0 : refuse(r, v, why, e);
	if (rc == 0)
		rc = store_remove(s, v->repository, v->model, v->variant, &r->freed, e);
	if (rc == 0)
		json_push(r->removed, stock_reference_json(v));
	return rc;
}

/* The versions beside it, as the option says. */
static int remove_beside(struct removal *r, const struct store_variant *plain, struct err *e)
{
	const struct remove_opts *o = r->cli->opts;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < r->stock.all.count; i++) {
		const struct store_variant *v = &r->stock.all.at[i];
		if (store_variant_is_numbered(plain) || !store_variant_is_numbered(v) ||
		    !store_variant_is_beside(v, plain))
			continue;
		if (o->all_versions)
			rc = remove_variant(r, v, e);
		else
			json_push(r->left, stock_reference_json(v));
	}
	return rc;
}

static int remove_operand(void *ctx, int i, struct err *e)
{
	struct removal *r = ctx;
	int rc = stock_find(&r->stock, r->cli->operands[i], STOCK_EXACT, e);
	if (rc == 0)
		rc = remove_variant(r, r->stock.found[0], e);
	return rc < 0 ? rc : remove_beside(r, r->stock.found[0], e);
}

static int run_remove(struct cli *cli, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(removal_release) struct removal r = {
		.cli = cli,
		.removed = json_put_array(document, "removed"),
		.left = json_put_array(document, "left"),
	};
	CLEANUP(several_release) struct several operands;
	several_init(&operands, cli);
	int rc = stock_open(cli, &r.stock, true, e);
	if (rc == 0)
		rc = store_links_list(&r.stock.store, &r.layouts, e);
	if (rc == 0)
		rc = several_each(&operands, remove_operand, &r, e);
	if (rc < 0)
		return rc;
	json_put_u64(document, "freed", r.freed);
	if (json_array_size(r.removed))
		cli_note(cli, document, "{freed:size} freed");
	if (json_array_size(r.left))
		cli_note(cli, document,
			 "not removed: {left#other version} of it; `ferry store list` lists "
			 "them, --all-versions removes them, too");
	return several_result(&operands, document, e);
}

const struct command cmd_store_remove = {
	.name = "remove",
	.summary = "remove models from the store",
	.synopsis = (const char *const[]){ STOCK_REFERENCE "…", NULL },
	.description = "Their files are removed unless other models have them, too. Without "
		       "@VERSION, the versions that are kept beside the current one stay.",
	.opts = remove_opts,
	.opts_size = sizeof(struct remove_opts),
	.operand_hint = HINT_STORED,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_remove,
};
