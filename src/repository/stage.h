/*
 * Staging: the metadata is changed, in memory, to list what the cards contain. The objects of
 * cards, manifests and documents are written to the tree.
 */
#ifndef FERRY_REPOSITORY_STAGE_H
#define FERRY_REPOSITORY_STAGE_H

#include "repository/sign.h"
#include "repository/staged.h"

/* What is to be staged: the cards that were read, and the record of the last signature. */
struct repository_staging {
	struct staged before;            /* the record; empty unless `incremental` */
	struct staged after;             /* the next one, without its key */
	bool incremental;                /* only the cards that changed were read */
	struct repository_cards changed; /* all cards, unless incremental */
	struct mark *marks;              /* of their files, in the same order */
	struct seen seen;
};
void repository_staging_release(struct repository_staging *s);

/* Reads the cards that changed since the last signature; all, if the record is not for what is
 * signed, or drafts wait. ERR_INTEGRITY for a card that does not parse. */
WARN_UNUSED int repository_staging_open(const char *dir, const struct writer *w,
					const struct repository_signing *how,
					struct repository_staging *out, struct err *e);

/*
 * Makes targets and its bins list exactly the cards, their files and manifests, and the documents
 * built from them: repository.json, the index, catalog.json. The lists of delegated roles do not
 * change: for their models, the documents contain what they have signed. Metadata that expires soon
 * gets a new version. Sets models, variants, planned and waiting of *out. ERR_USAGE when the
 * repository has no name yet; ERR_CONFLICT when the version of a variant goes back.
 */
WARN_UNUSED int repository_stage(const char *dir, struct writer *w,
				 const struct repository_signing *how,
				 struct repository_staging *cards, struct repository_signed *out,
				 struct err *e);

#endif
