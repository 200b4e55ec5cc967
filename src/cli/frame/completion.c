/* Shell completions, made from the same option tables as --help. */
#include "cli/frame/internal.h"

#include "util/mem.h"

#include <string.h>

/* Walks all options of a command and its sub-commands, the common ones included. */
static void each_opt(FILE *out, const struct command *c, const char *sub,
		     void (*fn)(FILE *out, const char *sub, const struct opt *o))
{
	const struct opt *tables[] = { c->opts, cli_common_opts };
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (const struct opt *o = tables[t]; o && o->type != OPT_END; o++)
			if (o->type != OPT_GROUP)
				fn(out, sub, o);
}

static const char *hint_word(enum opt_hint hint)
{
	static const char *const words[] = {
		"none", "file", "dir", "model", "mirror", "repository",
	};
	return words[hint];
}

/* ---- bash ---- */

/* An associative array from "command sub --option" to the kind of its value. */
static void bash_opt(FILE *out, const char *sub, const struct opt *o)
{
	const char *value = o->choices ? o->choices : o->arg ? hint_word(o->hint) : "-";
	fprintf(out, "_ferry_options['%s --%s']='%s%s'\n", sub, o->name, o->choices ? "=" : "",
		value);
	if (o->letter)
		fprintf(out, "_ferry_options['%s -%c']='%s%s'\n", sub, o->letter,
			o->choices ? "=" : "", value);
}

static void bash(FILE *out, const struct command *c, const char *path)
{
	fprintf(out, "_ferry_operand['%s']='%s'\n", path, hint_word(c->operand_hint));
	each_opt(out, c, path, bash_opt);
	if (!c->subs)
		return;
	fprintf(out, "_ferry_commands['%s']='", path);
	for (const struct command *const *s = c->subs; *s; s++)
		fprintf(out, "%s%s", s == c->subs ? "" : " ", (*s)->name);
	fputs("'\n", out);
	for (const struct command *const *s = c->subs; *s; s++) {
		CLEANUP(mem_free_ptr) char *sub = mem_printf("%s %s", path, (*s)->name);
		bash(out, *s, sub);
	}
}

static void bash_head(FILE *out, const struct cli_entry *entries)
{
	fputs("# bash completion for ferry\n"
	      "declare -gA _ferry_options=() _ferry_operand=() _ferry_commands=()\n"
	      "_ferry_commands['.']='",
	      out);
	for (const struct cli_entry *n = entries; n->name; n++)
		fprintf(out, "%s%s", n == entries ? "" : " ", n->name);
	fputs("'\n", out);
}

static const char bash_functions[] =
	"_ferry_values() {\n"
	"    case $1 in\n"
	"    =*) COMPREPLY=($(compgen -W \"${1#=}\" -- \"$2\")) ;;\n"
	"    dir) compopt -o filenames; COMPREPLY=($(compgen -d -- \"$2\")) ;;\n"
	"    model) COMPREPLY=($(compgen -W \"$(ferry list --offline -q 2>/dev/null |"
	" cut -d' ' -f1)\" -- \"$2\")) ;;\n"
	"    *) compopt -o filenames; COMPREPLY=($(compgen -f -- \"$2\")) ;;\n"
	"    esac\n"
	"}\n"
	"_ferry() {\n"
	"    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at='' i key\n"
	"    local start=1\n"
	"    if [[ ${COMP_WORDS[0]##*/} == ferry-* ]]; then at=${COMP_WORDS[0]##*/ferry-}; fi\n"
	"    for ((i = start; i < COMP_CWORD; i++)); do\n"
	"        [[ ${COMP_WORDS[i]} == -* || -z ${_ferry_commands[${at:-.}]-} ]] && continue\n"
	"        [[ \" ${_ferry_commands[${at:-.}]} \" == *\" ${COMP_WORDS[i]} \"* ]] || continue\n"
	"        at=${at:+$at }${COMP_WORDS[i]}\n"
	"    done\n"
	"    if [[ $prev == '=' ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
	"    if [[ $cur == '=' ]]; then cur=''; fi\n"
	"    local value=${_ferry_options[\"$at $prev\"]-}\n"
	"    if [[ -n $value && $value != - ]]; then\n"
	"        _ferry_values \"$value\" \"$cur\"\n"
	"    elif [[ $cur == -* ]]; then\n"
	"        local words=''\n"
	"        for key in \"${!_ferry_options[@]}\"; do\n"
	"            [[ $key == \"$at --\"* ]] && words+=\" ${key##* }\"\n"
	"        done\n"
	"        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	"    elif [[ -n ${_ferry_commands[${at:-.}]-} ]]; then\n"
	"        COMPREPLY=($(compgen -W \"${_ferry_commands[${at:-.}]}\" -- \"$cur\"))\n"
	"    else\n"
	"        _ferry_values \"${_ferry_operand[${at:-.}]-}\" \"$cur\"\n"
	"    fi\n"
	"}\n"
	"complete -F _ferry ferry\n";

