/*
 * What was made from what: a record in the work folder for each recipe (source and
 * options) names the files that it gave, with their sizes and dates, so that the same
 * recipe is not worked off twice. A record that does not fit what is there counts for
 * nothing.
 */
#ifndef FERRY_PREPARE_STAMP_H
#define FERRY_PREPARE_STAMP_H

#include "json/json.h"
#include "prepare/workdir.h"
#include "util/text.h"

struct stamp {
	char *variant;
	char *url;                      /* of the source, or NULL */
	bool url_is_file;               /* it serves exactly the one file */
	struct str_list names;          /* file names in the output folder, shards in order */
};
void stamp_release(struct stamp *m);

/* False when this recipe was never finished, or its files changed since. */
bool stamp_find(const struct workdir *w, const char *output_dir, const json_t *recipe,
	       struct stamp *out);
WARN_UNUSED int stamp_save(const struct workdir *w, const char *output_dir, const json_t *recipe,
			  const struct stamp *m, struct err *e);

#endif
