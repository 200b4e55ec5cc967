#include "repository/repository.h"

#include "catalog/manifest.h"
#include "catalog/provenance.h"
#include "repository/internal.h"
#include "repository/minisign.h"
#include "repository/writer/published.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

void repository_files_release(struct repository_files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->at[i].key);
		free(f->at[i].manifest_key);
		free(f->at[i].origin_key);
		free(f->at[i].pack_key);
	}
	free(f->at);
	free(f->by_key);
	*f = (struct repository_files){ 0 };
}

static int compare_keys(const void *a, const void *b)
{
	const struct repository_file *const *x = a, *const *y = b;
	return strcmp((*x)->key, (*y)->key);
}

void repository_files_index(struct repository_files *f)
{
	free(f->by_key);
	f->by_key = mem_alloc((f->count + 1) * sizeof *f->by_key);
	for (size_t i = 0; i < f->count; i++)
		f->by_key[i] = &f->at[i];
	qsort(f->by_key, f->count, sizeof *f->by_key, compare_keys);
}

static int compare_key_to(const void *key, const void *b)
{
	const struct repository_file *const *y = b;
	return strcmp(key, (*y)->key);
}

const struct repository_file *repository_files_find(const struct repository_files *f,
						    const char *key)
{
	const struct repository_file **found = bsearch(key, f->by_key, f->count, sizeof *f->by_key,
						       compare_key_to);
	return found ? *found : NULL;
}

static struct repository_file *add(struct repository_files *f, char *key,
				   enum repository_class class, uint64_t size,
				   const struct digest *sha256)
{
	f->at = mem_grow(f->at, f->count, &f->cap, sizeof *f->at);
	struct repository_file *file = &f->at[f->count++];
	*file = (struct repository_file){
		.key = key,
		.class = class,
		.size = size,
		.sha256 = *sha256,
	};
	return file;
}

/* ---- targets ---- */

struct targets {
	struct published_target *at;
	size_t count, cap;
};

static int collect(void *ctx, const struct published_target *target, struct err *e)
{
	(void)e;
	struct targets *t = ctx;
	t->at = mem_grow(t->at, t->count, &t->cap, sizeof *t->at);
	t->at[t->count++] = *target;
	return 0;
}

static int compare_targets(const void *a, const void *b)
{
	const struct published_target *x = a, *y = b;
	return strcmp(x->path, y->path);
}

/* Entries of several roles for one path: equal contents are adjacent. */
static int compare_contents(const void *a, const void *b)
{
	const struct published_target *x = a, *y = b;
	int order = compare_targets(a, b);
	return order ? order : memcmp(&x->sha256, &y->sha256, sizeof x->sha256);
}

static const struct published_target *find(const struct targets *t, const char *path)
{
	struct published_target key = { .path = path };
	return t->count ? bsearch(&key, t->at, t->count, sizeof key, compare_targets) : NULL;
}

static char *key_of(const struct published_target *t)
{
	CLEANUP(mem_free_ptr) char *name = repository_object_name(t->path, &t->sha256);
	return mem_printf("targets/%s", name);
}

/* Two roles may list the same object; it is published once. */
static bool listed_before(const struct targets *t, size_t i)
{
	return i > 0 && strcmp(t->at[i - 1].path, t->at[i].path) == 0 &&
	       digest_equal(&t->at[i - 1].sha256, &t->at[i].sha256);
}

/* The key of what is listed under the target's path with this ending, or NULL. */
static char *key_beside(const struct targets *t, const struct published_target *target,
			const char *ending)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s%s", target->path, ending);
	const struct published_target *found = find(t, path);
	return found ? key_of(found) : NULL;
}

static void add_objects(const struct targets *t, struct repository_files *out)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct published_target *target = &t->at[i];
		if (listed_before(t, i))
			continue;
		struct repository_file *f = add(out, key_of(target), REPOSITORY_OBJECT,
						target->length, &target->sha256);
		f->manifest_key = key_beside(t, target, MANIFEST_SUFFIX);
		f->origin_key = key_beside(t, target, PROVENANCE_SUFFIX);
	}
}

/* ---- the plain catalog ---- */

