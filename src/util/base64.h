/* Base64 with padding and without line breaks (RFC 4648, section 4). */
#ifndef FERRY_UTIL_BASE64_H
#define FERRY_UTIL_BASE64_H

#include "util/buf.h"

/* Appends the text of len bytes, at most 1 GiB. */
void base64_add(struct buf *out, const void *data, size_t len);
/* Exactly len bytes (at most 1024) from exactly their text, in the one form that base64_add()
 * gives; false on anything else. */
bool base64_decode(void *out, size_t len, const char *text, size_t text_len);

#endif
