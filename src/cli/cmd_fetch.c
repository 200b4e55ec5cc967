#include "cli/retrieve.h"
#include "cli/several.h"
#include "cli/values.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

extern const struct command cmd_fetch;

struct fetch_opts {
	struct fetch_options fetch;
	bool offline;
	const char *from;
};

static const struct opt fetch_opts[] = {
	OPT_HINTED(OPT_STRING, fetch_opts, fetch.output, 'o', "output", "PATH", HINT_FILE,
		   "also place the model here and print this path: a file, or a folder for several "
		   "shards; missing folders are made"),
	OPT_ENTRY(OPT_FLAG, fetch_opts, offline, 0, "offline", NULL,
		  "do not use the network: use only the store"),
	OPT_HINTED(OPT_STRING, fetch_opts, from, 0, "from", "FILE|URL", HINT_FILE,
		   "read only from this bundle (`ferry push --bundle`), folder or URL: the mirrors "
		   "of the configuration and of the catalog are not asked"),
	OPT_ENTRY(OPT_SIZE, fetch_opts, fetch.limit_rate, 0, "limit-rate", "SIZE",
		  "maximum bytes per second: 500K, 10M"),
	OPT_ENTRY(OPT_FLAG, fetch_opts, fetch.check_blobs, 0, "verify", NULL,
		  "hash files in the store again, and replace damaged ones"),
	OPT_ENTRY(OPT_FLAG, fetch_opts, fetch.withdrawn, 0, "withdrawn", NULL,
		  "also a version that the publisher has withdrawn"),
	OPT_LAST,
};

static void put_model(json_t *object, const struct retrieved *m)
{
	const struct fetch_result *r = &m->files;
	json_put_string(object, "repository", m->repository);
	json_put_string(object, "model", m->model);
	json_put_string(object, "variant", m->variant);
	json_put_u64(object, "version", m->version);
	json_put_string(object, "kind", m->kind);
	json_put_string(object, "fallback", m->fallback);
	json_put_string(object, "path", r->files[0].path);
	json_put_u64(object, "size", r->size);
	json_put_u64(object, "fetched", r->fetched);
	json_put_u64(object, "resumed", r->resumed);
	json_t *files = json_put_array(object, "files");
	for (size_t i = 0; i < r->count; i++) {
		const struct fetch_file *f = &r->files[i];
		json_t *file = json_push_object(files);
		json_put_string(file, "name", f->name);
		json_put_string(file, "path", f->path);
		json_put_u64(file, "size", f->size);
		json_put_hex(file, "sha256", &f->sha256, DIGEST_SIZE);
		json_put_u64(file, "fetched", f->fetched);
		json_put_u64(file, "resumed", f->resumed);
	}
}

/* With the version, if that was asked for. */
static char *name_of(const json_t *model, const struct reference *asked)
{
	bool add = asked->version && !strchr(json_text(model, "variant"), '@');
	return cli_fill(model, add ? "{repository}/{model}:{variant}@{version}"
				   : "{repository}/{model}:{variant}");
}

static void tell(struct cli *cli, const json_t *model, const struct reference *asked,
		 const struct fetch_result *r)
{
	const char *what = r->delivered                 ? " is already there"
			   : !r->fetched && !r->resumed ? " is already in the store"
			   : r->resumed ? ": {fetched:size} fetched and verified, {resumed:size} "
					  "kept from an earlier run"
					: ": {fetched:size} fetched and verified";
	CLEANUP(mem_free_ptr) char *name = name_of(model, asked);
	CLEANUP(mem_free_ptr) char *text = cli_fill(model, what);
	report_note(cli->report, "%s%s", name, text);
	for (size_t i = 0; i < r->count; i++)
		cli_path(cli, r->files[i].path);
}

struct fetching {
	struct cli *cli;
	const struct fetch_opts *opts;
	const char *from; /* URL of --from, or NULL */
	struct retrieval retrieval;
	struct reference *references; /* of each operand; one that is wrong: empty */
	json_t *models;               /* borrowed */
};

static void fetching_release(struct fetching *f)
{
	for (int i = 0; f->references && i < f->cli->count; i++)
		reference_release(&f->references[i]);
	free(f->references);
	retrieve_close(&f->retrieval);
}

static int parse_one(void *ctx, int i, struct err *e)
{
	struct fetching *f = ctx;
	return reference_parse(f->cli->operands[i], &f->references[i], e);
}

