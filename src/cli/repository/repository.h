/* The commands of `ferry repository`. */
#ifndef FERRY_CLI_REPOSITORY_REPOSITORY_H
#define FERRY_CLI_REPOSITORY_REPOSITORY_H

#include "cli/session.h"

extern const struct command cmd_repository_add;
extern const struct command cmd_repository_list;
extern const struct command cmd_repository_remove;
extern const struct command cmd_repository_status;

/* "[{role, version, expires}]" of what is trusted; [] when no trust has begun. */
json_t *cmd_repository_roles_json(const struct remote *c);
/* "[{url, state, version, fault}]" */
json_t *cmd_repository_endpoints_json(struct remote *c);
void cmd_repository_print_endpoints(struct cli *cli, struct remote *c);

#endif
