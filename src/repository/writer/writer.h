/*
 * The publisher's side of TUF: the metadata of a repository tree, changed in memory,
 * signed, and saved.
 *
 *   metadata/    what is published
 *   drafts/      changed documents that wait for signatures; never published
 *
 * What always holds here:
 *  - a save publishes the changed documents that have their threshold of signatures, if
 *    together with what is published they verify; the others wait in drafts/. So
 *    snapshot and timestamp can be refreshed while a change waits for its signatures;
 *  - a save is published in one step: delegated roles, targets, snapshot, new root, and
 *    timestamp.json last, each by an atomic rename. Killed in between, the next save goes on;
 *  - a document gets a new version when it changes, and only then; changing it drops the
 *    signatures that it had;
 *  - a new root carries the threshold of the old root and of its own; every root stays;
 *  - what somebody else published meanwhile is ERR_CONFLICT, never overwritten;
 *  - consistent_snapshot is true; snapshot and timestamp list lengths and hashes.
 *
 * So one person signs everything with one call, and several people sign one after the other:
 * each opens the tree (by then with its drafts), and saves with their own signers.
 */
#ifndef FERRY_REPOSITORY_WRITER_WRITER_H
#define FERRY_REPOSITORY_WRITER_WRITER_H

#include "sign/signer.h"
#include "repository/writer/published.h"
#include "util/text.h"

struct tuf_expiry {
	uint64_t root_s, targets_s, snapshot_s, timestamp_s;    /* seconds from signing */
};
/* 365 days, 365 days, 30 days, 14 days. */
extern const struct tuf_expiry tuf_expiry_default;

struct tuf_writer;

/* Opens the tree (the folder that holds metadata/), with what is published and what
 * waits in drafts/. A tree without metadata is fine: everything is new then. Holds a
 * lock on the tree until it is closed: ERR_CONFLICT when another publisher has it.
 * expiry NULL: the default. */
WARN_UNUSED int tuf_writer_open(const char *tree, const struct tuf_expiry *expiry,
				int64_t now_s, struct tuf_writer **out, struct err *e);
/* The same for looking only: writes nothing, so that a read-only medium will do, and does not mind
 * another publisher at work for more than a moment. Not to be saved. */
WARN_UNUSED int tuf_writer_look(const char *tree, int64_t now_s, struct tuf_writer **out,
				struct err *e);
void tuf_writer_close(struct tuf_writer *w);
DEFINE_CLEANUP(struct tuf_writer, tuf_writer_close);

/* Has the tree a root already, published or draft? */
bool tuf_writer_has_root(const struct tuf_writer *w);

/*
 * Keys and thresholds of "root", "targets", "snapshot", "timestamp", in a new version
 * of root; of a delegated role, in a new version of its delegator. Adding a key that is
 * there and removing one that is not change nothing. ERR_USAGE for an unknown role or a
 * threshold of 0. That a role has enough keys is checked by save.
 */
WARN_UNUSED int tuf_writer_key_add(struct tuf_writer *w, const char *role,
				   const struct tuf_key *key, struct err *e);
WARN_UNUSED int tuf_writer_key_remove(struct tuf_writer *w, const char *role,
				      const char *keyid, struct err *e);
WARN_UNUSED int tuf_writer_set_threshold(struct tuf_writer *w, const char *role,
					 unsigned threshold, struct err *e);

/*
 * Targets of the role "targets" or of a delegated one. Setting what is there already
 * changes nothing. `custom` (borrowed) may be NULL. A path that is no key (path_is_key)
 * is ERR_USAGE; removing an unknown one is ERR_NOT_FOUND.
 */
WARN_UNUSED int tuf_writer_target_set(struct tuf_writer *w, const char *role,
				      const char *path, uint64_t length,
				      const struct digest *sha256, const json_t *custom,
				      struct err *e);
WARN_UNUSED int tuf_writer_target_remove(struct tuf_writer *w, const char *role,
					 const char *path, struct err *e);
/* As it will be after the save; false when it is not there. custom is borrowed until
 * the next change. */
bool tuf_writer_target_get(const struct tuf_writer *w, const char *role, const char *path,
			   struct published_target *out);
/* Sorted by path. */
void tuf_writer_target_paths(const struct tuf_writer *w, const char *role,
			     struct str_list *out);

/* Delegates from `parent` ("targets" or a delegated role): path patterns, in the order of
 * calls. The role's first metadata is empty. ERR_USAGE when the name is taken, or is none that URLs
 * and file systems of all kinds take as it is (path_is_id). */
struct tuf_delegation {
	const char *name;
	const char *const *paths;
	size_t path_count;
	bool terminating;
	unsigned threshold;
	const struct tuf_key *const *keys;
	size_t key_count;
};
WARN_UNUSED int tuf_writer_delegate(struct tuf_writer *w, const char *parent,
				    const struct tuf_delegation *d, struct err *e);

