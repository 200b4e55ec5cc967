/*
 * A Hugging Face folder, looked at before an hour of conversion: are all weights there and
 * complete?
 *
 * A safetensors file is a u64 (little-endian) header length, a JSON header with the
 * data_offsets of each tensor, then the data
 * (https://github.com/huggingface/safetensors#format). A header over 32 MiB is
 * refused: that of a large model has a few hundred KiB.
 */
#ifndef FERRY_PREPARE_HUGGINGFACE_H
#define FERRY_PREPARE_HUGGINGFACE_H

#include "util/base.h"
#include "util/err.h"

struct hf_summary {
	uint64_t bytes;         /* of all weights */
	size_t files;
};

/* ERR_INTEGRITY when a file is missing, cut off, or a Git LFS pointer. */
WARN_UNUSED int huggingface_check(const char *dir, struct hf_summary *out, struct err *e);

/* One safetensors file; `what` names it in messages. */
WARN_UNUSED int huggingface_check_safetensors(const char *path, const char *what, uint64_t *size,
				     struct err *e);

#endif
