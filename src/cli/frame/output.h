/*
 * One result, two renderings.
 *
 * A command makes one document of what it found or did and gives it with cli_result(): that
 * is what --json prints. What people see is said with the functions below, which take their
 * words and numbers from the same document. With --json they print nothing, so a command says
 * all it has to say and asks nobody.
 *
 * A template is text with members of an object between braces:
 *
 *   {name}  {error.message}    a string, or a number in decimal digits; nothing if missing
 *   {files}                    of an array the number of its elements
 *   {}                         the object itself, where it is no object but a string
 *   {region|-}                 with a word for a missing or empty one
 *   {size:size}  {id:short}    a number of bytes as "1.4 GiB"; the 16 first characters
 *   {verdict:7}                filled up with blanks to so many bytes
 *   {files#file}               "1 file", "2 files"
 *   {dry_run?would:did}        one of two words: yes if it is true, not 0 and not empty
 *
 * Numbers are exact in the document, and rounded only here.
 */
#ifndef FERRY_CLI_FRAME_OUTPUT_H
#define FERRY_CLI_FRAME_OUTPUT_H

#include "json/json.h"

#include <stdio.h>

struct cli;

/* {"command": "catalog add"}, for a command to go on with. */
json_t *cli_document(const struct cli *cli);
/* Gives the document: --json prints it. If e is set already, the command failed and has a
 * result all the same: then the document gets an "error" member. Returns 0, or the error that
 * e then holds. */
WARN_UNUSED int cli_result(struct cli *cli, json_t *document, struct err *e);
/* Such a member, also for the parts of a result that failed: class, exit, message, hint. */
json_t *cli_error_json(const struct err *e);

/* A line by a template. It and all below escape what a terminal must not see. */
void cli_say(struct cli *cli, const json_t *object, const char *template);
/* A line by printf()'s format, without its newline. */
void cli_line(struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A line on standard error by a template, unless --quiet. What is to be told even with --json
 * is a note of the report. */
void cli_note(struct cli *cli, const json_t *object, const char *template);
/* What is itself a document: as it is, not escaped. */
void cli_raw(struct cli *cli, const char *text);
/* A line that is a path for a program to open: as it is, which a JSON string cannot always be. */
void cli_path(struct cli *cli, const char *path);

/* A cell is made by a template from its row, or by a function whose result is freed. A column
 * whose title starts with '>' is right-aligned. */
struct cli_column {
	const char *title, *text;
	char *(*cell)(const json_t *row);
};

/* Aligned columns. On a terminal they have a header, columns that are empty throughout are
 * left out, and digests and the widest column are shortened until the rest fits; anywhere else
 * all is there. */
void cli_table(struct cli *cli, const json_t *rows, const struct cli_column *columns,
	       size_t count);

/* Rows for a table of lists within lists: the elements of each object's `list`, each with the
 * object's `member` as `name`. The caller owns them. */
json_t *cli_rows(const json_t *objects, const char *list, const char *member, const char *name);

/* The template filled in, not escaped; the caller frees. */
char *cli_fill(const json_t *object, const char *template);
/* That of each element of an array, with the separator between them. */
char *cli_join(const json_t *array, const char *template, const char *separator);

/* Columns of the terminal behind `out`; 0: it is none. */
size_t cli_terminal_width(FILE *out);
/* Flushes standard output; ERR_SYSTEM when anything written to it was lost. */
WARN_UNUSED int cli_flush(struct err *e);

#endif
