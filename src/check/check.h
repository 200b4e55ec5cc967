/*
 * check: files on disk are compared with manifests and SHA256SUMS.
 *
 * A folder is checked with its subfolders: every manifest and list in it is used, and a file that
 * none of them covers is an extra. Hidden files, cards, manifests, lists, lists by other
 * algorithms, and signatures beside their file (.asc, .sig, .minisig, …) are not extras. Links to
 * files are followed, links to folders are not.
 */
#ifndef FERRY_CHECK_CHECK_H
#define FERRY_CHECK_CHECK_H

#include "catalog/sums.h"

enum check_status {
	CHECK_OK,
	CHECK_UNVERIFIED, /* quick: it exists, and its size is right if known */
	CHECK_MISSING,
	CHECK_SIZE,
	CHECK_CONTENT,
	CHECK_EXTRA,
	CHECK_UNREADABLE, /* the system refused; reason */
	CHECK_INVALID,    /* a malformed manifest or list, or not a file; reason */
	CHECK_STATUSES
};
const char *check_status_name(enum check_status s); /* "ok", "content"; stable */

struct check_item {
	char *path;           /* the file; of an invalid manifest or list: its own path */
	char *manifest;       /* the manifest that covers it, or NULL */
	char *list;           /* a SHA256SUMS that names it, or NULL */
	struct digest listed; /* its digest there */
	enum check_status status;
	uint64_t size; /* expected, with a manifest */
	uint32_t pieces;
	struct manifest_verdict verdict;
	char *reason; /* or NULL */
};

struct check {
	bool quick;                  /* in: sizes only */
	bool ignore_extra;           /* in */
	const struct cancel *cancel; /* in: NULL: nothing stops it */
	struct check_item *at;       /* out: sorted by path, each path once */
	size_t count, cap;
	struct str_list notes; /* out: what of the lists was passed over */
};
void check_release(struct check *c);

/*
 * Adds items for an operand: a manifest, a file with its manifest beside it, a list of whatever
 * name, or a folder. ERR_NOT_FOUND when it does not exist, ERR_USAGE for a file without a manifest
 * that is no list.
 */
WARN_UNUSED int check_add(struct check *c, const char *path, struct err *e);
/* Checks all files and sets their status. Faults are in the status; the only error is
 * ERR_CANCELLED. */
WARN_UNUSED int check_run(struct check *c, struct report *report, struct err *e);

size_t check_count(const struct check *c, enum check_status status);
/* Is the status of any of them other than ok and unverified? */
bool check_found_fault(const struct check *c);

#endif
