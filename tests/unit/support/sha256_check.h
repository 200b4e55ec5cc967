/*
 * Checks a block function of SHA-256 against FIPS 180-4 written out plainly. Needs neither cmocka
 * nor OpenSSL: it also runs as a program for another processor (tests/arm).
 */
#ifndef FERRY_TESTS_SHA256_CHECK_H
#define FERRY_TESTS_SHA256_CHECK_H

#include "hash/sha256_kernel.h"

/* FIPS 180-4, section 6.2.2. */
void sha256_plain_blocks(uint32_t state[8], const uint8_t *data, size_t blocks);

/* Random states, lengths and alignments, and a vector of NIST. NULL, or what is wrong. */
const char *sha256_check_kernel(const struct sha256_kernel *k);

#endif
