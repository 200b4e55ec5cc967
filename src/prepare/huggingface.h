/*
 * Checks a Hugging Face folder before the long conversion: are all weights present and complete?
 *
 * A safetensors file is a u64 (little-endian) header length, a JSON header with the data_offsets
 * of each tensor, then the data (https://github.com/huggingface/safetensors#format). A header
 * over 32 MiB is refused; large models have a few hundred KiB.
 */
#ifndef FERRY_PREPARE_HUGGINGFACE_H
#define FERRY_PREPARE_HUGGINGFACE_H

#include "util/base.h"
#include "util/err.h"

struct hf_summary {
	uint64_t bytes; /* of all weights */
	size_t files;
};

/* ERR_INTEGRITY when a file is missing, truncated, or a Git LFS pointer. */
WARN_UNUSED int huggingface_check(const char *dir, struct hf_summary *out, struct err *e);

/* One safetensors file; `what` names it in messages. */
WARN_UNUSED int huggingface_check_safetensors(const char *path, const char *what, uint64_t *size,
					      struct err *e);

#endif
