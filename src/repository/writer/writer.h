/*
 * repository/writer: the publisher's side of TUF. Changes the metadata of a repository tree in
 * memory, signs it, and saves it.
 *
 *   metadata/    what is published
 *   drafts/      changed documents that lack signatures; never published
 *
 * There is one file for each verb (delegate, edit, merge, publish, save, …), on top of
 * writer_doc.h, the documents and their versions, and writer_authority.h, who may sign them and
 * who has. published.h reads published metadata without a writer.
 *
 * What always holds here:
 *  - a save publishes the changed documents that have their threshold of signatures, if they
 *    verify together with the published ones; the others stay in drafts/. So snapshot and
 *    timestamp can be refreshed while a change waits for signatures;
 *  - the order of publishing is delegated roles, targets, snapshot, new root, timestamp.json,
 *    each by an atomic rename, so that readers see it in one step. After a kill in between, the
 *    next save continues;
 *  - a document gets a new version only when it changes; a change removes its signatures;
 *  - a new root has the threshold of signatures of the old root and its own; every root is kept;
 *  - what somebody else has published meanwhile is never overwritten (ERR_CONFLICT);
 *  - consistent_snapshot is true; snapshot and timestamp list lengths and hashes.
 *
 * One person can sign everything with one call; several people sign one after the other: each
 * opens the tree with its drafts and saves with their own signers.
 */
#ifndef FERRY_REPOSITORY_WRITER_WRITER_H
#define FERRY_REPOSITORY_WRITER_WRITER_H

#include "sign/signer.h"
#include "repository/writer/published.h"
#include "util/text.h"

struct writer_expiry {
	uint64_t root_s, targets_s, snapshot_s, timestamp_s; /* seconds from signing */
};
/* 365 days, 365 days, 30 days, 14 days. */
extern const struct writer_expiry writer_expiry_default;

struct writer;

/* Opens the tree (the folder that contains metadata/), with its published metadata and its
 * drafts. In a tree without metadata, everything is new. Holds a lock on the tree until it is
 * closed: ERR_CONFLICT when another publisher has it. expiry NULL: the default. */
WARN_UNUSED int writer_open(const char *tree, const struct writer_expiry *expiry, int64_t now_s,
			    struct writer **out, struct err *e);
/* The same for reading: writes nothing, works on a read-only medium, and waits only briefly for
 * another publisher. It cannot be saved. */
WARN_UNUSED int writer_look(const char *tree, int64_t now_s, struct writer **out, struct err *e);
void writer_close(struct writer *w);
DEFINE_CLEANUP(struct writer, writer_close);

/* Does the tree have a root, published or draft? */
bool writer_has_root(const struct writer *w);

/*
 * Keys and thresholds of "root", "targets", "snapshot", "timestamp", in a new version of root; of
 * a delegated role, in a new version of its delegator. Adding an existing key or removing a
 * missing one changes nothing. ERR_USAGE for an unknown role or a threshold of 0. Save checks
 * that a role has enough keys.
 */
WARN_UNUSED int writer_key_add(struct writer *w, const char *role, const struct tuf_key *key,
			       struct err *e);
WARN_UNUSED int writer_key_remove(struct writer *w, const char *role, const char *keyid,
				  struct err *e);
WARN_UNUSED int writer_set_threshold(struct writer *w, const char *role, unsigned threshold,
				     struct err *e);

/*
 * Targets of the role "targets" or of a delegated role. Setting an equal value changes nothing.
 * ERR_USAGE for an invalid path (path_is_key); ERR_NOT_FOUND for removing an unknown one.
 */
WARN_UNUSED int writer_target_set(struct writer *w, const char *role, const char *path,
				  uint64_t length, const struct digest *sha256, struct err *e);
WARN_UNUSED int writer_target_remove(struct writer *w, const char *role, const char *path,
				     struct err *e);
/* The target as it will be after the save; false when there is none. The path is borrowed until
 * the next change. */
bool writer_target_get(const struct writer *w, const char *role, const char *path,
		       struct published_target *out);
/* Sorted by path. */
void writer_target_paths(const struct writer *w, const char *role, struct str_list *out);

/* Delegates from targets: path patterns, in the order of calls. The role's first metadata is
 * empty. ERR_USAGE when the name is taken, or is not valid in all URLs and file systems
 * (path_is_id). */
