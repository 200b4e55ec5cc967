/* The dispatcher: `ferry fetch …` becomes ferry-fetch, from the folder that ferry
 * itself is in, so that a build tree works without being installed. */
#include "cli/frame/cli.h"

#include "util/child.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"
#include "util/text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const struct cli_entry entries[] = {
	{ "status", "say what this machine has, and what to do next", "Use models" },
	{ "repository", "manage the repositories that models come from", "Use models" },
	{ "fetch", "download a model into the store, verified", "Use models" },
	{ "list", "list the models in the catalog", "Use models" },
	{ "search", "search the catalog for models", "Use models" },
	{ "show", "show the details of one model", "Use models" },
	{ "run", "fetch a model if needed and run a program on it", "Use models" },
	{ "outdated", "list the models in the store that have a newer version", "Use models" },
	{ "update", "download the newer versions of the models in the store", "Use models" },
	{ "pin", "keep models in the store at their version", "Use models" },
	{ "unpin", "let models be updated again", "Use models" },
	{ "store", "manage the local store", "Use models" },
	{ "prepare", "make a GGUF, its manifest and its card from a source", "Publish models" },
	{ "manifest", "create and check manifests and SHA256SUMS", "Publish models" },
	{ "catalog", "create, change and sign the catalog", "Publish models" },
	{ "push", "update the mirrors to the current release", "Publish models" },
	{ "announce", "tell programs what was published", "Publish models" },
	{ "sync", "copy the release that one mirror shows to another mirror", "Publish models" },
	{ "verify", "check what the mirrors hold", "Publish models" },
	{ "mirror", "add, list, probe, set up and clean mirrors", "Publish models" },
	{ "serve", "be a verified mirror for the machines near this one", "Operate" },
	{ "health", "check whether readers get what is signed, and keep a history", "Operate" },
	{ "stats", "count downloads from access logs", "Operate" },
	{ "doctor", "check that everything is ready, and say what to do if not", "Operate" },
	{ "site", "make a web site of the repository, for people", "Operate" },
	{ "cost", "estimate what the mirrors cost in a month", "Operate" },
	{ "node", "give an engine's machine the models that it must have", "Operate" },
	{ NULL, NULL, NULL },
};

static const char usage_head[] =
	"ferry - carries GGUF models from publishers to inference engines, verified\n"
	"\n"
	"Usage:\n"
	"  ferry COMMAND [OPTION…] …\n";

static void print_usage(FILE *out)
{
	const char *group = "";
	fputs(usage_head, out);
	for (const struct cli_entry *n = entries; n->name; n++) {
		if (strcmp(group, n->group) != 0)
			fprintf(out, "\n%s:\n", n->group);
		group = n->group;
		fprintf(out, "  %-12s %s\n", n->name, n->summary);
	}
	fputs("\nOther:\n"
	      "  help         show this help, or that of a command\n"
	      "  completion   print the shell completion for bash, zsh or fish\n"
	      "\n"
	      "`ferry` alone says what to do next; ferry(1) is the manual.\n",
	      out);
}

static int finish(char **argv)
{
	struct err e = ERR_INIT;
	return cli_flush(&e) == 0 ? 0 : cli_fail(argv, &e);
}

/* The folder of this program. If the system does not report it, it is searched on PATH, as the
 * shell does. Caller frees. */
static char *own_dir(const char *argv0)
{
	CLEANUP(mem_free_ptr) char *own = os_own_path();
	if (own)
		return path_dir(own);
	CLEANUP(mem_free_ptr) char *found = strchr(argv0, '/') ? mem_strdup(argv0)
							       : child_on_path(argv0);
	own = found ? realpath(found, NULL) : NULL;
	return path_dir(own ? own : "");
}

static char *program_path(const char *argv0, const char *name)
{
	CLEANUP(mem_free_ptr) char *dir = own_dir(argv0);
	CLEANUP(mem_free_ptr) char *file = mem_printf("ferry-%s", name);
	return path_join(dir, file);
}

static const struct cli_entry *entry_find(const char *name)
{
	for (const struct cli_entry *n = entries; n->name; n++)
		if (!strcmp(n->name, name))
			return n;
	return NULL;
}

