#include "cli/catalog/place.h"
#include "cli/several.h"

#include "repository/locate.h"

#include "util/mem.h"

/* ---- add ---- */

/* Of add and remove: catalog_opts come first. */
struct edit_opts {
	struct catalog_opts common;
	const char *role, *label;
	struct str_list at;
	bool link;
};

#define EDIT_OPT_ROLE(help_) \
	OPT_HINTED(OPT_STRING, edit_opts, role, 0, "role", "NAME", HINT_ROLE, help_)

static const struct opt add_opts[] = {
	CATALOG_OPT_PLACE,
	EDIT_OPT_ROLE("the delegated role that lists the models; its own people sign with `ferry "
		      "catalog sign --role NAME`"),
	OPT_ENTRY(OPT_STRING, edit_opts, label, 0, "label", "NAME",
		  "your own name for the new versions, for example 2026-11; a variant that did not "
		  "change gets it if it has none"),
	OPT_ENTRY(OPT_LIST, edit_opts, at, 0, "at", "[MIRROR=][FILE=]URL",
		  "where else the file is: at a mirror with `layout = names`, which serves it from "
		  "there; a URL that ends with / is a folder; may be repeated"),
	OPT_ENTRY(OPT_FLAG, catalog_opts, copy, 0, "copy", NULL,
		  "always copy the files, even those that nobody may write to"),
	OPT_ENTRY(OPT_FLAG, edit_opts, link, 0, "link", NULL,
		  "never copy: hard-link even a file that others may write to; whoever changes it "
		  "then changes the signed object"),
	OPT_LAST,
};

static void put_change(json_t *object, const struct repository_change *c)
{
	static const char *const names[] = { "added", "replaced", "repaired", "updated",
					     "unchanged" };
	json_put_string(object, "model", c->model);
	json_put_string(object, "variant", c->variant);
	json_put_string(object, "change", names[c->what]);
	json_put_u64(object, "version", c->version);
	json_put_string(object, "label", c->label);
	json_put_u64(object, "files", c->files);
	json_put(object, "roles", json_incref(c->roles));
	json_put_u64(object, "size", c->size);
	json_put_string(object, "card_members", c->members);
	if (c->origin)
		json_put_bool(object, "provenance", true);
	if (c->what == REPOSITORY_REPLACED)
		json_put(object, "changes", json_incref(c->sentences));
}

static const char *template_of(const struct repository_change *c)
{
	return c->what == REPOSITORY_REPLACED
		       ? "new version {version} of {model}:{variant} ({files#file}, {size:size})"
	       : c->what == REPOSITORY_UNCHANGED
		       ? "unchanged {model}:{variant} ({files#file}, {size:size}, verified)"
	       : c->members
		       ? "{change} {model}:{variant} ({files#file}, {size:size}); changed in its "
			 "card: {card_members}"
	       : c->what == REPOSITORY_UPDATED
		       ? "{change} {model}:{variant} ({files#file}, {size:size}); its provenance "
			 "is new"
		       : "{change} {model}:{variant} ({files#file}, {size:size})";
}

static void say_change(struct cli *cli, const json_t *change, const char *template)
{
	CLEANUP(mem_free_ptr) char *roles = cli_join(json_object_get(change, "roles"), "{}", ", ");
	const json_t *sentence;
	size_t i;
	cli_say(cli, change, template);
	if (roles[0])
		cli_line(cli, "  the model with %s", roles);
	json_array_foreach (json_object_get(change, "changes"), i, sentence)
		cli_say(cli, sentence, "  {}");
}

static void tell_located(struct cli *cli, const struct located *located, json_t *document)
{
	json_t *array = json_put_array(document, "places");
	for (size_t i = 0; i < located->count; i++) {
		json_t *place = json_push_object(array);
		json_put_string(place, "key", located->at[i].key);
		json_put_string(place, "mirror", located->at[i].mirror);
		json_put_string(place, "url", located->at[i].url);
		cli_say(cli, place, "mirror {mirror} has it at {url}");
	}
}

