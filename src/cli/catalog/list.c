#include "cli/catalog/place.h"

#include "util/mem.h"

#include <string.h>

static const struct opt list_opts[] = { CATALOG_OPT_PLACE, OPT_LAST };

/* ---- list ---- */

static bool same_variant(const struct card_variant *a, const struct card_variant *b)
{
	return a && b && json_equal(a->json, b->json);
}

/* How a variant of the cards stands to the signed catalog (NULL: never signed). */
static const char *variant_state(const struct catalog *c, const struct card *card,
				 const struct card_variant *v)
{
	const struct card *signed_card = catalog_model(c, card->id);
	const struct card_variant *old = signed_card ? card_variant(signed_card, v->id) : NULL;
	if (v->file_count == 0)
		return "planned";
	return same_variant(old, v) ? "signed" : old ? "changed" : "new";
}

static const struct card *find_card(const struct repository_cards *cards, const char *id)
{
	for (size_t i = 0; i < cards->count; i++)
		if (strcmp(cards->at[i].id, id) == 0)
			return &cards->at[i];
	return NULL;
}

struct listing {
	struct cli *cli;
	struct cli_table *table;
	json_t *models, *variants;      /* variants: of the current model */
};

static void list_variant(struct listing *l, const struct card *card, const char *variant,
			 uint64_t size, size_t files, const char *state)
{
	char text[SIZE_TEXT];
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s%s%s", card->id, *variant ? ":" : "",
						      variant);
	const char *cells[] = { name, files ? format_size(text, size) : "", state,
				card->license ? card->license : "", card->title };
	if (l->table)
		cli_table_add(l->table, cells);
	if (!*variant)
		return;
	json_t *object = json_object();
	json_put_string(object, "id", variant);
	json_put_u64(object, "files", files);
	json_put_u64(object, "size", size);
	json_put_string(object, "state", state);
	json_push(l->variants, object);
}

static void begin_model(struct listing *l, const struct card *card)
{
	json_t *object = json_object();
	l->variants = json_array();
	json_put_string(object, "id", card->id);
	json_put_string(object, "title", card->title);
	json_put_string(object, "license", card->license);
	json_put_bool(object, "deprecated", card->deprecated);
	json_put(object, "variants", l->variants);
	json_push(l->models, object);
}

static void list_card(struct listing *l, const struct catalog *c, const struct card *card)
{
	const struct card *old = catalog_model(c, card->id);
	begin_model(l, card);
	for (size_t i = 0; i < card->variant_count; i++) {
		const struct card_variant *v = &card->variants[i];
		list_variant(l, card, v->id, v->size, v->file_count, variant_state(c, card, v));
	}
	for (size_t i = 0; old && i < old->variant_count; i++)
		if (!card_variant(card, old->variants[i].id))
			list_variant(l, card, old->variants[i].id, old->variants[i].size,
				     old->variants[i].file_count, "removed");
	if (card->variant_count == 0 && !old)
		list_variant(l, card, "", 0, 0, "planned");
}

static void list_removed(struct listing *l, const struct catalog *c,
			 const struct repository_cards *cards)
{
	for (size_t i = 0; i < c->model_count; i++) {
		const struct card *old = &c->models[i];
		if (find_card(cards, old->id))
			continue;
		begin_model(l, old);
		for (size_t k = 0; k < old->variant_count; k++)
			list_variant(l, old, old->variants[k].id, old->variants[k].size,
				     old->variants[k].file_count, "removed");
	}
}

static int load_signed(const char *dir, struct catalog *out, struct err *e)
{
	int rc = repository_catalog(dir, out, e);
	if (rc == 0 || !err_is(e, ERR_NOT_FOUND))
		return rc;
	err_clear(e);
	return 0;
}

static int run_list(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count, (void)operands;
	static const char *const titles[] = { "MODEL", ">SIZE", "STATE", "LICENSE", "TITLE" };
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	CLEANUP(catalog_release) struct catalog c = { 0 };
	int rc = place_load(cli, opts, &p, e);
	if (rc < 0 || (rc = repository_cards_load(p.dir, &cards, e)) < 0 ||
	    (rc = load_signed(p.dir, &c, e)) < 0)
		return rc;
	struct listing l = { .cli = cli, .models = json_array() };
	if (!cli->json)
		l.table = cli_table_new(titles, ARRAY_LEN(titles));
	for (size_t i = 0; i < cards.count; i++)
		list_card(&l, &c, &cards.at[i]);
	list_removed(&l, &c, &cards);
	json_t *document = json_object();
	json_put_string(document, "command", "catalog list");
	json_put_string(document, "repository", p.dir);
	json_put_string(document, "name", p.name ? p.name : c.name);
	json_put_string(document, "signed", c.updated);
	json_put(document, "models", l.models);
	if (cli->json)
		return cli_print_json(cli, document, e);
	json_decref(document);
	cli_table_print(cli, l.table);
	if (!c.json)
		report_note(cli->report, "nothing is signed yet");
	return 0;
}

