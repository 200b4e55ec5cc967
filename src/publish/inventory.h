/*
 * inventory: what of the repository is on one mirror, as far as the mirror tells without
 * sending any file. A listing where that is cheaper, else a stat for each key.
 */
#ifndef FERRY_PUBLISH_INVENTORY_H
#define FERRY_PUBLISH_INVENTORY_H

#include "publish/tree.h"

enum inventory_state {
	INVENTORY_MISSING,
	INVENTORY_SIZE,            /* another size */
	INVENTORY_CONTENT,         /* the digest that the mirror tells is another one */
	INVENTORY_UNVERIFIED,      /* the size is right; the mirror tells no digest */
	INVENTORY_OK,              /* the mirror tells the right digest */
};

struct inventory_item {
	enum inventory_state state;
	struct mirror_stat stat;        /* unless missing */
};

/* Does a mirror that holds this get a file of this class? */
bool inventory_wants(enum mirror_holds holds, enum repository_class class);

/* The judgement alone. root: pieces_sha256 of the file, or NULL if unknown. A pieces_sha256
 * that differs proves nothing: the object may have been uploaded in other parts. */
enum inventory_state inventory_judge(const struct repository_file *f, const struct digest *root,
			       const struct mirror_stat *st);

/* items[i] for each t->files.at[i] that wanted[i]; the others stay as they are. */
WARN_UNUSED int inventory_mirror(struct mirror *m, const struct tree *t, const bool *wanted,
			      struct inventory_item *items, struct err *e);
#endif
