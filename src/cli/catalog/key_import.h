/* What the sub-commands of `ferry catalog key` share. */
#ifndef FERRY_CLI_CATALOG_KEY_IMPORT_H
#define FERRY_CLI_CATALOG_KEY_IMPORT_H

#include "cli/catalog/place.h"

/* The keys of --keys alone, or of the place. */
WARN_UNUSED int key_load(struct cli *cli, const struct catalog_opts *o,
				  struct place *p, struct keyring *out, struct err *e);
/* ERR_NOT_FOUND with the nearest name. */
WARN_UNUSED int key_find(const struct keyring *k, const char *name,
				  const struct keyring_key **out, struct err *e);
/* With the roles that it may sign in the tree `dir`; NULL: without. */
json_t *key_json(const struct keyring_key *key, const char *dir);

extern const struct command cmd_catalog_key_import, cmd_catalog_key_check;

#endif