const struct command cmd_catalog_list = {
	.name = "list",
	.summary = "list the cards, and which of them are signed",
	.synopsis = (const char *const[]){ "", NULL },
	.description = "STATE is signed; new or changed, to be signed; removed, but in the signed "
		       "catalog until the next sign; or planned, a variant without files.",
	.opts = list_opts,
	.opts_size = sizeof(struct catalog_opts),
	.run = run_list,
};

/* ---- lint ---- */

static const struct opt lint_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_ENTRY(OPT_FLAG, catalog_opts, strict, 0, "strict", NULL,
		  "warnings fail, too"),
	OPT_LAST,
};

static int lint_files(int count, char **operands, struct findings *f, struct err *e)
{
	for (int i = 0; i < count; i++) {
		CLEANUP(card_release) struct card card = { 0 };
		struct err bad = ERR_INIT;
		int rc = card_load(operands[i], &card, &bad);
		if (rc == -ERR_NOT_FOUND || rc == -ERR_SYSTEM) {
			*e = bad;
			return rc;
		}
		/* The place is named in front already. */
		if (rc < 0)
			findings_add(f, FINDING_ERROR, operands[i], "%s", bad.text + bad.inner);
		else
			lint_card(&card, f);
	}
	return 0;
}

static int lint_place(struct cli *cli, const struct catalog_opts *o, struct findings *f,
		      struct err *e)
{
	CLEANUP(place_release) struct place p = { 0 };
	int rc = place_load(cli, o, &p, e);
	if (rc == 0)
		rc = repository_lint(p.dir, p.mirrors, f, e);
	for (size_t i = 0; i < p.hidden.count; i++) {
		CLEANUP(mem_free_ptr) char *where = mem_printf("mirror %s", p.hidden.at[i]);
		findings_add(f, FINDING_NOTE, where, "no url, so readers do not see it");
	}
	return rc;
}

static int print_findings(struct cli *cli, const struct findings *f, struct err *e)
{
	json_t *document = json_object(), *array = json_array();
	for (size_t i = 0; i < f->count; i++) {
		const struct finding *x = &f->at[i];
		CLEANUP(mem_free_ptr) char *where = text_escaped(x->where);
		CLEANUP(mem_free_ptr) char *text = text_escaped(x->text);
		json_t *object = json_object();
		json_put_string(object, "level", finding_level_name(x->level));
		json_put_string(object, "where", x->where);
		json_put_string(object, "text", x->text);
		json_push(array, object);
		if (!cli->json && (x->level != FINDING_NOTE || !cli->quiet))
			cli_print(cli, "%s: %s: %s\n", finding_level_name(x->level), where, text);
	}
	json_put_string(document, "command", "catalog lint");
	json_put_u64(document, "errors", f->levels[FINDING_ERROR]);
	json_put_u64(document, "warnings", f->levels[FINDING_WARNING]);
	json_put_u64(document, "notes", f->levels[FINDING_NOTE]);
	json_put(document, "findings", array);
	if (cli->json)
		return cli_print_json(cli, document, e);
	json_decref(document);
	const size_t *n = f->levels;
	report_note(cli->report, "%zu error%s, %zu warning%s, %zu note%s",
		    n[FINDING_ERROR], n[FINDING_ERROR] == 1 ? "" : "s",
		    n[FINDING_WARNING], n[FINDING_WARNING] == 1 ? "" : "s",
		    n[FINDING_NOTE], n[FINDING_NOTE] == 1 ? "" : "s");
	return 0;
}

static int run_lint(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	const struct catalog_opts *o = opts;
	CLEANUP(findings_release) struct findings f = { 0 };
	int rc = count ? lint_files(count, operands, &f, e) : lint_place(cli, o, &f, e);
	if (rc < 0 || (rc = print_findings(cli, &f, e)) < 0)
		return rc;
	bool failed = f.levels[FINDING_ERROR] || (o->strict && f.levels[FINDING_WARNING]);
	return failed ? -ERR_FAULT : 0;
}

const struct command cmd_catalog_lint = {
	.name = "lint",
	.summary = "say what is wrong, doubtful or unfinished",
	.synopsis = (const char *const[]){ "[CARD…]", NULL },
	.description = "Looks at the cards, their files in the tree and the mirrors of ferry.conf; "
		       "with operands only at those card files. Exit code 1 when there are errors, "
		       "which sign would refuse.",
	.opts = lint_opts,
	.opts_size = sizeof(struct catalog_opts),
	.operand_hint = HINT_FILE,
	.max_operands = -1,
	.run = run_lint,
};
