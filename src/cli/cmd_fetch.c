#include "cli/session.h"
#include "fetch/fetch.h"
#include "util/mem.h"

#include <string.h>

extern const struct command cmd_fetch;

struct fetch_opts {
	const char *output;
	uint64_t limit_rate;
	bool offline, verify;
};

static const struct opt fetch_opts[] = {
	OPT_HINTED(OPT_STRING, fetch_opts, output, 'o', "output", "PATH", HINT_FILE,
		   "also place the model here: a file, or a folder for several shards; the path "
		   "that is printed is this one"),
	OPT_ENTRY(OPT_FLAG, fetch_opts, offline, 0, "offline", NULL,
		  "ask nobody: only what the store has"),
	OPT_ENTRY(OPT_SIZE, fetch_opts, limit_rate, 0, "limit-rate", "SIZE",
		  "at most so many bytes a second: 500K, 10M"),
	OPT_ENTRY(OPT_FLAG, fetch_opts, verify, 0, "verify", NULL,
		  "hash again what the store has already, and replace it if it is damaged"),
	OPT_LAST,
};

static json_t *model_json(const struct remote *c, const struct card *model,
			  const struct card_variant *variant, const struct fetch_result *r)
{
	json_t *object = json_object(), *files = json_array();
	json_put_string(object, "repository", c->repository);
	json_put_string(object, "model", model->id);
	json_put_string(object, "variant", variant->id);
	json_put_string(object, "path", r->files[0].path);
	json_put_u64(object, "size", r->size);
	json_put_u64(object, "fetched", r->fetched);
	json_put_u64(object, "resumed", r->resumed);
	for (size_t i = 0; i < r->count; i++) {
		const struct fetch_file *f = &r->files[i];
		json_t *file = json_object();
		json_put_string(file, "name", f->name);
		json_put_string(file, "path", f->path);
		json_put_u64(file, "size", f->size);
		json_put_hex(file, "sha256", &f->sha256, DIGEST_SIZE);
		json_put_u64(file, "fetched", f->fetched);
		json_put_u64(file, "resumed", f->resumed);
		json_push(files, file);
	}
	json_put(object, "files", files);
	return object;
}

static void tell(struct cli *cli, const struct remote *c, const struct card *model,
		 const struct card_variant *variant, const struct fetch_result *r)
{
	char size[SIZE_TEXT], kept[SIZE_TEXT];
	CLEANUP(mem_free_ptr) char *reference =
		session_reference(c->repository, model->id, variant->id);
	if (!r->fetched && !r->resumed)
		report_note(cli->report, "%s is in the store already", reference);
	else if (r->resumed)
		report_note(cli->report, "%s: %s fetched and verified, %s kept of an earlier run",
			    reference, format_size(size, r->fetched),
			    format_size(kept, r->resumed));
	else
		report_note(cli->report, "%s: %s fetched and verified", reference,
			    format_size(size, r->fetched));
}

static int fetch_one(struct cli *cli, const struct fetch_opts *o, struct session *s,
		     const struct reference *r, json_t *models, struct err *e)
{
	CLEANUP(fetch_result_release) struct fetch_result result = { 0 };
	struct fetch_options options = { .output = o->output, .limit_rate = o->limit_rate,
					 .check_blobs = o->verify };
	struct remote *c;
	const struct card *model;
	const struct card_variant *variant;
	int rc = remotes_resolve(&s->remotes, r, &c, &model, &variant, e);
	if (rc == 0 && model->deprecated)
		report_warn(cli->report, "%s is deprecated%s%s%s%s", model->id,
			    model->deprecation_reason ? ": " : "",
			    model->deprecation_reason ? model->deprecation_reason : "",
			    model->replacement ? "; use " : "",
			    model->replacement ? model->replacement : "");
	if (rc == 0)
		rc = fetch_variant(c, model, variant, &options, &result, e);
	if (rc < 0)
		return rc;
	tell(cli, c, model, variant, &result);
	json_push(models, model_json(c, model, variant, &result));
	for (size_t i = 0; i < result.count && !cli->json; i++)
		cli_print(cli, "%s\n", result.files[i].path);
	return 0;
}

static void release_references(struct reference **r)
{
	for (struct reference *at = *r; at && at->model; at++)
		reference_release(at);
	free(*r);
}

/* The repository that all of them name, or NULL. */
static const char *common_repository(const struct reference *r, int count)
{
	for (int i = 1; i < count; i++)
		if (!r[i].repository || !r[0].repository ||
		    strcmp(r[i].repository, r[0].repository) != 0)
			return NULL;
	return r[0].repository;
}

static int print_result(struct cli *cli, const struct session *s, json_t *models, int rc,
			const struct err *e)
{
	json_t *document = json_object();
	struct err ignored = ERR_INIT;
	json_put_string(document, "command", "fetch");
	json_put(document, "models", models);
	json_put(document, "sources", session_sources_json(s));
	json_put(document, "endpoints", session_endpoints_json(s));
	if (rc < 0) {
		json_put(document, "error", cli_error_json(e));
		cli->answered = true;
	}
	return cli_print_json(cli, document, &ignored);
}

static int run(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	const struct fetch_opts *o = opts;
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(release_references) struct reference *references =
		mem_alloc(((size_t)count + 1) * sizeof *references);
	if (o->output && !o->output[0])
		return err_set(e, ERR_USAGE, "--output: an empty name");
	if (o->output && count > 1)
		return err_set(e, ERR_USAGE, "--output takes one model at a time");
	int rc = 0;
	for (int i = 0; i < count && rc == 0; i++)
		rc = reference_parse(operands[i], &references[i], e);
	if (rc == 0)
		rc = session_open(cli, common_repository(references, count), o->offline, &s, e);
	if (rc < 0)
		return rc;
	json_t *models = json_array();
	for (int i = 0; i < count && rc == 0; i++)
		rc = fetch_one(cli, o, &s, &references[i], models, e);
	session_tell_faults(cli, &s);
	if (!cli->json) {
		json_decref(models);
		return rc;
	}
	int printed = print_result(cli, &s, models, rc, e);
	return rc < 0 ? rc : printed;
}

const struct command cmd_fetch = {
	.name = "fetch",
	.summary = "download a model into the store, verified",
	.synopsis = (const char *const[]){ "[REPOSITORY/]MODEL[:VARIANT]…", NULL },
	.description = "Refreshes the signed catalog, downloads what the store does not have yet, "
		       "verifies every piece as it arrives, and prints the path of the model. Run it "
		       "again after any interruption: it continues.",
	.opts = fetch_opts,
	.opts_size = sizeof(struct fetch_opts),
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = -1,
	.run = run,
};
