/*
 * check: files on disk against what vouches for them, manifests and SHA256SUMS.
 *
 * A folder is checked as a whole, with what lies below it: every manifest and every list in
 * it is followed, and a file that nothing vouches for is an extra. Hidden names, cards,
 * manifests, lists and minisign signatures of a file beside them need nobody to vouch for
 * them. Links to files are followed, links to folders are not.
 */
#ifndef FERRY_CHECK_CHECK_H
#define FERRY_CHECK_CHECK_H

#include "catalog/sums.h"

enum check_status {
	CHECK_OK,
	CHECK_UNVERIFIED,       /* quick: it is there, and its size is right if known */
	CHECK_MISSING,
	CHECK_SIZE,
	CHECK_CONTENT,
	CHECK_EXTRA,
	CHECK_UNREADABLE,       /* the system refused; reason */
	CHECK_INVALID,          /* a manifest or list that is none, no file; reason */
	CHECK_STATUSES
};
const char *check_status_name(enum check_status s);     /* "ok", "content"; stable */

struct check_item {
	char *path;             /* the file; of an invalid manifest or list: its own path */
	char *manifest;         /* what vouches for it, or NULL */
	char *list;             /* a SHA256SUMS that names it, or NULL */
	struct digest listed;   /* its digest there */
	enum check_status status;
	uint64_t size;          /* expected, with a manifest */
	uint32_t pieces;
	struct manifest_verdict verdict;
	char *reason;           /* or NULL */
};

struct check {
	bool quick;             /* in: sizes only */
	bool ignore_extra;      /* in */
	const struct cancel *cancel;    /* in: NULL: nothing stops it */
	struct check_item *at;  /* out: sorted by path, each path once */
	size_t count, cap;
};
void check_release(struct check *c);

/*
 * Adds what an operand names to the items: a manifest, a list, a file with its manifest
 * beside it, or a folder. ERR_NOT_FOUND when it does not exist, ERR_USAGE for a file that
 * nothing vouches for.
 */
WARN_UNUSED int check_add(struct check *c, const char *path, struct err *e);
/* Looks at all the files, and sets their status. A fault is a status; an error is only a
 * signal to stop. */
WARN_UNUSED int check_run(struct check *c, struct report *report, struct err *e);

size_t check_count(const struct check *c, enum check_status status);
/* Is any of them neither ok nor unverified? */
bool check_found_fault(const struct check *c);

#endif
