/*
 * md5: the digest that S3 servers show as the ETag of a part. Not fit for trust: only to notice
 * that a part differs from the bytes at hand.
 */
#ifndef FERRY_HASH_MD5_H
#define FERRY_HASH_MD5_H

#include <stddef.h>

#define MD5_HEX 33

/* Of a block of memory, in lower-case hex. */
void md5_of(const void *data, size_t len, char out[MD5_HEX]);

#endif
