#include "store/needs.h"

#include "store/record.h"
#include "util/mem.h"

#include <string.h>

void store_needs_release(struct store_needs *n)
{
	for (size_t i = 0; i < n->count; i++) {
		free(n->at[i].repository);
		free(n->at[i].model);
		free(n->at[i].variant);
		free(n->at[i].file);
	}
	free(n->at);
	*n = (struct store_needs){ 0 };
}

static bool has_need(const struct store_needs *n, const struct store_need *x)
{
	for (size_t i = 0; i < n->count; i++)
		if (digest_equal(&n->at[i].sha256, &x->sha256) &&
		    strcmp(n->at[i].repository, x->repository) == 0 &&
		    strcmp(n->at[i].model, x->model) == 0 &&
		    strcmp(n->at[i].variant, x->variant) == 0)
			return true;
	return false;
}

static void add_record(struct store_needs *n, const char *dir, const char *name,
		       const struct store_need *folder)
{
	CLEANUP(store_variant_release) struct store_variant v = { 0 };
	struct err ignored = ERR_INIT;
	if (record_load(dir, name, &v, &ignored) < 0)
		return;
	for (size_t i = 0; i < v.file_count; i++) {
		struct store_need need = *folder;
		need.sha256 = v.files[i].sha256;
		if (has_need(n, &need))
			continue;
		need.repository = mem_strdup(folder->repository);
		need.model = mem_strdup(folder->model);
		need.variant = mem_strdup(folder->variant);
		need.file = mem_strdup(v.files[i].name);
		need.version = v.version;
		need.size = v.files[i].size;
		n->at = mem_grow(n->at, n->count, &n->cap, sizeof need);
		n->at[n->count++] = need;
	}
}

static int add_folder(void *ctx, const char *dir, const char *repository, const char *model,
		      const char *variant, struct err *e)
{
	(void)e;
	struct store_need folder = {
		.repository = (char *)repository,
		.model = (char *)model,
		.variant = (char *)variant,
	};
	add_record(ctx, dir, RECORD_PENDING, &folder);
	add_record(ctx, dir, RECORD_NAME, &folder);
	return 0;
}

int store_needs_list(const struct store *s, struct store_needs *out, struct err *e)
{
	struct store_needs found = { 0 };
	int rc = record_each_folder(s, add_folder, &found, e);
	if (rc < 0)
		store_needs_release(&found);
	else
		*out = found;
	return rc;
}
