#include "cli/session.h"
#include "cli/several.h"
#include "cli/store/store.h"
#include "cli/values.h"
#include "fetch/fetch.h"
#include "store/needs.h"
#include "store/partials.h"
#include "util/mem.h"

#include <string.h>

#define DIGITS_MIN 8

struct partials {
	struct cli *cli;
	struct store store;
	struct store_partials all;
	struct store_needs needs;
	bool *chosen; /* all.count */
	json_t *rows;
	uint64_t bytes;
	bool remove;
};

static void partials_release(struct partials *x)
{
	free(x->chosen);
	store_needs_release(&x->needs);
	store_partials_release(&x->all);
	store_close(&x->store);
}

static int open_partials(struct partials *x, struct err *e)
{
	int rc = session_store(x->cli, &x->store, e);
	if (rc == 0)
		rc = store_partials_list(&x->store, NULL, &x->all, e);
	if (rc == 0)
		rc = store_needs_list(&x->store, &x->needs, e);
	x->chosen = mem_alloc(x->all.count + 1);
	return rc;
}

/* -- finding --------------------------------------------------------------------------------- */

static bool is_meant(const struct store_need *need, const struct reference *r)
{
	struct store_file file = { .name = need->file, .sha256 = need->sha256 };
	struct store_variant v = {
		.repository = need->repository,
		.model = need->model,
		.variant = need->variant,
		.version = need->version,
		.files = &file,
		.file_count = 1,
	};
	return strcmp(v.model, r->model) == 0 &&
	       (!r->repository || strcmp(v.repository, r->repository) == 0) &&
	       ((!r->variant && !r->version) || store_variant_is(&v, r->variant, r->version));
}

static bool is_needed_by(const struct partials *x, const struct digest *d,
			 const struct reference *r)
{
	for (size_t i = 0; i < x->needs.count; i++)
		if (digest_equal(&x->needs.at[i].sha256, d) && is_meant(&x->needs.at[i], r))
			return true;
	return false;
}

static size_t choose(struct partials *x, bool (*is)(const struct partials *, size_t, const void *),
		     const void *what)
{
	size_t count = 0;
	for (size_t i = 0; i < x->all.count; i++) {
		if (!x->all.at[i].exists || !is(x, i, what))
			continue;
		x->chosen[i] = true;
		count++;
	}
	return count;
}

static bool is_any(const struct partials *x, size_t i, const void *what)
{
	(void)x, (void)i, (void)what;
	return true;
}

static bool has_digits(const struct partials *x, size_t i, const void *digits)
{
	char hex[DIGEST_HEX];
	return str_starts(digest_hex(hex, &x->all.at[i].sha256), digits);
}

static bool has_model(const struct partials *x, size_t i, const void *reference)
{
	return is_needed_by(x, &x->all.at[i].sha256, reference);
}

static int choose_operand(void *ctx, int i, struct err *e)
{
	static const char digest[] = "sha256:";
	struct partials *x = ctx;
	const char *text = x->cli->operands[i];
	size_t count = 0;
	if (str_starts(text, digest)) {
		const char *digits = text + strlen(digest);
		if (strspn(digits, "0123456789abcdef") != strlen(digits) ||
		    strlen(digits) < DIGITS_MIN)
			return err_set(e, ERR_USAGE,
				       "'%s' must have at least %d digits, of 0 to 9 and a to f",
				       text, DIGITS_MIN);
		count = choose(x, has_digits, digits);
	} else {
		CLEANUP(reference_release) struct reference r = { 0 };
		int rc = reference_parse(text, &r, e);
		if (rc < 0)
			return rc;
		count = choose(x, has_model, &r);
	}
	if (count)
		return 0;
	err_set(e, ERR_NOT_FOUND, "no unfinished download belongs to %s", text);
	return err_hint(e, "`ferry store partials` lists them");
}

/* -- showing --------------------------------------------------------------------------------- */

static void put_needs(const struct partials *x, json_t *row, const struct digest *d)
{
	json_t *models = json_put_array(row, "models");
	for (size_t i = 0; i < x->needs.count; i++) {
		const struct store_need *n = &x->needs.at[i];
		if (!digest_equal(&n->sha256, d))
			continue;
		json_t *model = json_push_object(models);
		json_put_string(model, "repository", n->repository);
		json_put_string(model, "model", n->model);
		json_put_string(model, "variant", n->variant);
		json_put_string(model, "file", n->file);
		if (!json_object_get(row, "size"))
			json_put_u64(row, "size", n->size);
	}
}

