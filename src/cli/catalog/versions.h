/* The versions of variants, for `ferry catalog list`. */
#ifndef FERRY_CLI_CATALOG_VERSIONS_H
#define FERRY_CLI_CATALOG_VERSIONS_H

#include "catalog/card.h"
#include "cli/frame/cli.h"

/* "version", "label", "released", "withdrawn" of the current one; and with `all`, "versions" with
 * the same of each, its size and what changed in it, the newest first. */
void versions_put(json_t *object, const struct card *card, const struct card_variant *v, bool all);
/* A row for each version of the models of the document. */
void versions_print(struct cli *cli, const json_t *models);

#endif
