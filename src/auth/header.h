/*
 * The header Authorization (RFC 9110, section 11.6.2): Bearer (RFC 6750), or Basic (RFC 7617) with
 * the key or the token as password, whatever the user's name is.
 *
 * Clients of the Hugging Face Hub take tokens only that begin with "hf_" and have letters and
 * digits behind it (ggml-org/llama.cpp, common/hf-cache.cpp, is_valid_hf_token, commit 03eb25f;
 * @huggingface/hub, utils/checkCredentials.ts): so a key may also be written "hf_<id><secret>".
 */
#ifndef FERRY_AUTH_HEADER_H
#define FERRY_AUTH_HEADER_H

#include "util/buf.h"

#define AUTH_HEADER_MAX (16 * KIB)

/* Appends the key or token to out, which the caller wipes. False for anything else. */
bool auth_header_parse(const char *value, struct buf *out);

#endif
