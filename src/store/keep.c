#include "store/keep.h"

#include "store/pinned.h"
#include "store/record.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

const char *store_keep_name(enum store_keep why)
{
	static const char *const names[] = {
		[STORE_KEEP_NOT] = "none",        [STORE_KEEP_PINNED] = "pinned",
		[STORE_KEEP_LINKED] = "linked",   [STORE_KEEP_WAITING] = "waiting",
		[STORE_KEEP_IN_USE] = "in-use",   [STORE_KEEP_USED_LATELY] = "used-lately",
		[STORE_KEEP_DAMAGED] = "damaged",
	};
	return names[why];
}

static bool has_file(const struct store_variant *v, const struct digest *d)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (digest_equal(&v->files[i].sha256, d))
			return true;
	return false;
}

/* What the layout was made of; NULL: it is not in the store any more. */
static const struct store_variant *source_of(const struct store_variants *all,
					     const struct store_layout *l)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->at[i].repository, l->repository) == 0 &&
		    strcmp(all->at[i].model, l->model) == 0 &&
		    strcmp(all->at[i].variant, l->variant) == 0)
			return &all->at[i];
	return NULL;
}

static bool layout_needs(const struct store *s, const struct store_variants *all,
			 struct store_layout *l, const struct store_variant *v)
{
	const struct store_layouts one = { .at = l, .count = 1 };
	const struct store_variant *source = source_of(all, l);
	for (size_t i = 0; i < v->file_count; i++) {
		const struct digest *d = &v->files[i].sha256;
		if (store_links_need(s, &one, d) &&
		    (!source || strcmp(source->dir, v->dir) == 0 || !has_file(source, d)))
			return true;
	}
	return false;
}

static bool is_linked(const struct store *s, const struct store_variants *all,
		      const struct store_layouts *layouts, const struct store_variant *v)
{
	for (size_t i = 0; i < layouts->count; i++)
		if (layout_needs(s, all, &layouts->at[i], v))
			return true;
	return layouts->damaged > 0;
}

static bool is_waited_for(const struct store *s, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, v->variant);
	CLEANUP(mem_free_ptr) char *expected = path_join(dir, RECORD_PENDING);
	return file_exists(expected);
}

enum store_keep store_keep_why(const struct store *s, const struct store_variants *all,
			       const struct store_layouts *layouts, const struct store_variant *v,
			       struct store_use_hold *claim)
{
	if (store_is_pinned(s, v))
		return STORE_KEEP_PINNED;
	if (!v->file_count)
		return STORE_KEEP_DAMAGED;
	if (is_linked(s, all, layouts, v))
		return STORE_KEEP_LINKED;
	if (is_waited_for(s, v))
		return STORE_KEEP_WAITING;
	enum store_use_state use = store_use_claim(s, v, claim);
	return use == STORE_USE_HELD    ? STORE_KEEP_IN_USE
	       : use == STORE_USE_MAYBE ? STORE_KEEP_USED_LATELY
					: STORE_KEEP_NOT;
}
