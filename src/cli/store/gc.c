#include "cli/store/stock.h"
#include "cli/store/store.h"
#include "store/trim.h"
#include "util/mem.h"

struct gc_opts {
	bool dry_run, edge;
	uint64_t partials_s, max_size, unused_s;
};

static const struct gc_opts gc_defaults = {
	.partials_s = UINT64_MAX,
	.max_size = UINT64_MAX,
	.unused_s = UINT64_MAX,
};

static const struct opt gc_opts[] = {
	OPT_ENTRY(OPT_FLAG, gc_opts, dry_run, 'n', "dry-run", NULL,
		  "only show what would be removed"),
	OPT_ENTRY(OPT_SIZE, gc_opts, max_size, 0, "max-size", "SIZE",
		  "also remove models until the store takes at most this on the disk, for example "
		  "200G: first those that were not used for the longest time"),
	OPT_ENTRY(OPT_DURATION, gc_opts, unused_s, 0, "unused", "AGE",
		  "also remove models that were not used for this time, for example 90d"),
	OPT_ENTRY(OPT_DURATION, gc_opts, partials_s, 0, "partials", "AGE",
		  "also remove unfinished downloads that were not changed for this time, for "
		  "example 7d; by default they are kept"),
	OPT_ENTRY(OPT_FLAG, gc_opts, edge, 0, "edge", NULL,
		  "also remove the files that only `ferry serve` uses; it fetches them again when "
		  "they are asked for"),
	OPT_LAST,
};

/* -- models ---------------------------------------------------------------------------------- */

static void put_row(json_t *array, const struct store_trim_row *row)
{
	json_t *object = stock_reference_json(row->variant);
	json_put_time(object, "used", row->used_s);
	if (row->keep == STORE_KEEP_NOT)
		json_put_u64(object, "bytes", row->bytes);
	else
		json_put_string(object, "reason", store_keep_name(row->keep));
	json_push(array, object);
}

static void put_trim(json_t *document, const struct gc_opts *o, const struct store_trim *t)
{
	json_t *removed = json_put_array(document, "models");
	json_t *kept = json_put_array(document, "kept");
	for (size_t i = 0; i < t->count; i++)
		put_row(t->at[i].keep == STORE_KEEP_NOT ? removed : kept, &t->at[i]);
	if (o->max_size == UINT64_MAX)
		return;
	json_put_u64(document, "max_size", o->max_size);
	json_put_u64(document, "size", t->size);
}

static const char *kept_because(enum store_keep why)
{
	static const char *const texts[] = {
		[STORE_KEEP_PINNED] = "it is pinned; `ferry unpin` lets it be removed",
		[STORE_KEEP_LINKED] = "an engine's folder has links to it; `ferry store unlink` "
				      "removes them",
		[STORE_KEEP_WAITING] = "its download is not finished; --partials AGE removes old "
				       "ones",
		[STORE_KEEP_IN_USE] = "a program uses it",
		[STORE_KEEP_USED_LATELY] = "it was used within the last hour, and locks do not "
					   "work on this file system: a program may use it",
		[STORE_KEEP_DAMAGED] = "its record is damaged; `ferry store remove` removes it",
	};
	return texts[why];
}

static void tell_kept(struct cli *cli, const struct store_trim *t)
{
	for (size_t i = 0; !cli->json && i < t->count; i++) {
		const struct store_variant *v = t->at[i].variant;
		if (t->at[i].keep != STORE_KEEP_NOT)
			report_note(cli->report, "kept: %s/%s:%s: %s", v->repository, v->model,
				    v->variant, kept_because(t->at[i].keep));
	}
}

static void tell_trim(struct cli *cli, const json_t *document, const struct store_trim *t)
{
	const struct gc_opts *o = cli->opts;
	const json_t *row;
	size_t i;
	cli_aloud(cli, o->dry_run);
	json_array_foreach (json_object_get(document, "models"), i, row)
		cli_say(cli, row,
			o->dry_run ? "would remove: {repository}/{model}:{variant}, last used "
				     "{used}: {bytes:size}"
				   : "removed: {repository}/{model}:{variant}, last used {used}: "
				     "{bytes:size}");
	cli_aloud(cli, false);
	tell_kept(cli, t);
	if (t->size <= o->max_size)
		return;
	CLEANUP(mem_free_ptr) char *text =
		cli_fill(document, "the store takes {size:size}, more than {max_size:size}: "
				   "nothing else can be removed");
	report_warn(cli->report, "%s", text);
}