struct writer_delegation {
	const char *name;
	const char *const *paths;
	size_t path_count;
	bool terminating;
	unsigned threshold;
	const struct tuf_key *const *keys;
	size_t key_count;
};
WARN_UNUSED int writer_delegate(struct writer *w, const struct writer_delegation *d, struct err *e);

/*
 * Hash bins (TAP 15): targets delegates to 2^bit_length roles PREFIX-00, PREFIX-01 …, each for
 * the paths whose SHA-256 begins with its number. Bins and targets are published together or not
 * at all, because files move between them: before the save, the caller sets each target in its
 * owner and removes it elsewhere. Calling it again changes number, name or keys. ERR_USAGE when
 * targets delegates to named roles: metadata can have only one of them.
 */
struct writer_bin_delegation {
	const char *prefix;
	unsigned bit_length; /* 1 to PUBLISHED_MAX_BIN_BITS */
	unsigned threshold;
	const struct tuf_key *const *keys; /* none: keys and threshold of the role targets */
	size_t key_count;
};
WARN_UNUSED int writer_delegate_bins(struct writer *w, const struct writer_bin_delegation *d,
				     struct err *e);
/* Do the bins of targets have the same keys and threshold as targets? Then they follow changes:
 * call the second function after the change. */
bool writer_bins_like_targets(const struct writer *w);
WARN_UNUSED int writer_bins_follow(struct writer *w, struct err *e);
/* Removes a delegation of targets (for bins, by their prefix) and the unpublished changes of its
 * role. ERR_NOT_FOUND when there is none. */
WARN_UNUSED int writer_undelegate(struct writer *w, const char *name, struct err *e);

/* The role that must list a target path: its bin, or the first delegated role whose patterns
 * match it, else "targets". Caller frees. */
char *writer_owner(const struct writer *w, const char *path);
/* Does targets delegate to a role with this name? Bins do not count. */
bool writer_delegates_to(const struct writer *w, const char *role);
/* Its path patterns, in the order of the file. None if there is no such role. */
void writer_delegation_paths(const struct writer *w, const char *role, struct str_list *out);
/* Do they match the path? */
bool writer_covers(const struct writer *w, const char *role, const char *path);
/* The names of such roles, in the order in which clients search them; and of bins. */
void writer_delegation_names(const struct writer *w, struct str_list *out);
void writer_bin_names(const struct writer *w, struct str_list *out);

/* What the delegated role lists for the path in the version that the next save will put in force
 * (the draft if it has its threshold of signatures, else the published version). The path in *out
 * is borrowed until the next change. */
WARN_UNUSED int writer_vouched(const struct writer *w, const char *role, const char *path,
			       struct published_target *out, bool *found, struct err *e);

/* Makes a new version without changes: for "snapshot" and "timestamp" this is a refresh, for
 * "root" or "targets" it extends the expiry date. */
WARN_UNUSED int writer_touch(struct writer *w, const char *role, struct err *e);

/* The same for targets and its bins, if they expire before the time and have no change. */
void writer_touch_expiring(struct writer *w, int64_t before_s);

/* Published version of a role; 0: none. */
uint64_t writer_version(const struct writer *w, const char *role);
/* Appends role, version and SHA-256 of each published targets document: while they are the same,
 * the same targets are signed. */
void writer_state(const struct writer *w, struct buf *out);
/* Is there anything to save, or to sign? */
bool writer_changed(const struct writer *w);
/* Is there a change of this role? */
bool writer_waits(const struct writer *w, const char *role);

/* Makes new versions of published metadata that does not verify with root or its delegator, as a
 * killed publication can leave it. False: there was none. */
bool writer_repair(struct writer *w);

/* From now on a save adds signatures only to these roles (bins by their prefix; "targets"
 * includes bins with its keys) and to snapshot and timestamp, so that a key of several roles
 * signs only what was requested. The names are copied. */
void writer_limit(struct writer *w, const char *const *roles, size_t count);

struct writer_saved {
	bool published;    /* all changes are published */
	bool timestamp;    /* this call published a new timestamp.json */
	bool targets;      /* … and a new version of targets */
	size_t waiting;    /* documents that wait for signatures, see status */
	size_t signatures; /* added by this call */
};

