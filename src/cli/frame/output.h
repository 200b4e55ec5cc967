/*
 * One result, two renderings.
 *
 * A command makes one document of its result and passes it to cli_result(); --json prints it. The
 * text for people is printed with the functions below, which take their words and numbers from
 * the same document. With --json they print nothing, so a command calls them in any case.
 *
 * A template is text with members of an object between braces:
 *
 *   {name}  {error.message}    a string, or a number in decimal digits; nothing if missing
 *   {files}                    of an array: the number of its elements
 *   {}                         the value itself, if it is a string and not an object
 *   {region|-}                 with a word for a missing or empty one
 *   {size:size}  {id:short}    a number of bytes as "1.4 GiB"; the 16 first characters
 *   {verdict:7}                padded with blanks to this many bytes
 *   {files#file}               "1 file", "2 files"
 *   {dry_run?would:did}        the first word if it is true, not 0 and not empty, else the second;
 *                              the first has no colon
 *
 * Numbers are exact in the document, and rounded only here.
 */
#ifndef FERRY_CLI_FRAME_OUTPUT_H
#define FERRY_CLI_FRAME_OUTPUT_H

#include "json/json.h"

#include <stdio.h>

struct cli;

/* {"command": "catalog add"}, to which the command adds its members. */
json_t *cli_document(const struct cli *cli);
/* Passes the document on: --json prints it. If e is already set, the command failed but has a
 * result: the document gets an "error" member. Returns 0, or the error in e. */
WARN_UNUSED int cli_result(struct cli *cli, json_t *document, struct err *e);
/* Such a member, also for failed parts of a result: class, exit, message, hint. */
json_t *cli_error_json(const struct err *e);

/* With --quiet a command that succeeds prints nothing, unless it was asked for it (`asked` of
 * struct command). Faults, and what was asked for with an option, are printed between
 * cli_aloud(cli, true) and cli_aloud(cli, false). */
void cli_aloud(struct cli *cli, bool aloud);

/* A line from a template. This and the following functions escape control characters for
 * terminals. */
void cli_say(struct cli *cli, const json_t *object, const char *template);
/* A line from a format of printf(), without its newline. */
void cli_line(struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same for a sentence: on a terminal it is broken between words, and goes on with the indent,
 * in columns. Not for commands and paths, which people copy. */
void cli_prose(struct cli *cli, size_t indent, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A line on standard error from a template, unless --quiet. Use a note of the report for what
 * must be shown even with --json. */
void cli_note(struct cli *cli, const json_t *object, const char *template);
/* Prints a complete document unchanged, not escaped. */
void cli_raw(struct cli *cli, const char *text);
/* A line with a path for programs, unchanged, which is not always possible in a JSON string; on a
 * terminal it is escaped. */
void cli_path(struct cli *cli, const char *path);

/* A cell is made from its row by a template, or by a function whose result is freed. A column
 * whose title starts with '>' is right-aligned. */
struct cli_column {
	const char *title, *text;
	char *(*cell)(const json_t *row);
};

/* Aligned columns. On a terminal they have a header, empty columns are left out, and digests and
 * the widest column are shortened to fit; elsewhere they are complete. */
void cli_table(struct cli *cli, const json_t *rows, const struct cli_column *columns, size_t count);

/* The text with its digests shortened to 12 digits, as git does; if it is still wider than `width`
 * columns, the middle is left out. The caller frees. */
char *cli_shortened(const char *text, size_t width);

/* Rows for a table of nested lists: the elements of each object's `list`, each with the object's
 * `member` as `name`. The caller owns them. */
json_t *cli_rows(const json_t *objects, const char *list, const char *member, const char *name);

/* The result of the template, not escaped; the caller frees. */
char *cli_fill(const json_t *object, const char *template);
/* The results for each element of an array, joined with the separator. */
char *cli_join(const json_t *array, const char *template, const char *separator);

/* The columns that a text takes on a terminal. */
size_t cli_width(const char *text);
/* At most so many columns: if the text is wider, the middle is left out, and more of its end (with
 * the number of a shard) stays than of its start. The caller frees. */
char *cli_cut(const char *text, size_t width);
/* Columns of the terminal `out`; 0 if it is not a terminal. */
size_t cli_terminal_width(FILE *out);
/* Broken between words, so that no line is wider if its words are not; those behind the first are
 * indented. width 0: one line. The caller frees. */
char *cli_wrap(const char *text, size_t width, size_t indent);
/* Flushes standard output; ERR_SYSTEM when anything written to it was lost, unless nobody reads it:
 * a closed pipe is no error. */
WARN_UNUSED int cli_flush(struct err *e);

#endif
