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
		  "no progress and no notes; warnings and errors remain"),
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
	const char *near = text_nearest(name, names, known);
	err_set(e, ERR_USAGE, "unknown command '%s'", name);
	return near ? err_hint(e, "did you mean '%s %s'?", w->path, near)
		    : err_hint(e, "see '%s --help'", w->path);
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
	w->command = *sub;
	return 0;
}

/* One command's options, up to its operands. */
static int parse_level(struct cli_words *w, int argc, char **argv, struct err *e)
{
	const struct command *c = w->command;
	free(w->opts);
	w->opts = mem_alloc(c->opts_size);
	if (c->defaults)
		memcpy(w->opts, c->defaults, c->opts_size);
	const struct opt_table tables[] = {
		{ c->opts, w->opts },
		{ cli_common_opts, &w->common },
		{ hidden_opts, &w->common },
	};
	w->operands = argv + 1;
	return opt_parse(tables, ARRAY_LEN(tables), argc, argv, c->subs || c->stop_at_operand,
			 &w->count, e);
}

int cli_parse(struct cli_words *w, int argc, char **argv, struct err *e)
{
	int rc = parse_level(w, argc, argv, e);
	while (rc == 0 && w->command->subs && w->count > 0) {
		rc = descend(w, w->operands[0], e);
		if (rc == 0)
			rc = parse_level(w, w->count, w->operands, e);
	}
	return rc;
}

int cli_check_operands(const struct cli_words *w, struct err *e)
{
	const struct command *c = w->command;
	const char *form = c->synopsis && c->synopsis[0] ? c->synopsis[0] : "";
	if (c->subs && w->count == 0) {
		err_set(e, ERR_USAGE, "a command is missing");
		return err_hint(e, "see '%s --help'", w->path);
	}
	if (w->count < c->min_operands)
		err_set(e, ERR_USAGE, w->count ? "an operand is missing" : "operands are missing");
	else if (c->max_operands >= 0 && w->count > c->max_operands)
		err_set(e, ERR_USAGE, "too many operands");
	return err_hint(e, "usage: %s [OPTION…]%s%s", w->path, *form ? " " : "", form);
}
