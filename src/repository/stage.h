/*
 * Staging: what the cards say becomes what the metadata lists, in memory. Objects of manifests
 * and of the catalog are written to the tree.
 */
#ifndef FERRY_REPOSITORY_STAGE_H
#define FERRY_REPOSITORY_STAGE_H

#include "repository/sign.h"

/*
 * Lists in targets, or in its bins, the files and manifests of the cards and a catalog.json of
 * them, and nothing else. Delegated roles keep what they list: of their models the catalog shows
 * what they have signed. What expires soon gets a new version. Sets models, variants, planned and
 * waiting of *out. ERR_USAGE when the repository has no name yet.
 */
WARN_UNUSED int repository_stage(const char *dir, struct writer *w,
				 const struct repository_signing *how,
				 const struct repository_cards *cards,
				 struct repository_signed *out, struct err *e);

#endif