/*
 * Updates snapshot and timestamp for the changes, signs each changed document with every signer
 * whose key its role lists, and publishes or keeps drafts (see above). If a timestamp that was
 * renewed cannot be signed for complete drafts, because the keys of a new root are elsewhere, it
 * is signed for what is in force. Without changes and drafts it does nothing: published is true,
 * signatures 0. Without signers, the drafts are kept.
 *
 * ERR_USAGE: no root yet; a role has fewer keys than its threshold; the signers can sign none of
 * the drafts (the message names one and the required key ids). ERR_CONFLICT: the tree changed
 * since it was opened. After an error the writer can only be closed.
 */
WARN_UNUSED int writer_save(struct writer *w, struct signer *const *signers, size_t count,
			    struct writer_saved *out, struct err *e);

/* Signs the change of one role with the usable signers, in memory: the next save publishes it or
 * keeps it as a draft. *complete: it now has its threshold, or there is no change. */
WARN_UNUSED int writer_sign(struct writer *w, const char *role, struct signer *const *signers,
			    size_t count, bool *complete, struct err *e);

/* Deletes the drafts of a tree, even if they can no longer be opened (somebody published
 * meanwhile). Appends the roles of the deleted drafts to removed. */
WARN_UNUSED int writer_discard(const char *tree, struct str_list *removed, struct err *e);

/* ERR_USAGE, naming the role, unless every role has at least as many keys as its threshold. */
WARN_UNUSED int writer_check(const struct writer *w, struct err *e);

/* Appends the ids of the role's keys after the change. ERR_USAGE for an unknown role. */
WARN_UNUSED int writer_keys(const struct writer *w, const char *role, struct str_list *out,
			    struct err *e);

/* Appends the ids of all keys that may sign the role (bins by their prefix), according to
 * published metadata and drafts. None for an unknown role. */
void writer_signers(const struct writer *w, const char *role, struct str_list *out);

/*
 * Merges the signatures that other people made on copies of the drafts, in memory: the next save
 * publishes or keeps them. *signatures is the number of new ones. `path` is one document, or the
 * folder with metadata/ and drafts/ of a copy. Snapshot and timestamp are ignored: the tree makes
 * its own.
 *
 * ERR_CONFLICT when a document differs from the draft here (version or contents); ERR_NOT_FOUND
 * when there is none; ERR_INTEGRITY when one does not parse, or a signature by an authorised key
 * does not verify. Signatures by other keys are ignored.
 */
WARN_UNUSED int writer_merge(struct writer *w, const char *path, size_t *signatures, struct err *e);

/* What a draft of root changes, for its signers: an entry for each role whose keys or threshold
 * differ from the published ones. */
struct writer_change {
	const char *role;               /* static */
	struct str_list added, removed; /* key ids */
	uint64_t old_threshold, threshold;
};
struct writer_changes {
	struct writer_change at[4]; /* none if there is no draft of root, or it only renews */
	size_t count;
};

/* A line of `catalog status` for each document, published or draft. */
struct writer_status {
	char *role;         /* for bins, their prefix: one line for all of them */
	size_t bins;        /* how many; 0: not a line of bins */
	uint64_t version;   /* of the draft or change, else the published one; for bins, the
			       highest */
	bool waiting;       /* there is an unpublished draft or change */
	uint64_t published; /* published version, 0: none */
	int64_t expires_s;
	int64_t published_expires_s;       /* with `published`; for bins, the earliest */
	unsigned threshold;                /* of the root in force; for a new root, its own */
	unsigned valid;                    /* number of keys that have signed */
	unsigned old_threshold, old_valid; /* for a new root: according to the old one; else 0 */
	struct str_list keyids;            /* that may sign */
	struct str_list old_keyids;        /* for a new root: those of the old one */
	struct str_list signed_by;         /* those that have signed */
	/* What a draft of a targets role (not of bins) changes: target paths, sorted; and whether
	 * its delegations change. */
	struct str_list added, removed, changed;
	bool delegations;
};
struct writer_statuses {
	struct writer_status *at; /* root, targets, delegated …, snapshot, timestamp */
	size_t count, cap;
	struct writer_changes changes; /* of a root that waits */
};
/* The line of a role, or NULL. */
const struct writer_status *writer_status_of(const struct writer_statuses *s, const char *role);

/* Computed once and kept until the next change; borrowed. */
WARN_UNUSED int writer_status(struct writer *w, const struct writer_statuses **out, struct err *e);
/* The same, for the caller to keep and to release. */
WARN_UNUSED int writer_status_take(struct writer *w, struct writer_statuses *out, struct err *e);
void writer_statuses_release(struct writer_statuses *s);

#endif
