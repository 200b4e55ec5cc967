/* The commands of `ferry repository`. */
#ifndef FERRY_CLI_REPOSITORY_REPOSITORY_H
#define FERRY_CLI_REPOSITORY_REPOSITORY_H

#include "cli/session.h"

extern const struct command cmd_repository_add;
extern const struct command cmd_repository_list;
extern const struct command cmd_repository_remove;
extern const struct command cmd_repository_status;

/* What add and status report about a repository: "roles" and "endpoints" (without its name), … */
void cmd_repository_put(json_t *object, struct remote *c);
/* … and the table of the endpoints. */
void cmd_repository_print_endpoints(struct cli *cli, const json_t *object);

#endif
