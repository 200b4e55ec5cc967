#include "fetch/import.h"

#include "fetch/fetch_internal.h"
#include "gguf/sniff.h"
#include "store/pinned.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/threads.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More would make a disk that turns slower. */
#define THREADS 4

struct run {
	const struct store *store;
	struct import_files *files;
	struct import_catalog *catalog;
	const struct import_options *options;
	struct import_file **wanted; /* those whose size the catalog knows */
	size_t count;
	uint64_t bytes;
	uint64_t device;            /* of the store */
	struct store_traits traits; /* for a dry run */
	pthread_mutex_t lock; /* of what follows, and of the catalog, the remotes, the store */
	struct err cancelled;
};

/* -- which files ------------------------------------------------------------------------------- */

/* Caches and stores of other programs have much that is no model. */
static void settle_unknown(struct import_file *f)
{
	enum sniff kind = SNIFF_UNKNOWN;
	if (f->claims && !import_is_gguf_name(f->names.at[0]) &&
	    sniff_file(f->path, &kind, &f->why) < 0)
		f->state = IMPORT_FAILED;
	else if (import_is_gguf_name(f->names.at[0]) || kind == SNIFF_GGUF)
		f->state = IMPORT_UNKNOWN;
	else
		f->state = IMPORT_IGNORED;
}

static void choose_files(struct run *r)
{
	r->wanted = mem_alloc((r->files->count + 1) * sizeof *r->wanted);
	for (size_t i = 0; i < r->files->count; i++) {
		struct import_file *f = &r->files->at[i];
		size_t count;
		if (f->state != IMPORT_FOUND)
			continue;
		if (!import_catalog_find(r->catalog, f->size, NULL, &count)) {
			settle_unknown(f);
			continue;
		}
		r->wanted[r->count++] = f;
		r->bytes += f->size;
	}
}

static bool is_found(const struct run *r, const struct card_file *file)
{
	struct store quick = *r->store;
	quick.by_size = true;
	for (size_t i = 0; i < r->count; i++)
		if (r->wanted[i]->size == file->size)
			return true;
	return store_has(&quick, &file->sha256, file->size);
}

/* A pinned variant stays at its version; another one goes beside it. */
static void heed_pin(const struct run *r, struct import_model *m)
{
	uint64_t version;
	if (store_pin_of(r->store, m->remote->repository, m->model->id, m->variant->id, &version) &&
	    version && version != m->variant->version)
		m->versioned = true;
}

static void count_promised(struct run *r)
{
	for (size_t i = 0; i < r->catalog->model_count; i++) {
		struct import_model *m = &r->catalog->models[i];
		for (size_t k = 0; k < m->variant->file_count; k++)
			m->promised += is_found(r, &m->variant->files[k]);
		if (m->promised)
			heed_pin(r, m);
	}
}

/* -- the models that have a file --------------------------------------------------------------- */

static struct import_model *model_of(const struct run *r, const struct import_entry *entry)
{
	return &r->catalog->models[entry->model];
}

static bool is_withdrawn(const struct import_model *m)
{
	return card_withdrawn(m->model, m->variant).reason != NULL;
}

/* The entries of one digest. Only those of one repository count, and none that was withdrawn. */
struct found {
	struct import_entry *at;
	size_t count;
	const struct remote *remote; /* NULL: all were withdrawn */
};

static struct found find(const struct run *r, uint64_t size, const struct digest *d)
{
	struct found found = { 0 };
	const struct import_entry *first = import_catalog_find(r->catalog, size, d, &found.count);
	if (first)
		found.at = r->catalog->entries + (first - r->catalog->entries);
	for (size_t i = 0; !found.remote && i < found.count; i++)
		if (!is_withdrawn(model_of(r, &found.at[i])))
			found.remote = model_of(r, &found.at[i])->remote;
	return found;
}

