/*
 * hash: SHA-256, the grid, and the one pass over a file that makes every digest.
 *
 * What always holds here: a struct digest is 32 raw bytes; hex is only for input and output.
 * OpenSSL does the hashing; only where large files are hashed twice at once (sha256_chain.h) are
 * the processor's instructions used directly.
 *
 * Prefixes: sha256_, digest_.
 */
#ifndef FERRY_HASH_SHA256_H
#define FERRY_HASH_SHA256_H

#include "util/base.h"
#include "util/cancel.h"
#include "util/err.h"

#define DIGEST_SIZE 32
#define DIGEST_HEX (2 * DIGEST_SIZE + 1)

struct digest {
	uint8_t bytes[DIGEST_SIZE];
};

bool digest_equal(const struct digest *a, const struct digest *b);
const char *digest_hex(char out[DIGEST_HEX], const struct digest *d);
bool digest_parse(struct digest *out, const char *hex); /* any case */

/* A running SHA-256; reusable: sha256_final() leaves it ready for new data. A failure of OpenSSL
 * means a broken installation and aborts. */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);
void sha256_final(struct sha256 *s, struct digest *out);
void sha256_reset(struct sha256 *s);
DEFINE_CLEANUP(struct sha256, sha256_free);

/* Of a block of memory. */
void sha256_of(const void *data, size_t len, struct digest *out);
/* Of a regular file from its start to its end; ERR_INTEGRITY for anything else. */
WARN_UNUSED int sha256_of_file(const char *path, const struct cancel *cancel, struct digest *out,
			       uint64_t *size, struct err *e);
/* The same as a task of the report, whose total is the size of the file. */
struct report;
WARN_UNUSED int sha256_of_task(const char *path, struct report *report, const char *task,
			       const struct cancel *cancel, struct digest *out, uint64_t *size,
			       struct err *e);
/* Does the file have this digest? Also false when it cannot be read. */
bool sha256_file_is(const char *path, const struct digest *want);

#endif
