#include "cli/store/stock.h"

#include "store/pinned.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

void stock_release(struct stock *s)
{
	free(s->found);
	store_variants_release(&s->all);
	store_close(&s->store);
}

int stock_open(struct cli *cli, struct stock *s, bool by_size, struct err *e)
{
	int rc = session_store(cli, &s->store, e);
	s->store.by_size = by_size;
	if (rc == 0)
		rc = store_list(&s->store, &s->all, e);
	s->found = mem_alloc((s->all.count + 1) * sizeof *s->found);
	return rc;
}

/* What the store cannot know: labels are in the catalog only. */
static bool is_label(const char *version)
{
	uint64_t number;
	return version && !parse_u64(version, &number) && !str_starts(version, "sha256:");
}

/* The existing names, for a mistyped one. */
static int suggest(const struct store_variants *all, const struct reference *r, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **names = mem_alloc((all->count + 1) * sizeof *names);
	CLEANUP(str_list_release) struct str_list variants = { 0 };
	for (size_t i = 0; i < all->count; i++) {
		names[i] = all->at[i].model;
		if (strcmp(names[i], r->model) == 0)
			str_list_add(&variants, all->at[i].variant);
	}
	const char *near = variants.count ? r->model : text_nearest(r->model, names, all->count);
	const char *variant = r->variant
				      ? text_nearest(r->variant, (const char *const *)variants.at,
						     variants.count)
				      : NULL;
	if (variants.count && is_label(r->version))
		return err_hint(e,
				"versions in the store have numbers and digests, but no labels: "
				"`ferry show %s` shows both",
				r->model);
	if (near && variant)
		return err_hint(e, "did you mean '%s:%s'?", near, variant);
	return near && !variants.count ? err_hint(e, "did you mean '%s'?", near)
				       : err_hint(e, "`ferry store list` lists the models");
}

static bool is_meant(const struct store_variant *v, const struct reference *r,
		     enum stock_which which)
{
	if (strcmp(v->model, r->model) != 0 ||
	    (r->repository && strcmp(v->repository, r->repository) != 0))
		return false;
	if (r->version || !r->variant)
		return !r->version || store_variant_is(v, r->variant, r->version);
	return which == STOCK_USE ? store_variant_is_of(v, r->variant)
				  : store_variant_is(v, r->variant, NULL);
}

/* Of the same variant. */
static void choose_highest(struct stock *s)
{
	size_t count = 0;
	for (size_t i = 0; i < s->count; i++) {
		const struct store_variant *v = s->found[i];
		const struct store_variant **last = count ? &s->found[count - 1] : NULL;
		if (!last || !store_variant_is_beside(v, *last))
			s->found[count++] = v;
		else if (v->version > (*last)->version)
			*last = v;
	}
	s->count = count;
}

/* Without a version, those that were fetched by their version are not meant, unless there is no
 * other. With a version that both names lead to, it is the numbered one. */
static void choose_one(struct stock *s, const struct reference *r)
{
	size_t plain = 0;
	for (size_t i = 0; !r->version && i < s->count; i++)
		if (!store_variant_is_numbered(s->found[i]))
			s->found[plain++] = s->found[i];
	if (plain)
		s->count = plain;
	else if (!r->version)
		choose_highest(s);
	if (r->version && s->count == 2 && store_variant_equal(s->found[0], s->found[1])) {
		s->found[0] = s->found[store_variant_is_numbered(s->found[1])];
		s->count = 1;
	}
}

int stock_find(struct stock *s, const char *text, enum stock_which which, struct err *e)
{
	CLEANUP(reference_release) struct reference r = { 0 };
	int rc = reference_parse(text, &r, e);
	s->count = 0;
	for (size_t i = 0; rc == 0 && i < s->all.count; i++)
		if (is_meant(&s->all.at[i], &r, which))
			s->found[s->count++] = &s->all.at[i];
	if (rc == 0 && s->count == 0) {
		err_set(e, ERR_NOT_FOUND, "%s is not in the store", text);
		return suggest(&s->all, &r, e);
	}
	if (rc == 0 && which != STOCK_ALL)
		choose_one(s, &r);
	if (rc == 0 && which != STOCK_ALL && s->count > 1) {
		const struct store_variant *a = s->found[0], *b = s->found[1];
		err_set(e, ERR_USAGE, "several models in the store match %s", text);
		return err_hint(e, "use %s/%s:%s or %s/%s:%s", a->repository, a->model, a->variant,
				b->repository, b->model, b->variant);
	}
	return rc;
}

json_t *stock_reference_json(const struct store_variant *v)
{
	json_t *object = json_object();
	json_put_string(object, "repository", v->repository);
	json_put_string(object, "model", v->model);
	json_put_string(object, "variant", v->variant);
	return object;
}

json_t *stock_variant_json(const struct store *s, const struct store_variant *v,
			   const struct str_list *paths)
{
	json_t *object = stock_reference_json(v);
	json_put_string(object, "dir", v->dir);
	json_put_u64(object, "size", v->size);
	json_put_bool(object, "complete", v->complete);
	if (store_is_pinned(s, v))
		json_put_bool(object, "pinned", true);
	if (v->file_count) {
		json_put_u64(object, "version", v->version);
		json_put_time(object, "fetched", v->fetched_s);
	}
	json_t *files = json_put_array(object, "files");
	for (size_t i = 0; i < v->file_count; i++) {
		CLEANUP(mem_free_ptr) char *path = store_file_path(s, v->dir, &v->files[i]);
		json_t *file = json_push_object(files);
		json_put_string(file, "name", v->files[i].name);
		json_put_string(file, "role", v->files[i].role);
		json_put_string(file, "path", paths ? paths->at[i] : path);
		json_put_u64(file, "size", v->files[i].size);
		json_put_hex(file, "sha256", &v->files[i].sha256, DIGEST_SIZE);
	}
	return object;
}
