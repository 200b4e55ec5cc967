/*
 * spdx: SPDX license expressions, as "MIT" or "GPL-2.0-or-later WITH Classpath-exception-2.0"
 * (SPDX 3.0.1, annex "SPDX license expressions").
 */
#ifndef FERRY_CATALOG_SPDX_H
#define FERRY_CATALOG_SPDX_H

#include "util/base.h"
#include "util/err.h"

/* ---- the list ---- */

#define SPDX_EXCEPTION 1  /* follows WITH; else it is a license */
#define SPDX_DEPRECATED 2 /* SPDX advises to use another identifier */

struct spdx_entry {
	char id[39];
	uint8_t flags;
};
/* Made by scripts/make-spdx-list; sorted without regard to case. */
extern const struct spdx_entry spdx_list[];
extern const size_t spdx_list_count;
extern const char spdx_list_version[]; /* "3.29.0" */

/* The entry of len bytes in any case, or NULL. */
const struct spdx_entry *spdx_find(const char *id, size_t len);

/* ---- expressions ---- */

#define SPDX_REFERENCE "LicenseRef-" /* in front of a license that is not in the list */
#define SPDX_ADDITION "AdditionRef-" /* and of an exception */

#define SPDX_MAX_BYTES 2000 /* of an expression */
#define SPDX_MAX_DEPTH 16   /* of parentheses */

struct spdx {
	char *text;       /* in canonical spelling */
	char *unknown;    /* the first identifier that is not in the list, or NULL */
	char *deprecated; /* the first one that is deprecated, or NULL */
	bool reference;   /* it has a LicenseRef- */
};

/*
 * Reads an expression. Identifiers and operators may be in any case; "GPL-2.0+" becomes
 * "GPL-2.0-or-later". `other`, if not NULL, gives another spelling (owned by the caller) for the
 * identifier of a license or an exception that is not in the list, or NULL if it has none.
 * ERR_USAGE for what is not an expression: "NONE" and "NOASSERTION" are none.
 */
WARN_UNUSED int spdx_parse(const char *text, char *(*other)(const char *id, bool exception),
			   struct spdx *out, struct err *e);
void spdx_release(struct spdx *s);

/* For the identifier `deprecated`: what to write instead, or "". */
const char *spdx_instead(const char *deprecated, char *out, size_t size);

#endif
