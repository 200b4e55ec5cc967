#include "cli/frame/colour.h"
#include "cli/frame/internal.h"

#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct run {
	struct cli cli;
	struct cli_words words;
	struct conf conf, own;
	struct owner_trust trust;
	enum cli_progress progress;
};

void cli_tell(const struct cli *cli, const struct err *e)
{
	CLEANUP(mem_free_ptr) char *text = text_escaped(e->text);
	CLEANUP(mem_free_ptr) char *hint = text_escaped(e->hint);
	bool colour = cli_has_colour(stderr);
	if (cli_progress_tell(cli->report, e))
		return;
	cli_progress_hold(cli->report);
	fflush(stdout); /* if both go to the same place, the result comes first */
	fprintf(stderr, "%sferry%s%s:%s %s\n", cli_colour(colour, COLOUR_BAD),
		*cli->name ? " " : "", cli->name, cli_colour_end(colour, COLOUR_BAD), text);
	if (e->hint[0])
		fprintf(stderr, "  hint: %s\n", hint);
	else if (err_is(e, ERR_BUG))
		fprintf(stderr, "  hint: this is a bug in Model Ferry; please report it\n");
	cli_progress_go_on(cli->report);
}

/* For a command line with a mistake, which was read only in part: is this option, with this value
 * if it is not NULL, among the words? */
static bool asks_for(char **argv, const char *option, const char *value)
{
	CLEANUP(mem_free_ptr) char *joined = mem_printf("%s=%s", option, value ? value : "");
	for (; *argv; argv++)
		if (value ? !strcmp(*argv, joined) ||
				    (!strcmp(*argv, option) && argv[1] && !strcmp(argv[1], value))
			  : !strcmp(*argv, option))
			return true;
	return false;
}

static int print_error(struct run *run, struct err *e)
{
	/* Of a command line with a mistake. */
	if (!run->cli.report && run->progress == PROGRESS_JSON)
		run->cli.report = cli_progress_new(stderr, PROGRESS_JSON, false, 0,
						   run->words.path);
	cli_tell(&run->cli, e);
	CLEANUP(json_release) json_t *document = cli_document(&run->cli);
	return run->cli.answered ? -(int)e->class : cli_result(&run->cli, document, e);
}

int cli_fail(char **argv, struct err *e)
{
	struct run run = {
		.cli = { .name = "", .out = stdout, .json = asks_for(argv, "--json", NULL) },
		.progress = asks_for(argv, "--progress", "json") ? PROGRESS_JSON : PROGRESS_AUTO,
	};
	int rc = print_error(&run, e);
	cli_progress_free(run.cli.report);
	return -rc;
}

static int run_command(struct run *run, struct err *e)
{
	struct cli *cli = &run->cli;
	const struct cli_words *w = &run->words;
	int rc = cli_check_operands(w, e);
	if (rc < 0)
		return rc;
	cli->opts = w->opts;
	cli->operands = w->operands;
	cli->count = w->count;
	cli->quiet = w->common.quiet;
	cli->asked = w->command->asked;
	cli_aloud(cli, false);
	cli->verbose = w->common.verbose;
	cli->conf_path = w->common.config;
	if (w->common.dir && chdir(w->common.dir) < 0) {
		err_sys(e, errno, "--directory %s", w->common.dir);
		return err_class_set(e, ERR_USAGE);
	}
	cli->cancel = cli_signals();
	cli->report = cli_progress_new(stderr, (enum cli_progress)w->common.progress, cli->quiet,
				       cli->verbose, w->path);
	return w->command->run(cli, e);
}

void cli_standard_streams(void)
{
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of write(), see cli_flush() */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(ERR_SYSTEM);
}

