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

void values_model(const char *model, const char *variant, const char *prefix,
		  const struct cli_sought *what, struct str_list *out)
{
	if (strchr(what->word, ':'))
		add(out, mem_printf("%s%s:%s", prefix, model, variant));
	else
		add(out, mem_printf("%s%s", prefix, model));
}

void values_card(const struct card *model, const char *prefix, const struct cli_sought *what,
		 struct str_list *out)
{
	for (size_t i = 0; i < model->variant_count; i++)
		values_model(model->id, model->variants[i].id, prefix, what, out);
}
