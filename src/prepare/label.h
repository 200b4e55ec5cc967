/*
 * What a variant is called: its quantization ("Q4_K_M", "UD-Q4_K_XL") and its id ("q4_k_m").
 */
#ifndef FERRY_PREPARE_LABEL_H
#define FERRY_PREPARE_LABEL_H

#include "gguf/gguf.h"

/* The quantization as the content says: general.file_type, else the type of most weights; NULL
 * when there is neither. `name` is the name of the source file, or NULL: its label is taken where
 * it says more and does not contradict ("m-UD-Q4_K_XL.gguf" of a Q4_K_M). The caller frees. */
char *label_quantization(const struct gguf *const *files, size_t count, const char *name);

/* "q4_k_m"; with the kind before it for what is not a model: "projector-f16". NULL: "default". The
 * caller frees. */
char *label_variant(enum gguf_kind kind, const char *quantization);

#endif
