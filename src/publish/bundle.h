/*
 * bundle: writes a release of the tree, or some of its models, into one file that readers use as a
 * mirror (mirror/bundle_index.h, ferry-bundle(5)).
 *
 * The bytes of a bundle are determined by the release and the choice. It is written to FILE.part,
 * and gets its name when it is complete and on the disk. What an earlier run left in FILE.part is
 * compared with the signed digests, piece by piece, and kept as far as it is right.
 */
#ifndef FERRY_PUBLISH_BUNDLE_H
#define FERRY_PUBLISH_BUNDLE_H

#include "publish/tree.h"

#define BUNDLE_PART_SUFFIX ".part"

struct bundle_options {
	const bool *only;       /* of the tree's files, as only_resolve() makes it; NULL: all. What
				   belongs to no model, and the metadata, are always in it */
	const char *repository; /* its name; or NULL */
	bool dry_run;           /* only computes the result */
	struct report *report;
};

struct bundle_result {
	size_t objects;
	uint64_t size; /* of the file, bytes */
	uint64_t kept; /* of them, that an earlier run had written */
};

/* ERR_CONFLICT when another process writes it; ERR_USAGE when there is a file at `path` that is no
 * bundle; ERR_INTEGRITY when an object of the tree is damaged. tree->cancel stops it. */
WARN_UNUSED int bundle_write(const struct tree *t, const char *path, const struct bundle_options *o,
			     struct bundle_result *out, struct err *e);

#endif
