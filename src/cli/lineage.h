/* `ferry show --provenance`: where a variant comes from, as its publisher has signed it. */
#ifndef FERRY_CLI_LINEAGE_H
#define FERRY_CLI_LINEAGE_H

#include "cli/session.h"

/* Prints the statement, and which signatures verify. ERR_NOT_FOUND when the variant has none;
 * ERR_INTEGRITY when it is about other files, or a signature of a key that the repository trusts
 * does not verify. */
WARN_UNUSED int lineage_show(struct cli *cli, struct remote *c, const struct card *model,
			     const struct card_variant *v, struct err *e);

#endif
