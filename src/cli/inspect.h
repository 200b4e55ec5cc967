/*
 * inspect: `ferry prepare --check`: a verdict on each of the files that are given, and on the model
 * that shards make together. Nothing is made.
 */
#ifndef FERRY_CLI_INSPECT_H
#define FERRY_CLI_INSPECT_H

#include "cli/frame/cli.h"

/* The operands are the files. With `data` their bytes are read, too; with `foreign` tensor types of
 * forks are accepted. ERR_INTEGRITY when one is refused. */
WARN_UNUSED int inspect_run(struct cli *cli, bool data, bool foreign, struct err *e);

#endif
