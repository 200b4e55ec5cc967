/*
 * An unfinished download: "<file>.part" has the received bytes, "<file>.state" their URL, ETag
 * and size. After a restart of the machine, only what was synced is used.
 */
#ifndef FERRY_PREPARE_DOWNLOAD_PART_H
#define FERRY_PREPARE_DOWNLOAD_PART_H

#include "hash/sha256.h"
#include "http/headers.h"
#include "util/base.h"
#include "util/err.h"
#include "util/os.h"

struct download_part {
	char *file; /* the complete one */
	char *path, *state_path;
	int fd;
	uint64_t have; /* valid bytes */
	bool joined;   /* from several answers or URLs */
	/* From the state file. The URL is stored as a digest because it may contain a signature. */
	char url[DIGEST_HEX];   /* "" when there is no state */
	char etag[HEADER_ETAG]; /* strong, or "" */
	uint64_t size;          /* of the complete file; 0: unknown */
	uint64_t synced;        /* bytes that survive a power cut */
	char boot[OS_BOOT_ID];
	bool complete; /* `file` exists */
};
#define PART_INIT BRACES(.fd = -1)

/* Reads the state, if there is one. */
void download_part_init(struct download_part *p, const char *file);
void download_part_release(struct download_part *p);

/* Opens or makes the part; sets have. */
WARN_UNUSED int download_part_open(struct download_part *p, struct err *e);
/* Empties it and forgets the state. */
WARN_UNUSED int download_part_start_over(struct download_part *p, struct err *e);
/* Sets the URL of what is written from now on. */
WARN_UNUSED int download_part_set_source(struct download_part *p, const char *url, const char *etag,
					 uint64_t size, struct err *e);
/* Writes at `offset`, at most `have`; have grows. Syncs now and then. */
WARN_UNUSED int download_part_write(struct download_part *p, const void *data, size_t len,
				    uint64_t offset, struct err *e);
/* When all bytes are written: syncs the file and gives it its name. */
WARN_UNUSED int download_part_finish(struct download_part *p, struct err *e);

/* Is this the URL in the state? */
bool download_part_is_of(const struct download_part *p, const char *url);
bool download_part_is_full(const struct download_part *p);

/* Removes the file, the part and the state. */
void download_part_forget(const char *file);

#endif
