/*
 * The plain catalog.json and catalog.json.minisig of a tree, for readers without TUF: kept equal
 * to the published targets metadata.
 */
#ifndef FERRY_REPOSITORY_PLAIN_H
#define FERRY_REPOSITORY_PLAIN_H

#include "repository/sign.h"

/* Does the plain catalog.json have these bytes? */
bool repository_plain_is(const char *dir, const struct digest *sha256);

/* Updates both to the published targets. If there is no signature yet, a key of `signers` or
 * how->keys signs; without such a key, a signature that does not match is removed. A copy without
 * objects is not changed. There must be no draft of targets. *changed becomes true when there was
 * something to do. */
WARN_UNUSED int repository_plain_settle(const char *dir, const struct writer *w,
					const struct repository_signing *how,
					struct keyring_signers *signers, bool *changed,
					struct err *e);
/* While metadata lacks signatures: keeps a signature of the next catalog in drafts/, if one of the
 * signers can make it. */
WARN_UNUSED int repository_plain_draft(const char *dir, struct writer *w,
				       const struct repository_signing *how,
				       struct keyring_signers *signers, struct err *e);

#endif
