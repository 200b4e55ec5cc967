/*
 * Releases of a small made-up repository, for the tests of push and verify. The metadata
 * has the shape of TUF's without signatures; its timestamp.json lists every other file,
 * so that a reader's view of a mirror can be judged without a TUF client.
 */
#ifndef FERRY_TESTS_RELEASE_H
#define FERRY_TESTS_RELEASE_H

#include "util/retry.h"
#include "mirror_mem.h"
#include "publish/tree.h"

/* The tree of release `version` in dir, in publishing order:
 *   targets/models/m/<v>.gguf (two per release, one of which stays the same),
 *   targets/<v>.catalog.json, metadata/1.root.json, metadata/<v>.targets.json,
 *   metadata/<v>.snapshot.json, catalog.json, metadata/timestamp.json
 * With big, another object of 2 pieces and a manifest. */
void release_make(const char *dir, unsigned version, bool big, struct tree *out);
/* The same with an object of so many pieces, or none. */
void release_make_pieces(const char *dir, unsigned version, unsigned pieces, struct tree *out);
/* Another tree: targets/00.bin, 01.bin, …, and a timestamp. The objects are small; one in 13, the
 * first of them 05, has two pieces and no manifest. */
void release_make_many(const char *dir, size_t count, struct tree *out);
/* The same, but all objects are small and have the same bytes. */
void release_make_same(const char *dir, size_t count, struct tree *out);
#define RELEASE_BIG "targets/models/m/big.bin"
#define RELEASE_FILES 8

/* What a reader of the mirror finds. */
enum release_view {
	VIEW_NOTHING, /* no timestamp.json */
	VIEW_WHOLE,   /* all that it lists is there, with the right bytes */
	VIEW_BROKEN,
};
enum release_view release_view(const struct mirror_mem *s, unsigned *version);

/* At most one try, or three, without waiting between them. */
extern const struct retry retry_once, retry_thrice;

#endif
