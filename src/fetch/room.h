/*
 * The space that a fetch needs on the disk of the store and on that of the output: checked before
 * its first byte.
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

/* Bytes that a fetch writes at most, and that are free there; the output's are 0 if it is on the
 * disk of the store, whose numbers then include it. free: UINT64_MAX when the system does not say.
 */
struct fetch_room_need {
	uint64_t store, store_free;
	uint64_t output, output_free;
};
/* Says nothing, and a lack of space is no error. */
WARN_UNUSED int fetch_room_need(const struct fetch_room *r, struct fetch_room_need *out,
				struct err *e);

/* While a fetch goes on: are `missing` bytes, those still to be written, free on the disk of the
 * store? ERR_SYSTEM says how many are missing. Costs one request to the file system. Where files
 * have no holes, they may have taken the space of their last bytes before: nothing is checked. */
WARN_UNUSED int fetch_room_check_now(const char *home, uint64_t missing, struct err *e);

/* The same for several without an output, in one store: the space for all of them, and the largest
 * file. */
WARN_UNUSED int fetch_room_check_all(const struct fetch_room *all, size_t count, struct err *e);

/* Where there is no room for more: are the right files at the output already, as after they were
 * moved there? Hashes them, and appends their paths. */
bool fetch_room_is_delivered(const struct fetch_room *r, struct str_list *paths);

#endif
