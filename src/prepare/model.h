/*
 * The GGUF files of one model before they reach the output folder: validated, in the order of
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
	char *name;                  /* of the source, as it was given; NULL: made here */
	bool in_work, ours;          /* as in obtain.h */
	const struct digest *sha256; /* the expected one, or NULL; borrowed */
	struct gguf_report report;
};

struct model {
	struct model_file *at;
	size_t count;
	const struct gguf **files; /* the same as an array, for src/gguf */
};
void model_release(struct model *m);

/* Takes over the paths of `files` (each becomes NULL), validates the files and sorts them. `what`
 * describes the file in messages ("the output of llama-quantize"); NULL: its name. ERR_INTEGRITY
 * for a refusal. Findings become warnings in the result. */
WARN_UNUSED int model_open(struct obtain_file *files, size_t count, const char *what,
			   const struct prepare *p, struct prepare_result *result,
			   struct model *out, struct err *e);

/* Adds a warning to the result and reports it. */
void model_warn(struct report *report, struct prepare_result *result, const char *file,
		const char *code, const char *text);

/* Findings of a file become warnings; a note of each kind is said once; those about its name are
 * left out, because it will get another. */
void model_tell(const struct gguf_findings *f, const char *what, struct report *report,
		struct prepare_result *result);

/* "phi-2-q4_k_m.gguf", "phi-2-q4_k_m-00001-of-00003.gguf" (llama.cpp requires exactly this form).
 * The caller frees. */
char *model_file_name(const char *name, const char *variant, size_t index, size_t count);

#endif
