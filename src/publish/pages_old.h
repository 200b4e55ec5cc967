/*
 * pages_old: since when what an earlier site left on a mirror is of no use.
 *
 * A page that is gone can be asked for by a link only. An asset is asked for by every page that a
 * reader has open or that a cache has kept, until the asset that replaced it was sent: often much
 * later than the old one itself.
 */
#ifndef FERRY_PUBLISH_PAGES_OLD_H
#define FERRY_PUBLISH_PAGES_OLD_H

#include "util/text.h"

#define PAGES_PREFIX "site/" /* of the keys */
#define PAGES_ASSETS "assets/"

/* A file below PAGES_PREFIX. */
struct pages_left {
	char *key;
	uint64_t size;
	int64_t modified_s; /* of one of this build that is still to be sent: the present */
	bool current;       /* this build has it */
	int64_t since_s;    /* out, of those that are not current */
};

/* Sorts them, and finds since_s of each. index_s: when the first page was sent, for assets that
 * none replaced. */
void pages_old_find(struct pages_left *all, size_t count, int64_t index_s);

#endif
