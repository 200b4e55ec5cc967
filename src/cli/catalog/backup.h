/* `ferry catalog backup` and `restore`. */
#ifndef FERRY_CLI_CATALOG_BACKUP_H
#define FERRY_CLI_CATALOG_BACKUP_H

#include "cli/frame/cli.h"

extern const struct command cmd_catalog_backup, cmd_catalog_restore;

#endif