static int unknown(char **argv, const char *name)
{
	struct err e = ERR_INIT;
	const char *names[32];
	size_t count = 0;
	for (const struct cli_entry *n = entries; n->name && count < ARRAY_LEN(names); n++)
		names[count++] = n->name;
	err_set(&e, ERR_USAGE, "unknown command '%s'", name);
	cli_meant("ferry", name, names, count, &e);
	err_hint(&e, "'ferry help' lists the commands");
	return cli_fail(argv, &e);
}

/* Where a program is missing: Debian has one package for each group, and one for the edge
 * (ci/debian). */
static void hint_package(const char *name, struct err *e)
{
	static const struct {
		const char *of, *package; /* of a command or a group */
	} packages[] = {
		{ "serve", "ferry-edge" },       { "node", "ferry-edge" },
		{ "Use models", "ferry" },       { "Publish models", "ferry-publisher" },
		{ "Operate", "ferry-operator" },
	};
	size_t i = 0;
	while (strcmp(packages[i].of, name) != 0 &&
	       strcmp(packages[i].of, entry_find(name)->group) != 0)
		i++;
	err_hint(e, "is it installed? On Debian it is in the package %s", packages[i].package);
}

static int run_program(const char *argv0, const char *name, char **argv)
{
	CLEANUP(mem_free_ptr) char *path = program_path(argv0, name);
	argv[0] = path;
	execv(path, argv);
	struct err e = ERR_INIT;
	err_sys(&e, errno, "cannot run %s", path);
	err_class_set(&e, ERR_SYSTEM);
	hint_package(name, &e);
	return cli_fail(argv, &e);
}

/* ---- the command line: `ferry LEADING… NAME REST…` ---- */

struct words {
	int count; /* of argv */
	char **argv;
	const char *name; /* NULL: there is none */
	char **rest;      /* behind NAME; NULL-ended */
	int leading;      /* words; options of NAME */
};

static struct words words_of(int argc, char **argv)
{
	struct words w = { argc, argv, NULL, argv + argc, cli_leading_options(argc, argv) };
	int at = 1 + w.leading;
	if (at < argc) {
		w.name = argv[at];
		w.rest = argv + at + 1;
	}
	return w;
}

static bool leads_with(const struct words *w, const char *option)
{
	for (int i = 1; i <= w->leading; i++)
		if (!strcmp(w->argv[i], option))
			return true;
	return false;
}

static bool asks_for_help(const struct words *w)
{
	return leads_with(w, "--help") || leads_with(w, "-h");
}

/* ---- help ---- */

static const char help_usage[] = "ferry help - show the help of ferry or of a command\n"
				 "\n"
				 "Usage:\n"
				 "  ferry help [COMMAND…]\n"
				 "\n"
				 "For example: ferry help catalog add\n";

static const char completion_usage[] =
	"ferry completion - print the shell completion for bash, zsh or fish\n"
	"\n"
	"Usage:\n"
	"  ferry completion bash|zsh|fish\n"
	"\n"
	"For bash: source <(ferry completion bash)\n";

/* `ferry help catalog add` is `ferry-catalog --help add`. */
static int help(const struct words *w)
{
	char option[] = "--help", **rest = w->rest;
	while (*rest && **rest == '-')
		rest++;
	const char *name = *rest;
	if (!name)
		print_usage(stdout);
	else if (!strcmp(name, "help") || !strcmp(name, "completion"))
		fputs(*name == 'h' ? help_usage : completion_usage, stdout);
	else if (!entry_find(name))
		return unknown(w->argv, name);
	else {
		*rest = option;
		return run_program(w->argv[0], name, rest - 1);
	}
	return finish(w->argv);
}

/* ---- completion ---- */

static void offer(const char *word, const char *name, const char *summary)
{
	if (str_starts(name, word))
		printf("%s\t%s\n", name, summary);
}

static int complete_command(int count, char **words)
{
	const char *word = count ? words[count - 1] : "";
	if (cli_complete_common(stdout, count, words))
		return finish(words);
	for (const struct cli_entry *n = entries; n->name; n++)
		offer(word, n->name, n->summary);
	offer(word, "help", "show the help of ferry or of a command");
	offer(word, "completion", "print the shell completion for bash, zsh or fish");
	return finish(words);
}

