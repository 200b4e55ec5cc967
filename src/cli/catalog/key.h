/* Shared by the sub-commands of `ferry catalog key`. */
#ifndef FERRY_CLI_CATALOG_KEY_H
#define FERRY_CLI_CATALOG_KEY_H

#include "cli/catalog/place.h"

/* The keys of a command, and how they are opened. */
struct key_desk {
	struct place place; /* empty: only the keys in --keys */
	struct keyring keys;
	const char *passphrase_file; /* or NULL */
	struct place_ask ask;        /* for existing keys */
};
void key_desk_release(struct key_desk *d);
/* The keys in --keys, else those of the place. The result must stay where it is. */
WARN_UNUSED int key_desk_open(struct cli *cli, const struct catalog_opts *o, struct key_desk *d,
			      struct err *e);

/* ERR_NOT_FOUND with the nearest name. */
WARN_UNUSED int key_find(const struct keyring *k, const char *name, const struct keyring_key **out,
			 struct err *e);
/* {name, path, kind, …}; with the roles that it may sign in the tree `dir`; NULL: without. */
void key_put(json_t *object, const struct keyring_key *key, const char *dir);

/* key_new.c */
extern const struct command cmd_catalog_key_new, cmd_catalog_key_import, cmd_catalog_key_passphrase;
/* key_list.c */
extern const struct command cmd_catalog_key_list, cmd_catalog_key_export, cmd_catalog_key_check;

#endif