static bool counts(const struct run *r, const struct found *f, size_t i)
{
	const struct import_model *m = model_of(r, &f->at[i]);
	return m->remote == f->remote && !is_withdrawn(m);
}

static bool is_there(const struct run *r, const struct card_file *file)
{
	size_t count;
	const struct import_entry *same = import_catalog_find(r->catalog, file->size, &file->sha256,
							      &count);
	return (same && same->there) || store_has(r->store, &file->sha256, file->size);
}

static bool is_complete(const struct run *r, const struct import_model *m)
{
	for (size_t i = 0; i < m->variant->file_count; i++)
		if (!is_there(r, &m->variant->files[i]))
			return false;
	return true;
}

/* An old version may be in the store as the current one of its time. */
static bool is_stored(const struct run *r, const struct import_model *m)
{
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	CLEANUP(mem_free_ptr) char *version = mem_printf("%llu",
							 (unsigned long long)m->variant->version);
	const struct store_variant *v;
	struct err none = ERR_INIT;
	return fetch_from_store(r->store, m->remote->repository, m->model->id, m->variant->id,
				version, &all, &v, &none) == 0;
}

static struct fetch_want want_of(const struct import_model *m)
{
	return (struct fetch_want){
		.remote = m->remote,
		.model = m->model,
		.variant = m->variant,
		.options = { .versioned = m->versioned },
	};
}

/* All its files are in the store, so that this links them. */
static void record(const struct run *r, struct import_model *m)
{
	struct fetch_want want = want_of(m);
	m->complete = true;
	if (r->options->dry_run || (m->versioned && is_stored(r, m))) {
		m->recorded = true;
		return;
	}
	if (fetch_variants(&want, 1, NULL, NULL, &m->why) == 0)
		m->why = want.why;
	m->recorded = m->why.class == 0;
	fetch_result_release(&want.result);
}

static bool record_complete(struct run *r, const struct found *f)
{
	bool any = false;
	for (size_t i = 0; i < f->count; i++) {
		struct import_model *m = model_of(r, &f->at[i]);
		if (!counts(r, f, i))
			continue;
		if (!m->complete && is_complete(r, m))
			record(r, m);
		any |= m->complete;
	}
	return any;
}

static int expect(const struct run *r, const struct import_model *m, struct err *e)
{
	struct fetch_want want = want_of(m);
	if (r->options->dry_run)
		return 0;
	CLEANUP(store_variant_release) struct store_variant v = fetch_stored_form(&want);
	return store_expect(r->store, &v, e);
}

/* Nothing collects the blob of a file whose model is expected. */
static int expect_best(struct run *r, const struct found *f, struct err *e)
{
	struct import_model *best = NULL;
	for (size_t i = 0; i < f->count; i++) {
		struct import_model *m = model_of(r, &f->at[i]);
		if (!counts(r, f, i))
			continue;
		if (m->expected)
			return 0;
		if (!best || m->promised * best->variant->file_count >
				     best->promised * m->variant->file_count)
			best = m;
	}
	int rc = expect(r, best, e);
	best->expected = rc == 0;
	return rc;
}

/* -- a file whose digest is known -------------------------------------------------------------- */

static const struct import_entry *first_that_counts(const struct run *r, const struct found *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (counts(r, f, i))
			return &f->at[i];
	return f->at;
}

static bool is_blob(const struct run *r, const struct import_file *f, const struct digest *d)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(r->store, d);
	struct stat st;
	return lstat(blob, &st) == 0 && (uint64_t)st.st_dev == f->device &&
	       (uint64_t)st.st_ino == f->inode;
}

/* Is it still a name of the file? */
static bool leads_to(const struct import_file *f, const char *name, struct stat *own)
{
	struct stat st;
	return stat(name, &st) == 0 && (uint64_t)st.st_dev == f->device &&
	       (uint64_t)st.st_ino == f->inode && lstat(name, own) == 0;
}

