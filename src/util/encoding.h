/*
 * Text files that other programs and editors write: with a byte order mark, or in UTF-16, as
 * Notepad and PowerShell do.
 *
 * UTF-16 is known by its mark or, without one, by a NUL as the first or the second byte, which no
 * other text has. An unpaired surrogate and half a character at the end become U+FFFD.
 */
#ifndef FERRY_UTIL_ENCODING_H
#define FERRY_UTIL_ENCODING_H

#include "util/buf.h"

/* Appends the text as UTF-8 without the mark. What is not UTF-16 is copied as it is, whether it is
 * valid UTF-8 or not. At most 3 bytes are added for each 2. */
void encoding_add_utf8(struct buf *out, const void *data, size_t len);

/* The same in place; the old bytes are wiped, since the text may be a secret. The maximum grows if
 * it has to. */
void encoding_to_utf8(struct buf *text);

#endif
