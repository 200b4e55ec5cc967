/*
 * A download in the making: "<file>.part" holds what arrived, "<file>.state" says of which URL,
 * with which ETag and size. Neither is believed more than it deserves: after a restart of
 * the machine only what was synced counts.
 */
#ifndef FERRY_PREPARE_DOWNLOAD_PART_H
#define FERRY_PREPARE_DOWNLOAD_PART_H

#include "hash/sha256.h"
#include "http/headers.h"
#include "util/base.h"
#include "util/err.h"
#include "util/os.h"

struct download_part {
	char *file;                     /* the complete one */
	char *path, *state_path;
	int fd;
	uint64_t have;                  /* good bytes */
	bool joined;                    /* not all in one go from one URL */
	/* Of the state file. The URL is kept as a digest: it may hold a signature. */
	char url[DIGEST_HEX];           /* "" when there is no state */
	char etag[HEADER_ETAG];         /* strong, or "" */
	uint64_t size;                  /* of the complete file; 0: unknown */
	uint64_t synced;                /* bytes that survive a power cut */
	char boot[OS_BOOT_ID];
	bool complete;                  /* `file` is there */
};
#define PART_INIT BRACES(.fd = -1)

/* Reads the state, if there is one. */
void download_part_init(struct download_part *p, const char *file);
void download_part_release(struct download_part *p);

/* Opens or makes the part; sets have. */
WARN_UNUSED int download_part_open(struct download_part *p, struct err *e);
/* Empties it and forgets the state. */
WARN_UNUSED int download_part_start_over(struct download_part *p, struct err *e);
/* What is written from now on comes from this URL. */
WARN_UNUSED int download_part_set_source(struct download_part *p, const char *url, const char *etag,
					 uint64_t size, struct err *e);
/* Writes at `offset`, at most `have`; have grows. Syncs now and then. */
WARN_UNUSED int download_part_write(struct download_part *p, const void *data, size_t len,
				    uint64_t offset, struct err *e);
/* All is there: to the disk, and to its name. */
WARN_UNUSED int download_part_finish(struct download_part *p, struct err *e);

/* Is this the URL of the state? */
bool download_part_is_of(const struct download_part *p, const char *url);
bool download_part_is_full(const struct download_part *p);

/* Removes the file, the part and the state. */
void download_part_forget(const char *file);

#endif
