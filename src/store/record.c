#include "store/record.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <unistd.h>

#define FORMAT "model-ferry-variant"

/* "q4_k_m" or "q4_k_m@2". */
static bool is_variant(const char *name)
{
	const char *at = strchr(name, '@');
	CLEANUP(mem_free_ptr) char *id = mem_strndup(name, at ? (size_t)(at - name) : strlen(name));
	uint64_t version;
	return path_is_id(id) && (!at || (parse_u64(at + 1, &version) && version > 0));
}

int record_check_names(const struct store_variant *v, struct err *e)
{
	const char *const ids[] = { v->repository, v->model };
	if (!is_variant(v->variant))
		return err_set(e, ERR_USAGE, "'%s' is not a valid name in the store", v->variant);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		if (!path_is_id(ids[i]))
			return err_set(e, ERR_USAGE, "'%s' is not a valid name in the store",
				       ids[i]);
	for (size_t i = 0; i < v->file_count; i++)
		if (!path_is_name(v->files[i].name) || v->files[i].name[0] == '.')
			return err_set(e, ERR_USAGE, "'%s' is not a valid file name in the store",
				       v->files[i].name);
	for (size_t i = 0; i < v->file_count; i++)
		if (v->files[i].role && !path_is_id(v->files[i].role))
			return err_set(e, ERR_USAGE, "'%s' is not a valid role of a file",
				       v->files[i].role);
	return 0;
}

static json_t *as_json(const struct store_variant *v)
{
	json_t *object = json_object();
	json_t *files = json_array();
	char time[TIME_TEXT];
	format_time(time, v->fetched_s);
	json_put_string(object, "format", FORMAT);
	json_put_u64(object, "version", 1);
	json_put_string(object, "repository", v->repository);
	json_put_string(object, "model", v->model);
	json_put_string(object, "variant", v->variant);
	json_put_string(object, "kind", v->kind);
	json_put_string(object, "engine", v->engine);
	if (v->version > 1)
		json_put_u64(object, "variant_version", v->version);
	json_put_string(object, "fetched", time);
	if (v->replaced_s)
		json_put_time(object, "replaced", v->replaced_s);
	for (size_t i = 0; i < v->file_count; i++) {
		json_t *file = json_object();
		json_put_string(file, "name", v->files[i].name);
		json_put_string(file, "role", v->files[i].role);
		json_put_hex(file, "sha256", &v->files[i].sha256, DIGEST_SIZE);
		json_put_u64(file, "size", v->files[i].size);
		json_push(files, file);
	}
	json_put(object, "files", files);
	return object;
}

int record_write(const char *dir, const char *name, const struct store_variant *v,
		 struct file_new *out, struct err *e)
{
	CLEANUP(json_release) json_t *object = as_json(v);
	CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
	CLEANUP(buf_release) struct buf text = BUF_INIT(RECORD_MAX_BYTES);
	CLEANUP(file_new_abort) struct file_new f = FILE_NEW_INIT;
	int rc = file_make_way(path, e);
	if (rc == 0)
		rc = json_pretty(object, &text, e);
	if (rc == 0)
		rc = file_new_open(&f, path, FILE_MODE, e);
	if (rc == 0)
		rc = file_write(f.fd, buf_str(&text), text.len, path, e);
	if (rc < 0)
		return rc;
	*out = f;
	f = (struct file_new)FILE_NEW_INIT;
	return 0;
}

int record_save_unsynced(const char *dir, const char *name, const struct store_variant *v,
			 struct err *e)
{
	CLEANUP(file_new_abort) struct file_new f = FILE_NEW_INIT;
	int rc = record_write(dir, name, v, &f, e);
	return rc < 0 ? rc : file_new_commit_unsynced(&f, e);
}

