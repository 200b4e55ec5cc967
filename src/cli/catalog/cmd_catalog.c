#include "cli/catalog/ceremony.h"
#include "cli/catalog/key.h"

static const struct command *const key_subs[] = {
	&cmd_catalog_key_new, &cmd_catalog_key_import, &cmd_catalog_key_list,
	&cmd_catalog_key_export, &cmd_catalog_key_passphrase, &cmd_catalog_key_check, NULL,
};

static const struct command cmd_catalog_key = {
	.name = "key",
	.summary = "make and look at the keys that sign",
	.subs = key_subs,
};

static const struct command *const subs[] = {
	&cmd_catalog_init, &cmd_catalog_key, &cmd_catalog_add, &cmd_catalog_remove, &cmd_catalog_list,
	&cmd_catalog_lint, &cmd_catalog_sign, &cmd_catalog_refresh, &cmd_catalog_status, &cmd_catalog_gc,
	&cmd_catalog_delegate, &cmd_catalog_undelegate, &cmd_catalog_rotate, &cmd_catalog_renew, &cmd_catalog_merge,
	&cmd_catalog_discard, &cmd_catalog_export, NULL,
};

extern const struct command cmd_catalog;
const struct command cmd_catalog = {
	.name = "catalog",
	.summary = "keep the signed catalog",
	.description = "The catalog says which models there are, what they are made of and which "
		       "mirrors serve them. Its commands work on the repository of the ferry.conf "
		       "in the current folder. Readers see nothing of a change before it is signed "
		       "and pushed.",
	.subs = subs,
};
