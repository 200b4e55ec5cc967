/*
 * Obtains what a model is made from. A SOURCE is one of
 *  - a GGUF file, or all shards of one (the others are found from the first);
 *  - a Hugging Face folder, or a folder with one GGUF in it;
 *  - an archive that contains one of these;
 *  - hf:OWNER/REPO[@REVISION][:FILE], a model on the Hugging Face Hub (from_hub.h);
 *  - an http, https or file URL of a GGUF or an archive. Several URLs are alternatives for the
 *    same file, except that URLs of different shards are the shards of one model.
 *
 * A local source is never changed. Downloads are kept in the work folder until the model is
 * finished, so that nothing is downloaded twice.
 */
#ifndef FERRY_PREPARE_OBTAIN_H
#define FERRY_PREPARE_OBTAIN_H

#include "hash/sha256.h"
#include "json/json.h"
#include "prepare/from_hub.h"
#include "prepare/workdir.h"
#include "util/report.h"
#include "util/text.h"

struct obtain_request {
	const char *const *operands;
	size_t count;
	/* The expected digests: none, or one for each file in the order of the operands (for an
	 * archive, that of the archive). */
	const struct digest *sha256;
	size_t sha256_count;
	bool imatrix; /* an importance matrix in the format before GGUF is taken, too */
	uint64_t archive_max_bytes;
	uint64_t download_max_bytes; /* as struct download's unsized_max */
	/* The operand, if obtain_is_hub(): opened by the caller, for identity and run; or NULL. */
	const struct from_hub *hub;
	struct report *report;
	const struct cancel *cancel;
};

struct obtain_file {
	char *path;
	char *name;                  /* of the source, as it was given */
	bool in_work;                /* in the work folder: its data may be shared */
	bool ours;                   /* it may also be moved */
	bool companion;              /* that it is no model is as it should be */
	const struct digest *sha256; /* not yet checked; borrowed from the request */
};

/* What was read, for the record of where the model comes from. */
struct obtain_source {
	char *uri;  /* without credentials; NULL: a local file */
	char *name; /* of the file in the source */
	char *path; /* on disk, until the end of the work */
	bool has_sha256, has_git_blob;
	struct digest sha256;
	uint8_t git_blob[GIT_BLOB_SIZE];
};

struct obtained {
	struct obtain_source *sources;
	size_t source_count, source_cap;
	struct obtain_file *files; /* GGUF files in any order */
	size_t count;
	char *hf_dir;              /* or this */
	uint64_t hf_bytes;         /* of its weights */
	char *url;                 /* the source, for the card; or NULL */
	char *scratch;             /* of an unpacked archive; removed at release */
	struct str_list downloads; /* in the work folder */
	uint64_t received;         /* bytes transferred */
};
/* A SOURCE as a person wrote it: a URL without the blanks around it and with its scheme in lower
 * case, anything else unchanged. The operands of a request must be like that. Caller frees. */
char *obtain_operand(const char *operand);

/* Is the SOURCE one model on the Hub? */
bool obtain_is_hub(const struct obtain_request *r);

/* Removes unpacked files, but not downloads. */
void obtain_release(struct obtained *s);
/* Removes the downloads. */
void obtain_forget(const struct obtained *s);

/* Checks the operands without opening anything. ERR_USAGE. */
WARN_UNUSED int obtain_check(const struct obtain_request *r, struct err *e);

/* Makes the source available locally. On failure *out contains the finished downloads, so that
 * obtain_forget() can remove what is not a model. */
WARN_UNUSED int obtain_run(const struct obtain_request *r, const struct workdir *w,
			   struct obtained *out, struct err *e);

/* Identifies the source and its version: sizes and dates of files, versions of URLs. NULL when it
 * is unknown (no server answered). The caller owns it. */
json_t *obtain_identity(const struct obtain_request *r);

#endif
