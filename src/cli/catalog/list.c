#include "cli/several.h"
#include "cli/catalog/place.h"
#include "cli/catalog/versions.h"

#include "util/mem.h"

#include <string.h>

static const struct opt list_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_ENTRY(OPT_FLAG, catalog_opts, versions, 0, "versions", NULL,
		  "list each version of the variants, with what changed in it"),
	OPT_LAST,
};

/* ---- list ---- */

/* Compares a variant in the cards with the signed catalog (NULL: never signed). */
static const char *variant_state(const struct catalog *c, const struct card *card,
				 const struct card_variant *v)
{
	const struct card *signed_card = catalog_model(c, card->id);
	const struct card_variant *old = signed_card ? card_variant(signed_card, v->id) : NULL;
	if (v->file_count == 0)
		return "planned";
	if (!old)
		return "new";
	return repository_variant_is_signed(card, v, signed_card) ? "signed" : "changed";
}

static const struct card *find_card(const struct repository_cards *cards, const char *id)
{
	for (size_t i = 0; i < cards->count; i++)
		if (strcmp(cards->at[i].id, id) == 0)
			return &cards->at[i];
	return NULL;
}

static void put_variant(json_t *variants, const struct card *card, const struct card_variant *v,
			const char *state, bool versions)
{
	json_t *object = json_push_object(variants);
	json_put_string(object, "id", v->id);
	json_put_u64(object, "files", v->file_count);
	json_put(object, "roles", card_roles(v));
	json_put_u64(object, "size", v->size);
	json_put_string(object, "state", state);
	versions_put(object, card, v, versions);
}

/* The array of its variants, to be filled. */
static json_t *put_model(json_t *models, const struct card *card)
{
	json_t *object = json_push_object(models);
	json_put_string(object, "id", card->id);
	json_put_string(object, "title", card->title);
	json_put_string(object, "license", card->license);
	json_put_bool(object, "deprecated", card->deprecated);
	return json_put_array(object, "variants");
}

/* The variants that `old` has but not `card` (or NULL). */
static void put_removed(json_t *variants, const struct card *old, const struct card *card,
			bool versions)
{
	for (size_t i = 0; i < old->variant_count; i++)
		if (!card || !card_variant(card, old->variants[i].id))
			put_variant(variants, old, &old->variants[i], "removed", versions);
}

static json_t *listed(struct cli *cli, const struct place *p, const struct repository_cards *cards,
		      const struct catalog *c)
{
	const struct catalog_opts *o = cli->opts;
	json_t *document = cli_document(cli);
	json_put_string(document, "repository", p->dir);
	json_put_string(document, "name", p->name ? p->name : c->name);
	json_put_string(document, "signed", c->updated);
	json_t *models = json_put_array(document, "models");
	for (size_t i = 0; i < cards->count; i++) {
		const struct card *card = &cards->at[i], *old = catalog_model(c, card->id);
		json_t *variants = put_model(models, card);
		for (size_t k = 0; k < card->variant_count; k++)
			put_variant(variants, card, &card->variants[k],
				    variant_state(c, card, &card->variants[k]), o->versions);
		if (old)
			put_removed(variants, old, card, o->versions);
	}
	for (size_t i = 0; i < c->model_count; i++)
		if (!find_card(cards, c->models[i].id))
			put_removed(put_model(models, &c->models[i]), &c->models[i], NULL,
				    o->versions);
	return document;
}

/* The row of a variant, or (NULL) of a model without any. */
static void put_row(json_t *rows, const json_t *model, const json_t *variant)
{
	bool files = json_number(variant, "files");
	CLEANUP(mem_free_ptr) char *reference = mem_printf("%s%s%s", json_text(model, "id"),
							   variant ? ":" : "",
							   variant ? json_text(variant, "id") : "");
	CLEANUP(mem_free_ptr) char *size = files ? cli_fill(variant, "{size:size}") : NULL;
	CLEANUP(mem_free_ptr) char *state =
		variant ? cli_fill(variant, "{state}{withdrawn?, withdrawn:}") : NULL;
	json_t *row = json_push_object(rows);
	CLEANUP(mem_free_ptr) char *roles = cli_join(json_object_get(variant, "roles"), "{}", ", ");
	json_put_string(row, "reference", reference);
	json_put_string(row, "with", roles[0] ? roles : NULL);
	json_put_string(row, "size_text", size);
	json_put_string(row, "state", state);
	json_put_string(row, "license", json_text(model, "license"));
	json_put_string(row, "title", json_text(model, "title"));
}

/* A row for each variant; a model without any is planned. */
static void print_listed(struct cli *cli, const json_t *models)
{
	static const struct cli_column columns[] = {
		{ "MODEL", "{reference}", NULL },
		{ ">SIZE", "{size_text}", NULL },
		{ "STATE", "{state|planned}", NULL },
		{ "LICENSE", "{license}", NULL },
		{ "TITLE", "{title}{with? (with :}{with|}{with?):}", NULL },
	};
	CLEANUP(json_release) json_t *rows = json_array();
	const json_t *model;
	size_t i;
	json_array_foreach (models, i, model) {
		const json_t *variants = json_object_get(model, "variants");
		for (size_t k = 0; k < MAX(json_array_size(variants), (size_t)1); k++)
			put_row(rows, model, json_array_get(variants, k));
	}
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}

