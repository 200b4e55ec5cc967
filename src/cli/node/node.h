/* The commands of `ferry node`. */
#ifndef FERRY_CLI_NODE_NODE_H
#define FERRY_CLI_NODE_NODE_H

#include "cli/frame/cli.h"

extern const struct command cmd_node_apply;
extern const struct command cmd_node_status;

#endif
