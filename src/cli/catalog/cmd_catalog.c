#include "cli/catalog/backup.h"
#include "cli/catalog/ceremony.h"
#include "cli/catalog/invite.h"
#include "cli/catalog/key.h"
#include "cli/values.h"

static const struct command *const key_subs[] = {
	&cmd_catalog_key_new,
	&cmd_catalog_key_import,
	&cmd_catalog_key_list,
	&cmd_catalog_key_export,
	&cmd_catalog_key_passphrase,
	&cmd_catalog_key_check,
	NULL,
};

static const struct command cmd_catalog_key = {
	.name = "key",
	.summary = "create and manage keys",
	.subs = key_subs,
};

static const struct command *const subs[] = {
	&cmd_catalog_init,
	&cmd_catalog_key,
	&cmd_catalog_add,
	&cmd_catalog_remove,
	&cmd_catalog_list,
	&cmd_catalog_lint,
	&cmd_catalog_sign,
	&cmd_catalog_refresh,
	&cmd_catalog_status,
	&cmd_catalog_gc,
	&cmd_catalog_delegate,
	&cmd_catalog_undelegate,
	&cmd_catalog_rotate,
	&cmd_catalog_renew,
	&cmd_catalog_merge,
	&cmd_catalog_discard,
	&cmd_catalog_export,
	&cmd_catalog_withdraw,
	&cmd_catalog_prune,
	&cmd_catalog_backup,
	&cmd_catalog_restore,
	&cmd_catalog_invite,
	NULL,
};

extern const struct command cmd_catalog;
const struct command cmd_catalog = {
	.name = "catalog",
	.summary = "create, change and sign the catalog",
	.description = "The catalog lists the models, their files, and the mirrors that serve "
		       "them. The commands work on the repository in the ferry.conf of the current "
		       "folder. Readers see a change only after it is signed and pushed.",
	.subs = subs,
	.values = values_publisher,
};
