/* What the option tables become: --help, the option lists of man pages, and shell
 * completions. */
#include "cli/frame/internal.h"

#include <string.h>

static unsigned help_width(FILE *out)
{
	size_t columns = cli_terminal_width(out);
	return columns >= 40 ? (unsigned)MIN(columns, (size_t)100) : 80;
}

/* A paragraph, folded; "\n" in the text starts a new one. */
static void fold(FILE *out, const char *text, unsigned width)
{
	unsigned column = 0;
	while (*text) {
		if (*text == '\n') {
			fputc('\n', out);
			column = 0;
			text++;
			continue;
		}
		size_t word = strcspn(text, " \n");
		if (column && column + 1 + word > width) {
			fputc('\n', out);
			column = 0;
		}
		fprintf(out, "%s%.*s", column ? " " : "", (int)word, text);
		column += (unsigned)word + (column ? 1 : 0);
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void man_name(FILE *out, const char *path)
{
	for (int words = 0; *path; path++) {
		if (*path == ' ' && ++words > 1)
			return;
		fputc(*path == ' ' ? '-' : *path, out);
	}
}

void cli_help(FILE *out, const struct command *c, const char *path)
{
	unsigned width = help_width(out);
	fprintf(out, "%s - %s\n\nUsage:\n", path, c->summary);
	if (c->subs)
		fprintf(out, "  %s COMMAND [OPTION…] …\n", path);
	for (const char *const *s = c->synopsis; s && *s; s++)
		fprintf(out, "  %s [OPTION…]%s%s\n", path, **s ? " " : "", *s);
	if (c->description) {
		fputc('\n', out);
		fold(out, c->description, width);
	}
	if (c->subs) {
		fputs("\nCommands:\n", out);
		for (const struct command *const *s = c->subs; *s; s++)
			fprintf(out, "  %-14s %s\n", (*s)->name, (*s)->summary);
	}
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	if (c->opts && c->opts[0].type != OPT_GROUP && c->opts[0].type != OPT_END)
		buf_adds(&text, "\nOptions:\n");
	opt_help(&text, c->opts, width);
	opt_help(&text, cli_common_opts, width);
	fputs(buf_str(&text), out);
	fputs("\nExit codes and the whole story: man ", out);
	man_name(out, path);
	fputc('\n', out);
}

static void scdoc(FILE *out, const struct command *c, const char *path)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	for (const struct command *const *s = c->subs; s && *s; s++) {
		CLEANUP(buf_release) struct buf sub = BUF_INIT(256);
		buf_addf(&sub, "%s %s", path, (*s)->name);
		buf_addf(&text, "## %s\n\n", buf_str(&sub));
		for (const char *const *form = (*s)->synopsis; form && *form; form++)
			buf_addf(&text, "*%s* [_OPTION_…] %s\n\n", buf_str(&sub), *form);
		if (!(*s)->synopsis)
			buf_addf(&text, "*%s* [_OPTION_…]\n\n", buf_str(&sub));
		buf_addf(&text, "%s\n\n", (*s)->description ? (*s)->description : (*s)->summary);
		opt_scdoc(&text, (*s)->opts);
	}
	if (!c->subs)
		opt_scdoc(&text, c->opts);
	opt_scdoc(&text, cli_common_opts);
	fputs(buf_str(&text), out);
}

/* Walks all options of a command and its sub-commands, the common ones included. */
static void each_opt(const struct command *c, const char *sub,
		     void (*fn)(FILE *out, const struct command *c, const char *sub,
				const struct opt *o), FILE *out)
{
	const struct opt *tables[] = { c->opts, cli_common_opts };
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (const struct opt *o = tables[t]; o && o->type != OPT_END; o++)
			if (o->type != OPT_GROUP)
				fn(out, c, sub, o);
}

static const char *hint_word(enum opt_hint hint)
{
	static const char *const words[] = { "none", "file", "dir", "model", "mirror",
					     "repository" };
	return words[hint];
}

/* bash: one associative array from "command sub --option" to what its value is. */
static void bash_opt(FILE *out, const struct command *c, const char *sub, const struct opt *o)
{
	const char *value = o->choices ? o->choices : o->arg ? hint_word(o->hint) : "-";
	fprintf(out, "_ferry_options['%s --%s']='%s%s'\n", sub, o->name, o->choices ? "=" : "",
		value);
	if (o->letter)
		fprintf(out, "_ferry_options['%s -%c']='%s%s'\n", sub, o->letter,
			o->choices ? "=" : "", value);
	(void)c;
}

static void bash(FILE *out, const struct command *c, const char *path)
{
	fprintf(out, "_ferry_operand['%s']='%s'\n", path, hint_word(c->operand_hint));
	each_opt(c, path, bash_opt, out);
	if (!c->subs)
		return;
	fprintf(out, "_ferry_commands['%s']='", path);
	for (const struct command *const *s = c->subs; *s; s++)
		fprintf(out, "%s%s", s == c->subs ? "" : " ", (*s)->name);
	fputs("'\n", out);
	for (const struct command *const *s = c->subs; *s; s++) {
		CLEANUP(buf_release) struct buf sub = BUF_INIT(256);
		buf_addf(&sub, "%s %s", path, (*s)->name);
		bash(out, *s, buf_str(&sub));
	}
}

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

/* zsh: an _arguments specification for each option. */
static void zsh_opt(FILE *out, const struct command *c, const char *sub, const struct opt *o)
{
	static const char *const actions[] = { " ", "_files", "_files -/", "_ferry_models", " ",
					       " " };
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
	(void)c, (void)sub;
}

static void zsh_name(FILE *out, const char *path)
{
	fputs("_ferry_", out);
	for (; *path; path++)
		fputc(*path == ' ' || *path == '-' ? '_' : *path, out);
}

static void zsh(FILE *out, const struct command *c, const char *path)
{
	zsh_name(out, path);
	fputs("() {\n", out);
	if (c->subs) {
		fputs("  if (( CURRENT == 2 )); then\n    local -a commands=(\n", out);
		for (const struct command *const *s = c->subs; *s; s++) {
			fprintf(out, "      '%s:", (*s)->name);
			quoted(out, (*s)->summary, ":");
			fputs("'\n", out);
		}
		fputs("    )\n    _describe command commands\n  else\n    local sub=$words[2]\n"
		      "    shift words; (( CURRENT-- ))\n    ", out);
		zsh_name(out, path);
		fputs("_$sub 2>/dev/null\n  fi\n}\n", out);
		for (const struct command *const *s = c->subs; *s; s++) {
			CLEANUP(buf_release) struct buf sub = BUF_INIT(256);
			buf_addf(&sub, "%s %s", path, (*s)->name);
			zsh(out, *s, buf_str(&sub));
		}
		return;
	}
	fputs("  _arguments -s \\\n", out);
	each_opt(c, path, zsh_opt, out);
	fprintf(out, "    '*:operand:%s'\n}\n",
		c->operand_hint == HINT_MODEL ? "_ferry_models" : "_files");
}

static void fish_quoted(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\'' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
}

static void fish_opt(FILE *out, const struct command *c, const char *sub, const struct opt *o)
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
	(void)c;
}

