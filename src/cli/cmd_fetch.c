#include "cli/earlier.h"
#include "cli/foresight.h"
#include "cli/session.h"
#include "cli/several.h"
#include "cli/values.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stddef.h>
#include <string.h>

extern const struct command cmd_fetch;

struct fetch_opts {
	struct fetch_options fetch;
	struct fitting_opts fitting;
	struct network_opts network;
	bool offline, dry_run, yes;
	const char *from;
};

static const struct opt fetch_opts[] = {
	OPT_HINTED(OPT_STRING, fetch_opts, fetch.output, 'o', "output", "PATH", HINT_FILE,
		   "also place the model here and print this path: a file, or a folder for several "
		   "files; missing folders are made"),
	OPT_ENTRY(OPT_FLAG, fetch_opts, offline, 0, "offline", NULL,
		  "do not use the network: use only the store"),
	OPT_HINTED(OPT_STRING, fetch_opts, from, 0, "from", "FILE|URL", HINT_FILE,
		   "read only from this bundle (`ferry push --bundle`), folder or URL: the mirrors "
		   "of the configuration and of the catalog are not asked"),
	OPT_ENTRY(OPT_SIZE, fetch_opts, fetch.limit_rate, 0, "limit-rate", "SIZE",
		  "maximum bytes per second: 500K, 10M"),
	NETWORK_OPTS(fetch_opts, network),
	OPT_ENTRY(OPT_FLAG, fetch_opts, fetch.check_blobs, 0, "verify", NULL,
		  "hash files in the store again, and replace damaged ones"),
	OPT_ENTRY(OPT_FLAG, fetch_opts, fetch.withdrawn, 0, "withdrawn", NULL,
		  "also a version that the publisher has withdrawn"),
	FITTING_OPTS(fetch_opts, fitting),
	OPT_ENTRY(OPT_FLAG, fetch_opts, yes, 'y', "yes", NULL,
		  "download without asking, also if it replaces a model in the store"),
	OPT_ENTRY(OPT_FLAG, fetch_opts, dry_run, 'n', "dry-run", NULL,
		  "only show what would be downloaded, and from which mirrors"),
	OPT_LAST,
};

static void put_model(json_t *object, const struct retrieved *m)
{
	const struct fetch_result *r = &m->files;
	retrieve_put(object, m);
	json_put_string(object, "path", r->files[0].path);
	json_put_u64(object, "size", r->size);
	json_put_u64(object, "fetched", r->fetched);
	json_put_u64(object, "resumed", r->resumed);
	json_put_u64(object, "reused", r->reused);
	json_put_u64(object, "hashed_twice", r->hashed_twice);
	earlier_put(object, r);
	json_t *files = json_put_array(object, "files");
	for (size_t i = 0; i < r->count; i++) {
		const struct fetch_file *f = &r->files[i];
		json_t *file = json_push_object(files);
		json_put_string(file, "name", f->name);
		json_put_string(file, "role", f->role);
		json_put_string(file, "path", f->path);
		json_put_u64(file, "size", f->size);
		json_put_hex(file, "sha256", &f->sha256, DIGEST_SIZE);
		json_put_u64(file, "fetched", f->fetched);
		json_put_u64(file, "resumed", f->resumed);
		json_put_u64(file, "reused", f->reused);
		json_put_u64(file, "hashed_twice", f->hashed_twice);
	}
}

/* With the version, if that was asked for. */
static char *name_of(const json_t *model, const struct reference *asked)
{
	bool add = asked->version && !strchr(json_text(model, "variant"), '@');
	return cli_fill(model, add ? "{repository}/{model}:{variant}@{version}"
				   : "{repository}/{model}:{variant}");
}

/* What became of an operand. */
struct outcome {
	struct retrieved model;
	json_t *document; /* once it is there; owned */
};

