/*
 * order: things by their digest, in the order of their use: a hash table and a list, both inside of
 * the things, so that finding one, using one, and taking the one that was not used for the longest
 * time do not depend on how many there are.
 *
 * Not for several threads at once.
 */
#ifndef FERRY_SERVE_CACHE_ORDER_H
#define FERRY_SERVE_CACHE_ORDER_H

#include "hash/sha256.h"

/* A member of what is kept in order. */
struct order_item {
	struct digest sha256;
	struct order_item *newer, *older; /* the order's, like this: */
	struct order_item *next;
};

struct order {
	struct order_item **slots;
	size_t slot_count, count;
	struct order_item *newest, *oldest; /* NULL: it is empty */
};
void order_release(struct order *o); /* not the items */

struct order_item *order_find(const struct order *o, const struct digest *sha256); /* or NULL */
/* As the newest. It must not be there yet. */
void order_add(struct order *o, struct order_item *item);
void order_remove(struct order *o, struct order_item *item);
/* It was used: it becomes the newest. */
void order_use(struct order *o, struct order_item *item);

#endif
