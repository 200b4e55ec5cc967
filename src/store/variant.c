/* What a variant in the store is, and whether two are the same. */
#include "store/store.h"

#include "util/mem.h"
#include "util/text.h"

#include <string.h>

void store_variants_release(struct store_variants *v)
{
	for (size_t i = 0; i < v->count; i++)
		store_variant_release(&v->at[i]);
	free(v->at);
	*v = (struct store_variants){ 0 };
}

bool store_variant_is_numbered(const struct store_variant *v)
{
	return strchr(v->variant, '@') != NULL;
}

static size_t plain_len(const struct store_variant *v)
{
	return strcspn(v->variant, "@");
}

char *store_variant_plain(const struct store_variant *v)
{
	return mem_strndup(v->variant, plain_len(v));
}

bool store_variant_is_of(const struct store_variant *v, const char *plain)
{
	size_t len = plain_len(v);
	return strlen(plain) == len && strncmp(v->variant, plain, len) == 0;
}

bool store_variant_is_beside(const struct store_variant *a, const struct store_variant *b)
{
	size_t len = plain_len(a);
	return strcmp(a->repository, b->repository) == 0 && strcmp(a->model, b->model) == 0 &&
	       len == plain_len(b) && strncmp(a->variant, b->variant, len) == 0;
}

int store_variant_check_complete(const struct store_variant *v, struct err *e)
{
	if (v->complete)
		return 0;
	err_set(e, ERR_NOT_FOUND, "%s/%s:%s is not complete in the store", v->repository, v->model,
		v->variant);
	return err_hint(e, "run `ferry fetch %s/%s:%s`", v->repository, v->model, v->variant);
}

bool store_variant_equal(const struct store_variant *a, const struct store_variant *b)
{
	if (a->file_count != b->file_count)
		return false;
	for (size_t i = 0; i < a->file_count; i++)
		if (strcmp(a->files[i].name, b->files[i].name) != 0 ||
		    !str_same(a->files[i].role, b->files[i].role) ||
		    a->files[i].size != b->files[i].size ||
		    !digest_equal(&a->files[i].sha256, &b->files[i].sha256))
			return false;
	return true;
}

static bool has_digest(const struct store_variant *v, const char *digits)
{
	char hex[DIGEST_HEX];
	for (size_t i = 0; i < v->file_count; i++)
		if (str_starts(digest_hex(hex, &v->files[i].sha256), digits))
			return true;
	return false;
}

bool store_variant_is(const struct store_variant *v, const char *variant, const char *version)
{
	static const char digest[] = "sha256:";
	uint64_t number;
	if (!version)
		return variant ? strcmp(v->variant, variant) == 0 : !store_variant_is_numbered(v);
	if (variant && !store_variant_is_of(v, variant))
		return false;
	if (str_starts(version, digest))
		return has_digest(v, version + strlen(digest));
	return parse_u64(version, &number) && number == v->version;
}

bool store_variant_has_any(const struct store_variant *v, const struct store_variant *of)
{
	for (size_t i = 0; i < v->file_count; i++)
		for (size_t k = 0; k < of->file_count; k++)
			if (digest_equal(&v->files[i].sha256, &of->files[k].sha256))
				return true;
	return false;
}
