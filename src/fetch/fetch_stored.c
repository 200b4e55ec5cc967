/* What the store has, without a catalog. */
#include "fetch/fetch_internal.h"

#include "fetch/room.h"
#include "store/use.h"
#include "util/mem.h"

#include <string.h>

/* Fetched once by its variant and once by its version. */
static bool is_twice(const struct store_variant *a, const struct store_variant *b)
{
	return store_variant_is_beside(a, b) && a->version == b->version &&
	       store_variant_equal(a, b);
}

static int several(const struct store_variant *a, const struct store_variant *b, struct err *e)
{
	err_set(e, ERR_USAGE, "several models in the store match: %s/%s:%s and %s/%s:%s",
		a->repository, a->model, a->variant, b->repository, b->model, b->variant);
	return err_hint(e, "name the repository and the variant, for example %s/%s:%s",
			b->repository, b->model, b->variant);
}

static int not_stored(const char *repository, const char *model, const char *variant,
		      const char *version, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "%s%s%s%s%s%s%s is not in the store",
		       repository ? repository : "", repository ? "/" : "", model,
		       variant ? ":" : "", variant ? variant : "", version ? "@" : "",
		       version ? version : "");
}

static bool is_meant(const struct store_variant *v, const char *repository, const char *model)
{
	return v->complete && strcmp(v->model, model) == 0 &&
	       (!repository || strcmp(v->repository, repository) == 0);
}

int fetch_from_store(const struct store *s, const char *repository, const char *model,
		     const char *variant, const char *version, struct store_variants *keep,
		     const struct store_variant **out, struct err *e)
{
	const struct store_variant *found = NULL;
	int rc = store_list_model(s, repository, model, keep, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < keep->count; i++) {
		const struct store_variant *v = &keep->at[i];
		if (!is_meant(v, repository, model) || !store_variant_is(v, variant, version) ||
		    (found && is_twice(found, v)))
			continue;
		if (found)
			return several(found, v, e);
		found = v;
	}
	if (!found)
		return not_stored(repository, model, variant, version, e);
	*out = found;
	return 0;
}

/* All in keep were fetched by their numbers. */
static int highest_by_number(const struct store_variants *keep, const char *repository,
			     const char *model, const char *variant,
			     const struct store_variant **out, struct err *e)
{
	const struct store_variant *found = NULL;
	for (size_t i = 0; i < keep->count; i++) {
		const struct store_variant *v = &keep->at[i];
		if (!is_meant(v, repository, model) ||
		    (variant && !store_variant_is_of(v, variant)))
			continue;
		if (found && !store_variant_is_beside(found, v))
			return several(found, v, e);
		if (!found || v->version > found->version)
			found = v;
	}
	if (!found)
		return not_stored(repository, model, variant, NULL, e);
	*out = found;
	return 0;
}

int fetch_any_from_store(const struct store *s, const char *repository, const char *model,
			 const char *variant, const char *version, struct store_variants *keep,
			 const struct store_variant **out, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = fetch_from_store(s, repository, model, variant, version, keep, out, &why);
	if (rc == -ERR_NOT_FOUND && !version)
		return highest_by_number(keep, repository, model, variant, out, e);
	if (rc < 0)
		*e = why;
	return rc;
}

static int check_stored(const struct store *s, const struct store_variant *v, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < v->file_count; i++)
		rc = store_verify(s, &v->files[i].sha256, e);
	return rc;
}

static int deliver_stored(const struct store *s, const struct store_variant *v, const char *output,
			  struct fetch_result *r, struct err *e)
{
	const struct fetch_room room = { s, v, 0, true, output, s->report };
	bool moves;
	int rc = fetch_room_check(&room, &moves, e);
	if (rc < 0)
		return rc;
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	rc = fetch_place(s, v, output, moves, &paths, e);
	for (size_t i = 0; rc == 0 && i < r->count; i++) {
		free(r->files[i].path);
		r->files[i].path = mem_strdup(paths.at[i]);
	}
	if (rc == 0 && moves)
		rc = store_forget(s, v, e);
	return rc;
}

int fetch_stored(const struct store *s, const struct store_variant *v,
		 const struct fetch_options *options, struct fetch_result *out, struct err *e)
{
	CLEANUP(fetch_result_release) struct fetch_result r = { 0 };
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	int rc = options->check_blobs ? check_stored(s, v, e) : 0;
	if (rc < 0)
		return rc;
	store_paths(s, v, &paths);
	store_use(s, v);
	r.files = mem_alloc((v->file_count + 1) * sizeof *r.files);
	for (size_t i = 0; i < v->file_count; i++) {
		r.files[r.count++] = (struct fetch_file){
			.path = mem_strdup(paths.at[i]),
			.name = v->files[i].name,
			.role = v->files[i].role,
			.size = v->files[i].size,
			.sha256 = v->files[i].sha256,
		};
		r.size += v->files[i].size;
	}
	if (options->output && (rc = deliver_stored(s, v, options->output, &r, e)) < 0)
		return rc;
	*out = r;
	r = (struct fetch_result){ 0 };
	return 0;
}
