/*
 * repository/writer: the publisher's side of TUF. The metadata of a repository tree is changed in
 * memory, signed, and saved.
 *
 *   metadata/    what is published
 *   drafts/      changed documents that wait for signatures; never published
 *
 * One file for each verb (delegate, edit, merge, publish, save, …) over two that know the rest:
 * writer_doc.h, the documents and their versions, and writer_authority.h, who may sign them and
 * who did. published.h reads what is published, without a writer.
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

struct writer_expiry {
	uint64_t root_s, targets_s, snapshot_s, timestamp_s; /* seconds from signing */
};
/* 365 days, 365 days, 30 days, 14 days. */
extern const struct writer_expiry writer_expiry_default;

struct writer;

/* Opens the tree (the folder that holds metadata/), with what is published and what
 * waits in drafts/. A tree without metadata is fine: everything is new then. Holds a
 * lock on the tree until it is closed: ERR_CONFLICT when another publisher has it.
 * expiry NULL: the default. */
WARN_UNUSED int writer_open(const char *tree, const struct writer_expiry *expiry, int64_t now_s,
			    struct writer **out, struct err *e);
/* The same for looking only: writes nothing, so that a read-only medium will do, and does not mind
 * another publisher at work for more than a moment. Not to be saved. */
WARN_UNUSED int writer_look(const char *tree, int64_t now_s, struct writer **out, struct err *e);
void writer_close(struct writer *w);
DEFINE_CLEANUP(struct writer, writer_close);

/* Has the tree a root already, published or draft? */
bool writer_has_root(const struct writer *w);

/*
 * Keys and thresholds of "root", "targets", "snapshot", "timestamp", in a new version
 * of root; of a delegated role, in a new version of its delegator. Adding a key that is
 * there and removing one that is not change nothing. ERR_USAGE for an unknown role or a
 * threshold of 0. That a role has enough keys is checked by save.
 */
WARN_UNUSED int writer_key_add(struct writer *w, const char *role, const struct tuf_key *key,
			       struct err *e);
WARN_UNUSED int writer_key_remove(struct writer *w, const char *role, const char *keyid,
				  struct err *e);
WARN_UNUSED int writer_set_threshold(struct writer *w, const char *role, unsigned threshold,
				     struct err *e);

/*
 * Targets of the role "targets" or of a delegated one. Setting what is there already
 * changes nothing. A path that is no key (path_is_key) is ERR_USAGE; removing an unknown one
 * is ERR_NOT_FOUND.
 */
WARN_UNUSED int writer_target_set(struct writer *w, const char *role, const char *path,
				  uint64_t length, const struct digest *sha256, struct err *e);
WARN_UNUSED int writer_target_remove(struct writer *w, const char *role, const char *path,
				     struct err *e);
/* As it will be after the save; false when it is not there. The path is borrowed until the
 * next change. */
bool writer_target_get(const struct writer *w, const char *role, const char *path,
		       struct published_target *out);
/* Sorted by path. */
void writer_target_paths(const struct writer *w, const char *role, struct str_list *out);

/* Delegates from targets: path patterns, in the order of calls. The role's first metadata is
 * empty. ERR_USAGE when the name is taken, or is none that URLs and file systems of all kinds take
 * as it is (path_is_id). */
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
 * Hash bins (TAP 15): targets delegates to 2^bit_length roles PREFIX-00, PREFIX-01 …, each
 * for the paths whose SHA-256 begins with its number. Bins and targets are published together
 * or not at all, for files move between them: the caller sets each target in its owner and
 * removes it elsewhere before the save. Called again it changes number, name or keys. ERR_USAGE
 * when targets delegates to named roles: metadata has the one or the other.
 */
struct writer_bin_delegation {
	const char *prefix;
	unsigned bit_length; /* 1 to PUBLISHED_MAX_BIN_BITS */
	unsigned threshold;
	const struct tuf_key *const *keys; /* none: those of the role targets, and its
						   threshold */
	size_t key_count;
};
WARN_UNUSED int writer_delegate_bins(struct writer *w, const struct writer_bin_delegation *d,
				     struct err *e);
/* Have the bins of targets the same keys and threshold as targets itself? Then they follow
 * when those change: call the second one after the change. */
bool writer_bins_like_targets(const struct writer *w);
WARN_UNUSED int writer_bins_follow(struct writer *w, struct err *e);
/* Takes a delegation of targets back, of bins by their prefix, with what its role changed and did
 * not publish. ERR_NOT_FOUND when there is none. */
WARN_UNUSED int writer_undelegate(struct writer *w, const char *name, struct err *e);

/* Who is to list a target path: the bin; the first delegated role whose patterns cover it; else
 * "targets". Caller frees. */
char *writer_owner(const struct writer *w, const char *path);
/* Does targets delegate to a role of this name? Bins have none. */
bool writer_delegates_to(const struct writer *w, const char *role);
/* Its path patterns, in the order of the file. Nothing when there is no such role. */
void writer_delegation_paths(const struct writer *w, const char *role, struct str_list *out);
/* Do they cover the path? */
bool writer_covers(const struct writer *w, const char *role, const char *path);
/* Names of such roles, in the order in which clients ask them; and of bins. */
void writer_delegation_names(const struct writer *w, struct str_list *out);
void writer_bin_names(const struct writer *w, struct str_list *out);

/* Does the delegated role list the path with this digest, in the version that the next save
 * puts in force: its draft, if that has its threshold of signatures, else what is published? */
