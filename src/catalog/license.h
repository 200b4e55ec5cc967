/*
 * license: what people and files write where an SPDX expression belongs: "apache-2.0", "llama3.1",
 * "Apache License 2.0", "mit,apache-2.0".
 *
 * The words of Hugging Face are those of https://huggingface.co/docs/hub/repositories-licenses.
 */
#ifndef FERRY_CATALOG_LICENSE_H
#define FERRY_CATALOG_LICENSE_H

#include "catalog/spdx.h"

struct license {
	char *id;         /* an SPDX expression; NULL when nothing is said ("other", "unknown") */
	const char *name; /* of the one license that is not in the SPDX list, if known, or NULL */
	bool list;        /* several licenses without a rule: `id` asks for all of them (AND) */
};

/*
 * Reads the license in a model's metadata: one text, or a list (of more than LICENSE_MAX,
 * LicenseRef-other stands for what follows). `name` is that of a license which the text calls
 * "other", or NULL. Never fails: a license that is not in the SPDX list becomes "LicenseRef-" and
 * its name.
 */
#define LICENSE_MAX 16
void license_read(const char *const *texts, size_t count, const char *name, struct license *out);
void license_release(struct license *l);

/* An expression of Hugging Face's or SPDX's words in canonical spelling; unknown identifiers stay.
 * ERR_USAGE, with what was probably meant. The caller frees *out. */
WARN_UNUSED int license_spell(const char *text, char **out, struct err *e);

/* For an identifier that is not in the list: the one that was probably meant, or NULL. The caller
 * frees. */
char *license_suggest(const char *unknown);

#endif
