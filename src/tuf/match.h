/*
 * Which target paths a delegation covers (TUF 1.0.34, section 4.5; TAP 15).
 */
#ifndef FERRY_TUF_MATCH_H
#define FERRY_TUF_MATCH_H

#include "tuf/metadata.h"

/* A shell-style pattern, case-sensitive: '*', '?', "[a-z]", "[!a]". Pattern and path must have
 * the same number of parts between slashes; each part is matched by itself, so a wildcard never
 * matches a slash. At most pattern × path steps. */
bool tuf_match_pattern(const char *pattern, const char *path);

/* Is the delegated role trusted for the path? */
bool tuf_match_delegated(const struct tuf_delegated *d, const char *path);

/* The name of the bin that is responsible for the path; caller frees. */
char *tuf_match_bin(const struct tuf_bins *bins, const char *path);
/* The name of bin `number`, less than 2^bit_length: "bin-0f"; caller frees. */
char *tuf_match_bin_name(const char *prefix, unsigned bit_length, uint32_t number);
/* Is it the name of one of the bins? */
bool tuf_match_is_bin(const char *prefix, unsigned bit_length, const char *role);

#endif
