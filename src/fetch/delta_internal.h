/* Between the files of delta. */
#ifndef FERRY_FETCH_DELTA_INTERNAL_H
#define FERRY_FETCH_DELTA_INTERNAL_H

#include "fetch/delta.h"

#include <pthread.h>
#include <stdatomic.h>

/* A file of the store that may have bytes of the new one. */
struct delta_file {
	char *path; /* of the blob */
	uint64_t size;
	struct digest sha256;
	struct manifest manifest; /* if has_manifest */
	bool has_manifest;        /* it was found; only delta_make() uses it */
	const char *target; /* path in the repository, while its manifest is looked for; borrowed */
	bool is_stranger;   /* of another model */
	bool same_name;

	uint64_t header_size; /* 0: it is no GGUF that could be read */
	struct digest tokenizer;
	bool has_tokenizer;

	int fd; /* -1: not opened yet */
	bool unusable;
};

struct delta_files {
	struct delta_file *at;
	size_t count, cap;
};
void delta_files_release(struct delta_files *f);

#define DELTA_SCRATCH SIZE_MAX /* as the file: zeros, then the header */
#define DELTA_ZEROS 4096       /* at the start of the scratch file */

/* Where a part comes from. */
struct delta_origin {
	uint64_t offset, length; /* in the new file */
	size_t file;             /* index, or DELTA_SCRATCH */
	uint64_t at;
};

/* Where the bytes of a tensor or a piece of the new file are. */
struct delta_where {
	bool found;
	size_t file;
	uint64_t at;
};

struct delta {
	const struct manifest *wanted; /* borrowed */
	char *dir;                     /* for the scratch file */
	const struct cancel *cancel;
	struct report *report;
	struct delta_files files;
	struct delta_where *tensors; /* wanted->tensor_count */
	struct delta_where *pieces;  /* wanted->grid.count; NULL: there are tensors */
	size_t donor;                /* whose header is used; DELTA_SCRATCH: none */
	int scratch;
	bool has_header; /* in the scratch file */
	bool has_tried;  /* to get it there */
	uint64_t received;

	struct delta_origin *parts; /* sorted */
	size_t part_count, part_cap;
	uint64_t bytes;

	atomic_bool distrusted;
	pthread_mutex_t lock; /* of scratch, and of fd and unusable of the files */
};

/* The scratch file, made now if it is not there; -1: it cannot be made. */
int delta_scratch(struct delta *d);

/* From files that were found; takes them over. `dir` is for the scratch file. */
WARN_UNUSED int delta_make(const struct manifest *wanted, struct delta_files *files,
			   const char *dir, const struct cancel *cancel, struct report *report,
			   struct delta **out, struct err *e);

/* Sets d->tensors for those that a file without a manifest has, by hashing them; and what is
 * known of its header. ERR_CANCELLED. */
WARN_UNUSED int delta_hash_tensors(struct delta *d, size_t file, struct err *e);

/* Arranges the parts anew. */
void delta_arrange(struct delta *d);

#endif