static int tell_changes(struct cli *cli, const struct repository_changes *changes,
			const struct located *located, const char *role, const struct several *all,
			struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	size_t news = 0, repaired = 0;
	json_put_string(document, "role", role);
	json_t *array = json_put_array(document, "changes");
	for (size_t i = 0; i < changes->count; i++) {
		json_t *change = json_push_object(array);
		put_change(change, &changes->at[i]);
		say_change(cli, change, template_of(&changes->at[i]));
		repaired += changes->at[i].what == REPOSITORY_REPAIRED;
		news += changes->at[i].what != REPOSITORY_REPAIRED &&
			changes->at[i].what != REPOSITORY_UNCHANGED;
	}
	if (located->count)
		tell_located(cli, located, document);
	if (changes->count == 0 && !all->failed)
		report_note(cli->report, "no variant has files: only the card was merged");
	else if (news && role)
		report_note(cli->report,
			    "readers see the change after the people of %s have signed, with "
			    "`ferry catalog sign --role %s`, and then the publisher",
			    role, role);
	else if (news)
		report_note(cli->report,
			    "readers see the change after `ferry catalog sign` and `ferry push`");
	else if (located->count)
		report_note(cli->report,
			    "readers learn of these places after `ferry catalog sign` and `ferry "
			    "push`; `ferry verify` checks the files there");
	else if (repaired)
		report_note(cli->report, "the tree is right again: `ferry push` can publish it");
	return several_result(all, document, e);
}

struct adding {
	struct cli *cli;
	struct repository *repository;
	struct repository_adding how;
	struct repository_changes changes;
	struct locate_rules rules;
	struct located located;
};

static void adding_release(struct adding *a)
{
	locate_rules_release(&a->rules);
	located_release(&a->located);
	repository_changes_release(&a->changes);
	repository_close(a->repository);
}

static int add_one(void *ctx, int i, struct err *e)
{
	struct adding *a = ctx;
	return repository_model_add(a->repository, a->cli->operands[i], &a->how, &a->changes, e);
}

static int read_rules(struct adding *a, const struct str_list *at, const struct place *p,
		      struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < at->count; i++)
		rc = locate_rule_parse(at->at[i], p->mirrors, &a->rules, e);
	return rc;
}

/* Only after all of the models are added: the files of a failed one are unknown. */
static int locate_added(struct adding *a, const struct several *all, struct err *e)
{
	return a->rules.count && !all->failed
		       ? locate(a->repository, &a->changes, &a->rules, &a->located, e)
		       : 0;
}

static int run_add(struct cli *cli, struct err *e)
{
	const struct edit_opts *edit = cli->opts;
	const struct catalog_opts *o = &edit->common;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(several_release) struct several all;
	several_init(&all, cli);
	CLEANUP(adding_release) struct adding a = { .cli = cli };
	a.how = (struct repository_adding){
		.role = edit->role,
		.label = edit->label,
		.copy = o->copy,
		.link = edit->link,
		.report = cli->report,
	};
	if (o->copy && edit->link)
		return err_set(e, ERR_USAGE, "--copy and --link exclude each other");
	int rc = place_load(cli, o, &p, e);
	a.how.keep = p.keep_versions;
	if (rc == 0)
		rc = read_rules(&a, &edit->at, &p, e);
	if (rc == 0)
		rc = repository_open(p.dir, cli->cancel, &a.repository, e);
	if (rc == 0)
		rc = several_each(&all, add_one, &a, e);
	if (rc == 0)
		rc = locate_added(&a, &all, e);
	return rc < 0 ? rc : tell_changes(cli, &a.changes, &a.located, edit->role, &all, e);
}

const struct command cmd_catalog_add = {
	.name = "add",
	.summary = "add prepared models",
	.synopsis = (const char *const[]){ "DIR|CARD…", NULL },
	.description =
		"DIR is a folder made by `ferry prepare`, or any folder with a card, its files and "
		"their manifests. Every file is verified and put into the tree, where a missing or "
		"damaged one is replaced, and the card is merged with an existing one; what a "
		"person wrote in that is kept. With --at, the catalog also says where the files "
		"lie under names of their own, so that readers can download them there.",
	.opts = add_opts,
	.opts_size = sizeof(struct edit_opts),
	.operand_hint = HINT_DIR,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_add,
};

/* ---- remove ---- */

static const struct opt remove_opts[] = {
	CATALOG_OPT_PLACE,
	EDIT_OPT_ROLE("also remove it from the list of this delegated role, which its own people "
		      "sign"),
	OPT_LAST,
};