/*
 * Hash bins (TAP 15): `parent` delegates to 2^bit_length roles PREFIX-00, PREFIX-01 …, each
 * for the paths whose SHA-256 begins with its number. Bins and their delegator are published
 * together or not at all, for targets move between them: the caller sets each target in
 * its owner and removes it elsewhere before the save. Called again it changes number, name or
 * keys. ERR_USAGE when parent delegates to named roles: metadata has the one or the other.
 */
struct tuf_bin_delegation {
	const char *prefix;
	unsigned bit_length;            /* 1 to TUF_TREE_MAX_BIN_BITS */
	unsigned threshold;
	const struct tuf_key *const *keys;      /* none: those of the role targets, and its
						   threshold */
	size_t key_count;
};
WARN_UNUSED int tuf_writer_delegate_bins(struct tuf_writer *w, const char *parent,
					 const struct tuf_bin_delegation *d, struct err *e);
/* Have the bins of targets the same keys and threshold as targets itself? Then they follow
 * when those change: call the second one after the change. */
bool tuf_writer_bins_like_targets(const struct tuf_writer *w);
WARN_UNUSED int tuf_writer_bins_follow(struct tuf_writer *w, struct err *e);
/* Takes a delegation back, of bins by their prefix, with what its role changed and did not
 * publish. ERR_NOT_FOUND when there is none. */
WARN_UNUSED int tuf_writer_undelegate(struct tuf_writer *w, const char *parent,
				      const char *name, struct err *e);

/* Who is to list a target path, of targets and what it delegates to: the bin; the first
 * delegated role whose patterns cover it; else "targets". Caller frees. */
char *tuf_writer_owner(const struct tuf_writer *w, const char *path);
/* Do the patterns of the role that targets delegates to cover the path? */
bool tuf_writer_covers(const struct tuf_writer *w, const char *role, const char *path);
/* What targets says of such a role: its entry {name, keyids, threshold, terminating,
 * paths}, borrowed until the next change; or NULL. */
const json_t *tuf_writer_delegation(const struct tuf_writer *w, const char *role);
/* Names of such roles, in the order in which clients ask them; and of bins. */
void tuf_writer_delegation_names(const struct tuf_writer *w, struct str_list *out);
void tuf_writer_bin_names(const struct tuf_writer *w, struct str_list *out);
bool tuf_writer_has_bins(const struct tuf_writer *w);

/* Does the delegated role list the path with this digest, in the version that the next save
 * puts in force: its draft, if that has its threshold of signatures, else what is published? */
WARN_UNUSED int tuf_writer_vouched(const struct tuf_writer *w, const char *role,
				   const char *path, const struct digest *sha256, bool *out,
				   struct err *e);

/* A new version although nothing changed: with "snapshot" and "timestamp" it is the
 * refresh of cron, with "root" or "targets" it puts off their expiry. */
WARN_UNUSED int tuf_writer_touch(struct tuf_writer *w, const char *role, struct err *e);

/* The same for those of targets and its bins that expire before the time and have no
 * change. */
WARN_UNUSED int tuf_writer_touch_expiring(struct tuf_writer *w, int64_t before_s, struct err *e);

/* Published version of a role; 0: none. */
uint64_t tuf_writer_version(const struct tuf_writer *w, const char *role);
/* Is there anything to save, or to sign? */
bool tuf_writer_changed(const struct tuf_writer *w);
/* Is there a change of this role? */
bool tuf_writer_waits(const struct tuf_writer *w, const char *role);

/* What is published and not vouched for by root or its delegator, as a publication that was
 * killed can leave it, gets a new version. False: there was nothing of the kind. */
bool tuf_writer_repair(struct tuf_writer *w);

/* From now on a save adds signatures to these roles alone (bins by their prefix; with "targets"
 * also bins that have its keys), and to snapshot and timestamp: a key that several roles have
 * does not sign what nobody asked for. The names are copied. */
void tuf_writer_limit(struct tuf_writer *w, const char *const *roles, size_t count);

struct tuf_saved {
	bool published;         /* nothing waits: all that was changed is published */
	bool timestamp;         /* this call published a new timestamp.json */
	bool targets;           /* … and a new version of targets */
	size_t waiting;         /* documents that wait for signatures, see status */
	size_t signatures;      /* added by this call */
};

/*
 * Brings snapshot and timestamp in step with what changed, signs each changed document
 * with every signer whose key its role lists, and publishes or keeps drafts (see
 * above). A timestamp that was touched and cannot be signed for what is complete, because the keys
 * of a new root are elsewhere, goes on with what is in force. With nothing changed and no drafts it does nothing: published is true, signatures
 * 0. No signers at all: the drafts are kept.
 *
 * ERR_USAGE: no root yet; a role has fewer keys than its threshold; the signers are of use for
 * nothing that waits (the message names a role that waits and the key ids that are wanted). ERR_CONFLICT: the tree changed since it was opened. After an error the writer
 * is only good for closing.
 */
