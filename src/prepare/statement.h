/*
 * The record of a run of prepare that made files: what was made from what, with which options and
 * tools (catalog/provenance.h).
 *
 * It has no credentials: URLs are without user, password and signature, local files are there by
 * their names, and of the command line only what the files depend on.
 */
#ifndef FERRY_PREPARE_STATEMENT_H
#define FERRY_PREPARE_STATEMENT_H

#include "prepare/companions.h"

struct statement {
	const struct prepare *p;
	const struct obtained *source;
	const struct from_hub *hub; /* NULL: another source */
	const struct model *model;  /* the files that were installed, or what they were made of */
	const struct companions *companions;
	const struct manifest *manifests; /* of the model, then of the companions */
	size_t count;
	const struct prepare_result *result;
};

/* Writes "FILE.provenance.json" beside the first file that was made. Sources whose digests are not
 * known are hashed. *path is where it is; the caller frees it. */
WARN_UNUSED int statement_write(const struct statement *s, char **path, struct err *e);

#endif
