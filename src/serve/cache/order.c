#include "serve/cache/order.h"

#include "util/mem.h"

#include <string.h>

#define LEAST_SLOTS 64

void order_release(struct order *o)
{
	free(o->slots);
	*o = (struct order){ 0 };
}

/* A digest is evenly distributed: its first bytes are a hash. */
static struct order_item **slot_of(const struct order *o, const struct digest *d)
{
	uint64_t hash;
	memcpy(&hash, d->bytes, sizeof hash);
	return &o->slots[hash & (o->slot_count - 1)];
}

struct order_item *order_find(const struct order *o, const struct digest *sha256)
{
	if (!o->slot_count)
		return NULL;
	struct order_item *item = *slot_of(o, sha256);
	while (item && !digest_equal(&item->sha256, sha256))
		item = item->next;
	return item;
}

static void put_in_slot(struct order *o, struct order_item *item)
{
	struct order_item **slot = slot_of(o, &item->sha256);
	item->next = *slot;
	*slot = item;
}

static void grow(struct order *o)
{
	size_t want = o->slot_count ? 2 * o->slot_count : LEAST_SLOTS;
	free(o->slots);
	o->slots = mem_alloc(want * sizeof(struct order_item *));
	o->slot_count = want;
	for (struct order_item *item = o->newest; item; item = item->older)
		put_in_slot(o, item);
}

static void link_newest(struct order *o, struct order_item *item)
{
	item->newer = NULL;
	item->older = o->newest;
	*(o->newest ? &o->newest->newer : &o->oldest) = item;
	o->newest = item;
}

static void take_out(struct order *o, struct order_item *item)
{
	*(item->newer ? &item->newer->older : &o->newest) = item->older;
	*(item->older ? &item->older->newer : &o->oldest) = item->newer;
}

void order_add(struct order *o, struct order_item *item)
{
	if (o->count == o->slot_count)
		grow(o);
	put_in_slot(o, item);
	link_newest(o, item);
	o->count++;
}

void order_remove(struct order *o, struct order_item *item)
{
	struct order_item **at = slot_of(o, &item->sha256);
	while (*at != item)
		at = &(*at)->next;
	*at = item->next;
	take_out(o, item);
	o->count--;
}

void order_use(struct order *o, struct order_item *item)
{
	if (o->newest == item)
		return;
	take_out(o, item);
	link_newest(o, item);
}
