#include "store/kept.h"

#include "store/keep.h"
#include "util/mem.h"

#include <stdlib.h>

/* The version that the plain name leads to now; 0: none. */
static uint64_t version_now(const struct store_variants *all, const struct store_variant *v)
{
	for (size_t i = 0; i < all->count; i++)
		if (store_variant_is_beside(&all->at[i], v) &&
		    !store_variant_is_numbered(&all->at[i]))
			return all->at[i].version;
	return 0;
}

static bool is_replaced(const struct store_variant *kept, const struct store_variant *v,
			uint64_t now)
{
	return kept->replaced_s && kept->version != now && store_variant_is_beside(kept, v) &&
	       store_variant_is_numbered(kept);
}

static int newest_first(const void *a, const void *b)
{
	const struct store_variant *const *x = a, *const *y = b;
	return (*x)->version < (*y)->version ? 1 : (*x)->version > (*y)->version ? -1 : 0;
}

static int remove_unless_needed(const struct store *s, const struct store_variants *all,
				const struct store_layouts *layouts, const struct store_variant *v,
				struct kept_removed *out, struct err *e)
{
	CLEANUP(store_use_release) struct store_use_hold hold = { 0 };
	if (store_keep_why(s, all, layouts, v, &hold) != STORE_KEEP_NOT) {
		out->needed++;
		return 0;
	}
	int rc = store_remove(s, v->repository, v->model, v->variant, &out->bytes, e);
	out->versions += rc == 0;
	return rc;
}

int kept_remove(const struct store *s, const struct store_variant *v, size_t keep,
		struct kept_removed *out, struct err *e)
{
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	struct store by_size = *s;
	by_size.by_size = true;
	CLEANUP(store_layouts_release) struct store_layouts layouts = { 0 };
	int rc = store_list(&by_size, &all, e);
	if (rc == 0)
		rc = store_links_list(s, &layouts, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr)
	const struct store_variant **kept = mem_alloc((all.count + 1) * sizeof *kept);
	size_t count = 0;
	uint64_t now = version_now(&all, v);
	for (size_t i = 0; now && !store_variant_is_numbered(v) && i < all.count; i++)
		if (is_replaced(&all.at[i], v, now))
			kept[count++] = &all.at[i];
	if (count)
		qsort(kept, count, sizeof *kept, newest_first);
	for (size_t i = keep; rc == 0 && i < count; i++)
		rc = remove_unless_needed(s, &all, &layouts, kept[i], out, e);
	return rc;
}
