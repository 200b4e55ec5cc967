/* The commands of `ferry repository`. */
#ifndef FERRY_CLI_REPOSITORY_REPOSITORY_H
#define FERRY_CLI_REPOSITORY_REPOSITORY_H

#include "cli/session.h"

extern const struct command repository_add_command;
extern const struct command repository_list_command;
extern const struct command repository_remove_command;
extern const struct command repository_status_command;

/* "[{role, version, expires}]" of what is trusted; [] when no trust has begun. */
json_t *repository_roles_json(const struct remote *c);
/* "[{url, state, version, fault}]" */
json_t *repository_endpoints_json(struct remote *c);
void repository_print_endpoints(struct cli *cli, struct remote *c);

#endif
