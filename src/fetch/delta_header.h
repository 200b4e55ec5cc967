/*
 * The header of a new GGUF, of which most is known: a vocabulary of several MB is hardly ever
 * changed, but a longer chat template moves it.
 *
 *  - the list of tensors at its end is made from the manifest;
 *  - its keys are read in order, by small requests. Instead of the value of a large key, that of
 *    the same key in an older header is taken, if type and count are equal (of a chat template:
 *    if the manifest has the digest of the older one), and reading goes on behind it;
 *  - the manifest has the digest of the header: only a right one is returned. A value that was
 *    changed without another count is found this way.
 *
 * The bytes that are read are foreign. They are limited: half of the header, DELTA_HEADER_READS
 * requests.
 */
#ifndef FERRY_FETCH_DELTA_HEADER_H
#define FERRY_FETCH_DELTA_HEADER_H

#include "catalog/manifest.h"

#define DELTA_HEADER_LEAST (64 * KIB) /* a smaller header is downloaded */
#define DELTA_HEADER_MAX (32 * MIB)
#define DELTA_HEADER_READS 64
#define DELTA_HEADER_FIRST (4 * KIB)  /* bytes of the first request after a jump */
#define DELTA_HEADER_USUAL (32 * KIB) /* bytes that are read of most headers */
#define DELTA_HEADER_LARGE (4 * KIB)  /* a value that is worth a jump */

struct delta_header {
	const struct manifest *wanted;
	const uint8_t *old; /* an older header, from the first byte of its file on */
	size_t old_size;
	/* Exactly len bytes of the new file at offset. */
	int (*read)(void *ctx, uint64_t offset, void *data, size_t len, struct err *e);
	void *ctx;
};

/* The bytes of the header, wanted->header_size of them; the caller frees. ERR_INTEGRITY when it
 * cannot be had this way; what read() returns. */
WARN_UNUSED int delta_header_make(const struct delta_header *h, uint8_t **out, struct err *e);

/* Bytes that it is likely to spare, with an older header of the same vocabulary; 0: none. */
uint64_t delta_header_spares(const struct manifest *wanted);

#endif
