/*
 * What a model is made from. A SOURCE is one of
 *  - a GGUF file, or all shards of one (the first shard brings its siblings along);
 *  - a Hugging Face folder, or a folder with one GGUF in it;
 *  - an archive that holds one of these;
 *  - an http, https or file URL of a GGUF or an archive. Several URLs are fallbacks for each
 *    other, but URLs of different shards are the shards of one model.
 *
 * A local source is never changed. Downloads lie in the work folder until the model is
 * done, so that nothing is downloaded twice.
 */
#ifndef FERRY_PREPARE_OBTAIN_H
#define FERRY_PREPARE_OBTAIN_H

#include "hash/sha256.h"
#include "json/json.h"
#include "prepare/workdir.h"
#include "util/report.h"
#include "util/text.h"

struct obtain_request {
	const char *const *operands;
	size_t count;
	/* What the files must be: none, or one for each file, in the order of the operands (of
	 * an archive its own). */
	const struct digest *sha256;
	size_t sha256_count;
	uint64_t archive_max_bytes;
	struct report *report;
	const struct cancel *cancel;
};

struct obtain_file {
	char *path;
	bool ours;              /* in the work folder: may be moved */
	const struct digest *sha256;    /* still to be checked; borrowed from the request */
};

struct obtained {
	struct obtain_file *files;      /* GGUF files in no certain order */
	size_t count;
	char *hf_dir;                   /* or this */
	uint64_t hf_bytes;              /* of its weights */
	char *url;                      /* where it came from, for the card; or NULL */
	char *scratch;                  /* of an unpacked archive; removed at release */
	struct str_list downloads;      /* in the work folder */
	uint64_t received;              /* bytes over the wire */
};
/* Removes what was unpacked, not what was downloaded. */
void obtain_release(struct obtained *s);
/* Removes the downloads. */
void obtain_forget(const struct obtained *s);

/* Checks the operands without opening anything. ERR_USAGE. */
WARN_UNUSED int obtain_check(const struct obtain_request *r, struct err *e);

/* Brings the source here. On failure *out holds the downloads that were finished, so that
 * obtain_forget() can remove what turned out to be no model. */
WARN_UNUSED int obtain_run(const struct obtain_request *r, const struct workdir *w,
			      struct obtained *out, struct err *e);

/* What tells this source from another and from a later version of itself: sizes and dates of
 * files, versions of URLs. NULL when it cannot be known (no server answered). The caller
 * owns it. */
json_t *obtain_identity(const struct obtain_request *r);

#endif
