#include "cli/consent.h"
#include "cli/earlier.h"
#include "cli/upkeep.h"
#include "cli/values.h"
#include "util/mem.h"

#include <string.h>

extern const struct command cmd_update;

struct update_opts {
	bool dry_run, yes, remove_old;
	uint64_t limit_rate;
	struct network_opts network;
};

static const struct opt update_opts[] = {
	OPT_ENTRY(OPT_FLAG, update_opts, dry_run, 'n', "dry-run", NULL,
		  "only show what would be downloaded, and what changed"),
	OPT_ENTRY(OPT_FLAG, update_opts, yes, 'y', "yes", NULL, "download without asking"),
	OPT_ENTRY(OPT_FLAG, update_opts, remove_old, 0, "remove-old", NULL,
		  "afterwards remove the versions that this update and earlier ones replaced"),
	OPT_ENTRY(OPT_SIZE, update_opts, limit_rate, 0, "limit-rate", "SIZE",
		  "maximum bytes per second: 500K, 10M"),
	NETWORK_OPTS(update_opts, network),
	OPT_LAST,
};

/* A model that is updated. */
struct update {
	const struct upkeep_model *model;
	json_t *document; /* owned by that of the command */
};

struct updating {
	struct cli *cli;
	const struct update_opts *opts;
	struct upkeep upkeep;
	struct update *updates;
	struct fetch_want *wants; /* of the same number */
	size_t count, done;
	uint64_t current; /* models that are */
	json_t *document;
};

static void updating_release(struct updating *u)
{
	for (size_t i = 0; u->wants && i < u->count; i++)
		fetch_result_release(&u->wants[i].result);
	free(u->wants);
	free(u->updates);
	upkeep_release(&u->upkeep);
}

/* -- what is going to be done ----------------------------------------------------------------- */

/* Of a catalog that was not refreshed nothing is known. */
static bool is_unknown(const struct upkeep_model *m)
{
	return m->remote ? m->remote->unrefreshed != NULL : m->no_remote != NULL;
}

static bool is_reported(const struct upkeep *u, const char *repository)
{
	for (size_t i = 0; i < u->faults.count; i++)
		if (strcmp(u->faults.at[i].operand, repository) == 0)
			return true;
	return false;
}

/* Once for each repository: why was said when it was opened. */
static void report_unknown(struct upkeep *u, const struct upkeep_model *m)
{
	const char *repository = m->stored->repository;
	struct err why = ERR_INIT;
	if (is_reported(u, repository))
		return;
	err_set(&why, m->no_remote ? m->no_remote->class : ERR_NETWORK,
		"%s: the catalog could not be refreshed, so nothing is updated from there",
		repository);
	err_hint(&why, "`ferry outdated --offline` compares with the catalog that was verified "
		       "last");
	upkeep_fault(u, repository, &why);
}

static void add_update(struct updating *u, const struct upkeep_model *m)
{
	json_t *model = upkeep_json(m);
	json_push(json_object_get(u->document, "models"), model);
	u->wants[u->count] = (struct fetch_want){
		.remote = m->remote,
		.model = m->standing.model,
		.variant = m->standing.current,
		.options = { .limit_rate = u->opts->limit_rate },
	};
	u->updates[u->count++] = (struct update){ m, model };
}

/* Where it belongs in the document. */
static void sort_one(struct updating *u, const struct upkeep_model *m)
{
	if (is_unknown(m))
		report_unknown(&u->upkeep, m);
	else if (strcmp(upkeep_state(m), "current") == 0)
		u->current++;
	else if (m->pinned || !upkeep_is_outdated(m))
		json_push(json_object_get(u->document, "left"), upkeep_json(m));
	else
		add_update(u, m);
}

static void sort_out(struct updating *u)
{
	uint64_t bytes = 0;
	json_put_array(u->document, "models");
	json_put_array(u->document, "left");
	u->wants = mem_alloc((u->upkeep.count + 1) * sizeof *u->wants);
	u->updates = mem_alloc((u->upkeep.count + 1) * sizeof *u->updates);
	for (size_t i = 0; i < u->upkeep.count; i++)
		if (u->upkeep.at[i].meant)
			sort_one(u, &u->upkeep.at[i]);
	for (size_t i = 0; i < u->count; i++)
		bytes += u->updates[i].model->download;
	json_put_bool(u->document, "dry_run", u->opts->dry_run);
	json_put_u64(u->document, "current", u->current);
	json_put_u64(u->document, "download", bytes);
}

static void print_changes(struct cli *cli, const json_t *model)
{
	const json_t *change;
	size_t i;
	json_array_foreach (json_object_get(model, "changes"), i, change)
		cli_say(cli, change, "  {}");
}

static void print_plan(struct updating *u)
{
	struct cli *cli = u->cli;
	const json_t *model;
	size_t i;
	cli_aloud(cli, u->opts->dry_run);
	json_array_foreach (json_object_get(u->document, "models"), i, model) {
		cli_say(cli, model,
			"{repository}/{model}:{variant}  version {version} to {update.version}, "
			"{update.bytes:size} to download");
		print_changes(cli, model);
	}
	cli_aloud(cli, false);
	json_array_foreach (json_object_get(u->document, "left"), i, model)
		cli_note(cli, model, "{repository}/{model}:{variant} stays: {remark}");
	if (!u->upkeep.count)
		cli_note(cli, u->document,
			 u->upkeep.all.count
				 ? "the store has models only under the numbers of their "
				   "versions, which never change"
				 : "the store has no models");
	else if (!u->count && !u->upkeep.faults.count)
		cli_note(cli, u->document, "nothing to update");
}

