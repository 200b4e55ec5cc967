#include "cli/catalog/place.h"

#include "util/mem.h"

#include <time.h>

/* ---- withdraw ---- */

/* catalog_opts come first. */
struct withdraw_opts {
	struct catalog_opts common;
	const char *reason, *replacement, *role;
	bool undo;
};

static const struct opt withdraw_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_ENTRY(OPT_STRING, withdraw_opts, reason, 0, "reason", "TEXT",
		  "why, in one line: readers see it when the model is refused"),
	OPT_ENTRY(OPT_STRING, withdraw_opts, replacement, 0, "replacement", "REFERENCE",
		  "what to use instead: MODEL[:VARIANT[@VERSION]]"),
	OPT_ENTRY(OPT_FLAG, withdraw_opts, undo, 0, "undo", NULL,
		  "take the recall back: it can be fetched again"),
	OPT_ENTRY(OPT_STRING, withdraw_opts, role, 0, "role", "NAME",
		  "the delegated role that lists the model; its own people sign"),
	OPT_LAST,
};

static int check_options(const struct withdraw_opts *o, struct err *e)
{
	CLEANUP(reference_release) struct reference r = { 0 };
	if (o->undo && (o->reason || o->replacement))
		return err_set(e, ERR_USAGE, "--undo takes no --reason and no --replacement");
	if (!o->undo && (!o->reason || !o->reason[0])) {
		err_set(e, ERR_USAGE, "--reason is missing");
		return err_hint(e, "readers see it when `ferry fetch` refuses the model");
	}
	int rc = o->replacement ? reference_parse(o->replacement, &r, e) : 0;
	if (rc == 0 && r.repository)
		rc = err_set(e, ERR_USAGE, "--replacement: expected a model of this repository");
	return rc;
}

static int withdraw_one(struct cli *cli, struct repository *r, const char *operand,
			const struct withdraw_opts *o, json_t *models, struct err *e)
{
	CLEANUP(reference_release) struct reference ref = { 0 };
	int rc = place_reference(operand, &ref, e);
	const struct repository_withdrawal how = {
		.model = ref.model,
		.variant = ref.variant,
		.version = ref.version,
		.reason = o->undo ? NULL : o->reason,
		.replacement = o->replacement,
		.role = o->role,
		.now_s = time(NULL),
	};
	if (rc == 0)
		rc = repository_withdraw(r, &how, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *name = place_reference_text(&ref);
	json_push_string(models, name);
	cli_line(cli, o->undo ? "%s is no longer withdrawn" : "withdrew %s", name);
	return 0;
}

static int run_withdraw(struct cli *cli, struct err *e)
{
	const struct withdraw_opts *o = cli->opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP_PTR(repository_close) struct repository *r = NULL;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put_string(document, "reason", o->reason);
	json_put_string(document, "replacement", o->replacement);
	json_t *models = json_put_array(document, o->undo ? "restored" : "withdrawn");
	int rc = check_options(o, e);
	if (rc == 0)
		rc = place_load(cli, &o->common, &p, e);
	if (rc == 0)
		rc = repository_open(p.dir, cli->cancel, &r, e);
	for (int i = 0; rc == 0 && i < cli->count; i++)
		rc = withdraw_one(cli, r, cli->operands[i], o, models, e);
	if (rc < 0)
		return rc;
	cli_note(cli, document,
		 "readers see the change after `ferry catalog sign` and `ferry push`");
	return cli_result(cli, document, e);
}

const struct command cmd_catalog_withdraw = {
	.name = "withdraw",
	.summary = "call models, variants or versions back",
	.synopsis = (const char *const[]){ "--reason TEXT MODEL[:VARIANT[@VERSION]]…",
					   "--undo MODEL[:VARIANT[@VERSION]]…", NULL },
	.description =
		"Clients then refuse it, even if it is in the store, with the reason and the "
		"replacement, and `ferry list` shows it. The files stay on the mirrors. "
		"MODEL:VARIANT is every version of the variant up to now, MODEL also those that "
		"are added later. To stop offering a model that is merely old, "
		"mark it as deprecated or remove it instead.",
	.opts = withdraw_opts,
	.opts_size = sizeof(struct withdraw_opts),
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_withdraw,
};

/* ---- prune ---- */

struct prune_opts {
	struct catalog_opts common;
	const char *role;
	uint64_t older_than_s;
};

static const struct opt prune_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_ENTRY(OPT_U64, catalog_opts, keep, 0, "keep", "N",
		  "how many superseded versions of each variant to keep in any case (0)"),
	OPT_ENTRY(OPT_DURATION, prune_opts, older_than_s, 0, "older-than", "TIME",
		  "only versions that were released longer ago, for example 90d"),
	OPT_ENTRY(OPT_STRING, prune_opts, role, 0, "role", "NAME",
		  "only the models of this delegated role; its own people sign"),
	OPT_ENTRY(OPT_FLAG, catalog_opts, dry_run, 'n', "dry-run", NULL,
		  "only show what would be removed"),
	OPT_LAST,
};

