/*
 * The plain catalog.json and catalog.json.minisig of a tree, for readers without TUF: they follow
 * the targets metadata that is published.
 */
#ifndef FERRY_REPOSITORY_PLAIN_H
#define FERRY_REPOSITORY_PLAIN_H

#include "repository/sign.h"

/* Has the plain catalog.json these bytes? */
bool repository_plain_is(const char *dir, const struct digest *sha256);

/* Brings both in step with targets as it is published, signed by a key of `signers` or how->keys
 * where there is no signature yet; without such a key one that does not fit goes. A copy without
 * objects is left alone. targets must not wait. *changed becomes true when there was something
 * to do. */
WARN_UNUSED int repository_plain_settle(const char *dir, const struct writer *w,
					const struct repository_signing *how,
					struct keyring_signers *signers, bool *changed,
					struct err *e);
/* While signatures of metadata are awaited: keeps the signature of the catalog to come among
 * the drafts, if one of the signers can make it. */
WARN_UNUSED int repository_plain_draft(const char *dir, struct writer *w,
				       const struct repository_signing *how,
				       struct keyring_signers *signers, struct err *e);

#endif
