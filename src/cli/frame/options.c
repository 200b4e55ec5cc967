#include "cli/frame/internal.h"

#include "util/mem.h"

#include <string.h>

const struct opt cli_common_opts[] = {
	OPT_HEADING("Common options"),
	OPT_HINTED(OPT_STRING, cli_common, dir, 'C', "directory", "DIR", HINT_DIR,
		   "run as if started in this folder, with its ferry.conf"),
	OPT_HINTED(OPT_STRING, cli_common, config, 0, "config", "FILE", HINT_FILE,
		   "read this configuration instead of the first ferry.conf found"),
	OPT_ENTRY(OPT_FLAG, cli_common, json, 0, "json", NULL,
		  "print the result as one JSON document"),
	OPT_ENTRY(OPT_FLAG, cli_common, quiet, 'q', "quiet", NULL,
		  "no progress, no notes, and on success only what was asked for, such as a list "
		  "or a path; warnings and errors remain"),
	OPT_ENTRY(OPT_COUNT, cli_common, verbose, 'v', "verbose", NULL, "show more details"),
	OPT_ENUM(cli_common, progress, 0, "progress", "MODE", "auto plain json none",
		 "how to show progress on standard error"),
	OPT_ENTRY(OPT_FLAG, cli_common, help, 'h', "help", NULL, "show this help"),
	OPT_ENTRY(OPT_FLAG, cli_common, version, 0, "version", NULL, "show the version"),
	OPT_LAST,
};

/* Not in any help: for the build and `ferry completion`. */
static const struct opt hidden_opts[] = {
	OPT_ENTRY(OPT_STRING, cli_common, generate, 0, "generate", "KIND", ""),
	OPT_LAST,
};

/* ---- in front of the command ---- */

/* A common option that takes a value; `len` of its name, or else its letter. */
static bool takes_value(const char *name, size_t len, char letter)
{
	for (const struct opt *o = cli_common_opts; o->type != OPT_END; o++)
		if (o->arg && (letter ? o->letter == letter
				      : strlen(o->name) == len && !strncmp(o->name, name, len)))
			return true;
	return false;
}

/* Is the value of the option the next word? */
static bool wants_next(const char *word)
{
	if (word[1] == '-') {
		size_t len = strcspn(word + 2, "=");
		return !word[2 + len] && takes_value(word + 2, len, 0);
	}
	while (*++word)
		if (takes_value(NULL, 0, *word))
			return !word[1];
	return false;
}

int cli_leading_options(int argc, char **argv)
{
	int i = 1;
	while (i < argc && argv[i][0] == '-' && argv[i][1])
		i += wants_next(argv[i]) ? 2 : 1;
	return MIN(i, argc) - 1;
}

int cli_check_leading(int argc, char **argv, struct err *e)
{
	struct cli_common common = { 0 };
	const struct opt_table tables[] = {
		{ cli_common_opts, &common },
		cli_meant_every(),
	};
	int operands;
	return opt_parse(tables, ARRAY_LEN(tables), argc, argv, true, &operands, e);
}

/* ---- sub-commands ---- */

#define MAX_SUBS 64

void cli_words_release(struct cli_words *w)
{
	opt_release(w->command->opts, w->opts);
	free(w->opts);
	free(w->path);
}

static int unknown_sub(const struct cli_words *w, const char *name, struct err *e)
{
	const char *names[MAX_SUBS];
	size_t known = 0;
	for (; w->command->subs[known] && known < MAX_SUBS; known++)
		names[known] = w->command->subs[known]->name;
	err_set(e, ERR_USAGE, "unknown command '%s'", name);
	cli_meant(w->path, name, names, known, e);
	return err_hint(e, "see '%s --help'", w->path);
}

/* `ferry catalog help add` is `ferry catalog --help add`. */
static bool is_help(const struct cli_words *w, const char *name)
{
	return strcmp(name, "help") == 0 && w->command->subs;
}

/* Continues with the sub-command in the first operand. */
static int descend(struct cli_words *w, const char *name, struct err *e)
{
	const struct command *const *sub = w->command->subs;
	while (*sub && strcmp((*sub)->name, name) != 0)
		sub++;
	if (!*sub)
		return unknown_sub(w, name, e);
	char *path = mem_printf("%s %s", w->path, name);
	free(w->path);
	w->path = path;
	opt_release(w->command->opts, w->opts);
	free(STEAL(w->opts));
	w->command = *sub;
	return 0;
}