struct removing {
	struct cli *cli;
	struct repository *repository;
	const char *role;
	json_t *removed;
};

static void removing_release(struct removing *r)
{
	repository_close(r->repository);
}

static int remove_one(void *ctx, int i, struct err *e)
{
	struct removing *r = ctx;
	const char *operand = r->cli->operands[i];
	CLEANUP(reference_release) struct reference ref = { 0 };
	bool withdrawn = false;
	int rc = place_reference(operand, &ref, e);
	if (rc == 0 && ref.version)
		rc = err_set(e, ERR_USAGE,
			     "'%s': `ferry catalog prune` removes superseded versions", operand);
	if (rc == 0)
		rc = repository_model_remove(r->repository, ref.model, ref.variant, r->role,
					     &withdrawn, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *name = place_reference_text(&ref);
	if (withdrawn)
		report_warn(r->cli->report,
			    "%s, or a version of it, was withdrawn: once it is removed, readers "
			    "who have it are only warned",
			    name);
	json_push_string(r->removed, name);
	cli_line(r->cli, "removed %s", name);
	return 0;
}

static int run_remove(struct cli *cli, struct err *e)
{
	const struct edit_opts *edit = cli->opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(removing_release) struct removing r = {
		.cli = cli,
		.role = edit->role,
		.removed = json_put_array(document, "removed"),
	};
	CLEANUP(several_release) struct several all;
	several_init(&all, cli);
	int rc = place_load(cli, &edit->common, &p, e);
	if (rc == 0)
		rc = repository_open(p.dir, cli->cancel, &r.repository, e);
	if (rc == 0)
		rc = several_each(&all, remove_one, &r, e);
	if (rc < 0)
		return rc;
	if (json_array_size(r.removed))
		cli_note(cli, document,
			 "readers see the change after `ferry catalog sign` and `ferry push`; the "
			 "files are kept until `ferry catalog gc`");
	return several_result(&all, document, e);
}

const struct command cmd_catalog_remove = {
	.name = "remove",
	.summary = "remove models or variants",
	.synopsis = (const char *const[]){ "MODEL[:VARIANT]…", NULL },
	.opts = remove_opts,
	.opts_size = sizeof(struct edit_opts),
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_remove,
};

/* ---- gc ---- */

static const struct opt gc_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_ENTRY(OPT_U64, catalog_opts, keep, 0, "keep", "N",
		  "how many versions before the current one to keep complete (3)"),
	OPT_ENTRY(OPT_FLAG, catalog_opts, dry_run, 'n', "dry-run", NULL,
		  "only show what would be removed"),
	OPT_LAST,
};
static const struct catalog_opts gc_defaults = { .keep = 3 };

static int run_gc(struct cli *cli, struct err *e)
{
	const struct catalog_opts *o = cli->opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP_PTR(repository_close) struct repository *r = NULL;
	struct repository_gc gc;
	int rc = place_load(cli, o, &p, e);
	if (rc < 0 || (rc = repository_open(p.dir, cli->cancel, &r, e)) < 0 ||
	    (rc = repository_gc(r, (unsigned)MIN(o->keep, (uint64_t)1000000), o->dry_run, &gc, e)) <
		    0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put_bool(document, "dry_run", o->dry_run);
	json_put_u64(document, "objects", gc.objects);
	json_put_u64(document, "metadata", gc.metadata);
	json_put_u64(document, "others", gc.others);
	json_put_u64(document, "bytes", gc.bytes);
	cli_aloud(cli, o->dry_run && (gc.objects || gc.metadata || gc.others));
	cli_say(cli, document,
		"{dry_run?would remove:removed} {objects} objects, {metadata} old metadata files, "
		"{others} others: {bytes:size}");
	return cli_result(cli, document, e);
}

const struct command cmd_catalog_gc = {
	.name = "gc",
	.summary = "remove unused files from the tree",
	.description = "Removes objects to which neither a card nor a kept signed version refers, "
		       "and the metadata of older versions. Mirrors are not changed.",
	.opts = gc_opts,
	.opts_size = sizeof(struct catalog_opts),
	.defaults = &gc_defaults,
	.run = run_gc,
};
