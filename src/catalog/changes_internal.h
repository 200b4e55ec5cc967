/* Shared by the changes*.c files. */
#ifndef FERRY_CATALOG_CHANGES_INTERNAL_H
#define FERRY_CATALOG_CHANGES_INTERNAL_H

#include "catalog/changes.h"

/* Appends a sentence, unless there are enough. */
void changes_say(json_t *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Foreign words as they can be shown: escaped, and not longer than a name. The caller frees. */
char *changes_shown(const char *s);

/* Some of a list of names. */
struct changes_names {
	size_t count; /* of all */
	struct buf text;
};
#define CHANGES_NAMES_INIT BRACES(.text = BUF_INIT(KIB))
void changes_name(struct changes_names *n, const char *name);
/* "a, b, c and 9 more" */
const char *changes_names(struct changes_names *n);
void changes_names_release(struct changes_names *n);

/* Says which tensors are others, or that all are the same; returns whether they are, as far as
 * they can be compared. */
bool changes_tensors(json_t *out, const struct changes_side *before,
		     const struct changes_side *after);

#endif
