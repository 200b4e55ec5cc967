#include "cli/node/node.h"
#include "cli/node/sections.h"
#include "node/apply.h"
#include "util/mem.h"

#include <string.h>

struct apply_opts {
	struct network_opts network;
	bool dry_run;
};

static const struct opt options[] = {
	OPT_ENTRY(OPT_FLAG, apply_opts, dry_run, 'n', "dry-run", NULL,
		  "only show what would be done; nothing is downloaded, no hook runs"),
	NETWORK_OPTS(apply_opts, network),
	OPT_LAST,
};

/* ---- the document ---- */

static const char *outcome_of(const struct node_item *item, bool dry_run)
{
	bool fetched = item->got.files.fetched || item->got.files.reused || item->got.files.resumed;
	if (item->why.class)
		return "failed";
	if (dry_run)
		return item->variant && !item->made ? "unchanged" : "planned";
	return fetched ? "fetched" : item->made ? "placed" : "unchanged";
}

static void put_model(json_t *models, const struct node_item *item, bool dry_run)
{
	json_t *object = sections_item_json(item);
	json_push(models, object);
	json_put_string(object, "outcome", outcome_of(item, dry_run));
	if (dry_run && !item->why.class)
		json_put_u64(object, "download", item->variant ? 0 : item->got.preview.download);
	if (!dry_run && !item->why.class)
		json_put_u64(object, "fetched", item->got.files.fetched);
	json_put_string(object, "fallback", item->got.fallback);
	if (item->got.chosen)
		json_put(object, "auto", json_incref(item->got.chosen));
	if (item->has_layout) {
		json_put_u64(object, "copied", handoff_copied(&item->layout));
		json_put_string(object, "use", item->layout.use);
	}
	if (item->why.class)
		json_put(object, "error", cli_error_json(&item->why));
}

static const char *hook_outcome(const struct node_hook *h)
{
	return h->why.class ? "failed" : h->ran ? "succeeded" : "planned";
}

static void put_hook(json_t *hooks, const struct node_hook *h)
{
	json_t *object = json_push_object(hooks);
	json_put(object, "command", json_strings(h->words));
	json_t *models = json_put_array(object, "models");
	for (size_t i = 0; i < h->count; i++)
		json_push_string(models, h->items[i]->wanted->set->name);
	json_put(object, "removed", json_strings(&h->removed));
	json_put_string(object, "outcome", hook_outcome(h));
	if (h->why.class)
		json_put(object, "error", cli_error_json(&h->why));
}

static void put_removed(json_t *removed, json_t *left, const struct node_removal *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct node_removal_model *m = &r->at[i];
		bool goes = m->chosen && m->why == STORE_KEEP_NOT && !m->fault.class;
		json_t *object = json_push_object(goes ? removed : left);
		json_put_string(object, "repository", m->variant->repository);
		json_put_string(object, "model", m->variant->model);
		json_put_string(object, "variant", m->variant->variant);
		json_put_time(object, "used", m->used_s);
		if (goes)
			json_put_string(object, "outcome", m->removed ? "removed" : "planned");
		else
			json_put_string(object, "reason",
					m->fault.class             ? "failed"
					: m->why == STORE_KEEP_NOT ? "later"
								   : store_keep_name(m->why));
		if (m->fault.class)
			json_put(object, "error", cli_error_json(&m->fault));
	}
}

static void put_all(json_t *document, const struct node_run *r, bool dry_run)
{
	json_put_bool(document, "dry_run", dry_run);
	json_t *models = json_put_array(document, "models");
	for (size_t i = 0; i < r->count; i++)
		put_model(models, &r->items[i], dry_run);
	json_t *hooks = json_put_array(document, "hooks");
	for (size_t i = 0; i < r->hooks.count; i++)
		put_hook(hooks, &r->hooks.at[i]);
	json_put(document, "gone", json_strings(&r->gone));
	json_t *removed = json_put_array(document, "removed"),
	       *left = json_put_array(document, "left");
	put_removed(removed, left, &r->early);
	put_removed(removed, left, &r->removal);
	json_put_u64(document, "unlinked", r->early.unlinked + r->removal.unlinked);
	json_put_u64(document, "removed_versions", r->early.versions + r->removal.versions);
	json_put_u64(document, "freed", r->early.freed + r->removal.freed);
}

/* ---- for people ---- */

static void print_model(struct cli *cli, const json_t *m)
{
	const char *outcome = json_text(m, "outcome");
	if (strcmp(outcome, "planned") == 0)
		cli_say(cli, m,
			"{name}: would have {repository}/{model}:{variant} version "
			"{version}, {download:size} to download");
	else if (strcmp(outcome, "failed") != 0)
		cli_say(cli, m,
			"{name}: {outcome}: {repository}/{model}:{variant} version {version}");
	if (strcmp(outcome, "failed") != 0 && json_text(m, "path"))
		cli_say(cli, m, "  {path}");
}