/* A tree may lack the minisign signature, but it must not have a wrong one. */
static int add_minisig(const char *dir, const struct published *tree, struct repository_files *out,
		       struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, CATALOG_TARGET MINISIG_SUFFIX);
	CLEANUP(mem_free_ptr) char *plain = path_join(dir, CATALOG_TARGET);
	CLEANUP(buf_release) struct buf text = BUF_INIT(MINISIG_MAX_BYTES);
	CLEANUP(buf_release) struct buf catalog = BUF_INIT(CATALOG_MAX_BYTES);
	CLEANUP(repository_keys_release) struct repository_keys keys = { 0 };
	CLEANUP(minisig_release) struct minisig sig = { 0 };
	bool good = false;
	if (!file_exists(path))
		return 0;
	int rc = file_read_all(path, &text, e);
	if (rc < 0 || (rc = file_read_all(plain, &catalog, e)) < 0 ||
	    (rc = minisig_parse(buf_str(&text), text.len, path, &sig, e)) < 0)
		return rc;
	repository_minisign_keys_of(tree, &keys);
	for (size_t i = 0; i < keys.count && !good; i++)
		good = minisig_verify(&sig, keys.at[i], buf_str(&catalog), catalog.len);
	if (!good)
		return err_set(e, ERR_INTEGRITY,
			       "%s is not a signature of catalog.json by a key of targets", path);
	struct digest sha256;
	sha256_of(text.data, text.len, &sha256);
	add(out, mem_strdup(CATALOG_TARGET MINISIG_SUFFIX), REPOSITORY_POINTER, text.len, &sha256);
	return 0;
}

/* Only of the role targets. */
static bool find_document(const struct published *tree, const char *target,
			  struct published_target *out)
{
	const struct published_file *f = published_find(tree, "targets");
	struct err none = ERR_INIT;
	return f && published_target_read(f->role, target, json_object_get(f->m->targets, target),
					  out, &none) == 0;
}

/* The signature first, so that readers of a new catalog.json find its signature. */
static int add_pointers(const char *dir, const struct published *tree, struct repository_files *out,
			struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, CATALOG_TARGET);
	struct published_target catalog;
	struct digest have;
	uint64_t size;
	if (!find_document(tree, CATALOG_TARGET, &catalog))
		return 0;
	int rc = sha256_of_file(path, NULL, &have, &size, e);
	if (rc == 0 && !digest_equal(&have, &catalog.sha256))
		rc = err_set(e, ERR_INTEGRITY, "%s is not the signed catalog", path);
	if (rc == 0)
		rc = add_minisig(dir, tree, out, e);
	if (rc < 0) {
		err_class_set(e, ERR_INTEGRITY);
		return err_hint(e, "`ferry catalog sign` was interrupted: run it again");
	}
	add(out, mem_strdup(CATALOG_TARGET), REPOSITORY_POINTER, size, &have);
	return 0;
}

static void add_metadata(const struct published *tree, bool timestamp, struct repository_files *out)
{
	for (size_t i = 0; i < tree->count; i++) {
		const struct published_file *f = &tree->files[i];
		if ((strcmp(f->role, "timestamp") == 0) != timestamp)
			continue;
		add(out, mem_printf("metadata/%s", f->name),
		    timestamp ? REPOSITORY_TIMESTAMP : REPOSITORY_METADATA, f->size, &f->sha256);
	}
}

int repository_published(const char *dir, struct repository_files *out, struct err *e)
{
	CLEANUP(repository_files_release) struct repository_files files = { 0 };
	CLEANUP(published_release) struct published tree = { 0 };
	CLEANUP(mem_free_ptr) char *metadata = path_join(dir, "metadata");
	struct targets targets = { 0 };
	int rc = published_load(metadata, &tree, e);
	if (rc == 0)
		rc = published_each_target(&tree, collect, &targets, e);
	if (rc == 0) {
		if (targets.count)
			qsort(targets.at, targets.count, sizeof *targets.at, compare_contents);
		add_objects(&targets, &files);
		add_metadata(&tree, false, &files);
		rc = add_pointers(dir, &tree, &files, e);
	}
	if (rc == 0) {
		add_metadata(&tree, true, &files);
		repository_files_index(&files);
		*out = files;
		files = (struct repository_files){ 0 };
	}
	free(targets.at);
	return rc;
}

