#include "node/fill.h"

#include "util/mem.h"

#include <errno.h>
#include <stdio.h>

void node_item_release(struct node_item *item)
{
	retrieve_release(&item->got);
	store_variants_release(&item->stored);
	handoff_release(&item->layout);
	free(item->path);
	free(item->told);
	*item = (struct node_item){ 0 };
}

size_t node_fill_without_room(const struct node_item *items, size_t count)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++)
		n += err_is(&items[i].why, ERR_SYSTEM) && items[i].why.sys == ENOSPC;
	return n;
}

void node_fill_again(struct node_item *item)
{
	const struct node_wanted *wanted = item->wanted;
	node_item_release(item);
	item->wanted = wanted;
}

static bool is_open(const struct node_item *item)
{
	return !item->why.class && !item->variant;
}

static void find(struct retrieval *r, struct node_item *item)
{
	static const struct fetch_options options = { 0 };
	const struct settings_node_model *set = item->wanted->set;
	r->fitting = (struct fitting_opts){ .fits = set->memory, .context = set->context };
	(void)!retrieve_find(r, &item->wanted->reference, &options, &item->got, &item->why);
}

static int fetch(struct node_item *items, size_t count, struct err *e)
{
	size_t n = 0;
	CLEANUP(mem_free_ptr) struct retrieved **at = mem_alloc((count + 1) * sizeof *at);
	for (size_t i = 0; i < count; i++)
		if (is_open(&items[i]))
			at[n++] = &items[i].got;
	return retrieve_fetch(at, n, NULL, NULL, e);
}

/* It was verified; what its folder in the store says is what the engine gets. */
static void take(const struct store *s, struct node_item *item, bool dry_run)
{
	const struct retrieved *got = &item->got;
	struct err why = ERR_INIT;
	char version[24];
	snprintf(version, sizeof version, "%llu", (unsigned long long)got->version);
	int rc = fetch_any_from_store(s, got->repository, got->model, got->variant,
				      item->wanted->reference.version || dry_run ? version : NULL,
				      &item->stored, &item->variant, &why);
	if (rc < 0)
		item->variant = NULL;
	if (rc < 0 && !dry_run)
		item->why = why;
}

static int settle(struct retrieval *r, struct node_item *item, struct err *e)
{
	struct err why = ERR_INIT;
	if (retrieve_settle(r, &item->got, &why) < 0)
		item->why = why;
	else
		take(&r->client.store, item, r->dry_run);
	if (!err_is(&item->why, ERR_CANCELLED))
		return 0;
	*e = item->why;
	return -ERR_CANCELLED;
}

int node_fill(struct retrieval *r, struct node_item *items, size_t count, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (is_open(&items[i]))
			find(r, &items[i]);
		if (err_is(&items[i].why, ERR_CANCELLED)) {
			*e = items[i].why;
			rc = -ERR_CANCELLED;
		}
	}
	if (rc == 0)
		rc = fetch(items, count, e);
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (is_open(&items[i]))
			rc = settle(r, &items[i], e);
	return rc;
}