/* -- consent ---------------------------------------------------------------------------------- */

/* What was begun was agreed to. */
static int get_consent(struct updating *u, struct err *e)
{
	uint64_t bytes = 0;
	char size[SIZE_TEXT];
	for (size_t i = 0; i < u->count; i++)
		bytes += u->updates[i].model->begun ? 0 : u->updates[i].model->download;
	if (u->opts->yes || u->opts->dry_run || bytes <= u->upkeep.client.fetch.confirm_above)
		return 0;
	CLEANUP(mem_free_ptr)
	char *what = mem_printf("The update needs a download of %s", format_size(size, bytes));
	return consent_ask(u->cli, what, "", e);
}

/* -- the run ---------------------------------------------------------------------------------- */

static void put_result(json_t *model, const struct fetch_result *r)
{
	json_put_string(model, "path", r->files[0].path);
	json_put_u64(model, "size", r->size);
	json_put_u64(model, "fetched", r->fetched);
	json_put_u64(model, "resumed", r->resumed);
	json_put_u64(model, "reused", r->reused);
}

/* On any thread, one at a time. */
static void take(void *ctx, struct fetch_want *w)
{
	struct updating *u = ctx;
	json_t *model = u->updates[w - u->wants].document;
	CLEANUP(mem_free_ptr) char *name = cli_fill(model, "{repository}/{model}:{variant}");
	if (w->why.class) {
		upkeep_fault(&u->upkeep, name, &w->why);
		return;
	}
	u->done++;
	put_result(model, &w->result);
	if (!u->opts->remove_old)
		earlier_put(model, &w->result);
	CLEANUP(mem_free_ptr)
	char *text = cli_fill(model, "{repository}/{model}:{variant}: version {update.version}, "
				     "{fetched:size} fetched and verified");
	report_note(u->cli->report, "%s", text);
	if (!u->opts->remove_old)
		earlier_tell(u->cli, model, &w->result);
	earlier_tell_links(u->cli, &u->upkeep.client.store, model, &w->result);
}

/* What failed is in "failed" only. */
static void drop_failed(struct updating *u)
{
	json_t *models = json_object_get(u->document, "models");
	for (size_t i = json_array_size(models); i-- > 0;)
		if (!json_object_get(json_array_get(models, i), "path"))
			json_array_remove(models, i);
}

static int remove_old(struct updating *u, struct err *e)
{
	struct kept_removed removed = { 0 };
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < u->upkeep.count; i++)
		if (u->upkeep.at[i].meant)
			rc = kept_remove(&u->upkeep.client.store, u->upkeep.at[i].stored, 0,
					 &removed, e);
	earlier_put_removed(u->document, &removed);
	if (removed.versions)
		cli_note(u->cli, u->document,
			 "{removed_versions.versions#earlier version} removed: "
			 "{removed_versions.bytes:size} freed");
	return rc;
}

static int update(struct updating *u, struct err *e)
{
	int rc = get_consent(u, e);
	if (rc == 0 && u->count && !u->opts->dry_run) {
		rc = fetch_variants(u->wants, u->count, take, u, e);
		drop_failed(u);
	}
	if (rc == 0 && u->opts->remove_old && !u->opts->dry_run)
		rc = remove_old(u, e);
	return rc;
}

static int run(struct cli *cli, struct err *e)
{
	const struct update_opts *o = cli->opts;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(updating_release)
	struct updating u = { .cli = cli, .opts = o, .document = document };
	int rc = network_check(&o->network, NULL, e);
	cli->network = &o->network;
	if (rc == 0)
		rc = upkeep_open(cli, false, &u.upkeep, e);
	if (rc < 0 && err_is(e, ERR_NETWORK))
		return err_hint(e, "`ferry outdated --offline` compares with the catalog that was "
				   "verified last");
	if (rc < 0)
		return rc;
	sort_out(&u);
	print_plan(&u);
	session_name_fetch(&u.upkeep.client);
	rc = update(&u, e);
	if (rc < 0)
		return rc;
	session_tell_sources(cli, &u.upkeep.client);
	session_tell_faults(cli, &u.upkeep.client);
	json_put(document, "sources", session_sources_json(&u.upkeep.client));
	json_put(document, "endpoints", session_endpoints_json(&u.upkeep.client));
	upkeep_end(cli, &u.upkeep, u.done, document, e);
	return cli_result(cli, document, e);
}

const struct command cmd_update = {
	.name = "update",
	.summary = "download the newer versions of the models in the store",
	.synopsis = (const char *const[]){ "[[REPOSITORY/]MODEL[:VARIANT]…]", NULL },
	.description =
		"Refreshes the signed catalogs, says what changed since the versions in the "
		"store and how many bytes the download takes, and downloads the new ones, "
		"verified, all in one run. The versions that they replace are kept. What is "
		"pinned, was withdrawn or left the catalog stays as it is, and is listed with "
		"the reason. Without operands, all models in the store are updated.",
	.opts = update_opts,
	.opts_size = sizeof(struct update_opts),
	.operand_hint = HINT_STORED,
	.max_operands = -1,
	.run = run,
	.values = values_client,
};
