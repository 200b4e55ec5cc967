/*
 * The name of what is in a repository of models on the Hugging Face Hub:
 *
 *   hf:OWNER/REPO[@REVISION][:FILE]
 *
 * REVISION is a branch, a tag or a commit; FILE is a path in the repository, or a quantization
 * ("Q4_K_M") as llama.cpp and Ollama have it after the colon. Names of owners and repositories:
 * huggingface_hub, utils/_validators.py.
 */
#ifndef FERRY_HUB_NAME_H
#define FERRY_HUB_NAME_H

#include "util/base.h"
#include "util/err.h"

#define HUB_COMMIT 41 /* 40 hex digits and a NUL */
#define HUB_REVISION "main"

struct hub_name {
	char *repo;     /* "OWNER/REPO" */
	char *revision; /* HUB_REVISION when none is given */
	char *file;     /* or NULL */
};
void hub_name_release(struct hub_name *n);

/* Does the text begin with "hf:"? */
bool hub_name_is(const char *text);
/* ERR_USAGE, with a hint. */
WARN_UNUSED int hub_name_parse(const char *text, struct hub_name *out, struct err *e);
/* "OWNER/REPO" by itself. */
bool hub_name_is_repo(const char *repo);
/* 40 lower-case hex digits: such a revision does not move. */
bool hub_name_is_commit(const char *revision);

/* What a person meant who gave the address of a page of the Hub ("https://huggingface.co/org/m",
 * ".../tree/main", ".../blob/main/m.gguf") or "hf.co/org/m:Q4_K_M": the name; else NULL, also for
 * the address of a file (".../resolve/…"). Caller frees. */
char *hub_name_of_page(const char *text);

#endif