/* A blob that has no second name was found by a way into the store. */
static void remove_name(const struct run *r, const struct import_file *f, const char *name)
{
	struct stat own;
	if (!leads_to(f, name, &own) || !S_ISREG(own.st_mode) ||
	    (own.st_nlink < 2 && is_blob(r, f, &f->sha256)))
		return;
	if (unlink(name) < 0)
		report_warn(r->store->report, "%s is in the store now, but cannot be removed: %s",
			    name, strerror(errno));
}

/* Then the links to it, which lead nowhere without it. */
static void remove_file(const struct run *r, struct import_file *f)
{
	CLEANUP(str_list_release) struct str_list links = { 0 };
	struct stat own;
	for (size_t i = 0; i < f->names.count; i++)
		if (leads_to(f, f->names.at[i], &own) && S_ISLNK(own.st_mode))
			str_list_add(&links, f->names.at[i]);
	for (size_t i = 0; i < f->names.count; i++)
		remove_name(r, f, f->names.at[i]);
	remove_name(r, f, f->path);
	f->removed = access(f->path, F_OK) < 0;
	for (size_t i = 0; f->removed && i < links.count; i++)
		unlink(links.at[i]);
}

static int removed_meanwhile(const struct import_file *f, struct err *e)
{
	err_set(e, ERR_CONFLICT, "%s: another process removed it from the store", f->names.at[0]);
	return err_hint(e, "run the same command again");
}

static int keep_bytes(struct run *r, struct import_file *f, struct found *found,
		      struct store_adopt *a, struct err *e)
{
	bool stored = store_has(r->store, &f->sha256, f->size);
	int rc = 0;
	f->state = stored ? IMPORT_STORED : IMPORT_IMPORTED;
	if (!stored || !record_complete(r, found))
		rc = expect_best(r, found, e);
	if (rc == 0 && !stored && !r->options->dry_run)
		rc = a ? store_adopt_commit(a, e) : removed_meanwhile(f, e);
	for (size_t i = 0; rc == 0 && i < found->count; i++)
		found->at[i].there = true;
	if (rc == 0)
		record_complete(r, found);
	return rc;
}

/* Its bytes are in the store, but a model of it is not. */
static bool has_failed(const struct run *r, const struct found *f)
{
	bool failed = false;
	for (size_t i = 0; i < f->count; i++)
		failed |= model_of(r, &f->at[i])->why.class != 0;
	return failed;
}

/* With the lock. a NULL: the store has it. */
static void settle(struct run *r, struct import_file *f, struct store_adopt *a)
{
	struct found found = find(r, f->size, &f->sha256);
	if (!found.count) {
		size_t count;
		f->entry = import_catalog_find(r->catalog, f->size, NULL, &count);
		f->state = IMPORT_DIFFERS;
		return;
	}
	f->entry = first_that_counts(r, &found);
	f->state = IMPORT_WITHDRAWN;
	if (!found.remote)
		return;
	if (keep_bytes(r, f, &found, a, &f->why) < 0)
		f->state = IMPORT_FAILED;
	else if (r->options->move && !r->options->dry_run && !has_failed(r, &found))
		remove_file(r, f);
}

/* -- before it is hashed ----------------------------------------------------------------------- */

/* What the store has need not be hashed to be known; but it must be before the file is removed. */
static bool is_known(struct run *r, struct import_file *f, bool *needed)
{
	size_t count;
	const struct import_entry *all = import_catalog_find(r->catalog, f->size, NULL, &count);
	*needed = false;
	for (size_t i = 0; i < count; i++) {
		const struct digest *d = &all[i].file->sha256;
		bool claimed = f->claims && digest_equal(d, &f->claimed) && !r->options->move;
		bool stored = store_has(r->store, d, f->size);
		*needed |= !stored;
		if (stored && (claimed || is_blob(r, f, d))) {
			f->sha256 = *d;
			settle(r, f, NULL);
			return true;
		}
	}
	return false;
}

