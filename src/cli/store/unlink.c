#include "cli/several.h"
#include "cli/store/stock.h"
#include "cli/store/store.h"
#include "handoff/handoff.h"

#include <string.h>

struct unlink_opts {
	int engine; /* of enum handoff_engine; -1: all */
};

static const struct unlink_opts unlink_defaults = { .engine = -1 };

static const struct opt unlink_opts[] = {
	OPT_ENUM(unlink_opts, engine, 'e', "engine", "ENGINE", HANDOFF_ENGINE_NAMES,
		 "only the links for this program"),
	OPT_LAST,
};

struct unlinking {
	struct cli *cli;
	const struct unlink_opts *o;
	struct store store;
	struct store_layouts all;
	json_t *unlinked;
};

static void unlinking_release(struct unlinking *u)
{
	store_layouts_release(&u->all);
	store_close(&u->store);
}

/* The model itself may have been removed from the store since. */
static bool is_meant(const struct unlinking *u, const struct store_layout *l,
		     const struct reference *r)
{
	struct store_variant v = { .variant = l->variant, .version = l->version };
	return strcmp(l->model, r->model) == 0 &&
	       (!r->repository || strcmp(l->repository, r->repository) == 0) &&
	       ((!r->variant && !r->version) || store_variant_is(&v, r->variant, r->version)) &&
	       (u->o->engine < 0 ||
		strcmp(l->engine, handoff_engine_name((enum handoff_engine)u->o->engine)) == 0);
}

static void tell(struct unlinking *u, const struct store_layout *l,
		 const struct handoff_removed *removed)
{
	json_t *object = json_push_object(u->unlinked);
	json_put_string(object, "repository", l->repository);
	json_put_string(object, "model", l->model);
	json_put_string(object, "variant", l->variant);
	json_put_string(object, "engine", l->engine);
	json_put_string(object, "root", l->root);
	json_put_string(object, "name", l->name);
	json_put_u64(object, "removed", removed->removed);
	json_put_u64(object, "gone", removed->gone);
	json_put(object, "kept", json_strings(&removed->kept));
	cli_say(u->cli, object,
		"{repository}/{model}:{variant} is no longer linked for {engine}: {removed#file} "
		"removed");
	for (size_t i = 0; i < removed->kept.count; i++)
		report_warn(u->cli->report, "%s stays: another program has changed it",
			    removed->kept.at[i]);
	if (removed->gone)
		report_note(u->cli->report, "%zu of its files were gone already", removed->gone);
}

static int unlink_layout(struct unlinking *u, const struct store_layout *l, struct err *e)
{
	CLEANUP(handoff_removed_release) struct handoff_removed removed = { 0 };
	int rc = handoff_remove(&u->store, l, &removed, e);
	if (rc == 0)
		tell(u, l, &removed);
	return rc;
}

static int unlink_operand(void *ctx, int i, struct err *e)
{
	struct unlinking *u = ctx;
	CLEANUP(reference_release) struct reference r = { 0 };
	size_t found = 0;
	int rc = reference_parse(u->cli->operands[i], &r, e);
	for (size_t k = 0; rc == 0 && k < u->all.count; k++) {
		if (!is_meant(u, &u->all.at[k], &r))
			continue;
		found++;
		rc = unlink_layout(u, &u->all.at[k], e);
	}
	if (rc < 0 || found)
		return rc;
	err_set(e, ERR_NOT_FOUND, "%s is not linked", u->cli->operands[i]);
	return err_hint(e, "`ferry store link` lists the links");
}

static int run_unlink(struct cli *cli, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(unlinking_release) struct unlinking u = {
		.cli = cli,
		.o = cli->opts,
		.unlinked = json_put_array(document, "unlinked"),
	};
	CLEANUP(several_release) struct several operands;
	several_init(&operands, cli);
	int rc = session_store(cli, &u.store, e);
	if (rc == 0)
		rc = store_links_list(&u.store, &u.all, e);
	if (rc == 0)
		rc = several_each(&operands, unlink_operand, &u, e);
	return rc < 0 ? rc : several_result(&operands, document, e);
}

const struct command cmd_store_unlink = {
	.name = "unlink",
	.summary = "remove the links that were made for engines",
	.synopsis = (const char *const[]){ STOCK_REFERENCE "…", NULL },
	.description = "Only what `ferry store link` made is removed, if it is still as it was "
		       "made. The model stays in the store.",
	.opts = unlink_opts,
	.opts_size = sizeof(struct unlink_opts),
	.defaults = &unlink_defaults,
	.operand_hint = HINT_STORED,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_unlink,
};
