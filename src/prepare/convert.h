/*
 * From what was obtained to the model's own files: converted and quantized by llama.cpp's tools
 * where that is asked for, then brought to the output folder under their final names.
 */
#ifndef FERRY_PREPARE_CONVERT_H
#define FERRY_PREPARE_CONVERT_H

#include "prepare/model.h"

/* Converts a Hugging Face folder in `source`, and replaces *m by what llama-quantize makes of
 * it; both write below `scratch`. */
WARN_UNUSED int convert_run(const struct prepare *p, const struct obtained *source,
			    const char *scratch, struct prepare_result *result, struct model *out,
			    struct err *e);
WARN_UNUSED int convert_quantize(const struct prepare *p, const char *scratch,
				 struct prepare_result *result, struct model *m, struct err *e);

/* Brings the files to `dir` under their final names, with their manifests: staged in `scratch`,
 * digested, checked, then renamed. `manifests` has room for each file; the caller releases
 * them, after a failure, too. */
WARN_UNUSED int convert_install(const struct prepare *p, struct model *m, const char *variant,
				const char *scratch, const char *dir, struct prepare_result *result,
				struct manifest *manifests, struct err *e);

#endif
