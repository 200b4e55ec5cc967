/* Which files of the store may have bytes of a new file. */
#include "fetch/delta_internal.h"

#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <string.h>
#include <sys/stat.h>

#define LOOKED_AT 4096 /* entries of the card and of the store */

struct search {
	struct remote *remote;
	const struct card *model;
	const struct manifest *wanted;
	struct delta_files all;
	size_t looked_at;
};

static bool is_blob(const char *path, uint64_t size)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

static bool is_known(const struct search *s, const struct digest *sha256)
{
	if (digest_equal(sha256, &s->wanted->sha256))
		return true;
	for (size_t i = 0; i < s->all.count; i++)
		if (digest_equal(sha256, &s->all.at[i].sha256))
			return true;
	return false;
}

/* NULL: it is not in the store, or listed already. */
static struct delta_file *add(struct search *s, const struct digest *sha256, uint64_t size,
			      const char *name)
{
	if (s->looked_at++ >= LOOKED_AT || is_known(s, sha256))
		return NULL;
	CLEANUP(mem_free_ptr) char *path = store_blob_path(s->remote->store, sha256);
	if (!is_blob(path, size))
		return NULL;
	s->all.at = mem_grow(s->all.at, s->all.count, &s->all.cap, sizeof *s->all.at);
	struct delta_file *f = &s->all.at[s->all.count++];
	*f = (struct delta_file){
		.path = STEAL(path),
		.size = size,
		.sha256 = *sha256,
		.same_name = strcmp(name, s->wanted->name) == 0,
		.fd = -1,
	};
	return f;
}

/* Files of the card, of all variants and versions. Its target path is kept until the manifest is
 * loaded. */
static void add_own(struct search *s)
{
	struct card_walk w = { .card = s->model };
	while (card_next_file(&w)) {
		struct delta_file *f = add(s, &w.file->sha256, w.file->size, w.file->name);
		if (f)
			f->target = w.file->path;
	}
}

/* What is in the store and not in the card: versions that it lists no longer, other repositories,
 * other models. */
static void add_others(struct search *s)
{
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	struct store by_size = *s->remote->store;
	struct err none = ERR_INIT;
	by_size.by_size = true;
	if (store_list(&by_size, &all, &none) < 0)
		return;
	for (size_t i = 0; i < all.count; i++) {
		const struct store_variant *v = &all.at[i];
		for (size_t k = 0; k < v->file_count; k++) {
			const struct store_file *from = &v->files[k];
			struct delta_file *f = add(s, &from->sha256, from->size, from->name);
			if (f)
				f->is_stranger = strcmp(v->model, s->model->id) != 0;
		}
	}
}

static uint64_t distance(const struct delta_file *f, const struct manifest *wanted)
{
	uint64_t size = wanted->grid.size;
	return f->size > size ? f->size - size : size - f->size;
}

/* The model first, then the name, then the size: a shard is most like the one in its place. */
static int by_rank(const void *a, const void *b, void *ctx)
{
	const struct delta_file *x = a, *y = b;
	if (x->is_stranger != y->is_stranger)
		return x->is_stranger ? 1 : -1;
	if (x->same_name != y->same_name)
		return x->same_name ? -1 : 1;
	uint64_t dx = distance(x, ctx), dy = distance(y, ctx);
	if (dx != dy)
		return dx < dy ? -1 : 1;
	return memcmp(&x->sha256, &y->sha256, sizeof x->sha256);
}

static void keep_best(struct search *s)
{
	struct delta_files *all = &s->all;
	size_t kept = 0, strangers = 0;
	if (all->count)
		os_sort(all->at, all->count, sizeof *all->at, by_rank, (void *)s->wanted);
	for (size_t i = 0; i < all->count; i++) {
		struct delta_file *f = &all->at[i];
		bool few = !f->is_stranger || strangers++ < DELTA_STRANGERS;
		if (few && kept < DELTA_FILES)
			all->at[kept++] = *f;
		else
			free(f->path);
	}
	all->count = kept;
}

static void load_manifest(struct search *s, struct delta_file *f)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	struct err none = ERR_INIT;
	if (!f->target)
		return;
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s" MANIFEST_SUFFIX, f->target);
	f->target = NULL;
	if (!remote_target_cached(s->remote, path, remote_signer(s->remote, s->model),
				  MANIFEST_MAX_BYTES, &bytes) ||
	    manifest_parse(buf_str(&bytes), bytes.len, path, &f->manifest, &none) < 0)
		return;
	f->has_manifest = manifest_is_of(&f->manifest, f->size, &f->sha256);
	if (!f->has_manifest)
		manifest_release(&f->manifest);
}

/* The files to look at, the best first; without `wanted` itself. *out is empty before. */
static void find_files(struct remote *remote, const struct card *model,
		       const struct manifest *wanted, struct delta_files *out)
{
	struct search s = { .remote = remote, .model = model, .wanted = wanted };
	add_own(&s);
	add_others(&s);
	keep_best(&s);
	for (size_t i = 0; i < s.all.count; i++)
		load_manifest(&s, &s.all.at[i]);
	*out = s.all;
}

int delta_open(struct remote *remote, const struct card *model, const struct manifest *wanted,
	       struct delta **out, struct err *e)
{
	const struct store *s = remote->store;
	CLEANUP(delta_files_release) struct delta_files files = { 0 };
	CLEANUP(mem_free_ptr) char *part = store_part_path(s, &wanted->sha256);
	CLEANUP(mem_free_ptr) char *dir = path_dir(part);
	*out = NULL;
	if (wanted->grid.size < DELTA_LEAST)
		return 0;
	find_files(remote, model, wanted, &files);
	return files.count ? delta_make(wanted, &files, dir, s->cancel, remote->report, out, e) : 0;
}
