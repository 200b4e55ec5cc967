/* What the files of json/ share. */
#ifndef FERRY_JSON_INTERNAL_H
#define FERRY_JSON_INTERNAL_H

#include "json/json.h"

/* The one call of jansson's parser; flags are those of json_loadb(). Names no document. */
WARN_UNUSED int json_parse_text(const char *text, size_t len, unsigned max_depth, size_t flags,
				json_t **out, struct err *e);

#endif