WARN_UNUSED int writer_vouched(const struct writer *w, const char *role, const char *path,
			       const struct digest *sha256, bool *out, struct err *e);

/* A new version although nothing changed: with "snapshot" and "timestamp" it is the
 * refresh of cron, with "root" or "targets" it puts off their expiry. */
WARN_UNUSED int writer_touch(struct writer *w, const char *role, struct err *e);

/* The same for those of targets and its bins that expire before the time and have no
 * change. */
void writer_touch_expiring(struct writer *w, int64_t before_s);

/* Published version of a role; 0: none. */
uint64_t writer_version(const struct writer *w, const char *role);
/* Is there anything to save, or to sign? */
bool writer_changed(const struct writer *w);
/* Is there a change of this role? */
bool writer_waits(const struct writer *w, const char *role);

/* What is published and not vouched for by root or its delegator, as a publication that was
 * killed can leave it, gets a new version. False: there was nothing of the kind. */
bool writer_repair(struct writer *w);

/* From now on a save adds signatures to these roles alone (bins by their prefix; with "targets"
 * also bins that have its keys), and to snapshot and timestamp: a key that several roles have
 * does not sign what nobody asked for. The names are copied. */
void writer_limit(struct writer *w, const char *const *roles, size_t count);

struct writer_saved {
	bool published;    /* nothing waits: all that was changed is published */
	bool timestamp;    /* this call published a new timestamp.json */
	bool targets;      /* … and a new version of targets */
	size_t waiting;    /* documents that wait for signatures, see status */
	size_t signatures; /* added by this call */
};

/*
 * Brings snapshot and timestamp in step with what changed, signs each changed document
 * with every signer whose key its role lists, and publishes or keeps drafts (see
 * above). A timestamp that was touched and cannot be signed for what is complete, because the keys
 * of a new root are elsewhere, goes on with what is in force. With nothing changed and no drafts
 * it does nothing: published is true, signatures 0. No signers at all: the drafts are kept.
 *
 * ERR_USAGE: no root yet; a role has fewer keys than its threshold; the signers are of use for
 * nothing that waits (the message names a role that waits and the key ids that are wanted).
 * ERR_CONFLICT: the tree changed since it was opened. After an error the writer is only good for
 * closing.
 */
WARN_UNUSED int writer_save(struct writer *w, struct signer *const *signers, size_t count,
			    struct writer_saved *out, struct err *e);

/* Signs the change of one role with the signers that fit, in memory: the next save publishes
 * it or keeps it as a draft. *complete: it has its threshold now, or there is no change. */
WARN_UNUSED int writer_sign(struct writer *w, const char *role, struct signer *const *signers,
			    size_t count, bool *complete, struct err *e);

/* Throws the drafts of a tree away, also such as cannot be opened any more (somebody published
 * meanwhile). Appends the roles whose drafts there were to removed. */
WARN_UNUSED int writer_discard(const char *tree, struct str_list *removed, struct err *e);

/* Has every role at least as many keys as its threshold? ERR_USAGE names one that has not. */
WARN_UNUSED int writer_check(const struct writer *w, struct err *e);

/* Appends the ids of the keys that the role is to have. ERR_USAGE for an unknown role. */
WARN_UNUSED int writer_keys(const struct writer *w, const char *role, struct str_list *out,
			    struct err *e);

/* Appends the ids of all keys that may sign the role, by what is published and by what waits;
 * of bins by their prefix. None for an unknown role. */
void writer_signers(const struct writer *w, const char *role, struct str_list *out);

/*
 * Takes over the signatures that other people made on copies of the drafts, in memory: the next
 * save publishes or keeps. *signatures were new. `path` is one document, or the folder that
 * holds metadata/ and drafts/ of such a copy. Snapshot and timestamp are left out: the tree
 * makes its own.
 *
 * ERR_CONFLICT when a document is not the one that waits here (another version, or other
 * contents); ERR_NOT_FOUND when there is none; ERR_INTEGRITY when one does not parse, or a
 * signature of a key that may sign does not verify. Keys that may not sign are left out.
 */
WARN_UNUSED int writer_merge(struct writer *w, const char *path, size_t *signatures, struct err *e);

/* What a waiting root changes: one for each role whose keys or threshold are others than those
 * published. Who signs it wants to know. */
struct writer_change {
	const char *role;               /* static */
	struct str_list added, removed; /* key ids */
	uint64_t old_threshold, threshold;
};
struct writer_changes {
	struct writer_change at[4]; /* none when no root waits, or when it only renews */
	size_t count;
};

/* One line of `catalog status`, for each document: published, or waiting. */
struct writer_status {
	char *role;         /* of bins: their prefix, one line for all of them */
	size_t bins;        /* how many; 0: it is no line of bins */
	uint64_t version;   /* of the draft or change, else the published one; of
					   bins the highest */
	bool waiting;       /* there is a draft or change: not published yet */
	uint64_t published; /* published version, 0: none */
	int64_t expires_s;
	int64_t published_expires_s;       /* with `published`; of bins the first that ends */
	unsigned threshold;                /* of the root in force; new root: the new one */
	unsigned valid;                    /* distinct keys that signed */
	unsigned old_threshold, old_valid; /* of a new root: by the old one; else 0 */
	struct str_list keyids;            /* that may sign */
	struct str_list old_keyids;        /* of a new root: that may sign by the old one */
	struct str_list signed_by;         /* those that did */
	/* What a targets role that waits changes, not of bins: target paths, sorted; and whether it
	 * changes to whom it delegates. */
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