static void bash_tail(FILE *out, const struct cli_entry *entries)
{
	(void)entries;
	fputs(bash_functions, out);
}

/* ---- zsh ---- */

static void quoted(FILE *out, const char *s, const char *special)
{
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\'", out);
		else if (strchr(special, *s))
			fputc('\\', out);
		fputc(*s, out);
	}
}

/* An _arguments specification for each option. */
static void zsh_opt(FILE *out, const char *sub, const struct opt *o)
{
	static const char *const actions[] = {
		" ", "_files", "_files -/", "_ferry_models", " ", " ",
	};
	char names[2][80] = { "", "" };
	snprintf(names[0], sizeof names[0], "--%s%s", o->name, o->arg ? "=" : "");
	if (o->letter)
		snprintf(names[1], sizeof names[1], "-%c%s", o->letter, o->arg ? "+" : "");
	for (size_t i = 0; i < 2 && names[i][0]; i++) {
		fprintf(out, "    '%s%s[", o->type == OPT_LIST || o->type == OPT_COUNT ? "*" : "",
			names[i]);
		quoted(out, o->help, "[]:");
		fputc(']', out);
		if (o->choices)
			fprintf(out, ":%s:(%s)", o->arg, o->choices);
		else if (o->arg)
			fprintf(out, ":%s:%s", o->arg, actions[o->hint]);
		fputs("' \\\n", out);
	}
	(void)sub;
}

/* The function of a command, such as _ferry_catalog_add; NULL: that of ferry itself. */
static void zsh_name(FILE *out, const char *path)
{
	fputs(path ? "_ferry_" : "_ferry", out);
	for (; path && *path; path++)
		fputc(*path == ' ' || *path == '-' ? '_' : *path, out);
}

/* A function that offers commands and continues with the chosen one. */
static void zsh_begin_menu(FILE *out, const char *path)
{
	zsh_name(out, path);
	fputs("() {\n  if (( CURRENT == 2 )); then\n    local -a commands=(\n", out);
}

static void zsh_choice(FILE *out, const char *name, const char *summary)
{
	fprintf(out, "      '%s:", name);
	quoted(out, summary, ":");
	fputs("'\n", out);
}

static void zsh_end_menu(FILE *out, const char *path)
{
	fputs("    )\n    _describe command commands\n  else\n    local sub=$words[2]\n"
	      "    shift words; (( CURRENT-- ))\n    ",
	      out);
	zsh_name(out, path);
	fputs("_$sub 2>/dev/null\n  fi\n}\n", out);
}

static void zsh(FILE *out, const struct command *c, const char *path)
{
	if (!c->subs) {
		zsh_name(out, path);
		fputs("() {\n  _arguments -s \\\n", out);
		each_opt(out, c, path, zsh_opt);
		fprintf(out, "    '*:operand:%s'\n}\n",
			c->operand_hint == HINT_MODEL ? "_ferry_models" : "_files");
		return;
	}
	zsh_begin_menu(out, path);
	for (const struct command *const *s = c->subs; *s; s++)
		zsh_choice(out, (*s)->name, (*s)->summary);
	zsh_end_menu(out, path);
	for (const struct command *const *s = c->subs; *s; s++) {
		CLEANUP(mem_free_ptr) char *sub = mem_printf("%s %s", path, (*s)->name);
		zsh(out, *s, sub);
	}
}

static void zsh_head(FILE *out, const struct cli_entry *entries)
{
	(void)entries;
	fputs("#compdef ferry\n"
	      "_ferry_models() {\n"
	      "  local -a models=(${(f)\"$(ferry list --offline -q 2>/dev/null | "
	      "cut -d' ' -f1)\"})\n"
	      "  compadd -a models\n}\n",
	      out);
}

