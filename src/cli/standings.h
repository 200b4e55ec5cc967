/*
 * standings: how what is in the store stands to the catalogs (fetch/standing.h), as members of the
 * JSON output, and as words for people. `ferry list`, `show` and `store list` say the same.
 */
#ifndef FERRY_CLI_STANDINGS_H
#define FERRY_CLI_STANDINGS_H

#include "cli/session.h"
#include "fetch/standing.h"

/* "state": standing_name(), or "incomplete"; and, if there is a newer version, "update": {version,
 * bytes}, bytes being what is to be downloaded. */
void standings_put(json_t *object, const struct store_variant *v, const struct standing *st);
/* Of an object with these members: "ok", "update, 4.0 MiB", "older version", "withdrawn",
 * "withdrawn; update, 4.0 MiB", "not in the catalog", "incomplete: fetch it again"; with "pinned",
 * that, too. The caller frees. */
char *standings_text(const json_t *object);

/* The catalogs that were verified last, without the network, a message or an error: none where
 * nothing is configured. The caller releases it with client_release(). ERR_CANCELLED. */
WARN_UNUSED int standings_recall(struct cli *cli, struct client *out, struct err *e);

#endif
