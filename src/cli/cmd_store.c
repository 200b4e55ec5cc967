#include "cli/session.h"
#include "fetch/fetch.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

extern const struct command cmd_store;

/* -- finding --------------------------------------------------------------------------------- */

/* The names that are there, for whoever mistyped one. */
static int suggest(const struct store_variants *all, const char *model, struct err *e)
{
	const char **names = mem_alloc((all->count + 1) * sizeof *names);
	for (size_t i = 0; i < all->count; i++)
		names[i] = all->at[i].model;
	const char *near = text_nearest(model, names, all->count);
	if (near && strcmp(near, model) != 0)
		err_hint(e, "did you mean '%s'?", near);
	else
		err_hint(e, "see `ferry store list`");
	free(names);
	return -(int)e->class;
}

/* The variants that a reference names: by model alone all of them, unless `one`. */
static int find(const struct store_variants *all, const char *text, bool one,
		const struct store_variant **found, size_t *count, struct err *e)
{
	CLEANUP(reference_release) struct reference r = { 0 };
	int rc = reference_parse(text, &r, e);
	if (rc < 0)
		return rc;
	size_t n = 0;
	for (size_t i = 0; i < all->count; i++) {
		const struct store_variant *v = &all->at[i];
		if (strcmp(v->model, r.model) == 0 &&
		    (!r.repository || strcmp(v->repository, r.repository) == 0) &&
		    (!r.variant || strcmp(v->variant, r.variant) == 0))
			found[n++] = v;
	}
	if (!n) {
		err_set(e, ERR_NOT_FOUND, "%s is not in the store", text);
		return suggest(all, r.model, e);
	}
	if (one && n > 1) {
		err_set(e, ERR_USAGE, "%s is in the store more than once", text);
		return err_hint(e, "say which: %s/%s:%s or %s/%s:%s", found[0]->repository,
				found[0]->model, found[0]->variant, found[1]->repository,
				found[1]->model, found[1]->variant);
	}
	*count = n;
	return 0;
}

static json_t *reference_json(const struct store_variant *v)
{
	json_t *object = json_object();
	json_put_string(object, "repository", v->repository);
	json_put_string(object, "model", v->model);
	json_put_string(object, "variant", v->variant);
	return object;
}

static int print_document(struct cli *cli, const char *command, const char *key, json_t *value,
			  struct err *e)
{
	json_t *document = json_object();
	json_put_string(document, "command", command);
	json_put(document, key, value);
	return cli_print_json(cli, document, e);
}

/* -- list -------------------------------------------------------------------------------------- */

static json_t *variant_json(const struct store_variant *v)
{
	json_t *object = reference_json(v), *files = json_array();
	char time[TIME_TEXT];
	json_put_string(object, "dir", v->dir);
	json_put_u64(object, "size", v->size);
	json_put_bool(object, "complete", v->complete);
	if (v->file_count) {
		format_time(time, v->fetched_s);
		json_put_string(object, "fetched", time);
	}
	for (size_t i = 0; i < v->file_count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(v->dir, v->files[i].name);
		json_t *file = json_object();
		json_put_string(file, "name", v->files[i].name);
		json_put_string(file, "path", path);
		json_put_u64(file, "size", v->files[i].size);
		json_put_hex(file, "sha256", &v->files[i].sha256, DIGEST_SIZE);
		json_push(files, file);
	}
	json_put(object, "files", files);
	return object;
}

static void add_row(struct cli_table *t, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *name = session_reference(v->repository, v->model, v->variant);
	char size[SIZE_TEXT], time[TIME_TEXT] = "-", files[24];
	if (v->file_count)
		format_time(time, v->fetched_s);
	snprintf(files, sizeof files, "%zu", v->file_count);
	cli_table_add(t, (const char *const[]){ name, format_size(size, v->size), files, time,
						v->complete ? "ok" : "incomplete: fetch it again" });
}

static int run_list(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)opts, (void)count, (void)operands;
	static const char *const titles[] = { "MODEL", ">SIZE", ">FILES", "FETCHED", "STATE" };
	CLEANUP(store_close) struct store s = { 0 };
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	int rc = session_store(&s, e);
	if (rc == 0)
		rc = store_list(&s, &all, e);
	if (rc < 0)
		return rc;
	if (cli->json) {
		json_t *variants = json_array();
		for (size_t i = 0; i < all.count; i++)
			json_push(variants, variant_json(&all.at[i]));
		return print_document(cli, "store list", "variants", variants, e);
	}
	if (!all.count)
		report_note(cli->report, "the store %s is empty", s.home);
	struct cli_table *table = cli_table_new(titles, ARRAY_LEN(titles));
	for (size_t i = 0; i < all.count; i++)
		add_row(table, &all.at[i]);
	cli_table_print(cli, table);
	return 0;
}

