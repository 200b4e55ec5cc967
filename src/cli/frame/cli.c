#include "cli/frame/internal.h"

#include "util/cancel.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

const struct opt cli_common_opts[] = {
	OPT_HEADING("Common options"),
	OPT_HINTED(OPT_STRING, cli_common, dir, 'C', "directory", "DIR", HINT_DIR,
		   "work as if started in this folder; its ferry.conf is used"),
	OPT_HINTED(OPT_STRING, cli_common, config, 0, "config", "FILE", HINT_FILE,
		   "read this configuration instead of the first ferry.conf found"),
	OPT_ENTRY(OPT_FLAG, cli_common, json, 0, "json", NULL,
		  "print the result as one JSON document"),
	OPT_ENTRY(OPT_FLAG, cli_common, quiet, 'q', "quiet", NULL,
		  "no progress and no notes; warnings and errors remain"),
	OPT_ENTRY(OPT_COUNT, cli_common, verbose, 'v', "verbose", NULL, "say more"),
	OPT_ENUM(cli_common, progress, 0, "progress", "MODE", "auto plain json none",
		 "how progress is told on standard error"),
	OPT_ENTRY(OPT_FLAG, cli_common, help, 'h', "help", NULL, "show this help"),
	OPT_ENTRY(OPT_FLAG, cli_common, version, 0, "version", NULL, "show the version"),
	OPT_LAST,
};

/* Not in any list: for the build, and for `ferry completion`. */
static const struct opt hidden_opts[] = {
	OPT_ENTRY(OPT_STRING, cli_common, generate, 0, "generate", "KIND", ""),
	OPT_LAST,
};

struct run {
	struct cli cli;
	struct cli_common common;
	struct conf conf;
	char *path;             /* "ferry catalog add" */
	char *name;             /* "catalog add" */
};

#define SYSTEM_CONF "/etc/ferry/ferry.conf"

int cli_conf_path(struct cli *cli, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *home = NULL;
	const char *path = cli->conf_path ? cli->conf_path : "ferry.conf";
	if (cli->conf_path || file_exists(path)) {
		*out = mem_strdup(path);
		return 0;
	}
	struct err why = ERR_INIT;
	CLEANUP(mem_free_ptr) char *own = NULL;
	if (path_xdg("XDG_CONFIG_HOME", ".config", &home, &why) == 0)
		own = path_join(home, "ferry/ferry.conf");
	if ((!own || !file_exists(own)) && file_exists(SYSTEM_CONF)) {
		*out = mem_strdup(SYSTEM_CONF);
		return 0;
	}
	if (!own) {
		*e = why;
		return -(int)e->class;
	}
	*out = STEAL(own);
	return 0;
}

int cli_conf(struct cli *cli, const struct conf **out, struct err *e)
{
	static const char *const kinds[] = { "repository", "mirror", "publish", "fetch",
					     "prepare", NULL };
	int rc = 0;
	if (!cli->conf->path) {
		CLEANUP(mem_free_ptr) char *path = NULL;
		struct err ignored = ERR_INIT;
		if (cli_conf_path(cli, &path, &ignored) < 0 ||
		    (!cli->conf_path && !file_exists(path))) {
			*out = cli->conf;
			return 0;
		}
		rc = conf_load(path, cli->conf, e);
		if (rc == 0)
			rc = conf_check_kinds(cli->conf, kinds, e);
	}
	if (rc == 0)
		*out = cli->conf;
	return rc;
}

void cli_print(struct cli *cli, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(cli->out, fmt, ap);
	va_end(ap);
}

void cli_print_line(struct cli *cli, const char *fmt, ...)
{
	char *plain = NULL;
	va_list ap;
	va_start(ap, fmt);
	int len = vasprintf(&plain, fmt, ap);
	va_end(ap);
	CLEANUP(mem_free_ptr) char *shown = len < 0 ? NULL : text_escaped(plain);
	free(plain);
	fprintf(cli->out, "%s\n", shown ? shown : "");
}

int cli_print_json(struct cli *cli, json_t *document, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(256 * MIB);
	int rc = json_pretty(document, &text, e);
	json_decref(document);
	if (rc == 0)
		fwrite(text.data, 1, text.len, cli->out);
	return rc;
}

json_t *cli_error_json(const struct err *e)
{
	json_t *inner = json_object();
	json_put_string(inner, "class", err_class_name(e->class));
	json_put_u64(inner, "exit", e->class == ERR_CANCELLED ? 128u + (unsigned)cancel_signal()
							       : (unsigned)e->class);
	json_put(inner, "message", json_string_lossy(e->text, strlen(e->text)));
	if (e->hint[0])
		json_put(inner, "hint", json_string_lossy(e->hint, strlen(e->hint)));
	return inner;
}

static void print_error(struct run *run, const struct err *e)
{
	CLEANUP(mem_free_ptr) char *text = text_escaped(e->text);
	CLEANUP(mem_free_ptr) char *hint = text_escaped(e->hint);
	cli_progress_pause(run->cli.report);
	fflush(stdout);         /* where both go to one place, what was found comes first */
	fprintf(stderr, "%s: %s\n", run->path, text);
	if (e->hint[0])
		fprintf(stderr, "  hint: %s\n", hint);
	else if (e->class == ERR_BUG)
		fprintf(stderr, "  hint: this is a bug in Model Ferry; please report it\n");
	if (!run->cli.json || run->cli.answered)
		return;
	struct err ignored = ERR_INIT;
	json_t *document = json_object();
	json_put_string(document, "command", run->name);
	json_put(document, "error", cli_error_json(e));
	if (cli_print_json(&run->cli, document, &ignored) < 0)
		fprintf(stderr, "%s: %s\n", run->path, ignored.text);
}

