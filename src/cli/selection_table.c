#include "cli/selection_table.h"

#include "cli/standings.h"
#include "util/mem.h"

#include <string.h>

/* Also when all the variants that are shown are. */
static bool is_withdrawn(const json_t *model)
{
	const json_t *variant;
	size_t i;
	json_array_foreach (json_object_get(model, "variants"), i, variant)
		if (!json_flag(variant, "withdrawn"))
			return false;
	return true;
}

/* "q8_0 (adapter)", with a star if it is in the store; how it stands to the catalog follows. That
 * the current version was withdrawn is not repeated if the title says it of all. */
static char *variant_text(const json_t *variant, bool all_withdrawn)
{
	const char *stored = json_text(variant, "state"), *state = stored ? stored : "";
	CLEANUP(mem_free_ptr) char *name = cli_fill(variant,
						    "{id}{kind? (:}{kind|}{kind?):}{in_store?*:}");
	if (json_flag(variant, "withdrawn"))
		return all_withdrawn ? STEAL(name) : mem_printf("%s (withdrawn)", name);
	CLEANUP(mem_free_ptr) char *words = strcmp(state, "outdated") == 0 ||
							    strcmp(state, "withdrawn") == 0
						    ? standings_text(variant)
					    : strcmp(state, "older") == 0
						    ? cli_fill(variant, "version {stored_version}")
						    : NULL;
	return words ? mem_printf("%s (%s)", name, words) : STEAL(name);
}

static char *variants_text(const json_t *model)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT(MIB);
	bool all_withdrawn = is_withdrawn(model);
	const json_t *variant;
	size_t i;
	json_array_foreach (json_object_get(model, "variants"), i, variant) {
		CLEANUP(mem_free_ptr) char *text = variant_text(variant, all_withdrawn);
		buf_addf(&out, "%s%s", i ? " " : "", text);
	}
	return buf_steal(&out);
}

static char *title_text(const json_t *model)
{
	if (!json_object_get(model, "title"))
		return mem_strdup("(not in the catalog)");
	return cli_fill(model, is_withdrawn(model) ? "{title} (withdrawn)"
						   : "{title}{deprecated? (deprecated):}");
}

/* Of the default variant, else of the largest that is shown. */
static char *size_text(const json_t *model)
{
	const json_t *variant, *shown = NULL;
	size_t i;
	json_array_foreach (json_object_get(model, "variants"), i, variant) {
		if (json_flag(variant, "default"))
			return cli_fill(variant, "{size:size}");
		if (!shown || json_number(variant, "size") > json_number(shown, "size"))
			shown = variant;
	}
	return cli_fill(shown, "{size:size}");
}

void selection_table(struct cli *cli, const json_t *document)
{
	CLEANUP(json_release) json_t *rows = json_copy(json_object_get(document, "models"));
	bool several = json_array_size(json_object_get(document, "repositories")) > 1;
	const struct cli_column columns[] = {
		{ "MODEL", several ? "{repository}/{id}" : "{id}", NULL },
		{ "VARIANTS", NULL, variants_text },
		{ ">SIZE", NULL, size_text },
		{ "LICENSE", "{license|-}", NULL },
		{ "TITLE", NULL, title_text },
	};
	json_array_extend(rows, json_object_get(document, "unlisted"));
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}
