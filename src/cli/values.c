#include "cli/values.h"

#include "catalog/card.h"
#include "util/mem.h"

#include <string.h>

static void add(struct str_list *out, char *text)
{
	if (str_list_has(out, text))
		free(text);
	else
		str_list_take(out, text);
}

void values_sections(struct cli *cli, const char *kind, struct str_list *out)
{
	struct err ignored = ERR_INIT;
	const struct conf *c;
	const struct conf_section *s;
	if (cli_conf(cli, &c, &ignored) < 0)
		return;
	for (size_t i = 0; (s = conf_nth(c, kind, i)); i++)
		add(out, mem_strdup(s->name));
}

/* A catalog may have many thousands: what does not begin as the word does is not kept. */
static void offer(const struct cli_sought *what, char *text, struct str_list *out)
{
	bool last = out->count && strcmp(out->at[out->count - 1], text) == 0;
	if (last || !str_starts(text, what->word))
		free(text);
	else
		str_list_take(out, text);
}

void values_model(const char *model, const char *variant, const char *prefix,
		  const struct cli_sought *what, struct str_list *out)
{
	if (strchr(what->word, ':'))
		offer(what, mem_printf("%s%s:%s", prefix, model, variant), out);
	else
		offer(what, mem_printf("%s%s", prefix, model), out);
}

/* Its number, and its label if there is one. */
static void add_version(const char *name, const struct card_variant *v,
			const struct cli_sought *what, struct str_list *out)
{
	offer(what, mem_printf("%s@%llu", name, (unsigned long long)v->version), out);
	if (v->label)
		offer(what, mem_printf("%s@%s", name, v->label), out);
}

static void add_versions(const struct card *model, const struct card_variant *v, const char *prefix,
			 const struct cli_sought *what, struct str_list *out)
{
	bool colon = strchr(what->word, ':');
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s%s%s%s", prefix, model->id,
						      colon ? ":" : "", colon ? v->id : "");
	/* Without a variant it is the default one. */
	if (!colon && v != card_variant(model, NULL))
		return;
	add_version(name, v, what, out);
	for (size_t i = 0; i < v->superseded_count; i++)
		add_version(name, &v->superseded[i], what, out);
}

void values_card(const struct card *model, const char *prefix, const struct cli_sought *what,
		 struct str_list *out)
{
	bool versions = strchr(what->word, '@');
	for (size_t i = 0; i < model->variant_count; i++)
		if (versions)
			add_versions(model, &model->variants[i], prefix, what, out);
		else
			values_model(model->id, model->variants[i].id, prefix, what, out);
}

void values_unique(struct str_list *list)
{
	size_t kept = 0;
	if (list->count)
		qsort(list->at, list->count, sizeof *list->at, str_compare);
	for (size_t i = 0; i < list->count; i++)
		if (kept && strcmp(list->at[kept - 1], list->at[i]) == 0)
			free(list->at[i]);
		else
			list->at[kept++] = list->at[i];
	list->count = kept;
}

char *values_version_of(const struct cli_sought *what)
{
	const char *slash = strchr(what->word, '/'), *model = slash ? slash + 1 : what->word;
	return strchr(model, '@') ? mem_strndup(model, strcspn(model, ":@")) : NULL;
}
