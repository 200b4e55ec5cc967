#include "serve/cache/view_internal.h"

#include "catalog/manifest.h"
#include "catalog/places.h"
#include "publish/tree_pack.h"
#include "repository/repository.h"
#include "tuf/claim.h"
#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/threads.h"

#include <string.h>

#define READERS 8
/* The bytes of small objects that every client asks for are kept, up to these sizes. */
#define KEPT_OBJECT MIB
#define KEPT_ALL (16 * MIB)

struct view_release *view_release_ref(struct view_release *r)
{
	atomic_fetch_add(&r->refs, 1);
	return r;
}

void view_release_unref(struct view_release *r)
{
	if (!r || atomic_fetch_sub(&r->refs, 1) > 1)
		return;
	for (size_t i = 0; r->entries && i < r->tree.files.count; i++)
		buf_release(&r->entries[i].bytes);
	free(r->entries);
	free(r->by_digest);
	for (size_t i = 0; r->kept && i < r->catalog.model_count; i++) {
		struct view_kept *k = atomic_load(&r->kept[i]);
		if (k)
			k->free(k);
	}
	free(r->kept);
	catalog_release(&r->catalog);
	tree_release(&r->tree);
	free(r);
}

/* ---- finding ---- */

const struct view_entry *view_release_find(const struct view_release *r, const char *key)
{
	const struct repository_file *f = tree_find(&r->tree, key);
	return f ? &r->entries[tree_index(&r->tree, f)] : NULL;
}

static int compare(const void *a, const void *b)
{
	const struct view_entry *const *x = a, *const *y = b;
	int order = memcmp(&(*x)->file->sha256, &(*y)->file->sha256, sizeof(struct digest));
	return order ? order : strcmp((*x)->file->key, (*y)->file->key);
}

/* The index of the first entry that is not below the digest. */
static size_t lower_bound(const struct view_release *r, const struct digest *d)
{
	size_t from = 0, to = r->tree.files.count;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (memcmp(&r->by_digest[middle]->file->sha256, d, sizeof *d) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

const struct view_entry *view_release_find_digest(const struct view_release *r,
						  const struct digest *d, size_t nth)
{
	size_t i = lower_bound(r, d) + nth;
	return i < r->tree.files.count && digest_equal(&r->by_digest[i]->file->sha256, d)
		       ? r->by_digest[i]
		       : NULL;
}

/* ---- small objects ---- */

/* Cards, and the documents of the repository: what is directly below targets/, and where mirrors
 * have their files. */
static bool is_document(const struct repository_file *f)
{
	if (f->class != REPOSITORY_OBJECT || f->size > CATALOG_MAX_BYTES)
		return false;
	return str_ends(f->key, CARD_SUFFIX) || str_starts(f->key, "targets/" PLACES_FOLDER) ||
	       (str_starts(f->key, "targets/") && !strchr(f->key + strlen("targets/"), '/'));
}

struct reading {
	struct view_release *r;
	const struct view_from *from; /* or NULL */
	struct err *why;              /* one for each file */
};

/* A release shares most of its cards with the one before. */
static void use_again(const struct reading *reading, const char *key)
{
	if (!reading->from || !reading->from->other)
		return;
	CLEANUP(mem_free_ptr) char *from = path_join(reading->from->other, key);
	CLEANUP(mem_free_ptr) char *to = path_join(reading->r->tree.dir, key);
	struct err ignored = ERR_INIT;
	bool done;
	if (!file_exists(to) && file_exists(from) &&
	    file_mkdirs_for(to, FILE_DIR_MODE, &ignored) == 0)
		(void)!file_link(from, to, &done, &ignored);
}

static void read_document(void *ctx, size_t i)
{
	struct reading *reading = ctx;
	struct view_entry *entry = &reading->r->entries[i];
	struct buf bytes = BUF_INIT(CATALOG_MAX_BYTES);
	if (!is_document(entry->file))
		return;
	use_again(reading, entry->file->key);
	if (tree_read_small(&reading->r->tree, entry->file, &bytes, &reading->why[i]) == 0)
		entry->bytes = bytes;
	else
		buf_release(&bytes);
}

/* Large ones are read like other objects, when somebody asks for them. */
static void forget_large(struct view_release *r)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < r->tree.files.count; i++) {
		struct buf *bytes = &r->entries[i].bytes;
		if (bytes->len > KEPT_OBJECT || sum + bytes->len > KEPT_ALL)
			buf_release(bytes);
		sum += bytes->len;
	}
}

/* A mirror with the metadata may have no cards: then another one has them. */
static int read_elsewhere(const struct reading *reading, struct err *e)
{
	struct view_release *r = reading->r;
	size_t count = r->tree.files.count;
	CLEANUP(mem_free_ptr) bool *missing = mem_alloc(count + 1);
	const struct err *first = NULL;
	for (size_t i = 0; i < count; i++) {
		missing[i] = reading->why[i].class != 0;
		first = missing[i] && !first ? &reading->why[i] : first;
	}
	if (!first)
		return 0;
	if (reading->from && !err_is(first, ERR_CANCELLED))
		return view_mirrors_read(r, reading->from, missing, e);
	*e = *first;
	return -(int)e->class;
}

