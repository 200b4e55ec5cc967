/* Base64 with padding and without line breaks (RFC 4648, section 4), and the form for URLs. */
#ifndef FERRY_UTIL_BASE64_H
#define FERRY_UTIL_BASE64_H

#include "util/buf.h"

/* Appends the encoded form of len bytes, at most 1 GiB. */
void base64_add(struct buf *out, const void *data, size_t len);
/* Decodes exactly len bytes (at most 1024). Accepts only the form that base64_add() writes; false
 * for anything else. */
bool base64_decode(void *out, size_t len, const char *text, size_t text_len);
/* The same for any length, appended to out; false also when it has no room. */
bool base64_decode_all(struct buf *out, const char *text, size_t text_len);
/* The form for URLs without padding (RFC 4648, section 5; RFC 7515, section 2), appended to out.
 * As strict: false for padding, and for bits that are not used but set. */
bool base64_decode_url(struct buf *out, const char *text, size_t text_len);

#endif
