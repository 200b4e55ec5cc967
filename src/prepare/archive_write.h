/*
 * Writes an archive: tar (pax), compressed with zstd. The same names and bytes give the same
 * archive: owners and times are 0.
 */
#ifndef FERRY_PREPARE_ARCHIVE_WRITE_H
#define FERRY_PREPARE_ARCHIVE_WRITE_H

#include "util/base.h"
#include "util/err.h"

struct archive_writer;

/* Writes to fd, which stays open. `name` is for messages; borrowed. */
WARN_UNUSED int archive_writer_new(int fd, const char *name, struct archive_writer **out,
				   struct err *e);
/* The next file: exactly `size` bytes follow, in any number of calls. */
WARN_UNUSED int archive_writer_file(struct archive_writer *w, const char *path, uint64_t size,
				    struct err *e);
WARN_UNUSED int archive_writer_data(struct archive_writer *w, const void *data, size_t len,
				    struct err *e);
/* Completes the archive. */
WARN_UNUSED int archive_writer_end(struct archive_writer *w, struct err *e);
void archive_writer_free(struct archive_writer *w);
DEFINE_CLEANUP(struct archive_writer, archive_writer_free);

#endif
