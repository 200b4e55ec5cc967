/* Shared by rotate.c and ceremony.c: a run in which several people may take part. */
#ifndef FERRY_REPOSITORY_CEREMONY_INTERNAL_H
#define FERRY_REPOSITORY_CEREMONY_INTERNAL_H

#include "repository/ceremony.h"

struct ceremony {
	const char *dir;
	const struct repository_signing *how;
	struct writer *w;
	struct keyring_signers signers;
	struct repository_ceremony result;
};

/* ERR_NOT_FOUND: the tree has no root. */
WARN_UNUSED int repository_ceremony_begin(struct ceremony *c, const char *dir,
					  const struct repository_signing *how, struct err *e);
void repository_ceremony_end(struct ceremony *c);

/* Publishes or keeps drafts, and gives the result. with_keys false: the drafts are only published
 * if they are complete. */
WARN_UNUSED int repository_ceremony_save(struct ceremony *c, bool with_keys,
					 struct repository_ceremony *out, struct err *e);
/* The same if there is nothing to save. */
WARN_UNUSED int repository_ceremony_finish(struct ceremony *c, struct repository_ceremony *out,
					   struct err *e);

#endif
