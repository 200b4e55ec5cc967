/* Links that were made for engines, for other commands of `ferry store`. */
#ifndef FERRY_CLI_STORE_LINKED_H
#define FERRY_CLI_STORE_LINKED_H

#include "cli/session.h"

/* A warning if links lead nowhere. */
void linked_warn(struct cli *cli, const struct store *s);

#endif
