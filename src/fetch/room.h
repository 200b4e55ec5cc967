/*
 * What a fetch is going to need, on the disk of the store and on that of the output, found out and
 * said before its first byte.
 */
#ifndef FERRY_FETCH_ROOM_H
#define FERRY_FETCH_ROOM_H

#include "store/store.h"

struct fetch_room {
	const struct store *store;
	const struct store_variant *variant; /* what is fetched */
	uint64_t to_fetch;                   /* bytes */
	bool linked;                         /* the variant is in the store, as it should be */
	const char *output;                  /* -o, or NULL */
	struct report *report;
};

/*
 * Checks the space, and that no file is too large for a file system. Says what is copied because
 * there are no links. *moves: there is no room for a copy beside the blob, so that -o is to move
 * the files out of the store. ERR_SYSTEM when it cannot succeed.
 */
WARN_UNUSED int fetch_room_check(const struct fetch_room *r, bool *moves, struct err *e);

/* Where there is no room for more: are the right files at the output already, as after they were
 * moved there? Hashes them, and appends their paths. */
bool fetch_room_is_delivered(const struct fetch_room *r, struct str_list *paths);

#endif