struct fetching {
	struct cli *cli;
	const struct fetch_opts *opts;
	const char *from; /* URL of --from, or NULL */
	struct retrieval retrieval;
	struct several all;
	struct reference *references; /* of each operand; one that is wrong: empty */
	struct outcome *outcomes;     /* of each operand */
	int printed;                  /* the paths of so many operands, in their order */
};

static void fetching_release(struct fetching *f)
{
	for (int i = 0; i < f->cli->count; i++) {
		reference_release(&f->references[i]);
		retrieve_release(&f->outcomes[i].model);
		json_decref(f->outcomes[i].document);
	}
	free(f->references);
	free(f->outcomes);
	retrieve_close(&f->retrieval);
	several_release(&f->all);
}

/* What was copied or kept is said if there was any. */
static void add_origins(struct buf *out, const json_t *model, const struct fetch_result *r)
{
	CLEANUP(mem_free_ptr) char *text =
		cli_fill(model, r->reused && r->resumed
					? ", {reused:size} copied from other files of the store, "
					  "{resumed:size} kept from an earlier run"
				: r->reused ? ", {reused:size} copied from other files of the store"
				: r->resumed ? ", {resumed:size} kept from an earlier run"
					     : "");
	buf_adds(out, text);
}

static void tell_hashed_twice(struct cli *cli, const char *name, const struct fetch_result *r)
{
	char size[SIZE_TEXT];
	if (r->hashed_twice)
		report_detail(cli->report, "%s: %s read again for the digest of the whole file",
			      name, format_size(size, r->hashed_twice));
}

static void tell(struct cli *cli, const json_t *model, const struct reference *asked,
		 const struct fetch_result *r)
{
	bool worked = r->fetched || r->resumed || r->reused;
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	CLEANUP(mem_free_ptr) char *name = name_of(model, asked);
	CLEANUP(mem_free_ptr) char *what =
		cli_fill(model, r->delivered ? " is already there"
				: !worked    ? " is already in the store"
					     : ": {fetched:size} fetched and verified");
	buf_adds(&text, what);
	if (!r->delivered)
		add_origins(&text, model, r);
	report_note(cli->report, "%s%s", name, buf_str(&text));
	earlier_tell(cli, model, r);
	tell_hashed_twice(cli, name, r);
}

/* In the order of the operands, as far as it is known. */
static void print_paths(struct fetching *f)
{
	for (; f->printed < f->cli->count; f->printed++) {
		const struct outcome *o = &f->outcomes[f->printed];
		const struct fetch_result *r = &o->model.files;
		if (!o->document && !f->all.bad[f->printed])
			return;
		for (size_t k = 0; o->document && !f->opts->dry_run && k < r->count; k++)
			cli_path(f->cli, r->files[k].path);
	}
}

/* One model is there; the others may still be on their way. */
static void take_model(void *ctx, struct retrieved *m)
{
	struct fetching *f = ctx;
	struct outcome *o = (struct outcome *)((char *)m - offsetof(struct outcome, model));
	o->document = json_object();
	if (f->opts->dry_run) {
		foresight_put(o->document, &f->retrieval, m);
		foresight_tell(f->cli, o->document);
		return;
	}
	put_model(o->document, m);
	tell(f->cli, o->document, m->reference, &m->files);
	earlier_tell_links(f->cli, &f->retrieval.client.store, o->document, &m->files);
	print_paths(f);
}

static int parse_one(void *ctx, int i, struct err *e)
{
	struct fetching *f = ctx;
	return reference_parse(f->cli->operands[i], &f->references[i], e);
}

static int find_one(void *ctx, int i, struct err *e)
{
	struct fetching *f = ctx;
	return retrieve_find(&f->retrieval, &f->references[i], &f->opts->fetch,
			     &f->outcomes[i].model, e);
}

static int settle_one(void *ctx, int i, struct err *e)
{
	struct fetching *f = ctx;
	struct outcome *o = &f->outcomes[i];
	int rc = retrieve_settle(&f->retrieval, &o->model, e);
	if (rc == 0 && !o->document)
		take_model(f, &o->model);
	return rc;
}

