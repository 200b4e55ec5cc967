#include "cli/session.h"
#include "cli/several.h"
#include "cli/values.h"
#include "fetch/fetch.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

extern const struct command cmd_store;

/* -- finding --------------------------------------------------------------------------------- */

/* The store and what is in it. */
struct stock {
	struct store store;
	struct store_variants all;
	const struct store_variant **found; /* of the last stock_find() */
	size_t count;
};

static void stock_release(struct stock *s)
{
	free(s->found);
	store_variants_release(&s->all);
	store_close(&s->store);
}

/* by_size: for commands that hash all files, or none. */
static int stock_open(struct cli *cli, struct stock *s, bool by_size, struct err *e)
{
	int rc = session_store(cli, &s->store, e);
	s->store.by_size = by_size;
	if (rc == 0)
		rc = store_list(&s->store, &s->all, e);
	s->found = mem_alloc((s->all.count + 1) * sizeof *s->found);
	return rc;
}

/* What the store cannot know: labels are in the catalog only. */
static bool is_label(const char *version)
{
	uint64_t number;
	return version && !parse_u64(version, &number) && !str_starts(version, "sha256:");
}

/* The existing names, for a mistyped one. */
static int suggest(const struct store_variants *all, const struct reference *r, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **names = mem_alloc((all->count + 1) * sizeof *names);
	CLEANUP(str_list_release) struct str_list variants = { 0 };
	for (size_t i = 0; i < all->count; i++) {
		names[i] = all->at[i].model;
		if (strcmp(names[i], r->model) == 0)
			str_list_add(&variants, all->at[i].variant);
	}
	const char *near = variants.count ? r->model : text_nearest(r->model, names, all->count);
	const char *variant = r->variant
				      ? text_nearest(r->variant, (const char *const *)variants.at,
						     variants.count)
				      : NULL;
	if (variants.count && is_label(r->version))
		return err_hint(e,
				"versions in the store have numbers and digests, but no labels: "
				"`ferry show %s` shows both",
				r->model);
	if (near && variant)
		return err_hint(e, "did you mean '%s:%s'?", near, variant);
	return near && !variants.count ? err_hint(e, "did you mean '%s'?", near)
				       : err_hint(e, "`ferry store list` lists the models");
}

static bool is_meant(const struct store_variant *v, const struct reference *r)
{
	return strcmp(v->model, r->model) == 0 &&
	       (!r->repository || strcmp(v->repository, r->repository) == 0) &&
	       ((!r->variant && !r->version) || store_variant_is(v, r->variant, r->version));
}

/* Without a version, those that were fetched by their version are not meant, unless there is no
 * other; a version that was fetched in both ways is one. */
static void choose_one(struct stock *s, const struct reference *r)
{
	size_t plain = 0;
	for (size_t i = 0; !r->version && i < s->count; i++)
		if (!strchr(s->found[i]->variant, '@'))
			s->found[plain++] = s->found[i];
	if (plain)
		s->count = plain;
	if (r->version && s->count == 2 && store_variant_equal(s->found[0], s->found[1]))
		s->count = 1;
}

/* The variants of a reference: without a variant all of the model, unless `one`. */
static int stock_find(struct stock *s, const char *text, bool one, struct err *e)
{
	CLEANUP(reference_release) struct reference r = { 0 };
	int rc = reference_parse(text, &r, e);
	s->count = 0;
	for (size_t i = 0; rc == 0 && i < s->all.count; i++)
		if (is_meant(&s->all.at[i], &r))
			s->found[s->count++] = &s->all.at[i];
	if (rc == 0 && s->count == 0) {
		err_set(e, ERR_NOT_FOUND, "%s is not in the store", text);
		return suggest(&s->all, &r, e);
	}
	if (rc == 0 && one)
		choose_one(s, &r);
	if (rc == 0 && one && s->count > 1) {
		const struct store_variant *a = s->found[0], *b = s->found[1];
		err_set(e, ERR_USAGE, "several models in the store match %s", text);
		return err_hint(e, "use %s/%s:%s or %s/%s:%s", a->repository, a->model, a->variant,
				b->repository, b->model, b->variant);
	}
	return rc;
}

