#include "store/disk.h"

#include "store/needs.h"
#include "store/record.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define BLOCK 512

struct inode {
	dev_t dev;
	ino_t ino;
};

struct measuring {
	const struct store *store;
	const struct store_variants *all;
	const struct store_needs *needs;
	const struct record_refs *refs;
	struct store_disk *out;
	struct inode *seen; /* of files with several names */
	size_t count, cap;
};

void store_disk_release(struct store_disk *d)
{
	free(d->blobs);
	free(d->folders);
	*d = (struct store_disk){ 0 };
}

static bool was_seen(struct measuring *m, const struct stat *st)
{
	if (S_ISDIR(st->st_mode) || st->st_nlink == 1)
		return false;
	for (size_t i = 0; i < m->count; i++)
		if (m->seen[i].dev == st->st_dev && m->seen[i].ino == st->st_ino)
			return true;
	m->seen = mem_grow(m->seen, m->count, &m->cap, sizeof *m->seen);
	m->seen[m->count++] = (struct inode){ st->st_dev, st->st_ino };
	return false;
}

static uint64_t bytes_of(struct measuring *m, const struct stat *st)
{
	return was_seen(m, st) ? 0 : (uint64_t)st->st_blocks * BLOCK;
}

static void add(struct measuring *m, enum store_disk_part part, uint64_t bytes)
{
	m->out->parts[part] += bytes;
	m->out->total += bytes;
}

/* The folder without what is in it. */
static uint64_t self_of(const char *dir)
{
	struct stat st;
	return lstat(dir, &st) == 0 ? (uint64_t)st.st_blocks * BLOCK : 0;
}

static void add_self(struct measuring *m, const char *dir)
{
	add(m, STORE_DISK_OTHER, self_of(dir));
}

static bool is_of_variant(const struct measuring *m, const char *dir)
{
	for (size_t i = 0; i < m->all->count; i++)
		if (strcmp(m->all->at[i].dir, dir) == 0)
			return true;
	return false;
}

/* Of the file, or of the folder and all that is in it but folders of variants. */
static uint64_t walk(struct measuring *m, const char *path)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err ignored = ERR_INIT;
	struct stat st;
	if (lstat(path, &st) < 0)
		return 0;
	uint64_t bytes = bytes_of(m, &st);
	if (!S_ISDIR(st.st_mode) || file_list_dir(path, &names, &ignored) < 0)
		return bytes;
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *below = path_join(path, names.at[i]);
		if (!is_of_variant(m, below))
			bytes += walk(m, below);
	}
	return bytes;
}

/* -- blobs ----------------------------------------------------------------------------------- */

static size_t users_of(const struct measuring *m, const struct digest *d)
{
	size_t users = 0;
	for (size_t i = 0; i < m->needs->count; i++)
		users += digest_equal(&m->needs->at[i].sha256, d);
	return users;
}

static void add_blob(struct measuring *m, const struct digest *d, uint64_t bytes)
{
	struct store_disk *out = m->out;
	if (!record_refs_has(m->refs, d)) {
		add(m, store_has_edge(m->store) ? STORE_DISK_EDGE : STORE_DISK_UNUSED, bytes);
		return;
	}
	add(m, STORE_DISK_MODELS, bytes);
	out->blobs = mem_grow(out->blobs, out->blob_count, &out->blob_cap, sizeof *out->blobs);
	out->blobs[out->blob_count++] = (struct store_disk_blob){ *d, bytes, users_of(m, d) };
}

static int measure_blobs(struct measuring *m, const char *dir, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct stat st;
	add_self(m, dir);
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		struct digest d;
		if (digest_parse(&d, names.at[i]) && lstat(path, &st) == 0 && S_ISREG(st.st_mode))
			add_blob(m, &d, bytes_of(m, &st));
		else
			add(m,
			    str_ends(names.at[i], ".damaged") ? STORE_DISK_DAMAGED
							      : STORE_DISK_OTHER,
			    walk(m, path));
	}
	return rc;
}

/* -- the folders ----------------------------------------------------------------------------- */

static enum store_disk_part part_of(const char *name)
{
	return strcmp(name, "partial") == 0 ? STORE_DISK_UNFINISHED
	       : strcmp(name, "trust") == 0 ? STORE_DISK_TRUST
	       : strcmp(name, "links") == 0 ? STORE_DISK_LINKS
	       : strcmp(name, "edge") == 0  ? STORE_DISK_EDGE
					    : STORE_DISK_OTHER;
}

