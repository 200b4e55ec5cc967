/*
 * checks: what a push found before its first byte (publish/preflight.h), as JSON and as a table.
 */
#ifndef FERRY_CLI_CHECKS_H
#define FERRY_CLI_CHECKS_H

#include "cli/frame/cli.h"
#include "publish/preflight.h"

/* An array of rows; the caller owns it. mirrors are those of the run. */
json_t *checks_json(const struct preflight *p, const struct push_mirror *mirrors);
/* The rows; unless all, only the faults and warnings. */
void checks_print(struct cli *cli, const json_t *rows, bool all);

#endif
