/* pages_build: makes the folder of a site anew (pages.h). */
#ifndef FERRY_PUBLISH_PAGES_BUILD_H
#define FERRY_PUBLISH_PAGES_BUILD_H

#include "publish/pages.h"
#include "util/cancel.h"

/* Against the build before. */
struct pages_counts {
	size_t files, fresh, changed, removed; /* fresh: with a path that was not there */
	uint64_t bytes;
};

struct pages_build;

/* Begins one, which becomes the folder `dir`; links in its path are followed. dry_run: only counts,
 * and writes nothing. ERR_USAGE: the folder is not one of ours, or has files of others;
 * ERR_CONFLICT: another process is building it. */
WARN_UNUSED int pages_build_open(const char *dir, bool dry_run, const struct cancel *cancel,
				 struct pages_build **out, struct err *e);
/* A file; its path is a key (util/path.h) that was not added before. */
WARN_UNUSED int pages_build_add(struct pages_build *b, const char *path, const void *data,
				size_t len, struct err *e);
/* The build takes the name of the folder. *out is what it has. */
WARN_UNUSED int pages_build_commit(struct pages_build *b, uint64_t release, struct pages *out,
				   struct pages_counts *counts, struct err *e);
/* Removes what was not committed. */
void pages_build_close(struct pages_build *b);
DEFINE_CLEANUP(struct pages_build, pages_build_close);

#endif
