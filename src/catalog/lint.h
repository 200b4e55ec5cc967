/*
 * lint: what is wrong, doubtful or unfinished in cards, mirrors and a repository tree.
 * A finding is for people and never an error of the linter.
 *
 * Prefixes: lint_, finding_, findings_.
 */
#ifndef FERRY_CATALOG_LINT_H
#define FERRY_CATALOG_LINT_H

#include "catalog/catalog.h"

enum finding_level {
	FINDING_NOTE,           /* worth knowing */
	FINDING_WARNING,        /* readers would miss it */
	FINDING_ERROR,          /* must not be signed */
};
const char *finding_level_name(enum finding_level level);      /* "note", … */

struct finding {
	enum finding_level level;
	char *where;            /* "phi-2", "phi-2:q4_k_m", "mirror eu" */
	char *text;
};
struct findings {
	struct finding *at;     /* in the order found */
	size_t count, cap;
	size_t levels[3];       /* how many of each level */
};
void findings_add(struct findings *f, enum finding_level level, const char *where,
		  const char *fmt, ...) PRINTF_LIKE(4, 5);
void findings_release(struct findings *f);

/* One card by itself. */
void lint_card(const struct card *c, struct findings *f);
/* Cards together: replacements that exist, paths that two models claim with different
 * content. */
void lint_cards(const struct card *cards, size_t count, struct findings *f);
/* The "mirrors" array of catalog_mirrors(). */
void lint_mirrors(const json_t *mirrors, struct findings *f);
/* What is wrong with an SPDX licence expression (SPDX 2.3, annex D), or NULL. *level
 * tells how bad. `unknown` gets the identifier that is not among the common ones. */
const char *spdx_license_fault(const char *expression, enum finding_level *level, char unknown[64]);

#endif
