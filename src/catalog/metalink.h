/*
 * Metalink 4 (RFC 5854): a document with the URLs of a model's files and the digest of every
 * piece, for download managers; a wrong byte costs one piece.
 */
#ifndef FERRY_CATALOG_METALINK_H
#define FERRY_CATALOG_METALINK_H

#include "hash/grid.h"
#include "util/buf.h"

#define METALINK_SUFFIX ".meta4"
#define METALINK_MAX_BYTES (256 * MIB)

struct metalink_url {
	char *url;
	uint64_t priority;  /* lower is better; limited to the RFC's 1 to 999999 */
	const char *region; /* written as location if it has two letters, like a country; or
			       NULL */
};
struct metalink_file {
	const char *name; /* a file name */
	struct digest sha256;
	struct grid grid;
	const struct digest *pieces; /* grid.count */
	const struct metalink_url *urls;
	size_t url_count;
};
/* Texts may be any UTF-8; characters that XML does not allow are replaced by U+FFFD. */
struct metalink {
	const char *published;                                    /* RFC 3339; or NULL */
	const char *identity, *version, *description, *publisher; /* each may be NULL */
	const struct metalink_file *files;
	size_t file_count;
};

/* Appends the document. */
WARN_UNUSED int metalink_format(const struct metalink *m, struct buf *out, struct err *e);

#endif