static int trim(const struct gc_opts *o, const struct store *s, struct store_gc *gc,
		struct store_trim *out, struct err *e)
{
	struct store_trim_options how = {
		.max_size = o->max_size,
		.unused_s = o->unused_s,
		.freed = o->dry_run ? gc->bytes : 0,
		.dry_run = o->dry_run,
	};
	if (o->max_size == UINT64_MAX && o->unused_s == UINT64_MAX)
		return 0;
	int rc = store_trim(s, &how, out, e);
	gc->bytes += out->bytes;
	return rc;
}

/* -- the rest -------------------------------------------------------------------------------- */

static void put_gc(json_t *document, bool dry_run, const struct store_gc *gc)
{
	json_put_bool(document, "dry_run", dry_run);
	json_put_u64(document, "blobs", gc->blobs);
	json_put_u64(document, "partials", gc->partials);
	json_put_u64(document, "temporaries", gc->temporaries);
	json_put_u64(document, "bytes", gc->bytes);
	json_put_u64(document, "partials_kept", gc->kept);
	json_put_u64(document, "partials_kept_bytes", gc->kept_bytes);
	json_put_u64(document, "edge_kept", gc->edge);
	json_put_u64(document, "edge_kept_bytes", gc->edge_bytes);
}

static void tell_gc(struct cli *cli, const json_t *document, const struct store_gc *gc)
{
	const struct gc_opts *o = cli->opts;
	cli_aloud(cli, o->dry_run && (gc->blobs || gc->partials || gc->temporaries));
	cli_say(cli, document,
		json_array_size(json_object_get(document, "models"))
			? "{dry_run?would remove:removed} {models#model}, {blobs} files without a "
			  "model, {partials} unfinished downloads, {temporaries} leftovers: "
			  "{bytes:size}"
			: "{dry_run?would remove:removed} {blobs} files without a model, "
			  "{partials} unfinished downloads, {temporaries} leftovers: {bytes:size}");
	cli_aloud(cli, false);
	if (gc->kept)
		cli_note(cli, document,
			 "kept: {partials_kept#unfinished download}, {partials_kept_bytes:size}; "
			 "--partials AGE removes old ones, `ferry store partials` lists them");
	if (gc->edge)
		cli_note(cli, document,
			 "kept: {edge_kept#file} that only `ferry serve` uses, "
			 "{edge_kept_bytes:size}; --edge removes them");
}

static int run_gc(struct cli *cli, struct err *e)
{
	const struct gc_opts *o = cli->opts;
	CLEANUP(store_close) struct store s = { 0 };
	CLEANUP(store_trim_release) struct store_trim trimmed = { 0 };
	struct store_gc gc;
	int rc = session_store(cli, &s, e);
	s.by_size = true;
	s.edge_too = o->edge;
	if (rc == 0)
		rc = store_gc(&s, o->partials_s, o->dry_run, &gc, e);
	if (rc == 0)
		rc = trim(o, &s, &gc, &trimmed, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	put_gc(document, o->dry_run, &gc);
	put_trim(document, o, &trimmed);
	tell_trim(cli, document, &trimmed);
	tell_gc(cli, document, &gc);
	return cli_result(cli, document, e);
}

const struct command cmd_store_gc = {
	.name = "gc",
	.summary = "remove files that no model uses, and models that are not used",
	.description = "Without an option: files that no model uses, and temporary files. With "
		       "--max-size and --unused also models; never one that a program uses, that "
		       "is pinned, that an engine's folder has links to, or whose download is not "
		       "finished. What stays for such a reason is named.",
	.opts = gc_opts,
	.opts_size = sizeof(struct gc_opts),
	.defaults = &gc_defaults,
	.run = run_gc,
};
