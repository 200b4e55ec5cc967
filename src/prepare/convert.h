/*
 * From the obtained files to those of the model: converted and quantized by llama.cpp's tools if
 * requested, then installed in the output folder under their final names.
 */
#ifndef FERRY_PREPARE_CONVERT_H
#define FERRY_PREPARE_CONVERT_H

#include "prepare/model.h"

/* Convert the Hugging Face folder in `source`, and replace *m by the output of llama-quantize;
 * both write below `scratch`. */
WARN_UNUSED int convert_run(const struct prepare *p, const struct obtained *source,
			    const char *scratch, struct prepare_result *result, struct model *out,
			    struct err *e);
WARN_UNUSED int convert_quantize(const struct prepare *p, const char *scratch,
				 struct prepare_result *result, struct model *m, struct err *e);

/* Installs the files in result->output_dir under their final names, with their manifests: staged in
 * `scratch`, hashed, checked, then renamed. `manifests` has room for each file; the caller releases
 * them, even after a failure. */
WARN_UNUSED int convert_install(const struct prepare *p, struct model *m,
				const struct str_list *names, const char *scratch,
				struct prepare_result *result, struct manifest *manifests,
				struct err *e);

#endif