static json_t *pruned_json(struct cli *cli, const struct repository_pruned *pruned, bool dry_run)
{
	json_t *document = cli_document(cli);
	uint64_t bytes = 0;
	json_put_bool(document, "dry_run", dry_run);
	json_t *versions = json_put_array(document, "versions");
	for (size_t i = 0; i < pruned->count; i++) {
		const struct repository_pruned_version *v = &pruned->at[i];
		json_t *object = json_push_object(versions);
		json_put_string(object, "model", v->model);
		json_put_string(object, "variant", v->variant);
		json_put_u64(object, "version", v->version);
		json_put_u64(object, "size", v->size);
		bytes += v->size;
	}
	json_put_u64(document, "bytes", bytes);
	return document;
}

static void tell_withdrawn(struct cli *cli, const struct repository_pruned *pruned)
{
	for (size_t i = 0; i < pruned->count; i++)
		if (pruned->at[i].withdrawn)
			report_warn(cli->report,
				    "%s:%s@%llu was withdrawn: once it is removed, readers who "
				    "have it are only warned",
				    pruned->at[i].model, pruned->at[i].variant,
				    (unsigned long long)pruned->at[i].version);
}

static int tell_pruned(struct cli *cli, const struct repository_pruned *pruned, bool dry_run,
		       struct err *e)
{
	CLEANUP(json_release) json_t *document = pruned_json(cli, pruned, dry_run);
	const json_t *version;
	size_t i;
	tell_withdrawn(cli, pruned);
	cli_aloud(cli, dry_run && pruned->count);
	json_array_foreach (json_object_get(document, "versions"), i, version)
		cli_say(cli, version, "{model}:{variant}@{version} ({size:size})");
	cli_say(cli, document, "{dry_run?would remove:removed} {versions#version}: {bytes:size}");
	if (pruned->count && !dry_run)
		cli_note(cli, document,
			 "readers can fetch them until the next `ferry catalog sign` and `ferry "
			 "push`; `ferry catalog gc` then removes the files from the tree, and "
			 "`ferry push --prune` from the mirrors");
	return cli_result(cli, document, e);
}

static int run_prune(struct cli *cli, struct err *e)
{
	const struct prune_opts *o = cli->opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP_PTR(repository_close) struct repository *r = NULL;
	CLEANUP(repository_pruned_release) struct repository_pruned pruned = { 0 };
	const struct repository_pruning how = {
		.keep = (size_t)MIN(o->common.keep, (uint64_t)CARD_MAX_SUPERSEDED),
		.older_than_s = o->older_than_s,
		.now_s = time(NULL),
		.role = o->role,
		.dry_run = o->common.dry_run,
	};
	int rc = place_load(cli, &o->common, &p, e);
	if (rc == 0)
		rc = repository_open(p.dir, cli->cancel, &r, e);
	if (rc == 0)
		rc = repository_prune(r, &how, &pruned, e);
	return rc < 0 ? rc : tell_pruned(cli, &pruned, how.dry_run, e);
}

const struct command cmd_catalog_prune = {
	.name = "prune",
	.summary = "remove superseded versions from the cards",
	.description =
		"A variant's earlier versions stay in the catalog, so that readers can go back to "
		"them, until there are more than keep-versions of ferry.conf allows, or this "
		"command removes them. The current version always stays. Readers see the change "
		"after the next sign.",
	.opts = prune_opts,
	.opts_size = sizeof(struct prune_opts),
	.run = run_prune,
};