static void print_hook(struct cli *cli, const json_t *h)
{
	CLEANUP(mem_free_ptr) char *words = cli_join(json_object_get(h, "command"), "{}", " ");
	const char *outcome = json_text(h, "outcome");
	if (strcmp(outcome, "failed") != 0)
		cli_line(cli, "hook %s: %s", outcome, words);
}

static void print(struct cli *cli, const json_t *document)
{
	const json_t *one;
	size_t i;
	cli_aloud(cli, json_flag(document, "dry_run"));
	json_array_foreach (json_object_get(document, "models"), i, one)
		print_model(cli, one);
	json_array_foreach (json_object_get(document, "hooks"), i, one)
		print_hook(cli, one);
	json_array_foreach (json_object_get(document, "removed"), i, one)
		cli_say(cli, one,
			json_flag(document, "dry_run")
				? "would remove {repository}/{model}:{variant}"
				: "removed {repository}/{model}:{variant}");
	cli_aloud(cli, false);
	json_array_foreach (json_object_get(document, "left"), i, one)
		cli_note(cli, one,
			 "{repository}/{model}:{variant} is in no section, and stays: "
			 "{reason}");
	if (json_number(document, "freed"))
		cli_note(cli, document, "{freed:size} freed");
}

/* ---- faults ---- */

struct faults {
	struct cli *cli;
	size_t count;
	struct err first;
};

static void add_fault(struct faults *f, const char *where, const struct err *why)
{
	struct err shown = *why;
	if (!why->class)
		return;
	if (where)
		err_context(&shown, "%s", where);
	cli_tell(f->cli, &shown);
	if (!f->count++)
		f->first = shown;
}

static int tell_faults(struct cli *cli, const struct node_run *r, struct err *e)
{
	struct faults f = { .cli = cli };
	for (size_t i = 0; i < r->count; i++)
		add_fault(&f, r->items[i].wanted->set->name, &r->items[i].why);
	for (size_t i = 0; i < r->hooks.count; i++)
		add_fault(&f, NULL, &r->hooks.at[i].why);
	for (size_t i = 0; i < r->removal.count; i++)
		add_fault(&f, r->removal.at[i].variant->model, &r->removal.at[i].fault);
	add_fault(&f, "removing", &r->fault);
	if (!f.count)
		return 0;
	return err_set(e, f.first.class, "%zu fault%s%s", f.count, f.count == 1 ? "" : "s",
		       r->count > 1 ? "; whatever else could be done is done" : "");
}

/* ---- the command ---- */

static int open_retrieval(struct cli *cli, const struct sections *conf, struct retrieval *out,
			  struct err *e)
{
	const struct apply_opts *o = cli->opts;
	int rc = network_check(&o->network, NULL, e);
	if (rc < 0)
		return rc;
	cli->network = &o->network;
	rc = session_retrieve(cli, conf->wanted.references, conf->wanted.count, false, NULL, out,
			      e);
	out->yes = true;
	out->dry_run = o->dry_run;
	if (rc == 0)
		retrieve_prefetch(out, conf->wanted.references, conf->wanted.count);
	return rc;
}

static int apply_run(struct cli *cli, struct err *e)
{
	const struct apply_opts *o = cli->opts;
	CLEANUP(sections_release) struct sections conf = { 0 };
	CLEANUP(retrieve_close) struct retrieval retrieval = { 0 };
	CLEANUP(node_run_release) struct node_run r = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	int rc = sections_read(cli, true, &conf, e);
	if (rc == 0)
		rc = open_retrieval(cli, &conf, &retrieval, e);
	if (rc < 0)
		return rc;
	r.settings = &conf.settings;
	r.wanted = &conf.wanted;
	r.retrieval = &retrieval;
	rc = node_apply(&r, e);
	if (rc < 0)
		return rc;
	put_all(document, &r, o->dry_run);
	json_put(document, "sources", session_sources_json(&retrieval.client));
	json_put(document, "endpoints", session_endpoints_json(&retrieval.client));
	print(cli, document);
	session_tell_faults(cli, &retrieval.client);
	(void)!tell_faults(cli, &r, e);
	return cli_result(cli, document, e);
}

const struct command cmd_node_apply = {
	.name = "apply",
	.summary = "fetch, lay out and remove models, as ferry.conf says",
	.description =
		"Makes the machine have what the sections [node.NAME] of ferry.conf say: fetches "
		"and verifies models, lays them out where their engines look, runs the hooks that "
		"tell the engines, and removes models that no section names any more. When "
		"everything is as it must be, it changes nothing. Safe in cron and cloud-init.",
	.opts = options,
	.opts_size = sizeof(struct apply_opts),
	.run = apply_run,
};