static int read_documents(struct view_release *r, const struct view_from *from, struct err *e)
{
	size_t count = r->tree.files.count;
	CLEANUP(mem_free_ptr) struct err *why = mem_alloc((count + 1) * sizeof *why);
	struct reading reading = { .r = r, .from = from, .why = why };
	for (size_t i = 0; i < count; i++)
		r->entries[i].file = &r->tree.files.at[i];
	threads_run(READERS, count, read_document, &reading);
	int rc = read_elsewhere(&reading, e);
	if (rc == 0)
		forget_large(r);
	return rc;
}

/* ---- models ---- */

/* Whatever is in the folder of a model belongs to it. */
static void find_model(struct view_release *r, struct view_entry *entry)
{
	const char folder[] = "targets/" CARD_TARGETS;
	if (!str_starts(entry->file->key, folder))
		return;
	const char *id = entry->file->key + strlen(folder);
	CLEANUP(mem_free_ptr) char *name = mem_strndup(id, strcspn(id, "/"));
	const struct card *card = catalog_model(&r->catalog, name);
	entry->model = card ? card->id : NULL;
}

/* In both passes over all cards: first what is withdrawn, then what another version still needs. */
static void mark_files(struct view_release *r, const struct card *card, bool withdrawn)
{
	struct card_walk walk = { .card = card };
	while (card_next_file(&walk)) {
		if (!!card_withdrawn(card, walk.variant).reason != withdrawn)
			continue;
		const struct digest *d = &walk.file->sha256;
		for (size_t i = lower_bound(r, d);
		     i < r->tree.files.count && digest_equal(&r->by_digest[i]->file->sha256, d);
		     i++)
			r->entries[tree_index(&r->tree, r->by_digest[i]->file)].withdrawn =
				withdrawn;
	}
}

static int read_catalog(struct view_release *r, struct err *e)
{
	int rc = repository_catalog(r->tree.dir, &r->catalog, e);
	if (rc < 0)
		return rc;
	catalog_sort(&r->catalog);
	r->kept = mem_alloc((r->catalog.model_count + 1) * sizeof *r->kept);
	size_t count = r->tree.files.count;
	r->by_digest = mem_alloc((count + 1) * sizeof *r->by_digest);
	for (size_t i = 0; i < count; i++) {
		find_model(r, &r->entries[i]);
		r->by_digest[i] = &r->entries[i];
	}
	qsort(r->by_digest, count, sizeof *r->by_digest, compare);
	for (size_t i = 0; i < r->catalog.model_count; i++)
		mark_files(r, &r->catalog.models[i], true);
	for (size_t i = 0; i < r->catalog.model_count; i++)
		mark_files(r, &r->catalog.models[i], false);
	return 0;
}

/* ---- expiry ---- */

static uint64_t root_version(const struct repository_file *f)
{
	return tuf_name_version(path_base(f->key), "root");
}

/* Of the roots, only the newest one counts. */
static void find_expiry(struct view_release *r)
{
	const struct repository_files *files = &r->tree.files;
	uint64_t newest = 0;
	for (size_t i = 0; i < files->count; i++)
		if (files->at[i].class == REPOSITORY_METADATA)
			newest = MAX(newest, root_version(&files->at[i]));
	r->expires_s = r->tree.expires_s;
	for (size_t i = 0; i < files->count; i++) {
		const struct repository_file *f = &files->at[i];
		const struct buf *bytes = tree_small(&r->tree, f);
		struct tuf_claim claim;
		struct err ignored = ERR_INIT;
		if (f->class == REPOSITORY_METADATA &&
		    (!root_version(f) || root_version(f) == newest) &&
		    tuf_claim_parse(buf_str(bytes), bytes->len, f->key, &claim, &ignored) == 0)
			r->expires_s = MIN(r->expires_s, claim.expires_s);
	}
}

int view_release_new(struct tree *t, const struct view_from *from, struct view_release **out,
		     struct err *e)
{
	CLEANUP_PTR(view_release_unref) struct view_release *r = NEW(struct view_release);
	atomic_init(&r->refs, 1);
	r->tree = *t;
	*t = (struct tree){ 0 };
	r->entries = mem_alloc((r->tree.files.count + 1) * sizeof *r->entries);
	tree_pack_name(&r->tree);
	int rc = read_documents(r, from, e);
	if (rc == 0)
		rc = read_catalog(r, e);
	if (rc < 0)
		return rc;
	find_expiry(r);
	r->tree.source = NULL;
	r->tree.retry = NULL;
	r->tree.cancel = NULL;
	*out = STEAL(r);
	return 0;
}