/* For the references that could be parsed, of which there is one at least. */
static int open_for(struct fetching *f, struct err *e)
{
	size_t good = 0, count = (size_t)f->cli->count;
	CLEANUP(mem_free_ptr) struct reference *r = mem_alloc(count * sizeof *r);
	for (size_t i = 0; i < count; i++)
		if (!f->all.bad[i])
			r[good++] = f->references[i];
	int rc = session_retrieve(f->cli, r, good, f->opts->offline, f->from, &f->retrieval, e);
	f->retrieval.fitting = f->opts->fitting;
	f->retrieval.yes = f->opts->yes;
	f->retrieval.dry_run = f->opts->dry_run;
	if (rc == 0)
		retrieve_prefetch(&f->retrieval, r, good);
	return rc;
}

/* All that were found, in one run. */
static int fetch_found(struct fetching *f, struct err *e)
{
	size_t n = 0, count = (size_t)f->cli->count;
	CLEANUP(mem_free_ptr) struct retrieved **at = mem_alloc((count + 1) * sizeof *at);
	for (size_t i = 0; i < count; i++)
		if (!f->all.bad[i])
			at[n++] = &f->outcomes[i].model;
	return retrieve_fetch(at, n, take_model, f, e);
}

static int fetch_all(struct fetching *f, json_t *document, struct err *e)
{
	int rc = several_each(&f->all, find_one, f, e);
	if (rc == 0)
		rc = fetch_found(f, e);
	if (rc == 0)
		rc = several_each(&f->all, settle_one, f, e);
	print_paths(f);
	json_t *models = json_put_array(document, "models");
	for (int i = 0; i < f->cli->count; i++)
		if (f->outcomes[i].document)
			json_push(models, json_incref(f->outcomes[i].document));
	session_tell_sources(f->cli, &f->retrieval.client);
	session_tell_faults(f->cli, &f->retrieval.client);
	if (f->opts->dry_run)
		foresight_sum(document);
	else
		json_put(document, "sources", session_sources_json(&f->retrieval.client));
	json_put(document, "endpoints", session_endpoints_json(&f->retrieval.client));
	if (rc == 0)
		several_end(&f->all, document, e);
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
	if (from_url(o, &from, e) < 0 || network_check(&o->network, from, e) < 0)
		return -(int)e->class;
	cli->network = &o->network;
	if (check_output(o->fetch.output, cli->count, e) < 0)
		return -(int)e->class;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(fetching_release) struct fetching f = { .cli = cli, .opts = o, .from = from };
	several_init(&f.all, cli);
	f.references = mem_alloc((size_t)cli->count * sizeof *f.references);
	f.outcomes = mem_alloc((size_t)cli->count * sizeof *f.outcomes);
	int rc = several_each(&f.all, parse_one, &f, e);
	if (rc == 0 && f.all.failed == (size_t)cli->count) {
		json_put_array(document, "models");
		several_end(&f.all, document, e);
	} else if (rc == 0) {
		rc = open_for(&f, e);
	}
	return rc < 0 || e->class ? -(int)e->class : fetch_all(&f, document, e);
}

const struct command cmd_fetch = {
	.name = "fetch",
	.asked = true,
	.summary = "download a model into the store, verified",
	.synopsis = (const char *const[]){ "[REPOSITORY/]MODEL[:VARIANT][@VERSION]…", NULL },
	.description = "Refreshes the signed catalog, downloads what the store does not have yet, "
		       "verifies every piece as it arrives, and prints the path of the model. Run "
		       "it again after any interruption: it continues. If the catalog cannot be "
		       "refreshed, or no mirror has the model, a verified model in the store is "
		       "used, with a "
		       "warning.",
	.opts = fetch_opts,
	.opts_size = sizeof(struct fetch_opts),
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = -1,
	.run = run,
	.values = values_client,
};
