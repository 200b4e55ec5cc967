/*
 * delta: the bytes of a file to be fetched that files of the store have: an older version, or
 * another variant of the model. They are copied instead of downloaded.
 *
 *   tensors   whose digest is in the manifest of the new file, wherever they are. The digests of
 *             tensors in the store are those of their manifest, if that is in the cache; otherwise
 *             tensors with an equal name, type, shape and size are hashed
 *   padding   between them: from the same file, else zeros
 *   header    of which the vocabulary is the most: the list of tensors is made from the manifest,
 *             what is large and equal is taken from an older header, and the rest is read by
 *             small requests (delta_header.h)
 *   pieces    of a file that is no GGUF, where a whole piece is equal
 *
 * What always holds here:
 *  - nothing here is proof: whoever uses a part checks the piece that it becomes, and the digest of
 *    the whole file. What a manifest says, and what a blob has, may be wrong;
 *  - files of the store are only read;
 *  - the work is bounded: DELTA_FILES files are looked at, and of a file without a manifest a few
 *    tensors are hashed before the others are;
 *  - a part that is not worth its own request (DELTA_JOIN) is downloaded with what is beside it.
 */
#ifndef FERRY_FETCH_DELTA_H
#define FERRY_FETCH_DELTA_H

#include "catalog/manifest.h"
#include "fetch/remote.h"

#define DELTA_FILES 8         /* of the store, that are looked at for one file */
#define DELTA_STRANGERS 2     /* of them, of other models */
#define DELTA_LEAST (4 * MIB) /* a smaller file is downloaded whole */
#define DELTA_JOIN (64 * KIB) /* a shorter part between two gaps is left out */

struct delta;

/* Bytes of the new file that an open file has. */
struct delta_part {
	uint64_t offset, length; /* in the new file */
	int fd;                  /* for pread(); borrowed from the delta */
	uint64_t at;             /* offset in that file */
};

/*
 * Looks in the store for bytes of the file that the manifest is of (borrowed until delta_close()).
 * *out is NULL when there are none. No request is made. Only cancelling is an error: what cannot
 * be read is not used.
 */
WARN_UNUSED int delta_open(struct remote *remote, const struct card *model,
			   const struct manifest *wanted, struct delta **out, struct err *e);

/*
 * Completes the header with small requests, if that is much less than downloading it. No source is
 * blamed for what does not fit together: the header is then left to be downloaded. Only
 * cancelling is an error. Before the first call of delta_parts().
 */
WARN_UNUSED int delta_read_header(struct delta *d, struct source_list *sources, const char *key,
				  struct rate *rate, struct err *e);

/*
 * The parts of a range of the new file: sorted, not overlapping, within it; the gaps between them
 * are to be downloaded. At most max: the first ones. Opens the files that they are in, and leaves
 * out what cannot be opened. From any thread.
 */
size_t delta_parts(struct delta *d, uint64_t offset, uint64_t length, struct delta_part *out,
		   size_t max);

/* A piece that was made with it was wrong: there are no parts any more. From any thread. */
void delta_distrust(struct delta *d);

/* Bytes that need not be downloaded; before delta_read_header(), with those that it is likely to
 * spare. */
uint64_t delta_bytes(const struct delta *d);
/* Bytes that delta_read_header() received. */
uint64_t delta_received(const struct delta *d);

void delta_close(struct delta *d);
DEFINE_CLEANUP(struct delta, delta_close);

#endif
