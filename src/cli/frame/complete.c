/*
 * What may follow on a command line, for the shells: `ferry-NAME --generate=complete WORD…`, where
 * the last word is the one that is being typed. Each line of the answer is a candidate, perhaps
 * with a tab and what it means; or ":files", ":folders" or ":programs", which the shell has to
 * look up. Nothing here uses the network.
 */
#include "cli/frame/internal.h"

#include "util/mem.h"

#include <string.h>
#include <unistd.h>

struct completing {
	struct cli *cli;
	const struct command *program, *command;
	const struct opt *pending; /* the option whose value comes next */
	bool only_operands;
	int operands;
	const char *word;   /* as far as it was typed */
	const char *prefix; /* in front of each candidate: "--option=" */
	const char *dir, *config, *repository, *keys;
};

/* ---- the words that are complete ---- */

static const struct opt *find_opt(const struct completing *c, const char *name, size_t len,
				  char letter)
{
	const struct opt *tables[] = { c->command->opts, cli_common_opts };
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (const struct opt *o = tables[t]; o && o->type != OPT_END; o++) {
			if (o->type == OPT_GROUP)
				continue;
			if (letter ? o->letter == letter
				   : strlen(o->name) == len && !strncmp(o->name, name, len))
				return o;
		}
	return NULL;
}

/* Values that decide where candidates are looked for. */
static void take_value(struct completing *c, const struct opt *o, const char *value)
{
	if (strcmp(o->name, "directory") == 0)
		c->dir = value;
	else if (strcmp(o->name, "config") == 0)
		c->config = value;
	else if (strcmp(o->name, "repository") == 0)
		c->repository = value;
	else if (strcmp(o->name, "keys") == 0)
		c->keys = value;
}

static void take_option(struct completing *c, const char *word)
{
	size_t len = strcspn(word + 2, "=");
	const struct opt *o = NULL;
	if (word[1] == '-') {
		o = find_opt(c, word + 2, len, 0);
		if (o && o->arg && word[2 + len])
			take_value(c, o, word + 3 + len);
		else if (o && o->arg && o->type != OPT_SIZE_MAYBE)
			c->pending = o;
		return;
	}
	for (const char *s = word + 1; *s; s++) {
		o = find_opt(c, NULL, 0, *s);
		if (!o || !o->arg)
			continue;
		if (s[1])
			take_value(c, o, s + 1);
		else
			c->pending = o;
		return;
	}
}

static void take_operand(struct completing *c, const char *word)
{
	const struct command *const *sub = c->command->subs;
	for (; sub && *sub; sub++)
		if (strcmp((*sub)->name, word) == 0) {
			c->command = *sub;
			return;
		}
	bool dashes = c->command->stop_at_operand && strcmp(word, "--") == 0;
	if (!c->command->subs && !dashes)
		c->operands++;
	c->only_operands = c->only_operands || c->command->stop_at_operand;
}

static void take(struct completing *c, const char *word)
{
	if (c->pending) {
		take_value(c, c->pending, word);
		c->pending = NULL;
	} else if (c->only_operands || word[0] != '-' || !word[1]) {
		take_operand(c, word);
	} else if (strcmp(word, "--") == 0) {
		c->only_operands = true;
	} else {
		take_option(c, word);
	}
}

/* ---- candidates ---- */

/* help: as far as its first sentence or line; or NULL. */
static void offer(const struct completing *c, const char *text, const char *help)
{
	if (!str_starts(text, c->word))
		return;
	fprintf(c->cli->out, "%s%s", c->prefix, text);
	if (help)
		fprintf(c->cli->out, "\t%s", help);
	fputc('\n', c->cli->out);
}

static void offer_choices(const struct completing *c, const char *choices)
{
	CLEANUP(str_list_release) struct str_list list = { 0 };
	str_list_split(&list, choices, " ");
	for (size_t i = 0; i < list.count; i++)
		offer(c, list.at[i], NULL);
}

/* A name with control characters is not offered. */
static bool is_printable(const char *text)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(text);
	return strcmp(shown, text) == 0;
}

static void offer_values(const struct completing *c, enum opt_hint hint)
{
	CLEANUP(str_list_release) struct str_list list = { 0 };
	const struct cli_sought sought = { hint, c->word, c->repository, c->keys };
	if (hint == HINT_NONE)
		return;
	if (hint == HINT_FILE || hint == HINT_DIR) {
		fprintf(c->cli->out, ":%s\n", hint == HINT_DIR ? "folders" : "files");
		return;
	}
	c->cli->conf_path = c->config;
	if (!c->program->values || (c->dir && chdir(c->dir) < 0))
		return;
	c->program->values(c->cli, &sought, &list);
	for (size_t i = 0; i < list.count; i++)
		if (is_printable(list.at[i]))
			offer(c, list.at[i], NULL);
}

static void offer_value_of(const struct completing *c, const struct opt *o)
{
	if (o->choices)
		offer_choices(c, o->choices);
	else
		offer_values(c, o->hint);
}

static void offer_options(const struct completing *c)
{
	const struct opt *tables[] = { c->command->opts, cli_common_opts };
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (const struct opt *o = tables[t]; o && o->type != OPT_END; o++) {
			if (o->type == OPT_GROUP)
				continue;
			CLEANUP(mem_free_ptr) char *name = mem_printf("--%s", o->name);
			offer(c, name, o->help);
		}
}

static void offer_operands(const struct completing *c)
{
	const struct command *o = c->command;
	if (o->stop_at_operand && c->operands > 0)
		fprintf(c->cli->out, ":%s\n", c->operands == 1 ? "programs" : "files");
	else if (o->max_operands < 0 || c->operands < o->max_operands)
		offer_values(c, o->operand_hint);
	for (const struct command *const *s = o->subs; s && *s; s++)
		offer(c, (*s)->name, (*s)->summary);
}

/* "--option=VALUE" */
static void offer_attached(struct completing *c)
{
	size_t len = strcspn(c->word, "=");
	const struct opt *o = find_opt(c, c->word + 2, len - 2, 0);
	CLEANUP(mem_free_ptr) char *prefix = mem_strndup(c->word, len + 1);
	c->prefix = prefix;
	c->word += len + 1;
	if (o && o->arg)
		offer_value_of(c, o);
	c->prefix = "";
}

void cli_complete(struct cli *cli, const struct command *program, int count, char **words)
{
	struct completing c = { .cli = cli, .program = program, .command = program };
	c.word = count ? words[count - 1] : "";
	c.prefix = "";
	for (int i = 0; i + 1 < count; i++)
		take(&c, words[i]);
	if (c.pending)
		offer_value_of(&c, c.pending);
	else if (!c.only_operands && str_starts(c.word, "--") && strchr(c.word, '='))
		offer_attached(&c);
	else if (!c.only_operands && c.word[0] == '-')
		offer_options(&c);
	else
		offer_operands(&c);
}

bool cli_complete_common(FILE *out, int count, char **words)
{
	static const struct command none = { .name = "" };
	struct cli cli = { .out = out };
	struct completing c = { .cli = &cli, .command = &none, .program = &none, .prefix = "" };
	c.word = count ? words[count - 1] : "";
	for (int i = 0; i + 1 < count; i++)
		take(&c, words[i]);
	if (c.pending)
		offer_value_of(&c, c.pending);
	else if (str_starts(c.word, "--") && strchr(c.word, '='))
		offer_attached(&c);
	else if (c.word[0] == '-')
		offer_options(&c);
	return c.pending || c.word[0] == '-';
}