static int fetch_one(void *ctx, int i, struct err *e)
{
	struct fetching *f = ctx;
	CLEANUP(retrieve_release) struct retrieved m = { 0 };
	int rc = retrieve_model(&f->retrieval, &f->references[i], &f->opts->fetch, &m, e);
	if (rc < 0)
		return rc;
	json_t *object = json_push_object(f->models);
	put_model(object, &m);
	tell(f->cli, object, &f->references[i], &m.files);
	return 0;
}

/* For the references that could be parsed, of which there is one at least. */
static int open_for(struct fetching *f, const struct several *all, struct err *e)
{
	size_t good = 0, count = (size_t)f->cli->count;
	CLEANUP(mem_free_ptr) struct reference *r = mem_alloc(count * sizeof *r);
	for (size_t i = 0; i < count; i++)
		if (!all->bad[i])
			r[good++] = f->references[i];
	return retrieve_open(f->cli, r, good, f->opts->offline, f->from, &f->retrieval, e);
}

static int fetch_all(struct fetching *f, struct several *all, json_t *document, struct err *e)
{
	int rc = several_each(all, fetch_one, f, e);
	session_tell_faults(f->cli, &f->retrieval.session);
	json_put(document, "sources", session_sources_json(&f->retrieval.session));
	json_put(document, "endpoints", session_endpoints_json(&f->retrieval.session));
	if (rc == 0)
		several_end(all, document, e);
	return cli_result(f->cli, document, e);
}

static int check_output(const char *output, int models, struct err *e)
{
	if (!output)
		return 0;
	if (!output[0])
		return err_set(e, ERR_USAGE, "--output: the name is empty");
	if (models > 1)
		return err_set(e, ERR_USAGE, "--output takes one model at a time");
	if (strcmp(output, "-") != 0)
		return 0;
	err_set(e, ERR_USAGE, "--output -: a model is not written to standard output");
	return err_hint(e, "use the path that is printed: cat \"$(ferry fetch MODEL)\"; a file of "
			   "this name is ./-");
}

/* The URL of --from, which may be a file or folder; NULL without it. Caller frees. */
static int from_url(const struct fetch_opts *o, char **out, struct err *e)
{
	if (o->from && o->offline)
		return err_set(e, ERR_USAGE, "--from and --offline exclude each other");
	if (!o->from || strstr(o->from, "://")) {
		*out = o->from ? mem_strdup(o->from) : NULL;
		return 0;
	}
	CLEANUP(mem_free_ptr) char *path = path_absolute(o->from);
	if (!*o->from || !file_exists(path))
		return err_set(e, ERR_NOT_FOUND, "--from %s: there is no such file or folder",
			       o->from);
	*out = path_file_url(path);
	return 0;
}

static int run(struct cli *cli, struct err *e)
{
	const struct fetch_opts *o = cli->opts;
	CLEANUP(mem_free_ptr) char *from = NULL;
	if (from_url(o, &from, e) < 0)
		return -(int)e->class;
	if (check_output(o->fetch.output, cli->count, e) < 0)
		return -(int)e->class;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(fetching_release) struct fetching f = { .cli = cli, .opts = o, .from = from };
	CLEANUP(several_release) struct several all;
	several_init(&all, cli);
	f.references = mem_alloc((size_t)cli->count * sizeof *f.references);
	f.models = json_put_array(document, "models");
	int rc = several_each(&all, parse_one, &f, e);
	if (rc == 0 && all.failed == (size_t)cli->count)
		several_end(&all, document, e);
	else if (rc == 0)
		rc = open_for(&f, &all, e);
	return rc < 0 || e->class ? -(int)e->class : fetch_all(&f, &all, document, e);
}

const struct command cmd_fetch = {
	.name = "fetch",
	.asked = true,
	.summary = "download a model into the store, verified",
	.synopsis = (const char *const[]){ "[REPOSITORY/]MODEL[:VARIANT][@VERSION]…", NULL },
	.description = "Refreshes the signed catalog, downloads what the store does not have yet, "
		       "verifies every piece as it arrives, and prints the path of the model. Run "
		       "it again after any interruption: it continues. If the catalog cannot be "
		       "refreshed, "
		       "or no mirror has the model, a verified model in the store is used, with a "
		       "warning.",
	.opts = fetch_opts,
	.opts_size = sizeof(struct fetch_opts),
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = -1,
	.run = run,
	.values = values_client,
};
