/*
 * Staging, the first half of a signature: the metadata is changed, in memory, to list what the
 * cards contain. The objects of cards, manifests and documents are written to the tree. What was
 * staged is recorded (staged.h), so that the next time only the cards that changed are read.
 */
#ifndef FERRY_REPOSITORY_STAGE_H
#define FERRY_REPOSITORY_STAGE_H

#include "repository/sign.h"
#include "repository/staged.h"

/* The cards that are to be staged. */
struct stage_cards {
	bool incremental;                /* only the cards that changed were read */
	struct repository_cards changed; /* those that were read: all, unless incremental */
	struct mark *marks;              /* of their files, in the same order */
	struct staged before;            /* the record; empty unless incremental */
	struct staged after;             /* the next record, without its key */
	struct seen seen;
};
void stage_cards_release(struct stage_cards *s);

/* Reads the cards that changed since the last signature; all, if the record is not for what is
 * signed, or drafts wait. ERR_INTEGRITY for a card that does not parse. */
WARN_UNUSED int stage_cards_read(const char *dir, const struct writer *w,
				 const struct repository_signing *how, struct stage_cards *out,
				 struct err *e);

/*
 * Makes targets and its bins list exactly the cards, their files and manifests, and the documents
 * built from them: repository.json, the index, catalog.json. The lists of delegated roles do not
 * change: for their models, the documents contain what they have signed. Metadata that expires soon
 * gets a new version. Sets models, variants, planned and waiting of *out. ERR_USAGE when the
 * repository has no name yet; ERR_CONFLICT when the version of a variant goes back.
 */
WARN_UNUSED int repository_stage(const char *dir, struct writer *w,
				 const struct repository_signing *how, struct stage_cards *cards,
				 struct repository_signed *out, struct err *e);

#endif
