#include "cli/several.h"
#include "cli/store/stock.h"
#include "cli/store/store.h"
#include "handoff/handoff.h"
#include "store/use.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

struct link_opts {
	int engine; /* of enum handoff_engine; -1: none */
	const char *to, *name;
	bool copy, dry_run;
};

static const struct link_opts link_defaults = { .engine = -1 };

static const struct opt link_opts[] = {
	OPT_ENUM(link_opts, engine, 'e', "engine", "ENGINE", HANDOFF_ENGINE_NAMES,
		 "the program that is to use the models"),
	OPT_HINTED(OPT_STRING, link_opts, to, 0, "to", "DIR", HINT_DIR,
		   "the folder to lay the models out in; by default the one where the engine "
		   "looks"),
	OPT_ENTRY(OPT_STRING, link_opts, name, 0, "name", "NAME",
		  "the name of the model in the engine; only for one model"),
	OPT_ENTRY(OPT_FLAG, link_opts, copy, 0, "copy", NULL,
		  "copy the files where they cannot be linked"),
	OPT_ENTRY(OPT_FLAG, link_opts, dry_run, 'n', "dry-run", NULL,
		  "only show what would be made"),
	OPT_LAST,
};

/* -- what there is --------------------------------------------------------------------------- */

static json_t *names_json(const struct store_layout *l)
{
	json_t *object = json_object();
	json_put_string(object, "repository", l->repository);
	json_put_string(object, "model", l->model);
	json_put_string(object, "variant", l->variant);
	json_put_u64(object, "version", l->version);
	json_put_string(object, "engine", l->engine);
	json_put_string(object, "root", l->root);
	json_put_string(object, "name", l->name);
	return object;
}

static json_t *file_json(json_t *files, const char *path, enum store_links_how how,
			 const struct digest *sha256, uint64_t size)
{
	json_t *file = json_push_object(files);
	json_put_string(file, "path", path);
	json_put_string(file, "how", store_links_how_name(how));
	json_put_u64(file, "size", size);
	json_put_hex(file, "sha256", sha256, DIGEST_SIZE);
	return file;
}

static json_t *layout_json(const struct store *s, const struct store_layout *l)
{
	json_t *object = names_json(l);
	json_t *files = json_put_array(object, "files");
	json_put_time(object, "made", l->made_s);
	json_put_string(object, "state", store_links_state_name(store_layout_state(s, l)));
	for (size_t i = 0; i < l->count; i++) {
		const struct store_links_file *f = &l->files[i];
		json_t *file = file_json(files, f->path, f->how, &f->sha256, f->size);
		json_put_string(file, "state", store_links_state_name(store_links_state(s, f)));
	}
	return object;
}

/* The engines' folders on this machine. */
static json_t *engines_json(void)
{
	json_t *engines = json_array();
	for (enum handoff_engine i = 0; i < HANDOFF_DIRECTORY; i++) {
		CLEANUP(mem_free_ptr) char *root = NULL;
		struct err ignored = ERR_INIT;
		if (handoff_root(i, &root, &ignored) < 0)
			continue;
		json_t *engine = json_push_object(engines);
		json_put_string(engine, "engine", handoff_engine_name(i));
		json_put_string(engine, "root", root);
		json_put_bool(engine, "found", file_is_dir(root));
	}
	return engines;
}

