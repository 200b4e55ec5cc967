/*
 * share: one share of a repository's objects, so that several machines work on different objects
 * at the same time. Which share an object belongs to depends only on its content and on how many
 * shares there are: every machine comes to the same answer, for every release.
 */
#ifndef FERRY_PUBLISH_SHARE_H
#define FERRY_PUBLISH_SHARE_H

#include "repository/repository.h"

struct share {
	uint32_t index; /* 1 to count */
	uint32_t count; /* 0: no share, but everything */
};
#define SHARE_MAX 100000

/* "3/16": the third of sixteen. ERR_USAGE. */
WARN_UNUSED int share_parse(const char *text, struct share *out, struct err *e);
/* Files that are not objects belong to every share. */
bool share_has(const struct share *s, const struct repository_file *f);
/* Which of the files are objects of this share; the caller frees the list. NULL: everything. */
bool *share_select(const struct share *s, const struct repository_files *files);

#endif