static int load_file(const json_t *object, struct store_variant *v, struct err *e)
{
	const char *name, *role = NULL;
	struct store_file f = { 0 };
	int rc = json_get_string(object, "files", "name", &name, e);
	if (rc == 0)
		rc = json_opt_string(object, "files", "role", &role, e);
	if (rc == 0)
		rc = json_get_hex(object, "files", "sha256", &f.sha256, DIGEST_SIZE, e);
	if (rc == 0)
		rc = json_get_u64(object, "files", "size", &f.size, e);
	if (rc < 0)
		return rc;
	if (!add_u64(v->size, f.size, &v->size))
		return err_set(e, ERR_INTEGRITY, "the sum of the sizes overflows");
	f.name = mem_strdup(name);
	f.role = role ? mem_strdup(role) : NULL;
	v->files[v->file_count++] = f;
	return 0;
}

static int load_members(const json_t *object, struct store_variant *v, struct err *e)
{
	const char *format, *repository, *model, *variant, *kind, *engine, *time, *replaced;
	json_t *files;
	int rc = json_get_string(object, "", "format", &format, e);
	if (rc == 0 && strcmp(format, FORMAT) != 0)
		rc = err_set(e, ERR_INTEGRITY, "not the record of a variant");
	if (rc < 0 || (rc = json_get_string(object, "", "repository", &repository, e)) < 0 ||
	    (rc = json_get_string(object, "", "model", &model, e)) < 0 ||
	    (rc = json_get_string(object, "", "variant", &variant, e)) < 0 ||
	    (rc = json_opt_string(object, "", "kind", &kind, e)) < 0 ||
	    (rc = json_opt_string(object, "", "engine", &engine, e)) < 0 ||
	    (rc = json_opt_u64(object, "", "variant_version", 1, &v->version, e)) < 0 ||
	    (rc = json_get_string(object, "", "fetched", &time, e)) < 0 ||
	    (rc = json_opt_string(object, "", "replaced", &replaced, e)) < 0 ||
	    (rc = json_get_array(object, "", "files", RECORD_MAX_FILES, &files, e)) < 0)
		return rc;
	v->repository = mem_strdup(repository);
	v->model = mem_strdup(model);
	v->variant = mem_strdup(variant);
	v->kind = kind ? mem_strdup(kind) : NULL;
	v->engine = engine ? mem_strdup(engine) : NULL;
	if (!parse_time(time, &v->fetched_s))
		return err_set(e, ERR_INTEGRITY, "'fetched' is not a time");
	if (replaced && !parse_time(replaced, &v->replaced_s))
		return err_set(e, ERR_INTEGRITY, "'replaced' is not a time");
	v->files = mem_alloc((json_array_size(files) + 1) * sizeof *v->files);
	size_t i;
	json_t *file;
	json_array_foreach (files, i, file)
		if ((rc = load_file(file, v, e)) < 0)
			return rc;
	rc = record_check_names(v, e);
	return rc < 0 ? err_class_set(e, ERR_INTEGRITY) : 0;
}

int record_load(const char *dir, const char *name, struct store_variant *out, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = RECORD_MAX_BYTES };
	CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
	CLEANUP(json_release) json_t *object = NULL;
	int rc = json_parse_file(path, &limits, &object, e);
	if (rc < 0)
		return rc;
	struct store_variant v = { 0 };
	rc = load_members(object, &v, e);
	if (rc < 0) {
		store_variant_release(&v);
		return err_context(e, "%s", path);
	}
	*out = v;
	return 0;
}

/* The valid names in `dir`; others were not made by the store. */
static int list_ids(const char *dir, bool (*is)(const char *), struct str_list *out, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		if (is(names.at[i]))
			str_list_add(out, names.at[i]);
	return rc;
}

static int each_variant(const char *models, const char *repository, const char *model,
			record_folder_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = mem_printf("%s/%s/%s", models, repository, model);
	CLEANUP(str_list_release) struct str_list variants = { 0 };
	if (!file_is_dir(dir))
		return 0;
	int rc = list_ids(dir, is_variant, &variants, e);
	for (size_t i = 0; rc == 0 && i < variants.count; i++) {
		CLEANUP(mem_free_ptr) char *at = path_join(dir, variants.at[i]);
		if (file_is_dir(at))
			rc = fn(ctx, at, repository, model, variants.at[i], e);
	}
	return rc;
}

