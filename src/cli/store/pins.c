#include "cli/store/pins.h"

#include "util/mem.h"

#include <string.h>

json_t *pins_json(const struct store_variant *v, uint64_t version)
{
	CLEANUP(mem_free_ptr) char *plain = store_variant_plain(v);
	json_t *object = json_object();
	json_put_string(object, "repository", v->repository);
	json_put_string(object, "model", v->model);
	json_put_string(object, "variant", plain);
	if (version)
		json_put_u64(object, "version", version);
	return object;
}

/* The same version under the plain name comes first. */
static bool is_again(const struct stock *s, size_t i)
{
	return i && !store_variant_is_numbered(s->found[i - 1]) &&
	       store_variant_is_beside(s->found[i - 1], s->found[i]);
}

int pins_each(struct stock *s, const char *operand, pins_fn *fn, void *ctx, struct err *e)
{
	bool named = strchr(operand, '@') != NULL, any = false;
	int rc = stock_find(s, operand, STOCK_ALL, e);
	for (size_t i = 0; rc == 0 && i < s->count; i++) {
		if (named ? is_again(s, i) : store_variant_is_numbered(s->found[i]))
			continue;
		any = true;
		rc = fn(ctx, s->found[i], e);
	}
	if (rc < 0 || any)
		return rc;
	err_set(e, ERR_NOT_FOUND, "%s is in the store only under the number of its version",
		operand);
	return err_hint(e, "name the version, for example %s/%s:%s", s->found[0]->repository,
			s->found[0]->model, s->found[0]->variant);
}
