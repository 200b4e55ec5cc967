/*
 * Is a blob still what was verified? Its mark (size, time, inode) is recorded in marks/<hex> when
 * it is verified; one whose mark moved is hashed before it is called right.
 */
#ifndef FERRY_STORE_BLOB_H
#define FERRY_STORE_BLOB_H

#include "store/store.h"

/* Records that the blob is right as it is now. Failures are ignored: it is hashed once more. */
void blob_vouch(const struct store *s, const struct digest *d);
/* Forgets the record. */
void blob_forget(const struct store *s, const struct digest *d);
/* Forgets the records of blobs that are gone. */
void blob_forget_gone(const struct store *s);
bool blob_has_mark(const struct store *s, const struct digest *d);
/* Does the record, if there is one, allow not to hash it? A blob without one is from an earlier
 * version, or from a run that was killed: it is right unless it has a second name, through which
 * somebody may have written. In a read-only store, which may be a copy on another medium, the
 * inode does not count. */
bool blob_is_as_verified(const struct store *s, const struct digest *d);
/* As store_has(), but one without a record is hashed, too: for those who send it to others, or
 * would throw away what they have verified themselves. */
bool store_has_verified(const struct store *s, const struct digest *d, uint64_t size);

#endif