static json_t *reference_json(const struct store_variant *v)
{
	json_t *object = json_object();
	json_put_string(object, "repository", v->repository);
	json_put_string(object, "model", v->model);
	json_put_string(object, "variant", v->variant);
	return object;
}

/* -- list -------------------------------------------------------------------------------------- */

/* paths NULL: the names in the variant's folder. */
static json_t *variant_json(const struct store *s, const struct store_variant *v,
			    const struct str_list *paths)
{
	json_t *object = reference_json(v);
	json_put_string(object, "dir", v->dir);
	json_put_u64(object, "size", v->size);
	json_put_bool(object, "complete", v->complete);
	if (v->file_count)
		json_put_time(object, "fetched", v->fetched_s);
	json_t *files = json_put_array(object, "files");
	for (size_t i = 0; i < v->file_count; i++) {
		CLEANUP(mem_free_ptr) char *path = store_file_path(s, v->dir, &v->files[i]);
		json_t *file = json_push_object(files);
		json_put_string(file, "name", v->files[i].name);
		json_put_string(file, "path", paths ? paths->at[i] : path);
		json_put_u64(file, "size", v->files[i].size);
		json_put_hex(file, "sha256", &v->files[i].sha256, DIGEST_SIZE);
	}
	return object;
}

static int run_list(struct cli *cli, struct err *e)
{
	static const struct cli_column columns[] = {
		{ "MODEL", "{repository}/{model}:{variant}", NULL },
		{ ">SIZE", "{size:size}", NULL },
		{ ">FILES", "{files}", NULL },
		{ "FETCHED", "{fetched|-}", NULL },
		{ "STATE", "{complete?ok:incomplete: fetch it again}", NULL },
	};
	CLEANUP(stock_release) struct stock s = { 0 };
	int rc = stock_open(cli, &s, false, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_t *variants = json_put_array(document, "variants");
	for (size_t i = 0; i < s.all.count; i++)
		json_push(variants, variant_json(&s.store, &s.all.at[i], NULL));
	if (!s.all.count && !cli->json)
		report_note(cli->report, "the store %s is empty", s.store.home);
	cli_table(cli, variants, columns, ARRAY_LEN(columns));
	return cli_result(cli, document, e);
}

/* -- path -------------------------------------------------------------------------------------- */

static int run_path(struct cli *cli, struct err *e)
{
	CLEANUP(stock_release) struct stock s = { 0 };
	int rc = stock_open(cli, &s, false, e);
	if (rc == 0)
		rc = stock_find(&s, cli->operands[0], true, e);
	if (rc < 0)
		return rc;
	const struct store_variant *v = s.found[0];
	if (!v->complete) {
		err_set(e, ERR_NOT_FOUND, "%s is not complete in the store", cli->operands[0]);
		return err_hint(e, "run `ferry fetch %s`", cli->operands[0]);
	}
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	store_paths(&s.store, v, &paths);
	json_put(document, "variant", variant_json(&s.store, v, &paths));
	for (size_t i = 0; i < paths.count; i++)
		cli_path(cli, paths.at[i]);
	return cli_result(cli, document, e);
}

/* -- verify ------------------------------------------------------------------------------------ */

struct verify {
	struct cli *cli;
	struct stock stock;
	json_t *files;
	size_t bad;
	struct err unreadable; /* why the first one could not be read */
};

/* The verdict, or NULL when it was cancelled. */
static const char *verdict(struct verify *x, const struct store_file *f, struct err *e)
{
	struct err why = ERR_INIT;
	struct report *report = x->cli->report;
	report_begin(report, f->name, f->size, 0);
	int rc = store_verify(&x->stock.store, &f->sha256, &why);
	report_advance(report, f->name, (int64_t)f->size);
	report_end(report, f->name, rc == 0);
	if (rc == -ERR_INTEGRITY)
		report_warn(report, "%s; %s", why.text, why.hint);
	else if (rc == -ERR_CANCELLED)
		*e = why;
	else if (rc < 0 && rc != -ERR_NOT_FOUND)
		report_warn(report, "%s", why.text);
	if (rc < 0 && rc != -ERR_INTEGRITY && rc != -ERR_NOT_FOUND && !x->unreadable.class)
		x->unreadable = why;
	return rc == 0                ? "ok"
	       : rc == -ERR_INTEGRITY ? "damaged"
	       : rc == -ERR_NOT_FOUND ? "missing"
	       : rc == -ERR_CANCELLED ? NULL
				      : "unreadable";
}

static int verify_file(struct verify *x, const struct store_variant *v, const struct store_file *f,
		       struct err *e)
{
	const char *found = verdict(x, f, e);
	if (!found)
		return -(int)e->class;
	x->bad += strcmp(found, "ok") != 0;
	json_t *file = reference_json(v);
	json_put_string(file, "name", f->name);
	json_put_hex(file, "sha256", &f->sha256, DIGEST_SIZE);
	json_put_u64(file, "size", f->size);
	json_put_string(file, "verdict", found);
	json_push(x->files, file);
	cli_aloud(x->cli, strcmp(found, "ok") != 0);
	cli_say(x->cli, file, "{verdict:7}  {repository}/{model}:{variant}  {name}");
	return 0;
}

static int verify_variant(struct verify *x, const struct store_variant *v, struct err *e)
{
	int rc = 0;
	/* An unreadable record counts like an unreadable file. */
	x->bad += v->file_count == 0;
	if (!v->file_count)
		report_warn(x->cli->report, "%s: its record is damaged; fetch it again", v->dir);
	for (size_t i = 0; i < v->file_count && rc == 0; i++)
		rc = verify_file(x, v, &v->files[i], e);
	return rc;
}

static int verify_operand(void *ctx, int i, struct err *e)
{
	struct verify *x = ctx;
	struct stock *s = &x->stock;
	int rc = stock_find(s, x->cli->operands[i], false, e);
	for (size_t j = 0; rc == 0 && j < s->count; j++)
		rc = verify_variant(x, s->found[j], e);
	return rc;
}

static void verify_release(struct verify *x)
{
	stock_release(&x->stock);
}

static int run_verify(struct cli *cli, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(verify_release) struct verify x = {
		.cli = cli,
		.files = json_put_array(document, "files"),
	};
	CLEANUP(several_release) struct several operands;
	several_init(&operands, cli);
	int rc = stock_open(cli, &x.stock, true, e);
	for (size_t i = 0; rc == 0 && cli->count == 0 && i < x.stock.all.count; i++)
		rc = verify_variant(&x, &x.stock.all.at[i], e);
	if (rc == 0)
		rc = several_each(&operands, verify_operand, &x, e);
	if (rc < 0)
		return rc;
	if (!operands.failed)
		*e = x.unreadable;
	rc = several_result(&operands, document, e);
	return rc < 0 ? rc : x.bad ? -ERR_FAULT : 0;
}

/* -- remove ------------------------------------------------------------------------------------ */

struct removal {
	struct cli *cli;
	struct stock stock;
	json_t *removed;
	uint64_t freed;
};

static void removal_release(struct removal *r)
{
	stock_release(&r->stock);
}

static int remove_operand(void *ctx, int i, struct err *e)
{
	struct removal *r = ctx;
	struct stock *s = &r->stock;
	int rc = stock_find(s, r->cli->operands[i], true, e);
	if (rc < 0)
		return rc;
	const struct store_variant *v = s->found[0];
	rc = store_remove(&s->store, v->repository, v->model, v->variant, &r->freed, e);
	if (rc == 0)
		json_push(r->removed, reference_json(v));
	return rc;
}

static int run_remove(struct cli *cli, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(removal_release) struct removal r = {
		.cli = cli,
		.removed = json_put_array(document, "removed"),
	};
	CLEANUP(several_release) struct several operands;
	several_init(&operands, cli);
	int rc = stock_open(cli, &r.stock, true, e);
	if (rc == 0)
		rc = several_each(&operands, remove_operand, &r, e);
	if (rc < 0)
		return rc;
	json_put_u64(document, "freed", r.freed);
	if (json_array_size(r.removed))
		cli_note(cli, document, "{freed:size} freed");
	return several_result(&operands, document, e);
}

/* -- gc ---------------------------------------------------------------------------------------- */

struct gc_opts {
	bool dry_run;
	uint64_t partials_s;
};

static const struct gc_opts gc_defaults = { .partials_s = UINT64_MAX };

static const struct opt gc_opts[] = {
	OPT_ENTRY(OPT_FLAG, gc_opts, dry_run, 'n', "dry-run", NULL,
		  "only show what would be removed"),
	OPT_ENTRY(OPT_DURATION, gc_opts, partials_s, 0, "partials", "AGE",
		  "also remove unfinished downloads that were not changed for this time, for "
		  "example 7d; by default they are kept"),
	OPT_LAST,
};

static int run_gc(struct cli *cli, struct err *e)
{
	const struct gc_opts *o = cli->opts;
	CLEANUP(store_close) struct store s = { 0 };
	struct store_gc gc;
	int rc = session_store(cli, &s, e);
	if (rc == 0)
		rc = store_gc(&s, o->partials_s, o->dry_run, &gc, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put_bool(document, "dry_run", o->dry_run);
	json_put_u64(document, "blobs", gc.blobs);
	json_put_u64(document, "partials", gc.partials);
	json_put_u64(document, "temporaries", gc.temporaries);
	json_put_u64(document, "bytes", gc.bytes);
	cli_aloud(cli, o->dry_run && (gc.blobs || gc.partials || gc.temporaries));
	cli_say(cli, document,
		"{dry_run?would remove:removed} {blobs} files without a model, {partials} "
		"unfinished downloads, {temporaries} leftovers: {bytes:size}");
	return cli_result(cli, document, e);
}

/* -- the command ------------------------------------------------------------------------------- */

#define REFERENCE "[REPOSITORY/]MODEL[:VARIANT][@VERSION]"

static const struct command store_list_command = {
	.name = "list",
	.asked = true,
	.summary = "list what is in the store",
	.run = run_list,
};

static const struct command store_path_command = {
	.name = "path",
	.asked = true,
	.summary = "print the paths of a model's files, without using the network",
	.synopsis = (const char *const[]){ REFERENCE, NULL },
	.operand_hint = HINT_STORED,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_path,
};

static const struct command store_verify_command = {
	.name = "verify",
	.summary = "hash the files again, and set damaged ones aside",
	.synopsis = (const char *const[]){ "[" REFERENCE "…]", NULL },
	.description = "Prints a verdict for each file. The exit code is 1 if one is damaged or "
		       "missing; fetch the model again to repair it. A file that cannot be read is "
		       "reported, and the others are still hashed.",
	.operand_hint = HINT_STORED,
	.max_operands = -1,
	.run = run_verify,
};

static const struct command store_remove_command = {
	.name = "remove",
	.summary = "remove models from the store",
	.synopsis = (const char *const[]){ REFERENCE "…", NULL },
	.operand_hint = HINT_STORED,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_remove,
};

static const struct command store_gc_command = {
	.name = "gc",
	.summary = "remove files that no model uses, and temporary files",
	.opts = gc_opts,
	.opts_size = sizeof(struct gc_opts),
	.defaults = &gc_defaults,
	.run = run_gc,
};

const struct command cmd_store = {
	.name = "store",
	.summary = "manage the local store",
	.description = "The store contains verified models. It is in $FERRY_HOME, "
		       "$XDG_DATA_HOME/ferry or ~/.local/share/ferry.",
	.subs = (const struct command *const[]){ &store_list_command, &store_path_command,
						 &store_verify_command, &store_remove_command,
						 &store_gc_command, NULL },
	.values = values_client,
};
