#include "store/named.h"

#include <string.h>

static bool is_variant(const struct store_variant *v, const char *repository, const char *model,
		       const char *variant)
{
	return strcmp(v->repository, repository) == 0 && strcmp(v->model, model) == 0 &&
	       store_variant_is_of(v, variant);
}

/* The lowest is meant. */
static unsigned preference(const struct store_variant *v)
{
	unsigned numbered = store_variant_is_numbered(v);
	return v->complete ? numbered : 2U + numbered;
}

size_t store_named(const struct store_variants *all, const char *repository, const char *model,
		   const char *variant)
{
	size_t found = SIZE_MAX;
	for (size_t i = 0; i < all->count; i++) {
		const struct store_variant *v = &all->at[i];
		const struct store_variant *best = found == SIZE_MAX ? NULL : &all->at[found];
		if (!is_variant(v, repository, model, variant))
			continue;
		if (!best || preference(v) < preference(best) ||
		    (preference(v) == preference(best) && v->version > best->version))
			found = i;
	}
	return found;
}