static void fish(FILE *out, const struct command *c, const char *path)
{
	if (!c->subs) {
		each_opt(c, path, fish_opt, out);
		if (c->operand_hint == HINT_MODEL)
			fprintf(out, "complete -c ferry -n '__fish_seen_subcommand_from %s' -f -a "
				     "'(__ferry_models)'\n", path);
		return;
	}
	for (const struct command *const *s = c->subs; *s; s++) {
		CLEANUP(buf_release) struct buf sub = BUF_INIT(256);
		buf_addf(&sub, "%s %s", path, (*s)->name);
		fprintf(out, "complete -c ferry -n '__fish_seen_subcommand_from %s' -f -a %s -d '",
			path, (*s)->name);
		fish_quoted(out, (*s)->summary);
		fputs("'\n", out);
		fish(out, *s, buf_str(&sub));
	}
}

bool cli_generate(FILE *out, const struct command *c, const char *kind)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT(256);
	if (!strcmp(kind, "scdoc")) {
		buf_addf(&path, "ferry %s", c->name);
		scdoc(out, c, buf_str(&path));
	} else if (!strcmp(kind, "bash")) {
		bash(out, c, c->name);
	} else if (!strcmp(kind, "zsh")) {
		zsh(out, c, c->name);
	} else if (!strcmp(kind, "fish")) {
		fish(out, c, c->name);
	} else {
		return false;
	}
	return true;
}

static void entry_names(FILE *out)
{
	for (const struct cli_entry *n = cli_entries; n->name; n++)
		fprintf(out, "%s%s", n == cli_entries ? "" : " ", n->name);
}

bool cli_generate_head(FILE *out, const char *kind)
{
	if (!strcmp(kind, "bash")) {
		fputs("# bash completion for ferry\n"
		      "declare -gA _ferry_options=() _ferry_operand=() _ferry_commands=()\n"
		      "_ferry_commands['.']='", out);
		entry_names(out);
		fputs("'\n", out);
	} else if (!strcmp(kind, "zsh")) {
		fputs("#compdef ferry\n"
		      "_ferry_models() {\n"
		      "  local -a models=(${(f)\"$(ferry list --offline -q 2>/dev/null | "
		      "cut -d' ' -f1)\"})\n"
		      "  compadd -a models\n}\n", out);
	} else if (!strcmp(kind, "fish")) {
		fputs("# fish completion for ferry\n"
		      "function __ferry_models\n"
		      "    ferry list --offline -q 2>/dev/null | string replace -r ' .*' ''\n"
		      "end\n"
		      "complete -c ferry -n __fish_use_subcommand -f\n", out);
		for (const struct cli_entry *n = cli_entries; n->name; n++) {
			fprintf(out, "complete -c ferry -n __fish_use_subcommand -a %s -d '",
				n->name);
			fish_quoted(out, n->summary);
			fputs("'\n", out);
		}
	} else {
		return false;
	}
	return true;
}

static const char bash_tail[] =
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

bool cli_generate_tail(FILE *out, const char *kind)
{
	if (!strcmp(kind, "bash")) {
		fputs(bash_tail, out);
	} else if (!strcmp(kind, "zsh")) {
		fputs("_ferry() {\n  if (( CURRENT == 2 )); then\n    local -a commands=(\n", out);
		for (const struct cli_entry *n = cli_entries; n->name; n++) {
			fprintf(out, "      '%s:", n->name);
			quoted(out, n->summary, ":");
			fputs("'\n", out);
		}
		fputs("    )\n    _describe command commands\n  else\n    local sub=$words[2]\n"
		      "    shift words; (( CURRENT-- ))\n    _ferry_$sub 2>/dev/null\n  fi\n}\n"
		      "if [[ $funcstack[1] == _ferry ]]; then _ferry \"$@\"; "
		      "else compdef _ferry ferry; fi\n", out);
	}
	return true;
}
