/*
 * Records finished work: for each recipe (source and options), a stamp in the work folder lists
 * the resulting files with their sizes, times and inodes, so that the same recipe is not run twice.
 * A stamp that does not match the existing files is ignored.
 */
#ifndef FERRY_PREPARE_STAMP_H
#define FERRY_PREPARE_STAMP_H

#include "json/json.h"
#include "prepare/prepare.h"
#include "prepare/workdir.h"
#include "util/text.h"

struct stamp {
	char *variant;
	char *quantization;    /* or NULL */
	char *url;             /* of the source, or NULL */
	bool url_is_file;      /* it is the URL of this one file */
	struct str_list names; /* file names in the output folder, shards in order */
	json_t *warnings;      /* of the run, for the next one; or NULL: not known */
	bool moved;            /* a file has another time or inode: its bytes must be checked */
};
void stamp_release(struct stamp *m);

/* What a run said about the files themselves, as stamp.warnings. */
json_t *stamp_warnings(const struct prepare_result *r);

/* False if this recipe was never finished, or its files are gone or have other sizes. */
bool stamp_find(const struct workdir *w, const char *output_dir, const json_t *recipe,
		struct stamp *out);
WARN_UNUSED int stamp_save(const struct workdir *w, const char *output_dir, const json_t *recipe,
			   const struct stamp *m, struct err *e);

#endif
