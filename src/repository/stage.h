/*
 * Staging: the metadata is changed, in memory, to list what the cards contain. The objects of
 * manifests and of the catalog are written to the tree.
 */
#ifndef FERRY_REPOSITORY_STAGE_H
#define FERRY_REPOSITORY_STAGE_H

#include "repository/sign.h"

/*
 * Makes targets and its bins list exactly the files and manifests of the cards, and a catalog.json
 * built from them. The lists of delegated roles do not change: for their models, the catalog
 * contains what they have signed. Metadata that expires soon gets a new version. Sets models,
 * variants, planned and waiting of *out. ERR_USAGE when the repository has no name yet.
 */
WARN_UNUSED int repository_stage(const char *dir, struct writer *w,
				 const struct repository_signing *how,
				 const struct repository_cards *cards,
				 struct repository_signed *out, struct err *e);

#endif
