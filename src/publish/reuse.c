#include "publish/reuse.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* ---- pieces with the same digest ------------------------------------------------- */

struct piece {
	struct digest sha256;
	uint32_t index;
};

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	return memcmp(&x->sha256, &y->sha256, sizeof x->sha256);
}

static void match_pieces(const struct manifest *wanted, const struct reuse_object *older,
			 struct reuse_source *sources)
{
	const struct grid *g = &older->manifest.grid;
	CLEANUP(mem_free_ptr) struct piece *there = mem_alloc((g->count + 1) * sizeof *there);
	for (uint32_t i = 0; i < g->count; i++)
		there[i] = (struct piece){ older->manifest.pieces[i], i };
	qsort(there, g->count, sizeof *there, compare_pieces);
	for (uint32_t i = 0; i < wanted->grid.count; i++) {
		struct piece key = { .sha256 = wanted->pieces[i] };
		const struct piece *p = sources[i].key ? NULL
						       : bsearch(&key, there, g->count, sizeof key,
								 compare_pieces);
		if (p)
			sources[i] = (struct reuse_source){ older->key, grid_offset(g, p->index) };
	}
}

/* ---- pieces within the same tensors ---------------------------------------------- */

/* Bytes of the wanted file that one digest covers. The older file has them, too, so many bytes
 * further on (modulo 2^64). */
struct region {
	uint64_t start, end, shift;
	bool found;
};

static int compare_digests(const struct manifest_tensor *a, const struct manifest_tensor *b)
{
	return memcmp(&a->sha256, &b->sha256, sizeof a->sha256);
}

/* Tensors of equal content differ in their names. */
static int compare_tensors(const void *a, const void *b)
{
	const struct manifest_tensor *const *x = a, *const *y = b;
	int order = compare_digests(*x, *y);
	return order ? order : strcmp((*x)->name, (*y)->name);
}

static int compare_contents(const void *a, const void *b)
{
	const struct manifest_tensor *const *x = a, *const *y = b;
	return compare_digests(*x, *y);
}

/* The same tensor of the older file; a renamed one is found by its content alone. */
static const struct manifest_tensor *find_tensor(const struct manifest_tensor *t,
						 const struct manifest_tensor **older, size_t count)
{
	const struct manifest_tensor **found = bsearch(&t, older, count, sizeof *older,
						       compare_tensors);
	if (!found)
		found = bsearch(&t, older, count, sizeof *older, compare_contents);
	return found && (*found)->size == t->size ? *found : NULL;
}

static struct region header_region(const struct manifest *wanted, const struct manifest *older)
{
	return (struct region){
		.end = wanted->header_size,
		.found = wanted->header_size == older->header_size &&
			 digest_equal(&wanted->header_sha256, &older->header_sha256),
	};
}

/* The header and the tensors, in the order of the file; the caller frees the list. */
static struct region *regions_new(const struct manifest *wanted, const struct manifest *older)
{
	size_t count = older->tensor_count;
	CLEANUP(mem_free_ptr)
	const struct manifest_tensor **there = mem_alloc((count + 1) * sizeof *there);
	for (size_t i = 0; i < count; i++)
		there[i] = &older->tensors[i];
	qsort(there, count, sizeof *there, compare_tensors);
	struct region *regions = mem_alloc((wanted->tensor_count + 1) * sizeof *regions);
	regions[0] = header_region(wanted, older);
	for (size_t i = 0; i < wanted->tensor_count; i++) {
		const struct manifest_tensor *t = &wanted->tensors[i];
		const struct manifest_tensor *same = find_tensor(t, there, count);
		regions[i + 1] = (struct region){
			.start = t->offset,
			.end = t->offset + t->size,
			.found = same,
			.shift = same ? same->offset - t->offset : 0,
		};
	}
	return regions;
}

/* Do all regions that overlap with the bytes have the same shift? `first` ends after `start`. */
static bool same_shift(const struct region *first, const struct region *end, uint64_t from,
		       uint64_t to, uint64_t *shift)
{
	bool any = false;
	for (const struct region *r = first; r < end && r->start < to; r++) {
		if (r->start == r->end || r->end <= from)
			continue;
		if (!r->found || (any && r->shift != *shift))
			return false;
		*shift = r->shift;
		any = true;
	}
	return any;
}

