/*
 * located: where else the files of cards are, as `ferry catalog add --at` was told. The next
 * signature lists it for the readers of these mirrors (catalog/places.h).
 *
 * The record, <tree>/cards/.places.jsonl, has a line for each file at each mirror, sorted, so that
 * people can read it and keep it in version control together with the cards:
 *
 *   {"key":"targets/models/phi-2/<sha256>.phi-2-q4_0.gguf","mirror":"hub","url":"https://…"}
 *
 * It may name files that are in no card any more: they are not signed, and gc removes their lines.
 */
#ifndef FERRY_REPOSITORY_LOCATED_H
#define FERRY_REPOSITORY_LOCATED_H

#include "util/base.h"
#include "util/err.h"

#define LOCATED_FILE ".places.jsonl" /* in cards/ */

struct located_file {
	char *key, *mirror, *url;
};
struct located {
	struct located_file *at; /* sorted by key, then mirror, after located_read() and _sort() */
	size_t count, cap;
};
void located_release(struct located *l);

/* Empty when there is no record. ERR_INTEGRITY, with the line, for one that is damaged. */
WARN_UNUSED int located_read(const char *dir, struct located *out, struct err *e);
WARN_UNUSED int located_save(const struct located *l, const char *dir, struct err *e);

/* Appends, until located_sort(). Of several URLs for a key and a mirror, the last one stays. */
void located_add(struct located *l, const char *key, const char *mirror, const char *url);
void located_sort(struct located *l);
/* Removes the lines for which `stays` is false; returns how many. */
size_t located_keep(struct located *l, bool (*stays)(void *ctx, const struct located_file *f),
		    void *ctx);

#endif