static json_t *partial_json(const struct partials *x, const struct store_partial *p)
{
	json_t *row = json_object();
	char age[DURATION_TEXT];
	int64_t now_s = clock_wall_s(x->store.clock);
	put_needs(x, row, &p->sha256);
	json_put_u64(row, "there", p->there);
	json_put_time(row, "changed", p->changed_s);
	json_put_string(row, "age",
			format_duration(age, now_s > p->changed_s ? (uint64_t)(now_s - p->changed_s)
								  : 0));
	json_put_hex(row, "sha256", &p->sha256, DIGEST_SIZE);
	json_put_string(row, "path", p->part);
	if (store_partial_is_held(&x->store, p)) {
		CLEANUP(mem_free_ptr) char *holder = store_partial_holder(p);
		json_put_string(row, "held_by", holder);
	}
	return row;
}

static char *model_cell(const json_t *row)
{
	const json_t *models = json_object_get(row, "models");
	return json_array_size(models) ? cli_join(models, "{repository}/{model}:{variant}", ", ")
				       : cli_fill(row, "sha256:{sha256}");
}

static char *file_cell(const json_t *row)
{
	return cli_fill(json_array_get(json_object_get(row, "models"), 0), "{file|-}");
}

static char *size_cell(const json_t *row)
{
	return json_object_get(row, "size") ? cli_fill(row, "{size:size}") : mem_strdup("?");
}

static char *state_cell(const json_t *row)
{
	return json_object_get(row, "held_by") ? cli_fill(row, "in use by {held_by}")
					       : mem_strdup("resumable");
}

static void show(const struct partials *x)
{
	static const struct cli_column columns[] = {
		{ "MODEL", NULL, model_cell },      { "FILE", NULL, file_cell },
		{ ">THERE", "{there:size}", NULL }, { ">OF", NULL, size_cell },
		{ ">AGE", "{age}", NULL },          { "STATE", NULL, state_cell },
	};
	cli_table(x->cli, x->rows, columns, ARRAY_LEN(columns));
	if (!json_array_size(x->rows) && !x->cli->json)
		report_note(x->cli->report, "there are no unfinished downloads");
}

/* -- removing -------------------------------------------------------------------------------- */

static int take_one(struct partials *x, const struct store_partial *p, struct err *e)
{
	json_t *row = partial_json(x, p);
	int rc = x->remove ? store_partial_remove(&x->store, p, e) : 0;
	if (rc == -ERR_CONFLICT) {
		err_context(e, "it is being downloaded");
		err_hint(e, "wait for that process, or stop it first");
	}
	if (rc < 0) {
		json_decref(row);
		return rc;
	}
	x->bytes += p->there;
	json_push(x->rows, row);
	return 0;
}

static int take_chosen(struct partials *x, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < x->all.count; i++)
		if (x->chosen[i])
			rc = take_one(x, &x->all.at[i], e);
	return rc;
}

/* -- the command ----------------------------------------------------------------------------- */

struct partials_opts {
	bool remove;
};

static const struct opt partials_opts[] = {
	OPT_ENTRY(OPT_FLAG, partials_opts, remove, 0, "remove", NULL,
		  "remove the unfinished downloads of these models or digests: what they have is "
		  "downloaded again the next time"),
	OPT_LAST,
};

static int run_partials(struct cli *cli, struct err *e)
{
	const struct partials_opts *o = cli->opts;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(partials_release) struct partials x = {
		.cli = cli,
		.remove = o->remove,
		.rows = json_put_array(document, "partials"),
	};
	CLEANUP(several_release) struct several operands;
	several_init(&operands, cli);
	if (o->remove && !cli->count) {
		err_set(e, ERR_USAGE, "--remove needs the models or digests to remove");
		return err_hint(e,
				"`ferry store gc --partials 0` removes all that no process uses");
	}
	int rc = open_partials(&x, e);
	if (rc == 0 && !cli->count)
		choose(&x, is_any, NULL);
	if (rc == 0)
		rc = several_each(&operands, choose_operand, &x, e);
	if (rc == 0)
		rc = take_chosen(&x, e);
	if (rc < 0)
		return rc;
	json_put_bool(document, "removed", o->remove);
	json_put_u64(document, "bytes", x.bytes);
	if (!o->remove)
		show(&x);
	else if (json_array_size(x.rows))
		cli_note(cli, document,
			 "{partials#unfinished download} removed, {bytes:size} freed");
	return several_result(&operands, document, e);
}

const struct command cmd_store_partials = {
	.name = "partials",
	.asked = true,
	.summary = "list unfinished downloads, or remove them",
	.synopsis =
		(const char *const[]){ "[--remove] [[REPOSITORY/]MODEL[:VARIANT]|sha256:DIGITS…]",
				       NULL },
	.description = "For each: the model and the file that it is for, how much of it is there, "
		       "how long ago something was added, and which process uses it. `ferry fetch` "
		       "of the model continues it. A download whose model is no longer known is "
		       "shown with its SHA-256. One that a process uses is not removed.",
	.opts = partials_opts,
	.opts_size = sizeof(struct partials_opts),
	.operand_hint = HINT_PARTIAL,
	.max_operands = -1,
	.run = run_partials,
};