/* The one that is named, or all below the folder. */
static int list_named(const char *dir, const char *name, struct str_list *out, struct err *e)
{
	if (!name)
		return list_ids(dir, path_is_id, out, e);
	if (path_is_id(name))
		str_list_add(out, name);
	return 0;
}

int record_each_folder_of(const struct store *s, const char *repository, const char *model,
			  record_folder_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(mem_free_ptr) char *models = path_join(s->home, "models");
	CLEANUP(str_list_release) struct str_list repositories = { 0 };
	int rc = list_named(models, repository, &repositories, e);
	for (size_t i = 0; rc == 0 && i < repositories.count; i++) {
		CLEANUP(mem_free_ptr) char *dir = path_join(models, repositories.at[i]);
		CLEANUP(str_list_release) struct str_list names = { 0 };
		if (!file_is_dir(dir))
			continue;
		rc = list_named(dir, model, &names, e);
		for (size_t j = 0; rc == 0 && j < names.count; j++)
			rc = each_variant(models, repositories.at[i], names.at[j], fn, ctx, e);
	}
	return rc;
}

int record_each_folder(const struct store *s, record_folder_fn *fn, void *ctx, struct err *e)
{
	return record_each_folder_of(s, NULL, NULL, fn, ctx, e);
}

void record_refs_release(struct record_refs *r)
{
	free(r->at);
	*r = (struct record_refs){ 0 };
}

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, DIGEST_SIZE);
}

bool record_refs_has(const struct record_refs *r, const struct digest *d)
{
	return r->count && bsearch(d, r->at, r->count, sizeof *r->at, compare_digests);
}

static void refs_add(struct record_refs *r, const struct digest *d)
{
	r->at = mem_grow(r->at, r->count, &r->cap, sizeof *r->at);
	r->at[r->count++] = *d;
}

static void refs_add_record(struct record_refs *r, const char *dir, const char *name)
{
	struct err ignored = ERR_INIT;
	CLEANUP(store_variant_release) struct store_variant v = { 0 };
	if (record_load(dir, name, &v, &ignored) < 0)
		return;
	for (size_t i = 0; i < v.file_count; i++)
		refs_add(r, &v.files[i].sha256);
}

static void refs_add_link(struct record_refs *r, const char *dir, const char *name)
{
	char target[512];
	struct digest d;
	CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
	ssize_t len = readlink(path, target, sizeof target - 1);
	if (len <= 0)
		return;
	target[len] = '\0';
	if (digest_parse(&d, path_base(target)))
		refs_add(r, &d);
}

struct collecting {
	struct record_refs *refs;
	const char *but; /* a folder, or NULL */
};

static int collect_folder(void *ctx, const char *dir, const char *repository, const char *model,
			  const char *variant, struct err *e)
{
	(void)repository, (void)model, (void)variant;
	const struct collecting *c = ctx;
	struct record_refs *refs = c->refs;
	CLEANUP(str_list_release) struct str_list names = { 0 };
	if (c->but && strcmp(c->but, dir) == 0)
		return 0;
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		refs_add_link(refs, dir, names.at[i]);
	refs_add_record(refs, dir, RECORD_NAME);
	refs_add_record(refs, dir, RECORD_PENDING);
	return rc;
}

int record_refs_collect(const struct store *s, struct record_refs *out, struct err *e)
{
	return record_refs_collect_but(s, NULL, out, e);
}

int record_refs_collect_but(const struct store *s, const char *dir, struct record_refs *out,
			    struct err *e)
{
	struct record_refs refs = { 0 };
	struct collecting c = { &refs, dir };
	int rc = record_each_folder(s, collect_folder, &c, e);
	if (rc < 0) {
		record_refs_release(&refs);
		return rc;
	}
	if (refs.count)
		qsort(refs.at, refs.count, sizeof *refs.at, compare_digests);
	*out = refs;
	return 0;
}
