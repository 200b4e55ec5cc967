/*
 * catalog.json.minisig: the plain catalog signed with a targets key, for readers with minisign
 * but no TUF client.
 *
 * What always holds here:
 *  - a signature is beside catalog.json only if it verifies for exactly that file with an Ed25519
 *    key of the role targets in the tree's newest root;
 *  - if there are several such keys, the first one in root is preferred, so that readers can pin
 *    one key;
 *  - its trusted comment names repository, version of targets, file and time.
 */
#ifndef FERRY_REPOSITORY_MINISIGN_H
#define FERRY_REPOSITORY_MINISIGN_H

#include "sign/keyring.h"
#include "sign/minisig.h"
#include "repository/writer/published.h"

/* The Ed25519 keys of the role targets, in the root's order; there may be none. */
struct repository_keys {
	struct tuf_key **at;
	size_t count, cap;
};
void repository_keys_release(struct repository_keys *k);
void repository_minisign_keys_of(const struct published *tree, struct repository_keys *out);

/* The keys that may sign catalog.json.minisig; at least one. *present is the one that made the
 * signature in the tree; the first if there is none. ERR_NOT_FOUND when targets has no Ed25519
 * key, or the tree was never signed. */
WARN_UNUSED int repository_minisign_keys(const char *dir, struct repository_keys *out,
					 size_t *present, struct err *e);

/* Opens the first of these keys that is in `keys`; *out is among `opened`. ERR_NOT_FOUND if none
 * is. */
WARN_UNUSED int repository_minisign_open(const char *dir, struct keyring *keys,
					 struct keyring_signers *opened, struct signer **out,
					 struct err *e);

/* The trusted comment of a file that was signed at now_s; the caller frees. */
char *repository_minisign_comment(const char *name, uint64_t version, const char *file,
				  int64_t now_s);

struct repository_minisign {
	const char *dir;     /* the tree */
	const char *name;    /* of the repository */
	uint64_t version;    /* of targets: published, or of the draft */
	const void *catalog; /* its bytes */
	size_t catalog_len;
	int64_t now_s;
	struct keyring_signers *signers; /* open already; more may be added */
	struct keyring *keys;
};

/* While targets waits for signatures: keeps a minisign signature in drafts/, made by a signer
 * whose key id is in `keyids`, so that whoever completes the signatures does not need a targets
 * key. */
WARN_UNUSED int repository_minisign_draft(const struct repository_minisign *m,
					  const struct str_list *keyids, struct err *e);

/* After everything else is published, just before catalog.json is written: leaves the right
 * signature, or none if no key here can make it. A key is opened only if needed. *changed is set
 * to true if something was done. */
WARN_UNUSED int repository_minisign_settle(const struct repository_minisign *m, bool *changed,
					   struct err *e);

#endif