static void match_tensors(const struct manifest *wanted, const struct reuse_object *older,
			  struct reuse_source *sources)
{
	const struct grid *g = &wanted->grid;
	uint64_t size = older->manifest.grid.size, shift = 0;
	CLEANUP(mem_free_ptr) struct region *regions = regions_new(wanted, &older->manifest);
	const struct region *first = regions, *end = regions + wanted->tensor_count + 1;
	for (uint32_t i = 0; i < g->count; i++) {
		uint64_t from = grid_offset(g, i), len = grid_length(g, i);
		while (first < end && first->end <= from)
			first++;
		if (sources[i].key || !same_shift(first, end, from, from + len, &shift))
			continue;
		/* Padding at an edge of the piece may lie outside of the older file. */
		uint64_t offset = from + shift;
		if (offset <= size && len <= size - offset)
			sources[i] = (struct reuse_source){ older->key, offset };
	}
}

uint32_t reuse_match(const struct manifest *wanted, const struct reuse_object *older,
		     struct reuse_source *sources)
{
	uint32_t left = 0;
	match_pieces(wanted, older, sources);
	if (wanted->gguf && older->manifest.gguf)
		match_tensors(wanted, older, sources);
	for (uint32_t i = 0; i < wanted->grid.count; i++)
		left += !sources[i].key;
	return left;
}

/* ---- the objects on the mirror --------------------------------------------------- */

#define MAX_ENTRIES 100000

struct entry {
	char *key;
	uint64_t size;
	int64_t modified_s;
	bool same_name; /* a manifest of a file with the wanted name */
};

struct folder {
	const char *prefix; /* "targets/models/phi-2/" */
	const char *suffix; /* ".phi-2.Q4_K_M.gguf.manifest.json" */
	struct entry *at;   /* sorted by key */
	size_t count, cap;
};

static void folder_release(struct folder *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->at[i].key);
	free(f->at);
}

static int on_entry(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	struct folder *f = ctx;
	if (strchr(entry->key + strlen(f->prefix), '/'))
		return 0;
	if (f->count == MAX_ENTRIES)
		return err_set(e, ERR_INTEGRITY, "there are too many objects in one folder");
	f->at = mem_grow(f->at, f->count, &f->cap, sizeof *f->at);
	f->at[f->count++] = (struct entry){
		.key = mem_strdup(entry->key),
		.size = entry->stat.size,
		.modified_s = entry->stat.modified_s,
		.same_name = str_ends(entry->key, f->suffix),
	};
	return 0;
}

static int compare_keys(const void *key, const void *b)
{
	const struct entry *y = b;
	return strcmp(key, y->key);
}

static bool has_object(const struct folder *f, const char *key, uint64_t size)
{
	const struct entry *found =
		f->count ? bsearch(key, f->at, f->count, sizeof *f->at, compare_keys) : NULL;
	return found && found->size == size;
}

/* The manifests that are worth reading come first. */
static int compare_promise(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a;
	const struct entry *y = *(const struct entry *const *)b;
	if (x->same_name != y->same_name)
		return x->same_name ? -1 : 1;
	if (x->modified_s != y->modified_s)
		return x->modified_s > y->modified_s ? -1 : 1;
	return strcmp(x->key, y->key);
}

/* The manifests in the folder; the caller frees the list. */
static const struct entry **manifests_new(const struct folder *f, size_t *count)
{
	const struct entry **list = mem_alloc((f->count + 1) * sizeof *list);
	*count = 0;
	for (size_t i = 0; i < f->count; i++)
		if (str_ends(f->at[i].key, MANIFEST_SUFFIX))
			list[(*count)++] = &f->at[i];
	qsort(list, *count, sizeof *list, compare_promise);
	return list;
}

/* ---- their manifests -------------------------------------------------------------- */

/* Are these the bytes that the key names by their hash? */
static bool is_named(const char *key, const struct buf *bytes)
{
	struct digest got;
	char hex[DIGEST_HEX];
	sha256_of(buf_str(bytes), bytes->len, &got);
	return str_starts(path_base(key), digest_hex(hex, &got));
}