/* The exit code; -1: it was stopped by a signal. */
static int finish(struct run *run, int rc, struct err *e)
{
	if (e->class == ERR_NONE && rc < 0 && rc != -ERR_FAULT)
		err_set(e, ERR_BUG, "failed without a reason");
	if (e->class != ERR_NONE && rc == 0)
		err_clear(e);
	if (e->class == ERR_NONE) {
		int flushed = cli_flush(e);
		rc = flushed < 0 ? flushed : rc;
	}
	if (e->class != ERR_NONE)
		rc = print_error(run, e);
	cli_progress_free(run->cli.report);
	if (e->class == ERR_NONE && run->cli.status)
		return run->cli.status;
	return e->class == ERR_CANCELLED ? -1 : -rc;
}

static int generate(const struct command *c, const char *kind, struct err *e)
{
	if (strcmp(kind, "scdoc") == 0)
		cli_scdoc(stdout, c);
	else if (strcmp(kind, "synopsis") == 0)
		cli_synopsis(stdout, c);
	else
		return err_set(e, ERR_USAGE, "--generate: unknown kind");
	return 0;
}

static int answer(struct run *run, const struct command *program, struct err *e)
{
	const struct cli_words *w = &run->words;
	if (w->common.help)
		cli_help(stdout, w->command, w->path);
	else if (w->common.version)
		printf("ferry %s %s\n", program->name, FERRY_VERSION);
	else if (w->common.generate)
		return generate(program, w->common.generate, e);
	else
		return run_command(run, e);
	return 0;
}

/* As it can be typed into a shell. */
static char *command_line(const struct command *c, char **argv)
{
	struct buf line = BUF_INIT(MIB);
	buf_addf(&line, "ferry %s", c->name);
	for (size_t i = 1; argv[0] && argv[i]; i++) {
		CLEANUP(mem_free_ptr) char *word = text_shell_quoted(argv[i]);
		buf_addf(&line, " %s", word);
	}
	return buf_steal(&line);
}

/* `ferry-NAME --generate=complete WORD…`: the words are no command line yet. */
static int complete(struct run *run, const struct command *program, int count, char **words)
{
	run->cli.quiet = true;
	run->cli.name = program->name;
	cli_complete(&run->cli, program, count, words);
	free(run->words.path);
	conf_release(&run->conf);
	conf_release(&run->own);
	owner_trust_release(&run->trust);
	return fflush(stdout) == 0 ? 0 : ERR_SYSTEM;
}

static void tell_exhausted(void)
{
	fputs("ferry: out of memory\n", stderr);
}

int cli_main(const struct command *command, int argc, char **argv)
{
	cli_standard_streams();
	mem_on_exhausted(tell_exhausted);
	setlocale(LC_CTYPE, "C.UTF-8");
	struct err e = ERR_INIT;
	struct run run = { .cli = { .out = stdout,
				    .conf = &run.conf,
				    .own = &run.own,
				    .trust = &run.trust },
			   .words = { .command = command,
				      .path = mem_printf("ferry %s", command->name), }, };
	if (argc > 1 && !strcmp(argv[1], "--generate=complete"))
		return complete(&run, command, argc - 2, argv + 2);
	CLEANUP(mem_free_ptr) char *line = command_line(command, argv);
	int rc = cli_parse(&run.words, argc, argv, &e);
	run.cli.line = line;
	run.cli.name = run.words.path + strlen("ferry ");
	run.cli.json = run.words.common.json || (rc < 0 && asks_for(argv, "--json", NULL));
	run.progress = (enum cli_progress)run.words.common.progress;
	if (rc < 0 && asks_for(argv, "--progress", "json"))
		run.progress = PROGRESS_JSON;
	if (rc == 0)
		rc = answer(&run, command, &e);
	int code = finish(&run, rc, &e);
	cli_words_release(&run.words);
	conf_release(&run.conf);
	conf_release(&run.own);
	owner_trust_release(&run.trust);
	if (code < 0) {
		/* So that a shell sees that the process was ended by the signal. */
		signal(e.sys, SIG_DFL);
		raise(e.sys);
	}
	return code;
}
