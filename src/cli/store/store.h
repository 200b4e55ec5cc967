/* The commands of `ferry store`. */
#ifndef FERRY_CLI_STORE_STORE_H
#define FERRY_CLI_STORE_STORE_H

#include "cli/frame/cli.h"

extern const struct command cmd_store_du;
extern const struct command cmd_store_gc;
extern const struct command cmd_store_import;
extern const struct command cmd_store_link;
extern const struct command cmd_store_list;
extern const struct command cmd_store_partials;
extern const struct command cmd_store_path;
extern const struct command cmd_store_remove;
extern const struct command cmd_store_unlink;
extern const struct command cmd_store_verify;

#endif