static void measure_folders(struct measuring *m)
{
	for (size_t i = 0; i < m->all->count; i++) {
		m->out->folders[i] = walk(m, m->all->at[i].dir);
		add(m, STORE_DISK_MODELS, m->out->folders[i]);
	}
}

/* What is in the folder, but for this name. */
static int measure_folder(struct measuring *m, const char *dir, const char *but, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(dir, &names, e);
	add_self(m, dir);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		enum store_disk_part part = part_of(names.at[i]);
		uint64_t bytes = strcmp(names.at[i], but) == 0 ? 0 : walk(m, path);
		/* A folder that is always there is no unfinished download. */
		uint64_t self = part == STORE_DISK_OTHER ? 0 : MIN(bytes, self_of(path));
		add(m, STORE_DISK_OTHER, self);
		add(m, part, bytes - self);
	}
	return rc;
}

static int measure(struct measuring *m, struct err *e)
{
	CLEANUP(mem_free_ptr) char *blobs = path_join(m->store->home, "blobs");
	CLEANUP(mem_free_ptr) char *sha256 = path_join(blobs, "sha256");
	/* First, so that a hard link below models/ counts nothing. */
	int rc = measure_blobs(m, sha256, e);
	if (rc == 0)
		rc = measure_folder(m, blobs, "sha256", e);
	if (rc == 0)
		measure_folders(m);
	return rc < 0 ? rc : measure_folder(m, m->store->home, "blobs", e);
}

static int compare_blobs(const void *a, const void *b)
{
	return memcmp(&((const struct store_disk_blob *)a)->sha256,
		      &((const struct store_disk_blob *)b)->sha256, DIGEST_SIZE);
}

int store_disk_measure(const struct store *s, const struct store_variants *all,
		       struct store_disk *out, struct err *e)
{
	CLEANUP(store_needs_release) struct store_needs needs = { 0 };
	CLEANUP(record_refs_release) struct record_refs refs = { 0 };
	CLEANUP(store_disk_release) struct store_disk found = { 0 };
	struct measuring m = { s, all, &needs, &refs, &found, NULL, 0, 0 };
	found.folders = mem_alloc((all->count + 1) * sizeof *found.folders);
	int rc = store_needs_list(s, &needs, e);
	if (rc == 0)
		rc = record_refs_collect(s, &refs, e);
	if (rc == 0)
		rc = measure(&m, e);
	free(m.seen);
	if (rc < 0)
		return rc;
	if (found.blob_count)
		qsort(found.blobs, found.blob_count, sizeof *found.blobs, compare_blobs);
	*out = found;
	found = (struct store_disk){ 0 };
	return 0;
}

/* -- sums ------------------------------------------------------------------------------------ */

static int compare(const void *digest, const void *blob)
{
	return memcmp(digest, &((const struct store_disk_blob *)blob)->sha256, DIGEST_SIZE);
}

static bool is_again(const struct store_variant *v, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (digest_equal(&v->files[k].sha256, &v->files[i].sha256))
			return true;
	return false;
}

/* used[i]: by how many of the variants. */
static void count_users(const struct store_disk *d, const struct store_variant *v, size_t *used)
{
	for (size_t i = 0; i < v->file_count; i++) {
		const struct store_disk_blob *b = d->blob_count ? bsearch(&v->files[i].sha256,
									  d->blobs, d->blob_count,
									  sizeof *d->blobs, compare)
								: NULL;
		if (b && !is_again(v, i))
			used[b - d->blobs]++;
	}
}

struct store_disk_sum store_disk_sum(const struct store_disk *d, const struct store_variants *all,
				     const bool *in)
{
	CLEANUP(mem_free_ptr) size_t *used = mem_alloc((d->blob_count + 1) * sizeof *used);
	struct store_disk_sum sum = { 0 };
	for (size_t i = 0; i < all->count; i++) {
		if (!in[i])
			continue;
		count_users(d, &all->at[i], used);
		sum.own += d->folders[i];
	}
	sum.bytes = sum.own;
	for (size_t i = 0; i < d->blob_count; i++) {
		sum.bytes += used[i] ? d->blobs[i].bytes : 0;
		sum.own += used[i] && used[i] >= d->blobs[i].users ? d->blobs[i].bytes : 0;
	}
	return sum;
}