WARN_UNUSED int tuf_writer_save(struct tuf_writer *w, struct signer *const *signers,
				size_t count, struct tuf_saved *out, struct err *e);

/* Signs the change of one role with the signers that fit, in memory: the next save publishes
 * it or keeps it as a draft. *complete: it has its threshold now, or there is no change. */
WARN_UNUSED int tuf_writer_sign(struct tuf_writer *w, const char *role,
				struct signer *const *signers, size_t count, bool *complete,
				struct err *e);

/* Throws the drafts of the tree away, and with them every change that was not saved. The
 * writer is only good for closing then. */
WARN_UNUSED int tuf_writer_discard(struct tuf_writer *w, struct err *e);

/* The same for a tree whose drafts cannot be opened any more (somebody published meanwhile).
 * Appends the roles whose drafts there were to removed, unless that is NULL. */
WARN_UNUSED int tuf_writer_discard_tree(const char *tree, struct str_list *removed,
					struct err *e);

/* Has every role at least as many keys as its threshold? ERR_USAGE names one that has not. */
WARN_UNUSED int tuf_writer_check(const struct tuf_writer *w, struct err *e);

/* Appends the ids of the keys that the role is to have. ERR_USAGE for an unknown role. */
WARN_UNUSED int tuf_writer_keys(const struct tuf_writer *w, const char *role,
				struct str_list *out, struct err *e);

/* Appends the ids of all keys that may sign the role, by what is published and by what waits;
 * of bins by their prefix. None for an unknown role. */
void tuf_writer_signers(const struct tuf_writer *w, const char *role, struct str_list *out);

/*
 * Takes over the signatures that other people made on copies of the drafts, in memory: the next
 * save publishes or keeps. `path` is one document, or the folder that holds metadata/ and
 * drafts/ of such a copy. Snapshot and timestamp are left out: the tree makes its own.
 *
 * ERR_CONFLICT when a document is not the one that waits here (another version, or other
 * contents); ERR_NOT_FOUND when there is none; ERR_INTEGRITY when one does not parse, or a
 * signature of a key that may sign does not verify. Keys that may not sign are left out.
 */
struct tuf_merged {
	size_t documents;       /* that wait here, or are published, and were found there */
	size_t signatures;      /* that were new */
};
WARN_UNUSED int tuf_writer_merge(struct tuf_writer *w, const char *path, struct tuf_merged *out,
				 struct err *e);

/* What a waiting root changes: one for each role whose keys or threshold are others than those
 * published. Who signs it wants to know. */
struct tuf_writer_change {
	const char *role;               /* static */
	struct str_list added, removed; /* key ids */
	uint64_t old_threshold, threshold;
};
struct tuf_writer_changes {
	struct tuf_writer_change at[4];
	size_t count;
};
void tuf_writer_changes_release(struct tuf_writer_changes *c);
/* None when no root waits, or when it only renews. */
void tuf_writer_root_changes(const struct tuf_writer *w, struct tuf_writer_changes *out);

/* One line of `catalog status`, for each document: published, or waiting. */
struct tuf_writer_status {
	char *role;                     /* of bins: their prefix, one line for all of them */
	size_t bins;                    /* how many; 0: it is no line of bins */
	uint64_t version;               /* of the draft or change, else the published one; of
					   bins the highest */
	bool waiting;                   /* there is a draft or change: not published yet */
	uint64_t published;             /* published version, 0: none */
	int64_t expires_s;
	int64_t published_expires_s;    /* with `published`; of bins the first that ends */
	unsigned threshold;             /* of the root in force; new root: the new one */
	unsigned valid;                 /* distinct keys that signed */
	unsigned old_threshold, old_valid;      /* of a new root: by the old one; else 0 */
	struct str_list keyids;         /* that may sign */
	struct str_list old_keyids;     /* of a new root: that may sign by the old one */
	struct str_list signed_by;      /* those that did */
	/* What a targets role that waits changes, not of bins: target paths, sorted; and whether it
	 * changes to whom it delegates. */
	struct str_list added, removed, changed;
	bool delegations;
};
struct tuf_writer_statuses {
	struct tuf_writer_status *at;   /* root, targets, delegated …, snapshot, timestamp */
	size_t count, cap;
	struct tuf_writer_changes changes;      /* of a root that waits */
};
void tuf_writer_statuses_release(struct tuf_writer_statuses *s);
WARN_UNUSED int tuf_writer_status(const struct tuf_writer *w, struct tuf_writer_statuses *out,
				  struct err *e);

#endif