static bool names_sub(const struct command *c, const char *name)
{
	const struct command *const *sub = c->subs;
	while (*sub && strcmp((*sub)->name, name) != 0)
		sub++;
	return *sub != NULL;
}

/* Of a command that can be run, and takes operands, beside its sub-commands. */
static bool has_own_operands(const struct cli_words *w)
{
	const struct command *c = w->command;
	return c->subs && c->run && c->max_operands && w->count && !is_help(w, w->operands[0]) &&
	       !names_sub(c, w->operands[0]);
}

static void parse_options(struct cli_words *w, bool stop, int argc, char **argv, struct err *e)
{
	const struct command *c = w->command;
	if (w->opts)
		opt_release(c->opts, w->opts);
	free(w->opts);
	w->opts = mem_alloc(c->opts_size);
	if (c->defaults)
		memcpy(w->opts, c->defaults, c->opts_size);
	const struct opt_table tables[] = {
		{ c->opts, w->opts },        { cli_common_opts, &w->common },
		{ hidden_opts, &w->common }, cli_meant_reader(w->path),
		cli_meant_every(),
	};
	w->operands = argv + 1;
	(void)!opt_parse(tables, ARRAY_LEN(tables), argc, argv, stop, &w->count, e);
}

/* One command's options, up to the name of a sub-command. */
static int parse_level(struct cli_words *w, int argc, char **argv, struct err *e)
{
	const struct command *c = w->command;
	size_t bytes = (size_t)argc * sizeof *argv;
	CLEANUP(mem_free_ptr) char **copy = mem_alloc(bytes + 1);
	memcpy(copy, argv, bytes);
	parse_options(w, c->subs || c->stop_at_operand, argc, argv, e);
	if (!e->class && has_own_operands(w)) {
		memcpy(argv, copy, bytes);
		parse_options(w, false, argc, argv, e);
	}
	return err_hint(e, "see '%s --help'", w->path);
}

int cli_parse(struct cli_words *w, int argc, char **argv, struct err *e)
{
	int rc = parse_level(w, argc, argv, e);
	while (rc == 0 && w->command->subs && w->count > 0 && !has_own_operands(w)) {
		if (is_help(w, w->operands[0]))
			w->common.help = true;
		else
			rc = descend(w, w->operands[0], e);
		if (rc == 0)
			rc = parse_level(w, w->count, w->operands, e);
	}
	return rc;
}

static bool has_option(const struct command *c, const char *name)
{
	for (const struct opt *o = c->opts; o && o->type != OPT_END; o++)
		if (o->name && strcmp(o->name, name) == 0)
			return true;
	return false;
}

/* What it works on are mirrors; those who fetch can also exclude some. */
static bool chooses_mirror(const struct command *c)
{
	return has_option(c, "mirror") && !has_option(c, "exclude-mirror");
}

/* Elsewhere, what is to be worked on is an operand. */
static void too_many(const struct cli_words *w, struct err *e)
{
	const struct command *c = w->command;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(w->operands[c->max_operands]);
	err_set(e, ERR_USAGE, "too many operands: %s", shown);
	if (c->max_operands == 0 && chooses_mirror(c) && has_option(c, "only"))
		err_hint(e, "--mirror chooses a mirror, --only a model");
	else if (c->max_operands == 0 && chooses_mirror(c))
		err_hint(e, "--mirror chooses a mirror");
}

int cli_check_operands(const struct cli_words *w, struct err *e)
{
	const struct command *c = w->command;
	const char *form = c->synopsis && c->synopsis[0] ? c->synopsis[0] : "";
	if (c->subs && !c->run && w->count == 0) {
		err_set(e, ERR_USAGE, "a command is missing");
		return err_hint(e, "see '%s --help'", w->path);
	}
	if (w->count < c->min_operands)
		err_set(e, ERR_USAGE, w->count ? "an operand is missing" : "operands are missing");
	else if (c->max_operands >= 0 && w->count > c->max_operands)
		too_many(w, e);
	return err_hint(e, "usage: %s [OPTION…]%s%s", w->path, *form ? " " : "", form);
}