static void zsh_tail(FILE *out, const struct cli_entry *entries)
{
	zsh_begin_menu(out, NULL);
	for (const struct cli_entry *n = entries; n->name; n++)
		zsh_choice(out, n->name, n->summary);
	zsh_end_menu(out, NULL);
	fputs("if [[ $funcstack[1] == _ferry ]]; then _ferry \"$@\"; "
	      "else compdef _ferry ferry; fi\n",
	      out);
}

/* ---- fish ---- */

static void fish_quoted(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\'' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
}

static void fish_opt(FILE *out, const char *sub, const struct opt *o)
{
	const char *space = strchr(sub, ' ');
	fprintf(out, "complete -c ferry -n '__fish_seen_subcommand_from %.*s",
		(int)(space ? space - sub : (long)strlen(sub)), sub);
	if (space)
		fprintf(out, "; and __fish_seen_subcommand_from %s", space + 1);
	fprintf(out, "' -l %s", o->name);
	if (o->letter)
		fprintf(out, " -s %c", o->letter);
	if (o->choices)
		fprintf(out, " -x -a '%s'", o->choices);
	else if (o->arg)
		fputs(o->hint == HINT_FILE || o->hint == HINT_DIR ? " -r -F" : " -x", out);
	fputs(" -d '", out);
	fish_quoted(out, o->help);
	fputs("'\n", out);
}

static void fish_choice(FILE *out, const char *when, const char *name, const char *summary)
{
	fprintf(out, "complete -c ferry -n %s -a %s -d '", when, name);
	fish_quoted(out, summary);
	fputs("'\n", out);
}

static void fish(FILE *out, const struct command *c, const char *path)
{
	if (!c->subs) {
		each_opt(out, c, path, fish_opt);
		if (c->operand_hint == HINT_MODEL)
			fprintf(out,
				"complete -c ferry -n '__fish_seen_subcommand_from %s' -f -a "
				"'(__ferry_models)'\n",
				path);
		return;
	}
	for (const struct command *const *s = c->subs; *s; s++) {
		CLEANUP(mem_free_ptr) char *sub = mem_printf("%s %s", path, (*s)->name);
		CLEANUP(mem_free_ptr) char *when = mem_printf("'__fish_seen_subcommand_from %s' -f",
							      path);
		fish_choice(out, when, (*s)->name, (*s)->summary);
		fish(out, *s, sub);
	}
}

static void fish_head(FILE *out, const struct cli_entry *entries)
{
	fputs("# fish completion for ferry\n"
	      "function __ferry_models\n"
	      "    ferry list --offline -q 2>/dev/null | string replace -r ' .*' ''\n"
	      "end\n"
	      "complete -c ferry -n __fish_use_subcommand -f\n",
	      out);
	for (const struct cli_entry *n = entries; n->name; n++)
		fish_choice(out, "__fish_use_subcommand", n->name, n->summary);
}

static void fish_tail(FILE *out, const struct cli_entry *entries)
{
	(void)out, (void)entries;
}

/* ---- all ---- */

static const struct shell {
	const char *name;
	void (*head)(FILE *out, const struct cli_entry *entries);
	void (*command)(FILE *out, const struct command *c, const char *path);
	void (*tail)(FILE *out, const struct cli_entry *entries);
} shells[] = {
	{ "bash", bash_head, bash, bash_tail },
	{ "zsh", zsh_head, zsh, zsh_tail },
	{ "fish", fish_head, fish, fish_tail },
};

static const struct shell *shell_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(shells); i++)
		if (strcmp(shells[i].name, name) == 0)
			return &shells[i];
	return NULL;
}

bool cli_completion(FILE *out, const struct command *c, const char *shell)
{
	const struct shell *s = shell_find(shell);
	if (s)
		s->command(out, c, c->name);
	return s;
}

bool cli_completion_head(FILE *out, const struct cli_entry *entries, const char *shell)
{
	const struct shell *s = shell_find(shell);
	if (s)
		s->head(out, entries);
	return s;
}

void cli_completion_tail(FILE *out, const struct cli_entry *entries, const char *shell)
{
	const struct shell *s = shell_find(shell);
	if (s)
		s->tail(out, entries);
}
