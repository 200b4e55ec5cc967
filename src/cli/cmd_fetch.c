#include "cli/session.h"
#include "fetch/fetch.h"
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

static void put_model(json_t *object, const struct remote *c, const struct card *model,
		      const struct card_variant *variant, const struct fetch_result *r)
{
	json_put_string(object, "repository", c->repository);
	json_put_string(object, "model", model->id);
	json_put_string(object, "variant", variant->id);
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

static void warn_of_deprecation(struct cli *cli, const struct card *m)
{
	if (m->deprecated)
		report_warn(cli->report, "%s is deprecated%s%s%s%s", m->id,
			    m->deprecation_reason ? ": " : "",
			    m->deprecation_reason ? m->deprecation_reason : "",
			    m->replacement ? "; use " : "", m->replacement ? m->replacement : "");
}

static int fetch_one(struct cli *cli, const struct fetch_opts *o, struct session *s,
		     const struct reference *r, json_t *models, struct err *e)
{
	CLEANUP(fetch_result_release) struct fetch_result result = { 0 };
	struct remote *c;
	const struct card *model;
	const struct card_variant *variant;
	int rc = remotes_resolve(&s->remotes, r, &c, &model, &variant, e);
	if (rc == 0)
		warn_of_deprecation(cli, model);
	if (rc == 0)
		rc = fetch_variant(c, model, variant, &o->fetch, &result, e);
	if (rc < 0)
		return rc;
	json_t *object = json_push_object(models);
	put_model(object, c, model, variant, &result);
	tell(cli, object, &result);
	return 0;
}

static void release_references(struct reference **r)
{
	for (struct reference *at = *r; at && at->model; at++)
		reference_release(at);
	free(*r);
}

/* The repository that all references name, or NULL. */
static const char *common_repository(const struct reference *r, int count)
{
	for (int i = 1; i < count; i++)
		if (!r[i].repository || !r[0].repository ||
		    strcmp(r[i].repository, r[0].repository) != 0)
			return NULL;
	return r[0].repository;
}

static int run(struct cli *cli, struct err *e)
{
	const struct fetch_opts *o = cli->opts;
	CLEANUP(session_release) struct session s = { 0 };
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
		rc = session_open(cli, common_repository(references, cli->count), o->offline, &s,
				  e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_t *models = json_put_array(document, "models");
	for (int i = 0; i < cli->count && rc == 0; i++)
		rc = fetch_one(cli, o, &s, &references[i], models, e);
	session_tell_faults(cli, &s);
	json_put(document, "sources", session_sources_json(&s));
	json_put(document, "endpoints", session_endpoints_json(&s));
	return cli_result(cli, document, e);
}

const struct command cmd_fetch = {
	.name = "fetch",
	.summary = "download a model into the store, verified",
	.synopsis = (const char *const[]){ "[REPOSITORY/]MODEL[:VARIANT]…", NULL },
	.description = "Refreshes the signed catalog, downloads what the store does not have yet, "
		       "verifies every piece as it arrives, and prints the path of the model. Run "
		       "it again after any interruption: it continues.",
	.opts = fetch_opts,
	.opts_size = sizeof(struct fetch_opts),
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = -1,
	.run = run,
};
