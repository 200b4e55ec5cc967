/*
 * contradict: what a person says of a model, against what the model is. None of it is an error:
 * names are chosen for reasons that a program does not know.
 */
#ifndef FERRY_PREPARE_CONTRADICT_H
#define FERRY_PREPARE_CONTRADICT_H

#include "prepare/model.h"

/* A variant that has the name of one quantization, but is another: "q4_k_m" of a Q8_0. */
void contradict_variant(const struct model *m, struct report *report,
			struct prepare_result *result);

/* A model of another architecture or of another size than the card that it joins, or with the files
 * of another variant; `card` is what was there, `generated` the model's own. */
void contradict_card(const struct model *m, const json_t *card, const json_t *generated,
		     struct report *report, struct prepare_result *result);

/* What is open about the license in the card, as the linter says it, and that the model lists
 * several. A card without a license is not warned of. */
void contradict_license(const struct model *m, const struct card *card, struct report *report,
			struct prepare_result *result);

#endif