static int load_signed(const char *dir, struct catalog *out, struct err *e)
{
	int rc = repository_catalog(dir, out, e);
	if (rc == 0 || !err_is(e, ERR_NOT_FOUND))
		return rc;
	err_clear(e);
	return 0;
}

static int run_list(struct cli *cli, struct err *e)
{
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	CLEANUP(catalog_release) struct catalog c = { 0 };
	int rc = place_load(cli, cli->opts, &p, e);
	if (rc < 0 || (rc = repository_cards_load(p.dir, &cards, e)) < 0 ||
	    (rc = load_signed(p.dir, &c, e)) < 0)
		return rc;
	CLEANUP(json_release) json_t *document = listed(cli, &p, &cards, &c);
	const struct catalog_opts *o = cli->opts;
	if (o->versions)
		versions_print(cli, json_object_get(document, "models"));
	else
		print_listed(cli, json_object_get(document, "models"));
	if (!c.json)
		cli_note(cli, document, "nothing is signed yet");
	return cli_result(cli, document, e);
}

const struct command cmd_catalog_list = {
	.name = "list",
	.asked = true,
	.summary = "list the cards, and which of them are signed",
	.description =
		"STATE is signed; new or changed, not yet signed; removed, but still in the "
		"signed catalog; or planned, without files. With --versions each row is a version, "
		"and CHANGES says why it was withdrawn and what changed in it.",
	.opts = list_opts,
	.opts_size = sizeof(struct catalog_opts),
	.run = run_list,
};

/* ---- lint ---- */

static const struct opt lint_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_ENTRY(OPT_FLAG, catalog_opts, strict, 0, "strict", NULL, "treat warnings like errors"),
	OPT_LAST,
};

struct linting {
	struct cli *cli;
	struct lint_findings findings;
};

static void linting_release(struct linting *l)
{
	lint_release(&l->findings);
}

static int lint_file(void *ctx, int i, struct err *e)
{
	struct linting *l = ctx;
	const char *file = l->cli->operands[i];
	CLEANUP(card_release) struct card card = { 0 };
	struct err bad = ERR_INIT;
	int rc = card_load(file, &card, &bad);
	if (rc == -ERR_NOT_FOUND || rc == -ERR_SYSTEM) {
		*e = bad;
		return rc;
	}
	/* The line already starts with the place. */
	if (rc < 0)
		lint_add(&l->findings, LINT_ERROR, file, "%s", bad.text + bad.inner);
	else
		lint_card(&card, &l->findings);
	return 0;
}

static int lint_place(struct cli *cli, const struct catalog_opts *o, struct lint_findings *f,
		      struct err *e)
{
	CLEANUP(place_release) struct place p = { 0 };
	int rc = place_load(cli, o, &p, e);
	if (rc == 0)
		rc = repository_lint(p.dir, p.mirrors, cli->report, cli->cancel, f, e);
	for (size_t i = 0; i < p.hidden.count; i++) {
		CLEANUP(mem_free_ptr) char *where = mem_printf("mirror %s", p.hidden.at[i]);
		lint_add(f, LINT_NOTE, where, "no url, so readers do not see it");
	}
	return rc;
}

static int tell_findings(struct cli *cli, const struct lint_findings *f, const struct several *all,
			 struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put_u64(document, "errors", f->levels[LINT_ERROR]);
	json_put_u64(document, "warnings", f->levels[LINT_WARNING]);
	json_put_u64(document, "notes", f->levels[LINT_NOTE]);
	json_t *findings = json_put_array(document, "findings");
	for (size_t i = 0; i < f->count; i++) {
		const struct lint_finding *x = &f->at[i];
		json_t *object = json_push_object(findings);
		json_put_string(object, "level", lint_level_name(x->level));
		json_put_string(object, "where", x->where);
		json_put_string(object, "text", x->text);
		if (x->level != LINT_NOTE || !cli->quiet)
			cli_say(cli, object, "{level}: {where}: {text}");
	}
	cli_note(cli, document, "{errors#error}, {warnings#warning}, {notes#note}");
	return several_result(all, document, e);
}

static int run_lint(struct cli *cli, struct err *e)
{
	const struct catalog_opts *o = cli->opts;
	CLEANUP(linting_release) struct linting l = { .cli = cli };
	CLEANUP(several_release) struct several all;
	several_init(&all, cli);
	struct lint_findings *f = &l.findings;
	int rc = cli->count ? several_each(&all, lint_file, &l, e) : lint_place(cli, o, f, e);
	if (rc < 0 || (rc = tell_findings(cli, f, &all, e)) < 0)
		return rc;
	bool failed = f->levels[LINT_ERROR] || (o->strict && f->levels[LINT_WARNING]);
	return failed ? -ERR_FAULT : 0;
}

const struct command cmd_catalog_lint = {
	.name = "lint",
	.asked = true,
	.summary = "check cards, files and mirrors",
	.synopsis = (const char *const[]){ "[CARD…]", NULL },
	.description = "Checks the cards, their files in the tree and the mirrors of ferry.conf; "
		       "with operands, only these card files. The exit code is 1 if there are "
		       "errors, which sign refuses.",
	.opts = lint_opts,
	.opts_size = sizeof(struct catalog_opts),
	.operand_hint = HINT_FILE,
	.max_operands = -1,
	.run = run_lint,
};
