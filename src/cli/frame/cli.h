/*
 * cli: the commands. One thin file for each: options → one call → print.
 *
 * What always holds here:
 *  - only this folder prints and decides the exit code;
 *  - stdout carries the result, or with --json one JSON document; stderr is for people;
 *  - foreign strings are escaped before a terminal sees them;
 *  - a write error on stdout is an error.
 */
#ifndef FERRY_CLI_FRAME_CLI_H
#define FERRY_CLI_FRAME_CLI_H

#include "json/json.h"
#include "settings/conf.h"
#include "util/opt.h"
#include "util/report.h"

#include <stdio.h>

struct cli;

struct command {
	const char *name;               /* "fetch" */
	const char *summary;            /* one line for `ferry --help` */
	const char *const *synopsis;    /* operand forms, NULL-ended: "MODEL[:VARIANT]" */
	const char *description;        /* a paragraph or two for --help; may be NULL */
	const struct opt *opts;         /* own options; NULL: none */
	size_t opts_size;               /* of the struct that opts fill; zeroed */
	const void *defaults;           /* initial value of that struct; NULL: zeroes */
	const struct command *const *subs;   /* sub-commands, NULL-ended; then no run */
	bool stop_at_operand;           /* options end at the first operand (`run`) */
	enum opt_hint operand_hint;
	int min_operands, max_operands; /* max -1: any number */
	/* operands[0..count-1]. Returns 0, or -ERR_FAULT after having printed its
	 * findings with e unset, or the error that it set. */
	int (*run)(struct cli *cli, void *opts, int count, char **operands, struct err *e);
};

/* What every command gets. */
struct cli {
	const struct command *command;
	FILE *out;              /* stdout; the result */
	bool json, quiet;
	int verbose;
	bool answered;          /* the JSON document is printed although the command failed: it
	                           says so itself ("error"), and cli_main() adds no other */
	bool color;             /* stdout is a terminal and NO_COLOR is unset */
	struct report *report;  /* progress and warnings, for engines */
	struct conf *conf;      /* loaded on first use by cli_conf() */
	const char *conf_path;  /* --config */
};

/* Every command's main(): parses the common options, runs, prints the error, returns
 * the exit code (or dies by the signal that stopped it). */
int cli_main(const struct command *command, int argc, char **argv);

/* The configuration: --config FILE, else ferry.conf in the current folder (after -C),
 * $XDG_CONFIG_HOME/ferry, /etc/ferry. An empty one when there is none. Kept in cli;
 * borrowed. */
WARN_UNUSED int cli_conf(struct cli *cli, const struct conf **out, struct err *e);

/* Where that configuration is, or, when there is none yet, where it would be written: --config,
 * else the user's. Caller frees. */
WARN_UNUSED int cli_conf_path(struct cli *cli, char **out, struct err *e);

/* Prints the document (takes ownership) to stdout. */
WARN_UNUSED int cli_print_json(struct cli *cli, json_t *document, struct err *e);

/* The "error" member of such a document: class, exit, message, hint. */
json_t *cli_error_json(const struct err *e);

/* printf to stdout for results; a failed write is found at the end by cli_main. */
void cli_print(struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A whole line, without its newline: escaped, for what holds foreign strings. */
void cli_print_line(struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A table with aligned columns, cells escaped. A column whose title starts with '>' is
 * right-aligned. On a terminal it has a header, no column that is empty throughout, and is
 * made to fit by shortening digests and the widest column; anywhere else all is there. */
struct cli_table;
struct cli_table *cli_table_new(const char *const *titles, size_t columns);
void cli_table_add(struct cli_table *t, const char *const *cells);  /* copies */
void cli_table_print(struct cli *cli, struct cli_table *t);         /* and frees */

/* A passphrase: from the file `path` (first line), else the environment variable
 * FERRY_PASSPHRASE, else a prompt on the terminal without echo, twice if `confirm`.
 * ERR_USAGE when there is no terminal. Caller wipes out. */
WARN_UNUSED int cli_passphrase(struct cli *cli, const char *path, const char *prompt,
			       bool confirm, struct buf *out, struct err *e);

/* The table of all commands, for the dispatcher and the generated documents. */
struct cli_entry {
	const char *name, *summary, *group;
};
extern const struct cli_entry cli_entries[];   /* ends with a NULL name */

#endif
