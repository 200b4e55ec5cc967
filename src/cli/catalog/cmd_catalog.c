#include "cli/catalog/ceremony.h"

static const struct command *const subs[] = {
	&catalog_init, &catalog_key, &catalog_add, &catalog_remove, &catalog_list,
	&catalog_lint, &catalog_sign, &catalog_refresh, &catalog_status, &catalog_gc,
	&catalog_delegate, &catalog_undelegate, &catalog_rotate, &catalog_renew, &catalog_merge,
	&catalog_discard, &catalog_export, NULL,
};

extern const struct command cmd_catalog;
const struct command cmd_catalog = {
	.name = "catalog",
	.summary = "keep the signed catalog",
	.synopsis = (const char *const[]){ "COMMAND [OPTION]… [OPERAND]…", NULL },
	.description = "The catalog says which models there are, what they are made of and which "
		       "mirrors serve them. Its commands work on the repository of the ferry.conf "
		       "in the current folder. Readers see nothing of a change before it is signed "
		       "and pushed.",
	.subs = subs,
	.max_operands = -1,
};
