/*
 * The GGUF files of one model on their way to the output folder: validated, in the order of
 * their shards.
 */
#ifndef FERRY_PREPARE_MODEL_H
#define FERRY_PREPARE_MODEL_H

#include "catalog/manifest.h"
#include "gguf/gguf.h"
#include "prepare/prepare.h"
#include "prepare/obtain.h"

struct model_file {
	char *path;
	bool ours;                      /* may be moved */
	const struct digest *sha256;    /* what it must be, or NULL; borrowed */
	struct gguf_report report;
};

struct model {
	struct model_file *at;
	size_t count;
	const struct gguf **files;      /* the same in an array, for src/gguf */
};
void model_release(struct model *m);

/* Takes over the paths of `files` (each becomes NULL), validates each file and puts them in
 * order. `what` names a file of our own in messages ("the output of llama-quantize"); NULL: its
 * name. ERR_INTEGRITY for a refusal. Findings become warnings of the result. */
WARN_UNUSED int model_open(struct obtain_file *files, size_t count, const char *what,
			   struct report *report, struct prepare_result *result,
			   struct model *out, struct err *e);

/* Adds a warning to the result and tells it to the report. */
void model_warn(struct report *report, struct prepare_result *result, const char *file,
		const char *code, const char *text);

/* "phi-2-q4_k_m.gguf", "phi-2-q4_k_m-00001-of-00003.gguf" (llama.cpp wants exactly that).
 * The caller frees. */
char *model_file_name(const char *name, const char *variant, size_t index, size_t count);

#endif
