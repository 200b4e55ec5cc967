/*
 * release: which release of the repository a mirror shows to readers, according to its
 * timestamp.json, compared with ours.
 */
#ifndef FERRY_PUBLISH_RELEASE_H
#define FERRY_PUBLISH_RELEASE_H

#include "publish/tree.h"

#define RELEASE_TIMESTAMP "metadata/timestamp.json"
/* Clients read at most 16,384 bytes. */
#define RELEASE_MAX_BYTES (16 * KIB)
#define RELEASE_MAX_METADATA (64 * MIB)

enum release_state {
	RELEASE_NONE,    /* no timestamp.json */
	RELEASE_DAMAGED, /* not a timestamp, signed by none of our keys, or ours with other bytes
			    around the signed part */
	RELEASE_OLDER,
	RELEASE_SAME,  /* identical to ours */
	RELEASE_NEWER, /* written by another publisher */
	RELEASE_OTHER, /* the same version with other bytes, or an older one that is
			  not ours: also another publisher's */
};

struct release {
	enum release_state state;
	uint64_t version; /* with OLDER, SAME, NEWER, OTHER */
	int64_t expires_s;
	char etag[256]; /* of timestamp.json, or "" */
};

/* Reads the mirror's timestamp.json. */
WARN_UNUSED int release_of(struct mirror *m, const struct tree *ours, struct release *out,
			   struct err *e);

/* Does the mirror hold another repository, with a first root of its own? */
WARN_UNUSED int release_is_elsewhere(struct mirror *m, const struct tree *ours, bool *out,
				     struct err *e);

/* For NEWER and OTHER: ERR_CONFLICT, with a hint. */
WARN_UNUSED int release_check(const struct release *r, const struct tree *ours, struct err *e);

/* For a versioned metadata file f that differs on the mirror: ERR_CONFLICT if it is another
 * publisher's, 0 if it is damaged. */
WARN_UNUSED int release_check_versioned(struct mirror *m, const struct tree *ours,
					const struct repository_file *f, struct err *e);

/* Are version and expiry known? */
bool release_has_version(const struct release *r);
const char *release_state_name(enum release_state s); /* "older"; stable, part of the JSON */

#endif