/* -- path -------------------------------------------------------------------------------------- */

static int run_path(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)opts, (void)count;
	CLEANUP(store_close) struct store s = { 0 };
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	int rc = session_store(&s, e);
	if (rc == 0)
		rc = store_list(&s, &all, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) const struct store_variant **found =
		mem_alloc((all.count + 1) * sizeof *found);
	size_t n;
	rc = find(&all, operands[0], true, found, &n, e);
	if (rc < 0)
		return rc;
	if (!found[0]->complete) {
		err_set(e, ERR_NOT_FOUND, "%s is not whole in the store", operands[0]);
		return err_hint(e, "run `ferry fetch %s`", operands[0]);
	}
	if (cli->json)
		return print_document(cli, "store path", "variant", variant_json(found[0]), e);
	for (size_t i = 0; i < found[0]->file_count; i++) {
		CLEANUP(mem_free_ptr) char *path =
			path_join(found[0]->dir, found[0]->files[i].name);
		cli_print(cli, "%s\n", path);
	}
	return 0;
}

/* -- verify ------------------------------------------------------------------------------------ */

struct verify {
	struct cli *cli;
	const struct store *store;
	json_t *files;
	size_t bad;
};

static int verify_file(struct verify *x, const struct store_variant *v,
		       const struct store_file *f, struct err *e)
{
	struct err why = ERR_INIT;
	const char *verdict = "ok";
	report_begin(x->cli->report, f->name, f->size, 0);
	int rc = store_verify(x->store, &f->sha256, &why);
	report_advance(x->cli->report, f->name, (int64_t)f->size);
	report_end(x->cli->report, f->name, rc == 0);
	if (rc == -ERR_INTEGRITY)
		verdict = "damaged";
	else if (rc == -ERR_NOT_FOUND)
		verdict = "missing";
	else if (rc < 0) {
		*e = why;
		return rc;
	}
	x->bad += rc < 0;
	json_t *file = reference_json(v);
	json_put_string(file, "name", f->name);
	json_put_hex(file, "sha256", &f->sha256, DIGEST_SIZE);
	json_put_u64(file, "size", f->size);
	json_put_string(file, "verdict", verdict);
	json_push(x->files, file);
	if (rc == -ERR_INTEGRITY)
		report_warn(x->cli->report, "%s; %s", why.text, why.hint);
	CLEANUP(mem_free_ptr) char *name = session_reference(v->repository, v->model, v->variant);
	CLEANUP(mem_free_ptr) char *shown = text_escaped(f->name);
	if (!x->cli->json)
		cli_print(x->cli, "%-7s  %s  %s\n", verdict, name, shown);
	return 0;
}

static int verify_variant(struct verify *x, const struct store_variant *v, struct err *e)
{
	int rc = 0;
	/* A record that cannot be read is as bad as a file that cannot. */
	x->bad += v->file_count == 0;
	if (!v->file_count)
		report_warn(x->cli->report, "%s: its record is damaged; fetch it again", v->dir);
	for (size_t i = 0; i < v->file_count && rc == 0; i++)
		rc = verify_file(x, v, &v->files[i], e);
	return rc;
}

static int run_verify(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)opts;
	CLEANUP(store_close) struct store s = { 0 };
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	CLEANUP(json_release) json_t *files = json_array();
	struct verify x = { .cli = cli, .store = &s, .files = files };
	int rc = session_store(&s, e);
	if (rc == 0)
		rc = store_list(&s, &all, e);
	for (size_t i = 0; rc == 0 && count == 0 && i < all.count; i++)
		rc = verify_variant(&x, &all.at[i], e);
	for (int i = 0; rc == 0 && i < count; i++) {
		CLEANUP(mem_free_ptr) const struct store_variant **found =
			mem_alloc((all.count + 1) * sizeof *found);
		size_t n = 0;
		rc = find(&all, operands[i], false, found, &n, e);
		for (size_t j = 0; rc == 0 && j < n; j++)
			rc = verify_variant(&x, found[j], e);
	}
	if (rc == 0 && cli->json)
		rc = print_document(cli, "store verify", "files", json_incref(files), e);
	return rc < 0 ? rc : x.bad ? -ERR_FAULT : 0;
}

/* -- remove ------------------------------------------------------------------------------------ */

