/*
 * measure: how fast a mirror is, and what readers without credentials get from its `url`.
 *
 * To a mirror that can be written, three objects of MEASURE_BYTES are written below MEASURE_PREFIX,
 * and removed again; a later run removes those of a killed one, after an hour. From other mirrors,
 * a part of a model file of the catalog is read.
 */
#ifndef FERRY_MIRROR_MEASURE_H
#define FERRY_MIRROR_MEASURE_H

#include "mirror/record.h"

#define MEASURE_PREFIX "ferry-probe/"
#define MEASURE_BYTES (4 * MIB)

/* Adds to *out what was measured, and faults; puts the numbers into *r, and removes from it what
 * could not be measured. Negative only when it was cancelled. */
WARN_UNUSED int mirror_measure(struct mirror *m, struct report *report, struct mirror_findings *out,
			       struct mirror_record *r, struct err *e);

/* What a reader gets from m->url: the object `key`, ranges of it, the headers for browsers and
 * caches. data: its first bytes, if they are known. For mirror_measure(). */
WARN_UNUSED int mirror_measure_public(const struct mirror *m, const char *key, const void *data,
				      size_t len, struct mirror_findings *out,
				      struct mirror_record *r, struct err *e);

#endif
