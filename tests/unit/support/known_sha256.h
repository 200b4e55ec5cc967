/*
 * SHA-256 of data that the tests make again and again. A large block that was hashed before is only
 * compared: under valgrind that takes a tenth of the time.
 */
#ifndef FERRY_TESTS_KNOWN_SHA256_H
#define FERRY_TESTS_KNOWN_SHA256_H

#include "hash/sha256.h"

/* From any thread. */
void known_sha256_of(const void *data, size_t len, struct digest *out);

#endif
