#include "repository/repository.h"

#include "catalog/manifest.h"
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
	const struct repository_file **found =
		bsearch(key, f->by_key, f->count, sizeof *f->by_key, compare_key_to);
	return found ? *found : NULL;
}

static struct repository_file *add(struct repository_files *f, char *key,
				   enum repository_class class, uint64_t size,
				   const struct digest *sha256)
{
	f->at = mem_grow(f->at, f->count, &f->cap, sizeof *f->at);
	struct repository_file *file = &f->at[f->count++];
	*file = (struct repository_file){ .key = key, .class = class, .size = size,
					  .sha256 = *sha256 };
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

/* The same path of several roles: equal contents side by side. */
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

/* Two roles may list one object; it is published once. */
static bool listed_before(const struct targets *t, size_t i)
{
	return i > 0 && strcmp(t->at[i - 1].path, t->at[i].path) == 0 &&
	       digest_equal(&t->at[i - 1].sha256, &t->at[i].sha256);
}

static void add_objects(const struct targets *t, struct repository_files *out)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct published_target *target = &t->at[i];
		if (listed_before(t, i))
			continue;
		struct repository_file *f = add(out, key_of(target), REPOSITORY_OBJECT,
						target->length, &target->sha256);
		CLEANUP(mem_free_ptr) char *path = mem_printf("%s%s", target->path, MANIFEST_SUFFIX);
		const struct published_target *manifest = find(t, path);
		if (manifest)
			f->manifest_key = key_of(manifest);
	}
}

/* ---- the plain catalog ---- */

/* A tree may have no signature for minisign, but not a wrong one. */
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
	repository_minisig_keys(tree, &keys);
	for (size_t i = 0; i < keys.count && !good; i++)
		good = minisig_verify(&sig, keys.at[i], buf_str(&catalog), catalog.len);
	if (!good)
		return err_set(e, ERR_INTEGRITY, "%s: it is no signature of catalog.json by a key of "
			       "targets", path);
	struct digest sha256;
	sha256_of(text.data, text.len, &sha256);
	add(out, mem_strdup(CATALOG_TARGET MINISIG_SUFFIX), REPOSITORY_POINTER, text.len, &sha256);
	return 0;
}

/* The signature first: who sees a new catalog.json finds the signature of it. */
static int add_pointers(const char *dir, const struct published *tree, const struct targets *t,
			struct repository_files *out, struct err *e)
{
	const struct published_target *catalog = find(t, CATALOG_TARGET);
	CLEANUP(mem_free_ptr) char *path = path_join(dir, CATALOG_TARGET);
	struct digest have;
	uint64_t size;
	if (!catalog)
		return 0;
	int rc = sha256_of_file(path, NULL, &have, &size, e);
	if (rc == 0 && !digest_equal(&have, &catalog->sha256))
		rc = err_set(e, ERR_INTEGRITY, "%s: it is not the catalog that is signed", path);
	if (rc == 0)
		rc = add_minisig(dir, tree, out, e);
	if (rc < 0) {
		err_class_set(e, ERR_INTEGRITY);
		return err_hint(e, "a `ferry catalog sign` was interrupted: run it again");
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
		rc = add_pointers(dir, &tree, &targets, &files, e);
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

/* ---- the signed catalog ---- */

int repository_catalog(const char *dir, struct catalog *out, struct err *e)
{
	CLEANUP(published_release) struct published tree = { 0 };
	CLEANUP(mem_free_ptr) char *metadata = path_join(dir, "metadata");
	struct targets targets = { 0 };
	int rc = published_load(metadata, &tree, e);
	if (rc == 0)
		rc = published_each_target(&tree, collect, &targets, e);
	if (rc == 0 && targets.count)
		qsort(targets.at, targets.count, sizeof *targets.at, compare_contents);
	const struct published_target *t = rc == 0 ? find(&targets, CATALOG_TARGET) : NULL;
	if (rc == 0 && !t)
		rc = err_set(e, ERR_NOT_FOUND, "%s: the repository has no signed catalog", dir);
	if (t) {
		CLEANUP(mem_free_ptr) char *path = repository_object_path(dir, t->path, &t->sha256);
		CLEANUP(buf_release) struct buf text = BUF_INIT(CATALOG_MAX_BYTES);
		struct digest have;
		rc = file_read_all(path, &text, e);
		if (rc == 0) {
			sha256_of(buf_str(&text), text.len, &have);
			rc = digest_equal(&have, &t->sha256) ?
				catalog_parse(buf_str(&text), text.len, path, out, e) :
				err_set(e, ERR_INTEGRITY, "%s: not the bytes that were signed", path);
		}
	}
	free(targets.at);
	return rc;
}

/* ---- keys ---- */

static void add_if_listed(const struct tuf_role *role, const char *name, const char *keyid,
			  struct str_list *out)
{
	for (size_t i = 0; i < role->count; i++)
		if (strcmp(role->keyids[i], keyid) == 0)
			str_list_add(out, name);
}

void repository_key_roles(const char *dir, const char *keyid, struct str_list *out)
{
	CLEANUP(published_release) struct published tree = { 0 };
	CLEANUP(mem_free_ptr) char *metadata = path_join(dir, "metadata");
	static const enum tuf_type tops[] = { TUF_ROOT, TUF_TARGETS, TUF_SNAPSHOT, TUF_TIMESTAMP };
	struct err unread = ERR_INIT;
	if (published_load_partial(metadata, &tree, &unread) < 0 || !tree.root)
		return;
	for (size_t i = 0; i < ARRAY_LEN(tops); i++)
		add_if_listed(&tree.root->roles[tops[i]], tuf_type_name(tops[i]), keyid, out);
	for (size_t i = 0; i < tree.count; i++) {
		const struct tuf_metadata *m = tree.files[i].m;
		for (size_t k = 0; k < m->delegated_count; k++)
			add_if_listed(&m->delegated[k].role, m->delegated[k].name, keyid, out);
		add_if_listed(&m->bins.role, m->bins.prefix, keyid, out);
	}
}
