/*
 * values: what there is to choose from, for the completion of command lines. Without the network,
 * and without a message: what cannot be read is not offered.
 */
#ifndef FERRY_CLI_VALUES_H
#define FERRY_CLI_VALUES_H

#include "cli/frame/cli.h"

struct card;

/* HINT_MODEL of the catalogs that were verified last, HINT_STORED, HINT_PARTIAL,
 * HINT_REPOSITORY. */
void values_client(struct cli *cli, const struct cli_sought *what, struct str_list *out);
/* The same for a command that takes MODEL:auto of what is stored. */
void values_run(struct cli *cli, const struct cli_sought *what, struct str_list *out);
/* HINT_MODEL, HINT_ROLE, HINT_KEY and HINT_OBJECT of the trees, HINT_REPOSITORY, HINT_MIRROR. */
void values_publisher(struct cli *cli, const struct cli_sought *what, struct str_list *out);
/* The names of the sections of this kind in ferry.conf. */
void values_sections(struct cli *cli, const char *kind, struct str_list *out);
/* MODEL, or MODEL:VARIANT if a colon was typed, behind the prefix; the caller has values_unique()
 * remove what is there twice. Nothing that does not begin as the word does. */
void values_model(const char *model, const char *variant, const char *prefix,
		  const struct cli_sought *what, struct str_list *out);
/* The same for all its variants; if an @ was typed, with each of their versions. */
void values_card(const struct card *model, const char *prefix, const struct cli_sought *what,
		 struct str_list *out);
/* Sorts, and removes what is there twice. */
void values_unique(struct str_list *list);
/* The model in the word, if an @ was typed behind it: what follows is a version. NULL: none was.
 * The caller frees. */
char *values_version_of(const struct cli_sought *what);

#endif