/* `ferry --complete WORD…`: see cli/frame/complete.c. */
static int complete(int argc, char **argv)
{
	static char option[] = "--generate=complete";
	/* Without the word that is being typed. */
	struct words w = words_of(argc - 2, argv + 1);
	const char *word = argc > 2 ? argv[argc - 1] : "";
	if (w.name && !strcmp(w.name, "help"))
		w = words_of(argc - 2 - (int)(w.rest - (argv + 2)), w.rest - 1);
	if (!w.name)
		return complete_command(argc - 2, argv + 2);
	if (!strcmp(w.name, "completion")) {
		offer(word, "bash", ""), offer(word, "zsh", ""), offer(word, "fish", "");
		return finish(argv);
	}
	if (!entry_find(w.name))
		return 0;
	/* NAME LEADING… REST… */
	char *name = w.argv[1 + w.leading];
	memmove(w.argv + 2, w.argv + 1, (size_t)w.leading * sizeof *w.argv);
	w.argv[1] = option;
	return run_program(argv[0], name, w.argv);
}

static int run_completion(const struct words *w)
{
	const char *kind = w->rest[0];
	struct err e = ERR_INIT;
	if (asks_for_help(w) || (kind && (!strcmp(kind, "--help") || !strcmp(kind, "-h")))) {
		fputs(completion_usage, stdout);
		return finish(w->argv);
	}
	if (kind && cli_completion(stdout, kind))
		return finish(w->argv);
	err_set(&e, ERR_USAGE, kind ? "unknown shell '%s'" : "the shell is missing", kind);
	err_hint(&e, "usage: ferry completion bash|zsh|fish");
	return cli_fail(w->argv, &e);
}

/* ---- programs ---- */

/* Words of other tools that mean the same here. The hints of cli_meant() know more of them, where
 * it is not as clear. */
static const struct alias {
	const char *word, *use[2]; /* one or two words */
} aliases[] = {
	{ "pull", { "fetch", NULL } },
	{ "upgrade", { "update", NULL } },
	{ "du", { "store", "du" } },
};

/* Puts what an alias stands for in its place; the words are then in an array that stays. */
static void replace_alias(struct words *w)
{
	const struct alias *a = aliases;
	while (a < aliases + ARRAY_LEN(aliases) && !str_eq_nocase(a->word, w->name))
		a++;
	if (a == aliases + ARRAY_LEN(aliases))
		return;
	size_t at = 1 + (size_t)w->leading, more = a->use[1] ? 2 : 1;
	char **argv = mem_alloc(((size_t)w->count + more + 1) * sizeof *argv);
	memcpy(argv, w->argv, at * sizeof *argv);
	for (size_t i = 0; i < more; i++)
		argv[at + i] = mem_strdup(a->use[i]);
	memcpy(argv + at + more, w->rest, (size_t)(w->argv + w->count - w->rest) * sizeof *argv);
	*w = words_of(w->count - 1 + (int)more, argv);
}

/* `ferry -C DIR --json push …` is `ferry-push -C DIR --json …`. */
static int dispatch(const struct words *w)
{
	char *name = w->argv[1 + w->leading];
	if (!entry_find(name))
		return unknown(w->argv, name);
	/* NAME OPTIONS… REST…: rotates the first words once. */
	memmove(w->argv + 2, w->argv + 1, (size_t)w->leading * sizeof *w->argv);
	w->argv[1] = name;
	return run_program(w->argv[0], name, w->argv + 1);
}

/* Only options. */
static int without_command(const struct words *w)
{
	if (leads_with(w, "--version")) {
		printf("ferry %s\n", FERRY_VERSION);
		return finish(w->argv);
	}
	if (asks_for_help(w)) {
		print_usage(stdout);
		return finish(w->argv);
	}
	struct err e = ERR_INIT;
	if (w->count > 1) {
		if (cli_check_leading(w->count, w->argv, &e) == 0)
			err_set(&e, ERR_USAGE, "a command is missing");
		err_hint(&e, "'ferry help' lists the commands");
		return cli_fail(w->argv, &e);
	}
	return run_program(w->argv[0], "status", w->argv);
}

int main(int argc, char **argv)
{
	cli_standard_streams();
	if (argc > 1 && !strcmp(argv[1], "--complete"))
		return complete(argc, argv);
	struct words w = words_of(argc, argv);
	if (!w.name)
		return without_command(&w);
	replace_alias(&w);
	if (!strcmp(w.name, "help"))
		return help(&w);
	if (!strcmp(w.name, "completion"))
		return run_completion(&w);
	return dispatch(&w);
}
