/*
 * cli: the commands. One thin file for each: options → one call → its result.
 *
 * What always holds here:
 *  - only this room prints and sets the exit code;
 *  - stdout carries the result, or with --json one JSON document; stderr is for people;
 *  - foreign strings are escaped before a terminal sees them;
 *  - a write error on stdout is an error.
 */
#ifndef FERRY_CLI_FRAME_CLI_H
#define FERRY_CLI_FRAME_CLI_H

#include "cli/frame/output.h"
#include "settings/conf.h"
#include "util/cancel.h"
#include "util/opt.h"
#include "util/owner.h"
#include "util/report.h"

/* What completion looks for. */
struct cli_sought {
	enum opt_hint hint;
	const char *word;              /* as far as it was typed */
	const char *repository, *keys; /* the values of these options; or NULL */
};

struct command {
	const char *name;            /* "fetch" */
	const char *summary;         /* one line for `ferry --help` */
	const char *const *synopsis; /* operand forms, NULL-ended: "MODEL[:VARIANT]"; NULL: it
					takes none */
	const char *description;     /* a paragraph or two for --help; may be NULL */
	const struct opt *opts;      /* own options; NULL: none */
	size_t opts_size;            /* of the struct that opts fill; zeroed */
	const void *defaults;        /* initial value of that struct; NULL: zeroes */
	/* Sub-commands, NULL-ended. With run, too, it runs if none of them is named. */
	const struct command *const *subs;
	bool stop_at_operand; /* options end at the first operand (`run`) */
	enum opt_hint operand_hint;
	int min_operands, max_operands; /* max -1: any number */
	bool asked; /* what it prints is what it was asked for, as a list: even with --quiet */
	/* Returns 0, or -ERR_FAULT after having printed its findings with e unset, or the error
	 * that it set. */
	int (*run)(struct cli *cli, struct err *e);
	/* Of a program: appends the values of a kind, for completion, and prints no messages.
	 * NULL: only files and the values of the option tables are offered. */
	void (*values)(struct cli *cli, const struct cli_sought *what, struct str_list *out);
};

/* What every command gets. */
struct cli {
	const char *name; /* "catalog add" */
	const char *line; /* "ferry catalog add models/phi-2"; URLs in it are not redacted */
	const void *opts; /* the values of its options */
	char **operands;
	int count; /* of operands */
	FILE *out; /* stdout; the result */
	bool json, quiet;
	bool asked;  /* as that of the command */
	bool silent; /* the functions that print for people print nothing: see cli_aloud() */
	int verbose;
	bool answered;               /* cli_result() has printed the JSON document */
	int status;                  /* what the program ends with if it succeeds, or is stopped by
					a fault: for protocols with exit codes of their own */
	struct report *report;       /* progress and warnings, for engines */
	const struct cancel *cancel; /* set by SIGINT and SIGTERM, for engines */
	struct conf *conf;           /* loaded on first use by cli_conf() */
	struct conf *own;            /* loaded on first use by cli_conf_own() */
	const char *conf_path;       /* --config */
	struct owner_trust *trust;   /* read on first use by cli_trust() */
	bool trust_read;
	const struct network_opts *network; /* of the command (cli/network.h); NULL: it has none */
	bool store_checked;                 /* whether others can change the store was said */
};

/* Every command's main(): parses the common options, runs, prints the error, returns
 * the exit code (or dies by the signal that stopped it). */
int cli_main(const struct command *command, int argc, char **argv);

/* The configuration: --config FILE, else ferry.conf in the current folder (after -C),
 * $XDG_CONFIG_HOME/ferry, /etc/ferry. An empty one when there is none. Kept in cli;
 * borrowed. ERR_USAGE for one in the current folder that is another user's (util/owner.h). */
WARN_UNUSED int cli_conf(struct cli *cli, const struct conf **out, struct err *e);

/* The person's own configuration, else the system's, if cli_conf() is that of the current folder
 * instead; otherwise NULL. Kept in cli; borrowed. */
WARN_UNUSED int cli_conf_own(struct cli *cli, const struct conf **out, struct err *e);

/* The path of that configuration or, if there is none yet, where it would be written: --config,
 * else the user's. Caller frees. */
WARN_UNUSED int cli_conf_path(struct cli *cli, char **out, struct err *e);

/* Whose files are obeyed besides this user's own: those in `safe-directory` of the person's own
 * configuration and the system's, and those of the owner of --config FILE. Kept in cli;
 * borrowed. */
const struct owner_trust *cli_trust(struct cli *cli);

/* A passphrase: from the file `path` (first line), else the environment variable
 * FERRY_PASSPHRASE, else a prompt on the terminal without echo. If `confirm`, the prompt comes
 * twice; when the answers differ or are empty, it starts again, three times in all. ERR_USAGE when
 * there is no terminal. Caller wipes out. */
WARN_UNUSED int cli_passphrase(struct cli *cli, const char *path, const char *prompt, bool confirm,
			       struct buf *out, struct err *e);

/* Prints an error on standard error, as the one that the command returns is printed. For those
 * after which it goes on. */
void cli_tell(const struct cli *cli, const struct err *e);

/* Is there a person who can answer questions? Not with --json, or with --progress=json. */
bool cli_can_ask(const struct cli *cli);
/* Asks for one line on the terminal; initialises out, which the caller releases. ERR_USAGE when
 * the input ends (Ctrl-D). */
WARN_UNUSED int cli_ask(struct cli *cli, const char *question, struct buf *out, struct err *e);

/* ---- for the dispatcher, which is not a command ---- */

/* Opens closed ones of stdin, stdout and stderr, so that messages do not end up in the first file
 * that is opened. Writing to them still fails, without a signal. Call it first in main(). */
void cli_standard_streams(void);

/* How many words behind argv[0] are options, with their values, in front of the command. Those
 * that are no common options are taken for flags. */
int cli_leading_options(int argc, char **argv);
/* Prints the error, as JSON too if the words ask for it; returns the exit code. */
int cli_fail(char **argv, struct err *e);
/* For a command line without a command: are these common options, with their values? */
WARN_UNUSED int cli_check_leading(int argc, char **argv, struct err *e);

/* Adds to e, if it is set, the hint for a word behind `path` ("ferry store") that is no command:
 * what does the same as the word of another tool, else the nearest of the names. */
void cli_meant(const char *path, const char *word, const char *const *names, size_t count,
	       struct err *e);

/* A program of the family. */
struct cli_entry {
	const char *name, *summary, *group;
};
/* Prints the script that a shell ("bash", "zsh", "fish") reads; false if it is another. */
bool cli_completion(FILE *out, const char *shell);
/* In front of the command: offers the common options, or the values of one of them, for the last
 * of the words. False if it is neither, so that it begins a command. */
bool cli_complete_common(FILE *out, int count, char **words);

#endif
