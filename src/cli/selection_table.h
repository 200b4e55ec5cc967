/* The models of `ferry list` and `ferry search` for people: a line for each. */
#ifndef FERRY_CLI_SELECTION_TABLE_H
#define FERRY_CLI_SELECTION_TABLE_H

#include "cli/frame/cli.h"

/* Of a document that selection_print() made: its models, then what left the catalogs. */
void selection_table(struct cli *cli, const json_t *document);

#endif
