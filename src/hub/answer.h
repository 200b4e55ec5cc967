/*
 * What the Hub's API answers (huggingface.co/docs/hub/api; types in huggingface.js,
 * packages/hub/src/types/api): a model, and pages of the list of its files. Foreign bytes: sizes
 * and counts are limited, members that are not used are ignored.
 */
#ifndef FERRY_HUB_ANSWER_H
#define FERRY_HUB_ANSWER_H

#include "hash/git_blob.h"
#include "hash/sha256.h"
#include "hub/name.h"
#include "json/json.h"

#define HUB_ANSWER_MAX (16 * MIB)
#define HUB_FILES_MAX 20000

struct hub_model {
	char *repo; /* as it is called now: after a rename another one than was asked for */
	char commit[HUB_COMMIT];
	json_t *card; /* cardData, the metadata of its README.md: an object, or NULL */
};
void hub_model_release(struct hub_model *m);

/* GET /api/models/REPO/revision/REVISION. `what` names the answer in messages. ERR_INTEGRITY. */
WARN_UNUSED int hub_answer_model(const char *text, size_t len, const char *what,
				 struct hub_model *out, struct err *e);

struct hub_file {
	char *path; /* path_is_key() */
	uint64_t size;
	bool lfs;
	struct digest sha256;        /* of the content, in LFS */
	uint8_t blob[GIT_BLOB_SIZE]; /* otherwise: of the git blob */
};
struct hub_files {
	struct hub_file *at;
	size_t count, cap;
};
void hub_files_release(struct hub_files *f);

/* A page of GET /api/models/REPO/tree/COMMIT?recursive=true, appended to out. Folders are left
 * out, and so are files whose names this program would not write. ERR_INTEGRITY. */
WARN_UNUSED int hub_answer_files(const char *text, size_t len, const char *what,
				 struct hub_files *out, struct err *e);

/* The query of the next page, from the header Link (RFC 8288), or NULL. Only the query: it is sent
 * to where the first page came from, whatever host the link names. Caller frees. */
char *hub_answer_next(const char *link);

#endif
