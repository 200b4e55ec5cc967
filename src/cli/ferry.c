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
#include <sys/wait.h>
#include <unistd.h>

static const struct cli_entry entries[] = {
	{ "repository", "manage the repositories that models come from", "Use models" },
	{ "fetch", "download a model into the store, verified", "Use models" },
	{ "list", "list the models in the catalog", "Use models" },
	{ "show", "show the details of one model", "Use models" },
	{ "run", "fetch a model if needed and run a program on it", "Use models" },
	{ "store", "manage the local store", "Use models" },
	{ "prepare", "make a GGUF, its manifest and its card from a source", "Publish models" },
	{ "manifest", "create and check manifests and SHA256SUMS", "Publish models" },
	{ "catalog", "create, change and sign the catalog", "Publish models" },
	{ "push", "update the mirrors to the current release", "Publish models" },
	{ "sync", "copy the release that one mirror shows to another mirror", "Publish models" },
	{ "verify", "check what the mirrors hold", "Publish models" },
	{ "mirror", "add, list, probe, set up and clean mirrors", "Publish models" },
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
	      "Start with `ferry fetch MODEL`, or read ferry(1).\n",
	      out);
}

static int finish(void)
{
	struct err e = ERR_INIT;
	if (cli_flush(&e) == 0)
		return 0;
	fprintf(stderr, "ferry: %s\n", e.text);
	return (int)e.class;
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

static int unknown(const char *name)
{
	const char *names[32];
	size_t count = 0;
	for (const struct cli_entry *n = entries; n->name && count < ARRAY_LEN(names); n++)
		names[count++] = n->name;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
	const char *near = text_nearest(name, names, count);
	fprintf(stderr, "ferry: unknown command '%s'\n", shown);
	if (near)
		fprintf(stderr, "  hint: did you mean 'ferry %s'?\n", near);
	else
		fprintf(stderr, "  hint: 'ferry help' lists the commands\n");
	return ERR_USAGE;
}

static int run_program(const char *argv0, const char *name, char **argv)
{
	CLEANUP(mem_free_ptr) char *path = program_path(argv0, name);
	argv[0] = path;
	execv(path, argv);
	fprintf(stderr, "ferry: cannot run %s: %s\n", path, strerror(errno));
	fprintf(stderr, "  hint: is Model Ferry installed completely?\n");
	return ERR_SYSTEM;
}

/* Prints what `ferry-NAME --generate=KIND` prints. */
static int append_output(const char *argv0, const char *name, const char *kind)
{
	CLEANUP(mem_free_ptr) char *path = program_path(argv0, name);
	CLEANUP(mem_free_ptr) char *option = mem_printf("--generate=%s", kind);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		execl(path, path, option, (char *)NULL);
		_exit(ERR_SYSTEM);
	}
	int status = 0;
	if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
		fprintf(stderr, "ferry: cannot run %s\n", path);
		return ERR_SYSTEM;
	}
	return 0;
}

static int completion(const char *argv0, const char *kind)
{
	if (!kind || !cli_completion_head(stdout, entries, kind)) {
		fprintf(stderr, "ferry: the shell is missing\n"
				"  hint: ferry completion bash|zsh|fish\n");
		return ERR_USAGE;
	}
	for (const struct cli_entry *n = entries; n->name; n++) {
		int rc = append_output(argv0, n->name, kind);
		if (rc)
			return rc;
	}
	cli_completion_tail(stdout, entries, kind);
	return finish();
}

static int help(int argc, char **argv)
{
	if (argc < 3) {
		print_usage(stdout);
		return finish();
	}
	if (!entry_find(argv[2]))
		return unknown(argv[2]);
	char option[] = "--help";
	char *args[] = { NULL, option, NULL };
	return run_program(argv[0], argv[2], args);
}

/* `ferry -C DIR --json push …`: moves common options before the command behind it. Returns their
 * number of words. */
static int leading_options(int argc, char **argv)
{
	static const char *const with_value[] = { "-C", "--directory", "--config", "--progress" };
	int i = 1;
	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++)
		for (size_t w = 0; w < ARRAY_LEN(with_value); w++)
			if (!strcmp(argv[i], with_value[w]) && i + 1 < argc) {
				i++;
				break;
			}
	return i - 1;
}

static int dispatch(int argc, char **argv)
{
	int leading = leading_options(argc, argv);
	const char *name = argv[1 + leading];
	if (!name || !entry_find(name))
		return unknown(name ? name : argv[1]);
	/* NAME OPTIONS… REST…: rotates the first words once. */
	char *kept = argv[1 + leading];
	memmove(argv + 2, argv + 1, (size_t)leading * sizeof *argv);
	argv[1] = kept;
	return run_program(argv[0], name, argv + 1);
}

int main(int argc, char **argv)
{
	cli_standard_streams();
	const char *name = argc > 1 ? argv[1] : NULL;
	if (!name) {
		print_usage(stderr);
		return ERR_USAGE;
	}
	if (!strcmp(name, "--version")) {
		printf("ferry %s\n", FERRY_VERSION);
		return finish();
	}
	if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h"))
		return help(argc, argv);
	if (!strcmp(name, "completion"))
		return completion(argv[0], argc > 2 ? argv[2] : NULL);
	return dispatch(argc, argv);
}
