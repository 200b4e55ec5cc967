#include "cli/retrieve.h"
#include "util/mem.h"

#include <string.h>

extern const struct command cmd_fetch;

struct fetch_opts {
	struct fetch_options fetch;
	bool offline;
};

static const struct opt fetch_opts[] = {
	OPT_HINTED(OPT_STRING, fetch_opts, fetch.output, 'o', "output", "PATH", HINT_FILE,
		   "also place the model here and print this path: a file, or a folder for several "
		   "shards"),
	OPT_ENTRY(OPT_FLAG, fetch_opts, offline, 0, "offline", NULL,
		  "do not use the network: use only the store"),
	OPT_ENTRY(OPT_SIZE, fetch_opts, fetch.limit_rate, 0, "limit-rate", "SIZE",
		  "maximum bytes per second: 500K, 10M"),
	OPT_ENTRY(OPT_FLAG, fetch_opts, fetch.check_blobs, 0, "verify", NULL,
		  "hash files in the store again, and replace damaged ones"),
	OPT_LAST,
};

static void put_model(json_t *object, const struct retrieved *m)
{
	const struct fetch_result *r = &m->files;
	json_put_string(object, "repository", m->repository);
	json_put_string(object, "model", m->model);
	json_put_string(object, "variant", m->variant);
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

#define REFERENCE "{repository}/{model}:{variant}"

static void tell(struct cli *cli, const json_t *model, const struct fetch_result *r)
{
	const char *what = !r->fetched && !r->resumed ? REFERENCE " is already in the store"
			   : r->resumed ? REFERENCE ": {fetched:size} fetched and verified, "
						    "{resumed:size} kept from an earlier run"
					: REFERENCE ": {fetched:size} fetched and verified";
	CLEANUP(mem_free_ptr) char *text = cli_fill(model, what);
	report_note(cli->report, "%s", text);
	for (size_t i = 0; i < r->count; i++)
		cli_path(cli, r->files[i].path);
}

static int fetch_one(struct cli *cli, const struct fetch_opts *o, struct retrieval *r,
		     const struct reference *reference, json_t *models, struct err *e)
{
	CLEANUP(retrieve_release) struct retrieved m = { 0 };
	int rc = retrieve_model(r, reference, &o->fetch, &m, e);
	if (rc < 0)
		return rc;
	json_t *object = json_push_object(models);
	put_model(object, &m);
	tell(cli, object, &m.files);
	return 0;
}

static void release_references(struct reference **r)
{
	for (struct reference *at = *r; at && at->model; at++)
		reference_release(at);
	free(*r);
}

static int run(struct cli *cli, struct err *e)
{
	const struct fetch_opts *o = cli->opts;
	CLEANUP(retrieve_close) struct retrieval r = { 0 };
	CLEANUP(release_references) struct reference *references =
		mem_alloc(((size_t)cli->count + 1) * sizeof *references);
	if (o->fetch.output && !o->fetch.output[0])
		return err_set(e, ERR_USAGE, "--output: the name is empty");
	if (o->fetch.output && cli->count > 1)
		return err_set(e, ERR_USAGE, "--output takes one model at a time");
	int rc = 0;
	for (int i = 0; i < cli->count && rc == 0; i++)
		rc = reference_parse(cli->operands[i], &references[i], e);
	if (rc == 0)
		rc = retrieve_open(cli, references, (size_t)cli->count, o->offline, &r, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_t *models = json_put_array(document, "models");
	for (int i = 0; i < cli->count && rc == 0; i++)
		rc = fetch_one(cli, o, &r, &references[i], models, e);
	session_tell_faults(cli, &r.session);
	json_put(document, "sources", session_sources_json(&r.session));
	json_put(document, "endpoints", session_endpoints_json(&r.session));
	return cli_result(cli, document, e);
}

const struct command cmd_fetch = {
	.name = "fetch",
	.summary = "download a model into the store, verified",
	.synopsis = (const char *const[]){ "[REPOSITORY/]MODEL[:VARIANT]…", NULL },
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
};