static int run_remove(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)opts;
	CLEANUP(store_close) struct store s = { 0 };
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	CLEANUP(json_release) json_t *document = json_object();
	json_t *removed = json_array();
	uint64_t freed = 0;
	json_put_string(document, "command", "store remove");
	json_put(document, "removed", removed);
	int rc = session_store(&s, e);
	if (rc == 0)
		rc = store_list(&s, &all, e);
	for (int i = 0; rc == 0 && i < count; i++) {
		CLEANUP(mem_free_ptr) const struct store_variant **found =
			mem_alloc((all.count + 1) * sizeof *found);
		size_t n = 0;
		rc = find(&all, operands[i], true, found, &n, e);
		if (rc == 0)
			rc = store_remove(&s, found[0]->repository, found[0]->model,
					  found[0]->variant, &freed, e);
		if (rc == 0)
			json_push(removed, reference_json(found[0]));
	}
	if (rc < 0)
		return rc;
	char size[SIZE_TEXT];
	json_put_u64(document, "freed", freed);
	if (cli->json)
		return cli_print_json(cli, json_incref(document), e);
	report_note(cli->report, "%s freed", format_size(size, freed));
	return 0;
}

/* -- gc ---------------------------------------------------------------------------------------- */

struct gc_opts {
	bool dry_run;
	uint64_t partials_s;
};

static const struct gc_opts gc_defaults = { .partials_s = UINT64_MAX };

static const struct opt gc_opts[] = {
	OPT_ENTRY(OPT_FLAG, gc_opts, dry_run, 'n', "dry-run", NULL, "only say what would go"),
	OPT_ENTRY(OPT_DURATION, gc_opts, partials_s, 0, "partials", "AGE",
		  "also remove unfinished downloads that were not touched for so long (7d); "
		  "otherwise they are kept for ever"),
	OPT_LAST,
};

static int run_gc(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count, (void)operands;
	const struct gc_opts *o = opts;
	CLEANUP(store_close) struct store s = { 0 };
	struct store_gc gc;
	int rc = session_store(&s, e);
	if (rc == 0)
		rc = store_gc(&s, o->partials_s, o->dry_run, &gc, e);
	if (rc < 0)
		return rc;
	if (cli->json) {
		json_t *document = json_object();
		json_put_string(document, "command", "store gc");
		json_put_bool(document, "dry_run", o->dry_run);
		json_put_u64(document, "blobs", gc.blobs);
		json_put_u64(document, "partials", gc.partials);
		json_put_u64(document, "temporaries", gc.temporaries);
		json_put_u64(document, "bytes", gc.bytes);
		return cli_print_json(cli, document, e);
	}
	char size[SIZE_TEXT];
	cli_print(cli, "%s %llu files without a model, %llu unfinished downloads, %llu leftovers: %s\n",
		  o->dry_run ? "would remove" : "removed", (unsigned long long)gc.blobs,
		  (unsigned long long)gc.partials, (unsigned long long)gc.temporaries,
		  format_size(size, gc.bytes));
	return 0;
}

/* -- the command ------------------------------------------------------------------------------- */

#define REFERENCE "[REPOSITORY/]MODEL[:VARIANT]"

static const struct command store_list_command = {
	.name = "list",
	.summary = "list what is in the store",
	.run = run_list,
};

static const struct command store_path_command = {
	.name = "path",
	.summary = "print the path of a model, its first shard first; asks nobody",
	.synopsis = (const char *const[]){ REFERENCE, NULL },
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_path,
};

static const struct command store_verify_command = {
	.name = "verify",
	.summary = "hash the files again, and move damaged ones aside",
	.synopsis = (const char *const[]){ "[" REFERENCE "…]", NULL },
	.description = "A verdict for each file. The exit code is 1 when one is damaged or missing; "
		       "fetching the model again brings a new copy of it.",
	.operand_hint = HINT_MODEL,
	.max_operands = -1,
	.run = run_verify,
};

static const struct command store_remove_command = {
	.name = "remove",
	.summary = "remove models from the store",
	.synopsis = (const char *const[]){ REFERENCE "…", NULL },
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_remove,
};

static const struct command store_gc_command = {
	.name = "gc",
	.summary = "remove files that no model uses, and leftovers",
	.opts = gc_opts,
	.opts_size = sizeof(struct gc_opts),
	.defaults = &gc_defaults,
	.run = run_gc,
};

const struct command cmd_store = {
	.name = "store",
	.summary = "look after the local store",
	.synopsis = (const char *const[]){ "COMMAND …", NULL },
	.description = "The store holds verified models. It is at $FERRY_HOME, $XDG_DATA_HOME/ferry "
		       "or ~/.local/share/ferry.",
	.subs = (const struct command *const[]){ &store_list_command, &store_path_command,
						 &store_verify_command, &store_remove_command,
						 &store_gc_command, NULL },
};
