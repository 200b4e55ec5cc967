/*
 * verify_report: the result of verify as a JSON document (schemas/output-verify.schema.json), and
 * the documents of all shares joined into that of one run.
 */
#ifndef FERRY_PUBLISH_VERIFY_REPORT_H
#define FERRY_PUBLISH_VERIFY_REPORT_H

#include "publish/verify.h"

struct verify_report {
	const char *repository; /* its name, or NULL */
	uint64_t release;
	struct digest timestamp; /* SHA-256 of timestamp.json: identifies the release */
	enum verify_mode mode;
	uint64_t samples, seed; /* with VERIFY_SAMPLE */
	struct share share;
	uint64_t tree_files; /* in all shares */
	struct verify_mirror *mirrors;
	size_t count;
};

/* Adds the members to the object. */
void verify_report_json(const struct verify_report *r, json_t *out);
const char *verify_mode_name(enum verify_mode mode);

/*
 * Joining: one verify_report_add() for each report, in any order, then verify_report_join().
 * The result is in `report`, as that of a run without shares.
 */
#define VERIFY_REPORT_MAX_BYTES (256 * MIB) /* of one document */
#define VERIFY_REPORT_MAX_MIRRORS 1000
#define VERIFY_REPORT_MAX_FILES (1 * MIB) /* of the tree */

struct verify_joined {
	struct verify_report report;
	struct repository_file *files; /* report.tree_files; key NULL: in none of the reports yet */
	struct str_list texts;         /* that the report refers to */
	char **from;                   /* report.share.count: the name of each share's report */
};
void verify_joined_release(struct verify_joined *j);

/* name: of the document, for messages. ERR_INTEGRITY if it is not such a document; ERR_USAGE if it
 * cannot be joined with those before: of another release, repository, mode, seed or set of mirrors;
 * the same share or file twice; of an interrupted run, or of no share. After an error, only release
 * is allowed. */
WARN_UNUSED int verify_report_add(struct verify_joined *j, const json_t *document, const char *name,
				  struct err *e);
/* ERR_USAGE if a share is missing, ERR_INTEGRITY if a file is. */
WARN_UNUSED int verify_report_join(struct verify_joined *j, struct err *e);

#endif
