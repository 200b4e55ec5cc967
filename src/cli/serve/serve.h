/* The sub-commands of `ferry serve`. */
#ifndef FERRY_CLI_SERVE_SERVE_H
#define FERRY_CLI_SERVE_SERVE_H

#include "cli/frame/cli.h"

extern const struct command cmd_serve_key;

#endif
