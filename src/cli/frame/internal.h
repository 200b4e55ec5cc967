/* What the files of the framework share; no command includes this. */
#ifndef FERRY_CLI_FRAME_INTERNAL_H
#define FERRY_CLI_FRAME_INTERNAL_H

#include "cli/frame/cli.h"

/* The options that every command has. */
struct cli_common {
	bool help, version, json, quiet;
	int verbose, progress;
	const char *dir, *config, *generate;
};
extern const struct opt cli_common_opts[];

enum cli_progress { PROGRESS_AUTO, PROGRESS_PLAIN, PROGRESS_JSON, PROGRESS_NONE };

/* Opens what of stdin, stdout and stderr is closed, so that no file of ours takes its place
 * and gets what was meant for a person. Writing there still fails. First of all in main(). */
void cli_standard_streams(void);
/* Flushes stdout; ERR_SYSTEM when anything written to it was lost. */
WARN_UNUSED int cli_flush(struct err *e);

/* A report that draws on stderr. `prefix` ("ferry fetch") goes in front of notes and is
 * borrowed. */
struct report *cli_progress_new(FILE *err, enum cli_progress mode, bool quiet, int verbose,
				const char *prefix);
/* Ends a bar that is being drawn, so that a message can follow. */
void cli_progress_pause(struct report *r);
void cli_progress_free(struct report *r);

/* Columns of the terminal behind it; 0: it is none. */
size_t cli_terminal_width(FILE *out);

/* `path` is what the person typed: "ferry catalog add". */
void cli_help(FILE *out, const struct command *c, const char *path);
/* kind: "scdoc", "bash", "zsh", "fish"; false if it is none of them. */
bool cli_generate(FILE *out, const struct command *c, const char *kind);
/* The part of the completion that belongs to the dispatcher. */
bool cli_generate_head(FILE *out, const char *kind);
bool cli_generate_tail(FILE *out, const char *kind);

#endif
