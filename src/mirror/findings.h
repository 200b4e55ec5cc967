/*
 * The findings of probing, checking or setting up a mirror, for people.
 */
#ifndef FERRY_MIRROR_FINDINGS_H
#define FERRY_MIRROR_FINDINGS_H

#include "util/err.h"

enum mirror_finding_state {
	MIRROR_FINDING_OK,      /* in order */
	MIRROR_FINDING_LACKS,   /* missing or impossible: `text` says the consequence */
	MIRROR_FINDING_CHANGED, /* set up now */
	MIRROR_FINDING_WOULD,   /* dry run: would be set up */
	MIRROR_FINDING_BY_HAND, /* a person has to do this: `text` says what */
};

struct mirror_finding {
	char *what; /* "folder", "conditional writes" */
	enum mirror_finding_state state;
	char *text; /* the value, or the consequence */
	char *hint; /* of a fault: what to do; or NULL */
	/* Of a fault: the run cannot succeed until it is corrected. ERR_NONE: it is not a fault. */
	enum err_class class;
};

struct mirror_findings {
	struct mirror_finding *at; /* in the order found */
	size_t count, cap;
};
void mirror_findings_add(struct mirror_findings *f, const char *what,
			 enum mirror_finding_state state, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* A fault: MIRROR_FINDING_LACKS with the class, text and hint of the error. */
void mirror_findings_fault(struct mirror_findings *f, const char *what, const struct err *why);
void mirror_findings_release(struct mirror_findings *f);
/* "ok", "lacks", "changed", "would-change", "by-hand"; stable, part of the JSON. */
const char *mirror_finding_name(enum mirror_finding_state state);

#endif
