/*
 * The set of trusted metadata, and the checks before a file is added to it (TUF 1.0.34, section
 * 5). No files and no network: only bytes.
 *
 * A function that fails leaves the set as it was. `what` names the bytes in messages. The order
 * is that of the workflow: roots, timestamp, snapshot, targets, delegated roles.
 */
#ifndef FERRY_TUF_TRUSTED_H
#define FERRY_TUF_TRUSTED_H

#include "tuf/metadata.h"

/* A role that was verified for one delegator. The same file may appear several times, once for
 * each delegator; the first entry owns it. */
struct tuf_trusted_role {
	char *name;
	const struct tuf_metadata *parent;
	struct tuf_metadata *m;
	bool owned;
};

struct tuf_trusted {
	int64_t now_s;
	/* When reading stored metadata offline: expiry is not an error, nor is a version older
	 * than listed. The first expired role is noted; online, the last role that was rejected
	 * because it expired. */
	bool offline;
	const char *expired;
	struct tuf_metadata *root, *timestamp, *snapshot;
	struct tuf_trusted_role *roles; /* targets first */
	size_t count, cap;
};

void tuf_trusted_release(struct tuf_trusted *t);

/* The pinned or stored root: signed by its own keys. Replaces everything in the set. */
WARN_UNUSED int tuf_trusted_root_first(struct tuf_trusted *t, const void *data, size_t len,
				       const char *what, struct err *e);
/* The next root: version exactly one higher, signed by the old one's keys and its own. *rotated:
 * a key of timestamp or snapshot was removed, so the versions that it signed are no longer
 * compared (5.3.11). */
WARN_UNUSED int tuf_trusted_root_next(struct tuf_trusted *t, const void *data, size_t len,
				      const char *what, bool *rotated, struct err *e);
/* The last root must not have expired. */
WARN_UNUSED int tuf_trusted_root_final(struct tuf_trusted *t, struct err *e);

/* `local`: a stored file, which may have expired and is then used only for comparison. *same:
 * this version is already trusted; the old one is kept and must not have expired. */
WARN_UNUSED int tuf_trusted_timestamp(struct tuf_trusted *t, const void *data, size_t len,
				      const char *what, bool local, bool *same, struct err *e);

/* `local`: as above; its hash is not compared, because the timestamp may name a newer one.
 * *final: the timestamp names it and it has not expired; always true when `local` is false. */
WARN_UNUSED int tuf_trusted_snapshot(struct tuf_trusted *t, const void *data, size_t len,
				     const char *what, bool local, bool *final, struct err *e);

/* Targets metadata `name`, delegated to by `parent`: t->root for "targets". Returns the trusted
 * metadata, borrowed. */
WARN_UNUSED int tuf_trusted_targets(struct tuf_trusted *t, const void *data, size_t len,
				    const char *what, const char *name,
				    const struct tuf_metadata *parent,
				    const struct tuf_metadata **out, struct err *e);
/* The same for a role that was already loaded for another delegator: only the signatures are
 * checked again. *out is NULL when it was not loaded yet. */
WARN_UNUSED int tuf_trusted_known(struct tuf_trusted *t, const char *name,
				  const struct tuf_metadata *parent,
				  const struct tuf_metadata **out, struct err *e);

/* Are these bytes a timestamp that verifies and is newer than the one in the set? Then another
 * process stored it meanwhile. */
bool tuf_trusted_is_outdated(const struct tuf_trusted *t, const void *timestamp, size_t len);

/* "targets", once it is trusted; else NULL. */
const struct tuf_metadata *tuf_trusted_top(const struct tuf_trusted *t);

/* What snapshot lists for a targets role. ERR_INTEGRITY when it does not list it. */
WARN_UNUSED int tuf_trusted_listed(const struct tuf_trusted *t, const char *name,
				   struct tuf_meta *out, struct err *e);

#endif
