/*
 * audit: reads an object back from a mirror and compares it with its pieces. Used where
 * the mirror tells no digest, and by verify.
 */
#ifndef FERRY_PUBLISH_AUDIT_H
#define FERRY_PUBLISH_AUDIT_H

#include "util/retry.h"
#include "publish/tree.h"

#define AUDIT_MAX_BAD 16

struct audit_piece {
	uint32_t index;
	uint64_t offset, length;        /* bytes */
};

struct audit {
	uint64_t bytes;                 /* read */
	uint32_t pieces;                /* compared */
	uint32_t bad_count;             /* pieces that differ */
	struct audit_piece bad[AUDIT_MAX_BAD];  /* the first of them */
	bool whole_differs;             /* without pieces: the file as a whole does */
	bool cut_short;                 /* fewer bytes came than the size says */
};
bool audit_is_ok(const struct audit *a);
/* "piece 3 (bytes 25165824-33554431) and 2 more". */
void audit_describe(const struct audit *a, struct buf *out);

struct audit_how {
	struct report *report;
	const char *task;               /* advances; NULL: none */
	const struct cancel *cancel;
	const struct retry *retry;      /* how often to try again; a reading goes on at the
	                                   piece where it broke off */
};

/* Reads all bytes. Wrong bytes are a finding, not an error; an error is that the mirror
 * could not be read. */
WARN_UNUSED int audit_full(struct mirror *m, const struct repository_file *f,
			   const struct tree_pieces *p, const struct audit_how *how,
			   struct audit *out, struct err *e);
/* Reads the pieces `which`, ascending; p->at must be there. */
WARN_UNUSED int audit_some(struct mirror *m, const struct repository_file *f,
			   const struct tree_pieces *p, const uint32_t *which, size_t count,
			   const struct audit_how *how, struct audit *out, struct err *e);

#endif
