/*
 * companions: the files that are used together with a model and belong to its variant: a projector,
 * adapters, a draft model, an importance matrix (card.h). Each comes from a SOURCE of its own
 * (obtain.h), must be one file, and is installed beside the model under a name that begins with
 * what it is: "mmproj-phi-2-q4_k_m.gguf", because engines look for "mmproj" in names.
 *
 * What is checked, as llama.cpp does:
 *  - a projector is one (general.type, or the architecture clip);
 *  - an adapter says general.type "adapter" and has the architecture of the model
 *    (src/llama-adapter.cpp);
 *  - a draft model has the tokenizer of the model, and a vocabulary that differs by at most 128
 *    entries, which are padding (common/speculative.cpp, SPEC_VOCAB_MAX_SIZE_DIFFERENCE);
 *  - an importance matrix is a GGUF of that kind, or in the format before it.
 */
#ifndef FERRY_PREPARE_COMPANIONS_H
#define FERRY_PREPARE_COMPANIONS_H

#include "prepare/convert.h"
#include "prepare/from_hub.h"
#include "prepare/obtain.h"

struct companion {
	const char *role;   /* of card.h */
	const char *source; /* as it was given */
	char *operand;
	struct obtain_request request;
	struct workdir work; /* of its downloads; without a lock of its own */
	struct from_hub hub; /* hub.hub NULL: it is another source */
	struct obtained obtained;
	struct model model; /* one file; without a gguf: an importance matrix in the old format */
	char *name;         /* the final one */
};
struct companions {
	struct companion *at; /* in the order of CARD_ROLES */
	size_t count;
};
void companions_release(struct companions *c);

/* Those that p names. */
void companions_init(const struct prepare *p, struct companions *out);
/* Checks what was asked for without opening anything. ERR_USAGE. */
WARN_UNUSED int companions_check(const struct companions *c, struct err *e);
/* Resolves those on the Hub. `work` is the work folder of the model. */
WARN_UNUSED int companions_open(const struct prepare *p, const struct workdir *work,
				struct companions *c, struct err *e);
/* An array, as obtain_identity(); NULL when one is unknown. */
json_t *companions_identity(const struct companions *c);

/* Makes them available locally, and checks what they are. ERR_INTEGRITY for another kind. */
WARN_UNUSED int companions_obtain(const struct prepare *p, struct companions *c,
				  struct prepare_result *result, struct err *e);
/* ERR_INTEGRITY when one does not fit the model. */
WARN_UNUSED int companions_fit(const struct companions *c, const struct model *m, struct err *e);
/* Gives them their final names and installs them in result->output_dir; `manifests` has room for
 * each, as in convert_install(). */
WARN_UNUSED int companions_install(const struct prepare *p, struct companions *c,
				   const char *scratch, struct prepare_result *result,
				   struct manifest *manifests, struct err *e);
/* Opens what an earlier run installed as `name`. */
WARN_UNUSED int companions_reuse(const struct prepare *p, struct companion *c, const char *dir,
				 const char *name, struct prepare_result *result, struct err *e);

/* Forgets what companions_reuse() opened. */
void companions_close_files(struct companions *c);

/* Adds what they need to the memory of the model: weights, and all of a draft model. */
void companions_ram(const struct companions *c, struct gguf_ram *ram);
/* Warns of each role that the variant had in the card, but that was not given now. */
void companions_tell_dropped(const struct companions *c, const struct prepare *p,
			     const json_t *card, struct prepare_result *result);
/* Removes downloads. */
void companions_forget(const struct companions *c);

#endif