/* ---- the signed cards ---- */

/* The id in "models/ID/ID.card.json"; false for other paths. The caller frees it. */
static bool is_card(const char *path, char **id)
{
	const char *name = path_base(path);
	if (!str_ends(name, CARD_SUFFIX))
		return false;
	*id = mem_strndup(name, strlen(name) - strlen(CARD_SUFFIX));
	CLEANUP(mem_free_ptr) char *wanted = card_document(*id);
	if (strcmp(wanted, path) == 0)
		return true;
	mem_free_ptr(id);
	return false;
}

struct gathering {
	const char *dir;
	struct catalog *catalog;
	size_t cap;
};

static int gather_card(void *ctx, const struct published_target *t, struct err *e)
{
	struct gathering *g = ctx;
	CLEANUP(mem_free_ptr) char *id = NULL;
	CLEANUP(buf_release) struct buf text = BUF_INIT(CARD_MAX_BYTES);
	struct catalog *c = g->catalog;
	if (!is_card(t->path, &id))
		return 0;
	CLEANUP(mem_free_ptr) char *path = repository_object_path(g->dir, t->path, &t->sha256);
	int rc = repository_read_signed(path, &t->sha256, &text, e);
	if (rc < 0)
		return rc;
	c->models = mem_grow(c->models, c->model_count, &g->cap, sizeof *c->models);
	rc = card_parse(buf_str(&text), text.len, t->path, &c->models[c->model_count], e);
	if (rc < 0)
		return rc;
	return card_check_own(&c->models[c->model_count++], id, e);
}

/* A role of version 0.1 has signed files, but no card: that is in catalog.json alone. */
static int gather_old(struct gathering *g, const struct catalog *old, struct err *e)
{
	struct catalog *c = g->catalog;
	size_t signed_count = c->model_count;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < old->model_count; i++) {
		struct catalog have = { .models = c->models, .model_count = signed_count };
		if (catalog_model(&have, old->models[i].id))
			continue;
		c->models = mem_grow(c->models, c->model_count, &g->cap, sizeof *c->models);
		rc = card_from_json(old->models[i].json, "", &c->models[c->model_count], e);
		c->model_count += rc == 0;
	}
	return rc;
}

static int gather(const char *dir, const struct published *tree, struct catalog *out, struct err *e)
{
	CLEANUP(catalog_release) struct catalog old = { 0 };
	struct gathering g = { .dir = dir, .catalog = out };
	struct published_target t;
	int rc = published_each_target(tree, gather_card, &g, e);
	catalog_sort(out);
	if (rc == 0 && find_document(tree, CATALOG_TARGET, &t))
		rc = repository_catalog_read(dir, CATALOG_TARGET, &t.sha256, &old, e);
	if (rc == 0)
		rc = gather_old(&g, &old, e);
	catalog_sort(out);
	return rc;
}

int repository_catalog(const char *dir, struct catalog *out, struct err *e)
{
	CLEANUP(published_release) struct published tree = { 0 };
	CLEANUP(catalog_release) struct catalog c = { 0 };
	CLEANUP(mem_free_ptr) char *metadata = path_join(dir, "metadata");
	struct published_target t;
	int rc = published_load(metadata, &tree, e);
	if (rc < 0)
		return rc;
	bool has_cards = find_document(&tree, CATALOG_HEAD_TARGET, &t);
	if (!has_cards && !find_document(&tree, CATALOG_TARGET, &t))
		return err_set(e, ERR_NOT_FOUND, "%s: the repository has no signed catalog", dir);
	rc = repository_catalog_read(dir, has_cards ? CATALOG_HEAD_TARGET : CATALOG_TARGET,
				     &t.sha256, &c, e);
	if (rc == 0 && has_cards)
		rc = gather(dir, &tree, &c, e);
	if (rc < 0)
		return rc;
	*out = c;
	c = (struct catalog){ 0 };
	return 0;
}
