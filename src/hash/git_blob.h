/*
 * The name that git gives to a file's content: the SHA-1 of "blob SIZE", a NUL and the content
 * (git-hash-object(1)). It finds damage; it does not protect against somebody who wants another
 * file to have the same name, since SHA-1 no longer does.
 */
#ifndef FERRY_HASH_GIT_BLOB_H
#define FERRY_HASH_GIT_BLOB_H

#include "util/cancel.h"
#include "util/err.h"

#define GIT_BLOB_SIZE 20

WARN_UNUSED int git_blob_of_file(const char *path, const struct cancel *cancel,
				 uint8_t out[GIT_BLOB_SIZE], struct err *e);
/* Of a block of memory. */
void git_blob_of(const void *data, size_t len, uint8_t out[GIT_BLOB_SIZE]);

#endif