static int read_manifest(const struct tree *t, struct mirror *m, const char *key,
			 struct manifest *out, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MANIFEST_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *path = path_join(t->dir, key);
	struct err missing = ERR_INIT;
	if (file_read_all(path, &bytes, &missing) < 0 || !is_named(key, &bytes)) {
		int rc = mirror_get_small(m, key, 0, &bytes, e);
		if (rc < 0)
			return rc;
	}
	if (!is_named(key, &bytes))
		return err_set(e, ERR_INTEGRITY, "%s: is damaged", key);
	return manifest_parse(buf_str(&bytes), bytes.len, key, out, e);
}

static void object_release(struct reuse_object *o)
{
	manifest_release(&o->manifest);
	free(o->key);
	*o = (struct reuse_object){ 0 };
}

/* The object that the manifest describes, if it is on the mirror; not the wanted one itself. */
static bool read_object(const struct tree *t, const struct folder *folder, struct mirror *m,
			const char *manifest_key, const struct manifest *wanted,
			struct reuse_object *out)
{
	CLEANUP(object_release) struct reuse_object o = { 0 };
	struct err ignored = ERR_INIT;
	char hex[DIGEST_HEX];
	if (read_manifest(t, m, manifest_key, &o.manifest, &ignored) < 0 ||
	    digest_equal(&o.manifest.sha256, &wanted->sha256))
		return false;
	o.key = mem_printf("%s%s.%s", folder->prefix, digest_hex(hex, &o.manifest.sha256),
			   o.manifest.name);
	if (!has_object(folder, o.key, o.manifest.grid.size))
		return false;
	*out = o;
	o = (struct reuse_object){ 0 };
	return true;
}

static void match_folder(const struct tree *t, const struct folder *folder, struct mirror *m,
			 const struct manifest *wanted, struct reuse *out)
{
	size_t count;
	uint32_t left = wanted->grid.count;
	CLEANUP(mem_free_ptr) const struct entry **list = manifests_new(folder, &count);
	out->older = mem_alloc(REUSE_MAX_OBJECTS * sizeof *out->older);
	out->sources = mem_alloc(wanted->grid.count * sizeof *out->sources);
	for (size_t i = 0; i < MIN(count, REUSE_MAX_OBJECTS) && left; i++) {
		struct reuse_object *o = &out->older[out->count];
		if (cancel_signal(t->cancel) || !read_object(t, folder, m, list[i]->key, wanted, o))
			continue;
		uint32_t before = left;
		left = reuse_match(wanted, o, out->sources);
		if (left < before)
			out->count++;
		else
			object_release(o);
	}
}

void reuse_find(const struct tree *t, const struct repository_file *f, struct mirror *m,
		struct reuse *out)
{
	CLEANUP(manifest_release) struct manifest wanted = { 0 };
	CLEANUP(folder_release) struct folder folder = { 0 };
	struct err ignored = ERR_INIT;
	*out = (struct reuse){ 0 };
	if (!mirror_copies_from(m, m) || !mirror_can(m, MIRROR_CAN_LIST) || !f->manifest_key ||
	    f->size <= GRID_MIN_PIECE || tree_manifest_load(t, f, &wanted, &ignored) < 0)
		return;
	CLEANUP(mem_free_ptr) char *dir = path_dir(f->key);
	CLEANUP(mem_free_ptr) char *prefix = mem_printf("%s/", dir);
	CLEANUP(mem_free_ptr) char *suffix = mem_printf(".%s" MANIFEST_SUFFIX, wanted.name);
	folder.prefix = prefix;
	folder.suffix = suffix;
	if (mirror_list(m, prefix, on_entry, &folder, &ignored) == 0)
		match_folder(t, &folder, m, &wanted, out);
}

const struct reuse_source *reuse_source(const struct reuse *r, uint32_t piece)
{
	return r->sources && r->sources[piece].key ? &r->sources[piece] : NULL;
}

void reuse_release(struct reuse *r)
{
	for (size_t i = 0; i < r->count; i++)
		object_release(&r->older[i]);
	free(r->older);
	free(r->sources);
	*r = (struct reuse){ 0 };
}
