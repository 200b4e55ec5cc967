/*
 * audit: reads an object from a mirror and compares it with its pieces. Used if the mirror does
 * not report a digest, and by verify.
 */
#ifndef FERRY_PUBLISH_AUDIT_H
#define FERRY_PUBLISH_AUDIT_H

#include "util/retry.h"
#include "publish/tree.h"

#define AUDIT_MAX_BAD 16

struct audit_piece {
	uint32_t index;
	uint64_t offset, length; /* bytes */
};

struct audit {
	uint64_t bytes;                        /* read */
	uint32_t pieces;                       /* compared */
	uint32_t bad_count;                    /* pieces that differ */
	struct audit_piece bad[AUDIT_MAX_BAD]; /* the first of them, by index */
	bool whole_differs;                    /* without pieces: the whole file differs */
	bool cut_short;                        /* fewer bytes were received than the size */
};
bool audit_is_ok(const struct audit *a);
/* "piece 3 (bytes 25165824-33554431) and 2 more". */
void audit_describe(const struct audit *a, struct buf *out);

struct audit_how {
	struct report *report;
	const char *task; /* advances; NULL: none */
	const struct cancel *cancel;
	const struct retry *retry; /* for retries; reading continues at the piece where it
				      failed */
	uint64_t deadline_us;      /* of clock_now_us(retry->clock): ERR_NETWORK; 0: none */
};

/* Reads all bytes. Wrong bytes are a finding; an error means that the mirror could not be read:
 * then *out has what was found before it. */
WARN_UNUSED int audit_full(struct mirror *m, const struct repository_file *f,
			   const struct tree_pieces *p, const struct audit_how *how,
			   struct audit *out, struct err *e);
/* Reads `count` pieces from `first` on, in one request; p->at must not be NULL. Several threads may
 * read parts of one object. */
WARN_UNUSED int audit_part(struct mirror *m, const struct repository_file *f,
			   const struct tree_pieces *p, uint32_t first, uint32_t count,
			   const struct audit_how *how, struct audit *out, struct err *e);
/* Adds the findings on one part to those on others, in any order. */
void audit_add(struct audit *sum, const struct audit *part);

#endif
