/*
 * inventory: which files of the repository are on a mirror, as far as the mirror reports it
 * without sending files. Uses a listing if that is cheaper, else a stat for each key, several at a
 * time.
 */
#ifndef FERRY_PUBLISH_INVENTORY_H
#define FERRY_PUBLISH_INVENTORY_H

#include "publish/verified.h"
#include "util/retry.h"

enum inventory_state {
	INVENTORY_MISSING,
	INVENTORY_SIZE,       /* the size differs */
	INVENTORY_CONTENT,    /* the mirror reports another digest */
	INVENTORY_UNVERIFIED, /* the size is right; the mirror reports no digest */
	INVENTORY_OK,         /* the mirror reports the right digest */
};

struct inventory_item {
	enum inventory_state state;
	bool other_parts; /* UNVERIFIED: it reports a pieces_sha256, but not that of our pieces */
	bool asked;       /* by a stat of its own: the listing did not say enough */
	struct mirror_stat stat; /* unless missing */
};

/* Does a mirror with this `holds` get the file? packs: its kind does not take the small files of
 * models one by one, and documents of no single model only if it holds everything. */
bool inventory_wants(enum mirror_holds holds, bool packs, const struct repository_file *f);

/* Judges one stat. root: pieces_sha256 of the file, or NULL if unknown. A different pieces_sha256
 * proves nothing: the object may have been uploaded in other parts. */
enum inventory_state inventory_judge(const struct repository_file *f, const struct digest *root,
				     const struct mirror_stat *st);

struct inventory_how {
	const struct retry *retry;     /* for each call */
	const struct verified *record; /* objects and versioned metadata that it vouches for, as
					  they are listed, are not asked about one by one;
					  NULL: none */
	size_t retries;                /* out: calls that were tried again */
};

/* Sets items[i] for each t->files.at[i] with wanted[i]; the others are not changed. */
WARN_UNUSED int inventory_mirror(struct mirror *m, const struct tree *t, const bool *wanted,
				 struct inventory_how *how, struct inventory_item *items,
				 struct err *e);

/* The two steps of that, for callers that do the second one for each file on their own. The first
 * sets known[i] where the mirror's listing says as much as a stat would; the wanted items are
 * MISSING until known. */
WARN_UNUSED int inventory_list(struct mirror *m, const struct tree *t, const bool *wanted,
			       struct inventory_item *items, bool *known, struct err *e);
WARN_UNUSED int inventory_stat(struct mirror *m, const struct tree *t,
			       const struct repository_file *f, struct inventory_item *out,
			       struct err *e);
#endif
