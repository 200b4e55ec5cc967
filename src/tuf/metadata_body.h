/* The contents of "signed" for the four kinds of metadata: the part of the parser in
 * metadata_body.c. */
#ifndef FERRY_TUF_METADATA_BODY_H
#define FERRY_TUF_METADATA_BODY_H

#include "tuf/metadata.h"

/* Fills in the members of the kind from m->body. */
WARN_UNUSED int tuf_metadata_parse_body(struct tuf_metadata *m, struct err *e);
/* One entry of "meta". */
WARN_UNUSED int tuf_metadata_parse_meta(const json_t *object, const char *at, struct tuf_meta *meta,
					struct err *e);
/* Does the sorted list contain a text twice? */
bool tuf_metadata_repeated(const char *const *sorted, size_t count);

#endif
