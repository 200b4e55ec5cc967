/* Shared by the files of this folder; not for commands. */
#ifndef FERRY_CLI_FRAME_INTERNAL_H
#define FERRY_CLI_FRAME_INTERNAL_H

#include "cli/frame/cli.h"

/* ---- options.c ---- */

/* The options that every command has. */
struct cli_common {
	bool help, version, json, quiet;
	int verbose, progress;
	const char *dir, *config, *generate;
};
extern const struct opt cli_common_opts[];

/* A command line, as far as it was parsed. */
struct cli_words {
	const struct command *command; /* in: the program; out: the sub-command */
	char *path;                    /* in and out, owned: "ferry catalog add" */
	struct cli_common common;
	void *opts; /* values of the command's own options */
	char **operands;
	int count;
};
void cli_words_release(struct cli_words *w);
WARN_UNUSED int cli_parse(struct cli_words *w, int argc, char **argv, struct err *e);
/* Are there as many operands as the command takes? */
WARN_UNUSED int cli_check_operands(const struct cli_words *w, struct err *e);

/* ---- meant.c ---- */

/* After the options of commands: those that people bring from other tools (OPT_MEANT), for this
 * command and for every command. */
struct opt_table cli_meant_reader(const char *path);
struct opt_table cli_meant_every(void);

/* ---- signals.c ---- */

/* From now on SIGINT and SIGTERM set the returned token; a second one ends the process at once.
 * SIGPIPE and SIGXFSZ are ignored, so that a closed pipe or a file size limit is an error of
 * write(). */
const struct cancel *cli_signals(void);
/* How often the process was stopped and continued (Ctrl-Z, fg). */
unsigned cli_continued(void);

/* ---- progress.c ---- */

enum cli_progress { PROGRESS_AUTO, PROGRESS_PLAIN, PROGRESS_JSON, PROGRESS_NONE };

/* A report that draws on stderr, or with PROGRESS_JSON writes nothing else than lines of JSON.
 * `prefix` ("ferry fetch") goes in front of notes and is borrowed. */
struct report *cli_progress_new(FILE *err, enum cli_progress mode, bool quiet, int verbose,
				const char *prefix);
/* Between the two, which may be nested, nothing is drawn, whatever other threads report. */
void cli_progress_hold(struct report *r);
void cli_progress_go_on(struct report *r);
/* Erases the display, so that something else can follow; with PROGRESS_JSON, also prints the error,
 * and returns true. */
bool cli_progress_tell(struct report *r, const struct err *e);
bool cli_progress_is_json(const struct report *r);
void cli_progress_free(struct report *r);

/* ---- ask.c ---- */

/* Appends what comes up to the end of the line, which is not added. ERR_USAGE when the input ends
 * before anything comes (Ctrl-D on a terminal). `what` names it in errors. */
WARN_UNUSED int cli_read_line(int fd, const char *what, const struct cancel *cancel,
			      struct buf *out, struct err *e);

/* ---- help.c, complete.c ---- */

/* `path` is what the user typed: "ferry catalog add". */
void cli_help(FILE *out, const struct command *c, const char *path);
/* The commands and options as the list of a man page. */
void cli_scdoc(FILE *out, const struct command *c);
/* Each way to call it, as the synopsis of a man page. */
void cli_synopsis(FILE *out, const struct command *c);
/* Prints what may stand in the place of the last of the words. */
void cli_complete(struct cli *cli, const struct command *program, int count, char **words);

#endif
