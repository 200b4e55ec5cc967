/*
 * release: which release of the repository a mirror shows to its readers, told by its
 * timestamp.json, compared with ours.
 */
#ifndef FERRY_PUBLISH_RELEASE_H
#define FERRY_PUBLISH_RELEASE_H

#include "publish/tree.h"

#define RELEASE_TIMESTAMP "metadata/timestamp.json"
/* The client's ceiling is 16,384 bytes; more than that is no timestamp. */
#define RELEASE_MAX_BYTES (16 * KIB)
#define RELEASE_MAX_METADATA (64 * MIB)

enum release_state {
	RELEASE_NONE,           /* no timestamp.json there */
	RELEASE_DAMAGED,        /* it is no timestamp, or no key of ours signed it */
	RELEASE_OLDER,
	RELEASE_SAME,           /* byte for byte ours */
	RELEASE_NEWER,          /* another publisher was there */
	RELEASE_OTHER,          /* the same version with other bytes, or an older one that is not of
				   our past: likewise */
};

struct release {
	enum release_state state;
	uint64_t version;       /* with OLDER, SAME, NEWER, OTHER */
	int64_t expires_s;
	char etag[256];         /* of timestamp.json, or "" */
};

/* Reads the mirror's timestamp.json. */
WARN_UNUSED int release_of(struct mirror *m, const struct tree *ours, struct release *out,
			   struct err *e);

/* ERR_CONFLICT with what to do, for NEWER and OTHER. */
WARN_UNUSED int release_check(const struct release *r, const struct tree *ours, struct err *e);

/* For a versioned metadata file f that is on the mirror with other bytes than ours:
 * ERR_CONFLICT when they are another publisher's, 0 when they are just damaged. */
WARN_UNUSED int release_check_versioned(struct mirror *m, const struct tree *ours,
					const struct repository_file *f, struct err *e);

const char *release_state_name(enum release_state s);  /* "older"; stable, part of the JSON */

#endif