/* Parses options, walking down sub-commands; *c becomes the one to run. */
static int parse(struct run *run, const struct command **c, void **opts, int *argc,
		 char ***argv, struct err *e)
{
	for (;;) {
		const struct command *at = *c;
		run->cli.command = at;
		free(*opts);
		*opts = mem_alloc(at->opts_size);
		if (at->defaults)
			memcpy(*opts, at->defaults, at->opts_size);
		const struct opt_table tables[] = {
			{ at->opts, *opts }, { cli_common_opts, &run->common },
			{ hidden_opts, &run->common },
		};
		int count;
		int rc = opt_parse(tables, ARRAY_LEN(tables), *argc, *argv,
				   at->subs || at->stop_at_operand, &count, e);
		if (rc < 0 || !at->subs || count == 0) {
			*argc = count;
			++*argv;
			return rc;
		}
		const char *names[64];
		size_t known = 0;
		const struct command *next = NULL;
		for (const struct command *const *s = at->subs; *s; s++) {
			if (!strcmp((*s)->name, (*argv)[1]))
				next = *s;
			if (known < ARRAY_LEN(names))
				names[known++] = (*s)->name;
		}
		if (!next) {
			const char *near = text_nearest((*argv)[1], names, known);
			err_set(e, ERR_USAGE, "unknown command '%s'", (*argv)[1]);
			if (near)
				return err_hint(e, "did you mean '%s %s'?", run->path, near);
			return err_hint(e, "see '%s --help'", run->path);
		}
		char *path = mem_printf("%s %s", run->path, next->name);
		free(run->path);
		run->path = path;
		*c = next;
		++*argv;
		*argc = count;
	}
}

static int check_operands(const struct run *run, const struct command *c, int count,
			  struct err *e)
{
	if (c->subs && count == 0) {
		err_set(e, ERR_USAGE, "a command is missing");
		return err_hint(e, "see '%s --help'", run->path);
	}
	const char *form = c->synopsis && c->synopsis[0] ? c->synopsis[0] : "";
	if (count < c->min_operands)
		err_set(e, ERR_USAGE, count ? "an operand is missing" : "operands are missing");
	else if (c->max_operands >= 0 && count > c->max_operands)
		err_set(e, ERR_USAGE, "too many operands");
	return err_hint(e, "usage: %s [OPTION…]%s%s", run->path, *form ? " " : "", form);
}

static int run_command(struct run *run, const struct command *c, void *opts, int count,
		       char **operands, struct err *e)
{
	struct cli *cli = &run->cli;
	cli->json = run->common.json;
	cli->quiet = run->common.quiet;
	cli->verbose = run->common.verbose;
	cli->conf_path = run->common.config;
	int rc = check_operands(run, c, count, e);
	if (rc < 0)
		return rc;
	if (run->common.dir && chdir(run->common.dir) < 0) {
		err_sys(e, errno, "--directory %s", run->common.dir);
		return err_class_set(e, ERR_USAGE);
	}
	cancel_install();
	cli->report = cli_progress_new(stderr, (enum cli_progress)run->common.progress,
				       cli->quiet, cli->verbose, run->path);
	return c->run(cli, opts, count, operands, e);
}

static int finish(struct run *run, int rc, struct err *e)
{
	if (e->class == ERR_NONE && rc < 0 && rc != -ERR_FAULT)
		err_set(e, ERR_BUG, "failed without a reason");
	if (e->class != ERR_NONE && rc == 0)
		err_clear(e);
	if (e->class != ERR_NONE)
		print_error(run, e);
	if (e->class == ERR_NONE && cli_flush(e) < 0)
		print_error(run, e);
	cli_progress_free(run->cli.report);
	run->cli.report = NULL;
	if (e->class == ERR_CANCELLED)
		return -1;
	return e->class != ERR_NONE ? (int)e->class : rc < 0 ? ERR_FAULT : 0;
}

void cli_standard_streams(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(ERR_SYSTEM);
}

int cli_flush(struct err *e)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	err_sys(e, errno, "cannot write to standard output");
	return err_class_set(e, ERR_SYSTEM);
}

/* For a line with a mistake, which parse() left half read. */
static bool asks_for_json(char **argv)
{
	for (; *argv; argv++)
		if (!strcmp(*argv, "--json"))
			return true;
	return false;
}

int cli_main(const struct command *command, int argc, char **argv)
{
	cli_standard_streams();
	struct err e = ERR_INIT;
	struct run run = { .path = mem_printf("ferry %s", command->name) };
	run.cli.out = stdout;
	run.cli.conf = &run.conf;
	run.cli.command = command;
	run.cli.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	setlocale(LC_CTYPE, "C.UTF-8");
	const struct command *c = command;
	void *opts = NULL;
	char **given = argv;
	int rc = parse(&run, &c, &opts, &argc, &argv, &e);
	run.name = mem_strdup(run.path + strlen("ferry "));
	run.cli.json = run.common.json || (rc < 0 && asks_for_json(given));
	if (run.common.help && rc == 0)
		cli_help(stdout, c, run.path);
	else if (run.common.version && rc == 0)
		printf("ferry %s %s\n", command->name, FERRY_VERSION);
	else if (run.common.generate && rc == 0)
		rc = cli_generate(stdout, command, run.common.generate) ? 0
			: err_set(&e, ERR_USAGE, "--generate: unknown kind");
	else if (rc == 0)
		rc = run_command(&run, c, opts, argc, argv, &e);
	int code = finish(&run, rc, &e);
	opt_release(c->opts, opts);
	free(opts);
	free(run.path);
	free(run.name);
	conf_release(&run.conf);
	if (code < 0) {
		/* So that a shell sees a process that was ended by the signal. */
		signal(cancel_signal(), SIG_DFL);
		raise(cancel_signal());
	}
	return code;
}
