#include "cli/catalog/versions.h"

#include "util/mem.h"

static void put_version(json_t *object, const struct card *card, const struct card_variant *v)
{
	const struct card_withdrawal w = card_withdrawn(card, v);
	json_put_u64(object, "version", v->version);
	json_put_string(object, "label", v->label);
	json_put_string(object, "released", v->released);
	if (!w.reason)
		return;
	json_t *withdrawn = json_put_object(object, "withdrawn");
	json_put_string(withdrawn, "reason", w.reason);
	json_put_string(withdrawn, "replacement", w.replacement);
}

static void push_version(json_t *versions, const struct card *card, const struct card_variant *v)
{
	json_t *object = json_push_object(versions);
	const json_t *changes = json_object_get(v->json, "changes");
	put_version(object, card, v);
	json_put_u64(object, "files", v->file_count);
	json_put_u64(object, "size", v->size);
	if (json_array_size(changes))
		json_put(object, "changes", json_deep_copy(changes));
}

void versions_put(json_t *object, const struct card *card, const struct card_variant *v, bool all)
{
	if (v->file_count)
		put_version(object, card, v);
	if (!all)
		return;
	json_t *versions = json_put_array(object, "versions");
	if (v->file_count)
		push_version(versions, card, v);
	for (size_t i = 0; i < v->superseded_count; i++)
		push_version(versions, card, &v->superseded[i]);
}

/* ---- for people ---- */

static void push_rows(json_t *rows, const char *model, const json_t *variant)
{
	json_t *version;
	size_t i;
	json_array_foreach (json_object_get(variant, "versions"), i, version) {
		json_t *row = json_deep_copy(version);
		json_put_string(row, "model", model);
		json_put_string(row, "variant", json_text(variant, "id"));
		/* Earlier ones are in the same card. */
		json_put_string(row, "state", i ? "superseded" : json_text(variant, "state"));
		json_push(rows, row);
	}
}

static char *state_text(const json_t *row)
{
	return cli_fill(row, "{state}{withdrawn?, withdrawn:}");
}

static char *remark_text(const json_t *row)
{
	CLEANUP(mem_free_ptr) char *why = cli_fill(row, "{withdrawn.reason}");
	CLEANUP(mem_free_ptr) char *changes = cli_join(json_object_get(row, "changes"), "{}", " ");
	return mem_printf("%s%s%s", why, why[0] && changes[0] ? "; " : "", changes);
}

void versions_print(struct cli *cli, const json_t *models)
{
	static const struct cli_column columns[] = {
		{ "VERSION", "{model}:{variant}@{version}", NULL },
		{ "LABEL", "{label|-}", NULL },
		{ "RELEASED", "{released|-}", NULL },
		{ ">SIZE", "{size:size}", NULL },
		{ "STATE", NULL, state_text },
		{ "CHANGES", NULL, remark_text },
	};
	CLEANUP(json_release) json_t *rows = json_array();
	const json_t *model, *variant;
	size_t i, k;
	json_array_foreach (models, i, model)
		json_array_foreach (json_object_get(model, "variants"), k, variant)
			push_rows(rows, json_text(model, "id"), variant);
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}