static unsigned ways_of(const struct import_options *o)
{
	unsigned ways = STORE_ADOPT_CLONES;
	if (!o->copy)
		ways |= STORE_ADOPT_LINKS;
	if (o->copy || o->move)
		ways |= STORE_ADOPT_COPIES;
	return ways;
}

/* Without trying. */
static enum store_adopt_how foresee(const struct run *r, const struct import_file *f)
{
	unsigned ways = ways_of(r->options);
	bool near = f->device == r->device;
	if (near && r->traits.clones)
		return STORE_ADOPT_CLONE;
	if (near && r->traits.links && (ways & STORE_ADOPT_LINKS))
		return STORE_ADOPT_LINK;
	return ways & STORE_ADOPT_COPIES ? STORE_ADOPT_COPY : STORE_ADOPT_NONE;
}

static void fail(struct run *r, struct import_file *f)
{
	f->state = IMPORT_FAILED;
	if (!err_is(&f->why, ERR_CANCELLED))
		return;
	pthread_mutex_lock(&r->lock);
	r->cancelled = f->why;
	pthread_mutex_unlock(&r->lock);
}

static void work(void *ctx, size_t i)
{
	struct run *r = ctx;
	struct import_file *f = r->wanted[i];
	bool dry = r->options->dry_run, needed, known;
	CLEANUP(store_adopt_release) struct store_adopt a = STORE_ADOPT_INIT;
	pthread_mutex_lock(&r->lock);
	known = cancel_check(r->store->cancel, &r->cancelled) < 0 || is_known(r, f, &needed);
	pthread_mutex_unlock(&r->lock);
	if (known)
		return;
	unsigned ways = needed && !dry ? ways_of(r->options) : STORE_ADOPT_HASH;
	if (store_adopt_open(r->store, f->path, ways, &a, &f->why) < 0) {
		fail(r, f);
		return;
	}
	f->how = dry ? foresee(r, f) : a.how;
	if (needed && f->how == STORE_ADOPT_NONE) {
		size_t count;
		f->entry = import_catalog_find(r->catalog, f->size, NULL, &count);
		f->state = IMPORT_NEEDS_COPY;
		return;
	}
	if (store_adopt_hash(&a, f->names.at[0], &f->why) < 0) {
		fail(r, f);
		return;
	}
	f->hashed = true;
	f->sha256 = a.sha256;
	pthread_mutex_lock(&r->lock);
	settle(r, f, &a);
	pthread_mutex_unlock(&r->lock);
}

/* -- all of them ------------------------------------------------------------------------------- */

static int begin(struct run *r, struct err *e)
{
	struct stat st;
	if (r->store->read_only && !r->options->dry_run) {
		err_set(e, ERR_SYSTEM, "the store %s is read-only", r->store->home);
		return err_hint(e, "choose another store with FERRY_HOME, or make it writable");
	}
	if (stat(r->store->home, &st) < 0)
		return err_sys(e, errno, "%s", r->store->home);
	r->device = (uint64_t)st.st_dev;
	if (r->options->dry_run)
		store_traits(r->store, &r->traits);
	choose_files(r);
	count_promised(r);
	return 0;
}

int import_run(const struct store *s, struct import_files *files, struct import_catalog *catalog,
	       const struct import_options *options, struct err *e)
{
	struct run r = { .store = s, .files = files, .catalog = catalog, .options = options };
	int rc = begin(&r, e);
	if (rc == 0 && r.count) {
		pthread_mutex_init(&r.lock, NULL);
		report_whole(s->report, r.count, r.bytes);
		threads_run(MIN(os_processors(), THREADS), r.count, work, &r);
		report_whole(s->report, 0, 0);
		pthread_mutex_destroy(&r.lock);
	}
	free(r.wanted);
	if (r.cancelled.class) {
		*e = r.cancelled;
		rc = -(int)e->class;
	}
	return rc;
}
