/*
 * Which Hub is asked, and the token for it, as Hugging Face's own tools find them
 * (huggingface.co/docs/huggingface_hub/package_reference/environment_variables): HF_ENDPOINT;
 * HF_TOKEN, else the file HF_TOKEN_PATH, $HF_HOME/token, $XDG_CACHE_HOME/huggingface/token or
 * ~/.cache/huggingface/token. With HF_HUB_DISABLE_IMPLICIT_TOKEN=1 no file is read.
 *
 * The token is for this endpoint alone. An endpoint is https, or http on this machine: what is
 * downloaded is checked with digests that the endpoint tells.
 */
#ifndef FERRY_HUB_ACCOUNT_H
#define FERRY_HUB_ACCOUNT_H

#include "util/base.h"
#include "util/err.h"

#define HUB_ENDPOINT "https://huggingface.co"

struct hub_account {
	char *endpoint;      /* without a slash at the end */
	char *authorization; /* the header "Authorization: Bearer …", or NULL; a secret */
	char *token_from;    /* for messages: "HF_TOKEN", or a path; or NULL */
};
void hub_account_release(struct hub_account *a);

/* From the environment. ERR_USAGE for an endpoint or a token that cannot be used. */
WARN_UNUSED int hub_account_find(struct hub_account *out, struct err *e);

#endif