static int list_links(struct cli *cli, struct err *e)
{
	static const struct cli_column engine_columns[] = {
		{ "ENGINE", "{engine}", NULL },
		{ "FOLDER", "{root}", NULL },
		{ "FOUND", "{found?yes:no}", NULL },
	};
	static const struct cli_column link_columns[] = {
		{ "MODEL", "{repository}/{model}:{variant}", NULL },
		{ "ENGINE", "{engine}", NULL },
		{ "NAME", "{name}", NULL },
		{ "STATE", "{state}", NULL },
		{ "FOLDER", "{root}", NULL },
	};
	CLEANUP(store_close) struct store s = { 0 };
	CLEANUP(store_layouts_release) struct store_layouts all = { 0 };
	int rc = session_store(cli, &s, e);
	if (rc == 0)
		rc = store_links_list(&s, &all, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put(document, "engines", engines_json());
	json_t *links = json_put_array(document, "links");
	for (size_t i = 0; i < all.count; i++)
		json_push(links, layout_json(&s, &all.at[i]));
	cli_aloud(cli, true);
	cli_table(cli, json_object_get(document, "engines"), engine_columns,
		  ARRAY_LEN(engine_columns));
	if (all.count)
		cli_line(cli, "%s", "");
	cli_table(cli, links, link_columns, ARRAY_LEN(link_columns));
	cli_aloud(cli, false);
	return cli_result(cli, document, e);
}

/* -- linking --------------------------------------------------------------------------------- */

struct linking {
	struct cli *cli;
	const struct link_opts *o;
	struct stock stock;
	json_t *links;
};

static void linking_release(struct linking *l)
{
	stock_release(&l->stock);
}

/* The URL of the original, as the catalog that was verified last has it; or NULL. */
static char *source_of(struct cli *cli, const struct store_variant *v)
{
	CLEANUP(client_release) struct client client = { 0 };
	const struct card *card = NULL;
	struct err ignored = ERR_INIT;
	if (session_open(cli, v->repository, CLIENT_OFFLINE, &client, &ignored) < 0 ||
	    !client.remotes.count ||
	    remote_model(client.remotes.at[0], v->model, &card, &ignored) < 0)
		return NULL;
	const char *url = json_text(json_object_get(card->json, "source"), "url");
	return url ? mem_strdup(url) : NULL;
}

static const char *result_of(bool unchanged, bool dry_run)
{
	return unchanged ? "unchanged" : dry_run ? "planned" : "linked";
}

static json_t *handoff_json(const struct handoff *h, bool dry_run)
{
	json_t *object = names_json(&h->layout);
	json_t *files = json_put_array(object, "files"), *notes = json_put_array(object, "notes");
	bool unchanged = true;
	for (size_t i = 0; i < h->count; i++) {
		const struct handoff_item *item = &h->items[i];
		json_t *file = file_json(files, item->path, item->how, &item->sha256, item->size);
		json_put_string(file, "action", handoff_action_name(item->action));
		unchanged = unchanged && item->action >= HANDOFF_KEEP;
	}
	for (size_t i = 0; i < h->notes.count; i++)
		json_push_string(notes, h->notes.at[i]);
	json_put_string(object, "result", result_of(unchanged, dry_run));
	json_put_u64(object, "copied", handoff_copied(h));
	json_put_string(object, "open", h->open);
	json_put_string(object, "use", h->use);
	return object;
}

static void tell(struct cli *cli, const struct handoff *h, const json_t *link)
{
	const char *result = json_text(link, "result");
	bool planned = strcmp(result, "planned") == 0;
	cli_aloud(cli, planned);
	if (planned)
		cli_say(cli, link, "would link {repository}/{model}:{variant} for {engine}");
	else if (strcmp(result, "linked") == 0)
		cli_say(cli, link, "linked {repository}/{model}:{variant} for {engine}");
	else
		cli_say(cli, link, "{repository}/{model}:{variant} is linked for {engine} already");
	for (size_t i = 0; planned && i < h->count; i++)
		cli_say(cli, json_array_get(json_object_get(link, "files"), i),
			"  {action:8}{path}");
	cli_say(cli, link, "  {use}");
	cli_aloud(cli, false);
	for (size_t i = 0; i < h->notes.count; i++)
		report_note(cli->report, "%s", h->notes.at[i]);
	if (handoff_copied(h))
		cli_note(cli, link, "{copied:size} copied");
}

static int link_variant(struct linking *l, const struct store_variant *v, struct err *e)
{
	CLEANUP(mem_free_ptr) char *source = NULL;
	CLEANUP(handoff_release) struct handoff h = { 0 };
	const struct store *s = &l->stock.store;
	struct handoff_options options = {
		.engine = (enum handoff_engine)l->o->engine,
		.to = l->o->to,
		.name = l->o->name,
		.copy = l->o->copy,
	};
	if (options.engine == HANDOFF_HUGGINGFACE && !options.name)
		options.source = source = source_of(l->cli, v);
	int rc = handoff_plan(s, v, &options, &h, e);
	if (rc == 0 && !l->o->dry_run)
		rc = handoff_make(s, &h, e);
	if (rc < 0)
		return rc;
	if (!l->o->dry_run)
		store_use(s, v);
	json_t *link = handoff_json(&h, l->o->dry_run);
	json_push(l->links, link);
	tell(l->cli, &h, link);
	return 0;
}

static int link_operand(void *ctx, int i, struct err *e)
{
	struct linking *l = ctx;
	int rc = stock_find(&l->stock, l->cli->operands[i], STOCK_USE, e);
	return rc < 0 ? rc : link_variant(l, l->stock.found[0], e);
}

static int link_all(struct cli *cli, const struct link_opts *o, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(linking_release) struct linking l = {
		.cli = cli,
		.o = o,
		.links = json_put_array(document, "links"),
	};
	CLEANUP(several_release) struct several operands;
	several_init(&operands, cli);
	json_put_bool(document, "dry_run", o->dry_run);
	int rc = stock_open(cli, &l.stock, false, e);
	if (rc == 0)
		rc = several_each(&operands, link_operand, &l, e);
	return rc < 0 ? rc : several_result(&operands, document, e);
}

static int ask_engine(struct err *e)
{
	CLEANUP(json_release) json_t *engines = engines_json();
	CLEANUP(buf_release) struct buf found = BUF_INIT(256);
	size_t i;
	json_t *engine;
	json_array_foreach (engines, i, engine)
		if (json_flag(engine, "found"))
			buf_addf(&found, "%s%s", found.len ? ", " : "",
				 json_text(engine, "engine"));
	err_set(e, ERR_USAGE, "--engine is missing");
	return err_hint(e, "give one of these with --engine: " HANDOFF_ENGINE_NAMES "%s%s",
			found.len ? "; this machine has " : "", buf_str(&found));
}

static int run_link(struct cli *cli, struct err *e)
{
	const struct link_opts *o = cli->opts;
	if (!cli->count && o->engine < 0)
		return list_links(cli, e);
	if (!cli->count) {
		err_set(e, ERR_USAGE, "no model is named");
		return err_hint(e, "`ferry store list` lists the models in the store");
	}
	if (o->engine < 0)
		return ask_engine(e);
	if (o->name && cli->count > 1) {
		err_set(e, ERR_USAGE, "--name is for one model");
		return err_hint(e, "link the models one after the other");
	}
	if (o->engine == HANDOFF_DIRECTORY && !o->to) {
		err_set(e, ERR_USAGE, "--engine directory has no folder of its own");
		return err_hint(e, "name the folder with --to DIR");
	}
	return link_all(cli, o, e);
}

const struct command cmd_store_link = {
	.name = "link",
	.summary = "lay models out where engines look for them, without copying",
	.synopsis = (const char *const[]){ "", STOCK_REFERENCE "… --engine ENGINE", NULL },
	.description =
		"Without arguments, lists the engines' folders on this machine and the links "
		"that were made. Files of other programs are never replaced.",
	.opts = link_opts,
	.opts_size = sizeof(struct link_opts),
	.defaults = &link_defaults,
	.operand_hint = HINT_STORED,
	.max_operands = -1,
	.run = run_link,
};
