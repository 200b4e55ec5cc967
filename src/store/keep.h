/*
 * Why a variant must not be removed to get room.
 */
#ifndef FERRY_STORE_KEEP_H
#define FERRY_STORE_KEEP_H

#include "store/links.h"
#include "store/use.h"

enum store_keep {
	STORE_KEEP_NOT,
	STORE_KEEP_PINNED,
	STORE_KEEP_LINKED,  /* `ferry store link` made a layout that needs it */
	STORE_KEEP_WAITING, /* a fetch waits for it, or was interrupted */
	STORE_KEEP_IN_USE,
	STORE_KEEP_USED_LATELY, /* it may be in use: STORE_USE_MAYBE */
	STORE_KEEP_DAMAGED,     /* its record cannot be read, so nothing is known of it */
};
/* "in-use", for JSON. */
const char *store_keep_name(enum store_keep why);

/*
 * all: of store_list(); layouts: of store_links_list(). If v need not be kept, *claim keeps others
 * from using it until it is released.
 *
 * Of several variants with the file that a layout needs, the one that the layout was made of is
 * linked, if it still has the file. In use are all that have the file: nobody can tell which.
 */
WARN_UNUSED enum store_keep store_keep_why(const struct store *s, const struct store_variants *all,
					   const struct store_layouts *layouts,
					   const struct store_variant *v,
					   struct store_use_hold *claim);

#endif
