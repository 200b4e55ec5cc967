/* The commands of `ferry repository`. */
#ifndef FERRY_CLI_REPOSITORY_REPOSITORY_H
#define FERRY_CLI_REPOSITORY_REPOSITORY_H

#include "cli/session.h"
#include "hash/sha256.h"

extern const struct command cmd_repository_add;
extern const struct command cmd_repository_list;
extern const struct command cmd_repository_remove;
extern const struct command cmd_repository_status;

/*
 * What add and status report about a repository (without its name):
 *
 *   "root"         {version, threshold, keys}, and of the pinned one, if `pinned` is not NULL,
 *                  "sha256" and "fingerprint", which is the same for people to compare
 *   "join"         the URL with which others add it; not if `first` is false, so that `pinned` is
 *                  not the digest of 1.root.json
 *   "roles"        [{role, version, expires, threshold, keys}]
 *   "delegations"  [{role, threshold, keys, paths}]
 *   "endpoints"    the state of each
 *
 * Without trusted metadata there are only "roles" and "endpoints".
 */
void cmd_repository_put(json_t *object, struct remote *c, const struct digest *pinned, bool first);
/* For people: the fingerprint, who must sign, and the endpoints. */
void cmd_repository_print(struct cli *cli, const json_t *object);
/* The command with which others add it. */
void cmd_repository_print_join(struct cli *cli, const json_t *object);

#endif
