/*
 * pages: a web site in a folder on this disk, made anew as a whole (pages_build.h); pages_send.h
 * brings it to the mirrors.
 *
 * What always holds here:
 *  - whoever reads the folder finds the old build or the new one, each complete: the new one is
 *    made in a folder beside it, which then takes its name. A build that fails or is killed leaves
 *    the old one as it was;
 *  - only a folder is replaced that was made here and has no files of others: it has a list of its
 *    files, PAGES_LIST;
 *  - a file with the same bytes as in the old build keeps its time.
 */
#ifndef FERRY_PUBLISH_PAGES_H
#define FERRY_PUBLISH_PAGES_H

#include "hash/sha256.h"
#include "util/err.h"
#include "util/text.h"

#define PAGES_LIST ".ferry-site"
#define PAGES_LIST_MAX_BYTES (64 * MIB)
#define PAGES_MAX_FILE (64 * MIB)
#define PAGES_MAX_FILES 500000

struct pages_file {
	char *path; /* below the folder */
	uint64_t size;
	struct digest sha256;
};

struct pages {
	char *dir;        /* where they are */
	uint64_t release; /* of the repository, that they show */
	struct pages_file *at;
	size_t count, cap; /* in the order in which they were made, and have to be sent */
};
void pages_release(struct pages *p);

/* The list of the build in the folder. ERR_NOT_FOUND: there is none. ERR_INTEGRITY: it is damaged.
 */
WARN_UNUSED int pages_read(const char *dir, struct pages *out, struct err *e);

/* For pages_build.c. */
void pages_add(struct pages *p, const char *path, uint64_t size, const struct digest *sha256);
/* The list, into a folder that is being made. */
WARN_UNUSED int pages_write(const struct pages *p, const char *dir, struct err *e);

#endif
