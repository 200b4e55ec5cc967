#include "cli/store/stock.h"
#include "cli/store/store.h"
#include "store/disk.h"
#include "util/mem.h"

#include <string.h>

enum level { BY_VARIANT, BY_MODEL, BY_REPOSITORY };

struct du_opts {
	int by;
};

static const struct opt du_opts[] = {
	OPT_ENUM(du_opts, by, 0, "by", "WHAT", "variant model repository",
		 "a line for each variant (the default), model or repository"),
	OPT_LAST,
};

struct du {
	struct cli *cli;
	struct stock stock;
	struct store_disk disk;
	bool *in; /* of each variant: it belongs to the row */
};

static void du_release(struct du *x)
{
	free(x->in);
	store_disk_release(&x->disk);
	stock_release(&x->stock);
}

/* -- rows ------------------------------------------------------------------------------------ */

static bool same(const struct store_variant *a, const struct store_variant *b, enum level by)
{
	return strcmp(a->repository, b->repository) == 0 &&
	       (by == BY_REPOSITORY || strcmp(a->model, b->model) == 0) &&
	       (by != BY_VARIANT || strcmp(a->variant, b->variant) == 0);
}

static void put_sum(json_t *object, struct store_disk_sum sum)
{
	json_put_u64(object, "bytes", sum.bytes);
	json_put_u64(object, "own", sum.own);
}

static json_t *row_json(const struct store_variant *v, enum level by)
{
	json_t *row = json_object();
	json_put_string(row, "repository", v->repository);
	if (by != BY_REPOSITORY)
		json_put_string(row, "model", v->model);
	if (by == BY_VARIANT) {
		json_put_string(row, "variant", v->variant);
		json_put_bool(row, "complete", v->complete);
	}
	return row;
}

/* The variants are sorted, so those of a row follow each other. */
static void put_rows(struct du *x, enum level by, json_t *rows)
{
	const struct store_variants *all = &x->stock.all;
	for (size_t i = 0, end; i < all->count; i = end) {
		memset(x->in, 0, all->count);
		for (end = i; end < all->count && same(&all->at[i], &all->at[end], by); end++)
			x->in[end] = true;
		json_t *row = row_json(&all->at[i], by);
		put_sum(row, store_disk_sum(&x->disk, all, x->in));
		json_push(rows, row);
	}
}

static void put_versions(struct du *x, json_t *document)
{
	const struct store_variants *all = &x->stock.all;
	size_t count = 0;
	for (size_t i = 0; i < all->count; i++)
		count += x->in[i] = store_variant_is_numbered(&all->at[i]);
	json_t *versions = json_object();
	json_put_u64(versions, "count", count);
	put_sum(versions, store_disk_sum(&x->disk, all, x->in));
	json_put(document, "versions", versions);
}

static void put_parts(const struct du *x, json_t *document)
{
	static const char *const names[STORE_DISK_PARTS] = {
		[STORE_DISK_MODELS] = "models",   [STORE_DISK_UNFINISHED] = "unfinished",
		[STORE_DISK_DAMAGED] = "damaged", [STORE_DISK_UNUSED] = "unused",
		[STORE_DISK_TRUST] = "trust",     [STORE_DISK_LINKS] = "links",
		[STORE_DISK_EDGE] = "edge",       [STORE_DISK_OTHER] = "other",
	};
	json_t *parts = json_object();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_put_u64(parts, names[i], x->disk.parts[i]);
	json_put(document, "parts", parts);
	json_put_u64(document, "total", x->disk.total);
}

/* -- the table ------------------------------------------------------------------------------- */

static char *name_cell(const json_t *row)
{
	return cli_fill(row, json_object_get(row, "what")      ? "{what}"
			     : json_object_get(row, "variant") ? "{repository}/{model}:{variant}"
			     : json_object_get(row, "model")   ? "{repository}/{model}"
							       : "{repository}");
}

static char *own_cell(const json_t *row)
{
	return json_object_get(row, "own") ? cli_fill(row, "{own:size}") : mem_strdup("");
}

static void add_part(json_t *rows, const json_t *document, const char *name, const char *what)
{
	json_t *parts = json_object_get(document, "parts"), *row = json_object();
	json_t *bytes = json_object_get(*name ? parts : document, *name ? name : "total");
	json_put_string(row, "what", what);
	json_put(row, "bytes", json_incref(bytes));
	if (json_integer_value(bytes) > 0)
		json_push(rows, row);
	else
		json_decref(row);
}

static void show(struct cli *cli, const json_t *document)
{
	static const struct cli_column columns[] = {
		{ "WHAT", NULL, name_cell },
		{ ">ON DISK", "{bytes:size}", NULL },
		{ ">NOT SHARED", NULL, own_cell },
	};
	CLEANUP(json_release) json_t *rows = json_copy(json_object_get(document, "rows"));
	add_part(rows, document, "unfinished", "(unfinished downloads)");
	add_part(rows, document, "damaged", "(damaged files, set aside)");
	add_part(rows, document, "unused", "(files that no model uses)");
	add_part(rows, document, "edge", "(the edge: what only `ferry serve` uses)");
	add_part(rows, document, "trust", "(metadata and catalogs)");
	add_part(rows, document, "links", "(records of links)");
	add_part(rows, document, "other", "(folders and other files)");
	add_part(rows, document, "", "total");
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}

static void tell(struct cli *cli, const json_t *document)
{
	const json_t *versions = json_object_get(document, "versions");
	const json_t *parts = json_object_get(document, "parts");
	if (json_integer_value(json_object_get(versions, "count")))
		cli_note(cli, versions,
			 "{count#version} of models besides the current ones: {own:size}; "
			 "`ferry store remove MODEL:VARIANT@VERSION` removes one");
	if (json_integer_value(json_object_get(parts, "unused")) ||
	    json_integer_value(json_object_get(parts, "damaged")))
		cli_note(cli, parts,
			 "`ferry store gc` removes the files that no model uses and the damaged "
			 "ones");
}

/* -- the command ----------------------------------------------------------------------------- */

static int run_du(struct cli *cli, struct err *e)
{
	const struct du_opts *o = cli->opts;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(du_release) struct du x = { .cli = cli };
	int rc = stock_open(cli, &x.stock, true, e);
	if (rc == 0)
		rc = store_disk_measure(&x.stock.store, &x.stock.all, &x.disk, e);
	if (rc < 0)
		return rc;
	x.in = mem_alloc(x.stock.all.count + 1);
	json_put_string(document, "store", x.stock.store.home);
	put_rows(&x, o->by, json_put_array(document, "rows"));
	put_versions(&x, document);
	put_parts(&x, document);
	show(cli, document);
	tell(cli, document);
	return cli_result(cli, document, e);
}

const struct command cmd_store_du = {
	.name = "du",
	.asked = true,
	.summary = "show what the store takes on the disk",
	.description = "For each variant (or model, or repository): the space of its files, and "
		       "how much of it nothing else uses, which removing it would free. The "
		       "total is what the file system counts for the folder of the store.",
	.opts = du_opts,
	.opts_size = sizeof(struct du_opts),
	.run = run_du,
};
