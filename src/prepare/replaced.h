/*
 * Says when a file that was prepared earlier gets other bytes under the same name.
 */
#ifndef FERRY_PREPARE_REPLACED_H
#define FERRY_PREPARE_REPLACED_H

#include "catalog/manifest.h"
#include "prepare/prepare.h"

/* Before the files of `manifests` get their names in result->output_dir: a warning, code
 * "replaced", for each that its manifest or the card there has with another digest. */
void replaced_tell(const struct prepare *p, const char *variant, const struct manifest *manifests,
		   size_t count, struct prepare_result *result);

#endif
