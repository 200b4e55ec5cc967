/*
 * tuf: what an application needs to trust a repository: public keys (key.h), metadata (metadata.h)
 * and the names of its files (name.h), the trusted set (trusted.h), the folder in which it is
 * stored (folder.h), delegations (match.h, search.h), and on top of them the client: from a pinned
 * root to verified target descriptions (TUF 1.0.34, section 5, "Detailed client workflow").
 *
 * What always holds here:
 *  - no private keys and no network: the caller's transport fetches bytes by name;
 *  - metadata is written to the trust folder only after all checks, byte for byte as it was
 *    received, by an atomic rename;
 *  - the folder is locked only while files are compared and written, never during a request:
 *    several processes may refresh at once, and newer metadata is never replaced by older. A lock
 *    that is held for longer than that is ERR_CONFLICT, which names the holder;
 *  - "now" is fixed when the client is opened;
 *  - every download has a size limit.
 *
 * Error classes that the client reports: ERR_INTEGRITY for anything that does not verify
 * (signature, rollback, expiry, malformed), and the transport's own.
 */
#ifndef FERRY_TUF_CLIENT_H
#define FERRY_TUF_CLIENT_H

#include "hash/sha256.h"
#include "json/json.h"
#include "tuf/key.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

/* Fetches metadata by its file name ("2.root.json", "timestamp.json"; percent-encoded for
 * delegated roles). At most out->max bytes: more is ERR_INTEGRITY. A missing file is
 * ERR_NOT_FOUND (in the conformance suite's protocol, HTTP 403 counts as that).
 *
 * rejected() lets a transport with several endpoints fall back: when bytes fail the client's
 * checks, the client calls it with the reason; true means "ask again, there is another endpoint",
 * false ends with that error. NULL: one endpoint only. */
struct tuf_transport {
	int (*get)(void *ctx, const char *name, struct buf *out, struct err *e);
	bool (*rejected)(void *ctx, const char *name, const struct err *why);
	void *ctx;
	const struct cancel *cancel; /* stops waiting for another process; NULL: nothing does */
};

struct tuf_limits {
	size_t root, timestamp, snapshot, targets; /* bytes */
	unsigned root_rotations, delegations;
};
extern const struct tuf_limits tuf_limits_default; /* 512000, 16384, 2000000, 5000000, 256, 32 */

struct tuf_target {
	uint64_t length;
	struct digest sha256;
	char *custom; /* canonical JSON of "custom", or NULL; owned */
	/* The role that lists it; for a hash bin, the one that has the bins. Borrowed until the
	 * client is refreshed or closed. */
	const char *signer;
};
void tuf_target_release(struct tuf_target *t);

struct tuf_client;

/* Stores the first trusted root in the folder, which is created if missing. The root must verify
 * with its own keys. An existing trusted root is kept if it is the same or newer in the same
 * chain; ERR_CONFLICT if another repository's root is there. */
WARN_UNUSED int tuf_client_init(const char *trust_dir, const void *root, size_t len, struct err *e);
/* Is there a trusted root in the folder? */
bool tuf_client_is_initialised(const char *trust_dir);
/* The SHA-256 of the first trusted root; false when it is unknown. */
bool tuf_client_pinned(const char *trust_dir, struct digest *out);

WARN_UNUSED int tuf_client_open(const char *trust_dir, const struct tuf_transport *transport,
				const struct tuf_limits *limits, int64_t now_s,
				struct tuf_client **out, struct err *e);
void tuf_client_close(struct tuf_client *c);
DEFINE_CLEANUP(struct tuf_client, tuf_client_close);

/* Root chain, timestamp, snapshot, top-level targets. */
WARN_UNUSED int tuf_client_refresh(struct tuf_client *c, struct err *e);
/* The same from the trust folder alone, no transport: for --offline. Expiry is then reported
 * instead of being an error: *expired is the expired role, or NULL. Missing metadata is
 * ERR_NOT_FOUND, damaged metadata ERR_INTEGRITY; a refresh repairs both. */
WARN_UNUSED int tuf_client_load_offline(struct tuf_client *c, const char **expired, struct err *e);

/* Is there stored metadata, verified or not, beside the root? */
bool tuf_client_has_timestamp(const struct tuf_client *c);
/* Of what tuf_client_load_offline() loaded: is it what its timestamp names, so that no newer
 * snapshot or targets metadata is known? An interrupted refresh may leave an older one. */
bool tuf_client_is_complete(const struct tuf_client *c);

/* Finds the description of a target path, in targets or the roles that it delegates to.
 * ERR_NOT_FOUND with CAUSE_UNLISTED when no role that is trusted for it lists it; offline
 * ERR_NOT_FOUND without it when the metadata of such a role is not stored. */
WARN_UNUSED int tuf_client_target(struct tuf_client *c, const char *path, struct tuf_target *out,
				  struct err *e);

/* Does the top-level role list the path itself? No request is made. */
bool tuf_client_top_lists(const struct tuf_client *c, const char *path);

/* The same as signed JSON, {length, hashes, custom}, with any hash algorithms; it and the signer
 * are borrowed until the client is refreshed or closed. */
WARN_UNUSED int tuf_client_find(struct tuf_client *c, const char *path, const json_t **entry,
				const char **signer, struct err *e);

/* The names under which the target's bytes are stored, relative to the targets folder:
 * "dir/HASH.name" in a consistent-snapshot repository, else the path itself. Caller
 * frees. */
char *tuf_client_target_name(const struct tuf_client *c, const char *path,
			     const struct tuf_target *t);
/* The same for a hash in hex. */
char *tuf_client_hashed_name(const struct tuf_client *c, const char *path, const char *hex);

/* Versions and expiry of the trusted metadata, for `show`, `status` and reports. */
struct tuf_role_state {
	const char *role;
	uint64_t version;
	int64_t expires_s;
};
size_t tuf_client_state(const struct tuf_client *c, struct tuf_role_state out[4]);

/* The key ids of the trusted root role, of which `threshold` must sign the next root;
 * borrowed until the client is refreshed or closed. */
size_t tuf_client_root_keys(const struct tuf_client *c, const char *const **keyids,
			    uint64_t *threshold);
struct tuf_metadata;
/* The trusted root; and the trusted targets, or NULL if they are not loaded. Borrowed likewise. */
const struct tuf_metadata *tuf_client_root(const struct tuf_client *c);
const struct tuf_metadata *tuf_client_top(const struct tuf_client *c);
/* The key with this id, if the trusted root lets it sign for targets; else NULL. Borrowed likewise.
 */
const struct tuf_key *tuf_client_targets_key(const struct tuf_client *c, const char *id);
/* After a failed refresh: the role that was rejected because it has expired, or NULL. */
const char *tuf_client_expired(const struct tuf_client *c);

#endif
