#include "repository/writer/published.h"

#include "tuf/match.h"
#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <string.h>

/* Of one file; a publisher's files may exceed the default limits of clients. */
#define MAX_BYTES (64 * MIB)

typedef unsigned long long ull;

struct loader {
	const char *dir;
	/* After an interruption, the newest root may not match the metadata below it; then an
	 * older root verifies it, and the writer signs it again. */
	bool partial;
	struct published_file *roots, *targets;
	size_t root_count, root_cap, target_count, target_cap;
	json_t *places; /* role: its number in targets */
	struct published_file snapshot, timestamp;
};

static void file_release(struct published_file *f)
{
	free(f->name);
	free(f->role);
	tuf_metadata_free(f->m);
	*f = (struct published_file){ 0 };
}

static void loader_release(struct loader *l)
{
	for (size_t i = 0; i < l->root_count; i++)
		file_release(&l->roots[i]);
	for (size_t i = 0; i < l->target_count; i++)
		file_release(&l->targets[i]);
	free(l->roots);
	free(l->targets);
	json_decref(l->places);
	file_release(&l->snapshot);
	file_release(&l->timestamp);
}

void published_release(struct published *t)
{
	for (size_t i = 0; i < t->count; i++)
		file_release(&t->files[i]);
	free(t->files);
	*t = (struct published){ 0 };
}

/* Reads and parses a file. meta NULL: the name has no version, and there is nothing to compare
 * with. */
static int read_one(const struct loader *l, const char *role, enum tuf_type type,
		    const struct tuf_meta *meta, struct published_file *out, struct err *e)
{
	char *name = tuf_name_file(role, meta ? meta->version : 0);
	CLEANUP(file_release) struct published_file d = { .name = name };
	CLEANUP(mem_free_ptr) char *path = path_join(l->dir, name);
	CLEANUP(buf_release) struct buf raw = BUF_INIT(MAX_BYTES);
	int rc = file_read_all(path, &raw, e);
	/* Signed metadata lists it, or it was in the folder a moment ago. */
	if (rc == -ERR_NOT_FOUND)
		return err_class_set(e, ERR_INTEGRITY);
	if (rc == 0 && meta)
		rc = tuf_meta_check(meta, buf_str(&raw), raw.len, name, e);
	if (rc == 0)
		rc = tuf_metadata_parse(type, buf_str(&raw), raw.len, name, &d.m, e);
	if (rc < 0)
		return rc;
	if (meta && d.m->version != meta->version)
		return err_set(e, ERR_INTEGRITY, "%s contains version %llu", name,
			       (ull)d.m->version);
	d.role = mem_strdup(role);
	d.size = raw.len;
	sha256_of(buf_str(&raw), raw.len, &d.sha256);
	*out = d;
	d = (struct published_file){ 0 };
	return 0;
}

/* -- roots ----------------------------------------------------------------------------- */

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static int list_roots(const char *dir, uint64_t **out, size_t *count, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(dir, &names, e);
	if (rc < 0)
		return rc;
	uint64_t *versions = mem_alloc((names.count + 1) * sizeof *versions);
	size_t n = 0;
	for (size_t i = 0; i < names.count; i++)
		n += (versions[n] = tuf_name_version(names.at[i], "root")) > 0;
	if (n)
		qsort(versions, n, sizeof *versions, compare_u64);
	*out = versions;
	*count = n;
	return 0;
}

static int verify_root(const struct loader *l, const struct tuf_metadata *m, const char *name,
		       struct err *e)
{
	int rc = tuf_metadata_verify(m, &m->roles[TUF_ROOT], &m->keys, name, "itself", e);
	if (rc < 0 || l->root_count == 0)
		return rc;
	const struct tuf_metadata *old = l->roots[l->root_count - 1].m;
	if (m->version != old->version + 1)
		return err_set(e, ERR_INTEGRITY, "%s: %llu.root.json is missing before it", name,
			       (ull)old->version + 1);
	return tuf_metadata_verify(m, &old->roles[TUF_ROOT], &old->keys, name, "the root before it",
				   e);
}

static int load_roots(struct loader *l, struct err *e)
{
	CLEANUP(mem_free_ptr) uint64_t *versions = NULL;
	size_t count;
	int rc = list_roots(l->dir, &versions, &count, e);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		CLEANUP(file_release) struct published_file d = { 0 };
		struct tuf_meta meta = { .version = versions[i] };
		rc = read_one(l, "root", TUF_ROOT, &meta, &d, e);
		if (rc == 0)
			rc = verify_root(l, d.m, d.name, e);
		if (rc < 0)
			return rc;
		d.fits = true;
		l->roots = mem_grow(l->roots, l->root_count, &l->root_cap, sizeof *l->roots);
		l->roots[l->root_count++] = d;
		d = (struct published_file){ 0 };
	}
	return rc;
}

/* -- what is below root ---------------------------------------------------------------- */

static int verify_top(const struct loader *l, struct published_file *d, struct err *e)
{
	int rc = 0;
	for (size_t i = l->root_count; i-- > 0;) {
		const struct tuf_metadata *root = l->roots[i].m;
		struct err why = ERR_INIT;
		CLEANUP(mem_free_ptr) char *by = mem_printf("root version %llu",
							    (ull)root->version);
		if (tuf_metadata_verify(d->m, &root->roles[d->m->type], &root->keys, d->name, by,
					&why) == 0) {
			d->fits = i == l->root_count - 1;
			err_clear(e);
			return 0;
		}
		if (rc == 0) {
			*e = why;
			rc = -(int)e->class;
		}
		if (!l->partial)
			break;
	}
	return rc;
}

static int load_top(const struct loader *l, const char *role, enum tuf_type type,
		    const struct tuf_meta *meta, struct published_file *out, struct err *e)
{
	CLEANUP(file_release) struct published_file d = { 0 };
	int rc = read_one(l, role, type, meta, &d, e);
	if (rc == 0)
		rc = verify_top(l, &d, e);
	if (rc < 0)
		return rc;
	*out = d;
	d = (struct published_file){ 0 };
	return 0;
}

static void add_targets(struct loader *l, struct published_file *d)
{
	l->targets = mem_grow(l->targets, l->target_count, &l->target_cap, sizeof *l->targets);
	json_put_u64(l->places, d->role, l->target_count);
	l->targets[l->target_count++] = *d;
	*d = (struct published_file){ 0 };
}

static const struct tuf_metadata *find_targets(const struct loader *l, const char *role)
{
	const json_t *place = json_object_get(l->places, role);
	return place ? l->targets[json_integer_value(place)].m : NULL;
}

static int load_delegated(struct loader *l, const struct tuf_metadata *parent,
			  const struct tuf_role *role, const char *name, struct err *e)
{
	CLEANUP(file_release) struct published_file d = { 0 };
	CLEANUP(mem_free_ptr) char *listed = mem_printf("%s.json", name);
	const struct tuf_metadata *m = find_targets(l, name);
	struct tuf_meta meta;
	/* Delegated, but not published yet. */
	if (!tuf_metadata_meta(l->snapshot.m, listed, &meta))
		return 0;
	if (!m) {
		int rc = read_one(l, name, TUF_TARGETS, &meta, &d, e);
		if (rc < 0)
			return rc;
	}
	struct err why = ERR_INIT;
	d.fits = tuf_metadata_verify(m ? m : d.m, role, &parent->keys, name, "its delegator",
				     &why) == 0;
	if (!d.fits && !l->partial) {
		*e = why;
		return -(int)e->class;
	}
	if (!m)
		add_targets(l, &d);
	return 0;
}

static int load_bins(struct loader *l, const struct tuf_metadata *parent, struct err *e)
{
	const struct tuf_bins *bins = &parent->bins;
	if (bins->bit_length > PUBLISHED_MAX_BIN_BITS)
		return err_set(e, ERR_INTEGRITY, "more than 2^%d hash bins",
			       PUBLISHED_MAX_BIN_BITS);
	for (unsigned i = 0; i < 1u << bins->bit_length; i++) {
		CLEANUP(mem_free_ptr) char *name = tuf_match_bin_name(bins->prefix,
								      bins->bit_length, i);
		int rc = load_delegated(l, parent, &bins->role, name, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int load_targets(struct loader *l, struct err *e)
{
	CLEANUP(file_release) struct published_file top = { 0 };
	struct tuf_meta meta;
	if (!tuf_metadata_meta(l->snapshot.m, "targets.json", &meta))
		return err_set(e, ERR_INTEGRITY, "%s lists no targets.json", l->snapshot.name);
	int rc = load_top(l, "targets", TUF_TARGETS, &meta, &top, e);
	if (rc < 0)
		return rc;
	add_targets(l, &top);
	/* The list grows during the loop. */
	for (size_t i = 0; rc == 0 && i < l->target_count; i++) {
		const struct tuf_metadata *m = l->targets[i].m;
		for (size_t j = 0; rc == 0 && j < m->delegated_count; j++)
			rc = load_delegated(l, m, &m->delegated[j].role, m->delegated[j].name, e);
		if (rc == 0 && m->bins.bit_length)
			rc = load_bins(l, m, e);
	}
	return rc;
}

/* Only a killed first publication leaves no timestamp.json. A tree with later versions has lost
 * it, and versions must not start again. */
static int check_never_signed(const struct loader *l, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(l->dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(tuf_name_release) struct tuf_name n = { 0 };
		if (tuf_name_parse(names.at[i], &n) && n.version > 1 && strcmp(n.role, "root") != 0)
			rc = err_set(e, ERR_INTEGRITY, "timestamp.json is missing, but there is %s",
				     names.at[i]);
	}
	return rc;
}

static int load_all(struct loader *l, struct err *e)
{
	struct tuf_meta meta;
	int rc = load_roots(l, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *timestamp = path_join(l->dir, TUF_NAME_TIMESTAMP);
	if (l->root_count == 0 || !file_exists(timestamp)) {
		if ((rc = check_never_signed(l, e)) < 0)
			return rc;
		if (l->partial)
			return 0;
		err_set(e, ERR_NOT_FOUND, "this repository has not been signed");
		return err_hint(e, "run: ferry catalog %s", l->root_count ? "sign" : "init");
	}
	rc = load_top(l, "timestamp", TUF_TIMESTAMP, NULL, &l->timestamp, e);
	if (rc < 0)
		return rc;
	if (!tuf_metadata_meta(l->timestamp.m, "snapshot.json", &meta))
		return err_set(e, ERR_BUG, "timestamp without snapshot.json");
	rc = load_top(l, "snapshot", TUF_SNAPSHOT, &meta, &l->snapshot, e);
	return rc < 0 ? rc : load_targets(l, e);
}

static void give(struct published *t, struct published_file *d)
{
	if (!d->name)
		return;
	t->files = mem_grow(t->files, t->count, &t->cap, sizeof *t->files);
	t->files[t->count++] = *d;
	*d = (struct published_file){ 0 };
}

static int load(const char *metadata_dir, bool partial, struct published *out, struct err *e)
{
	CLEANUP(loader_release) struct loader l = {
		.dir = metadata_dir,
		.partial = partial,
		.places = json_object(),
	};
	if (load_all(&l, e) < 0) {
		if (err_is(e, ERR_INTEGRITY))
			err_hint(e,
				 "copy the file back from metadata/ on a mirror or from a backup");
		return err_context(e, "%s", metadata_dir);
	}
	struct published t = { 0 };
	for (size_t i = 0; i < l.root_count; i++)
		give(&t, &l.roots[i]);
	t.root = l.root_count ? t.files[t.count - 1].m : NULL;
	for (size_t i = 1; i < l.target_count; i++)
		give(&t, &l.targets[i]);
	if (l.target_count)
		give(&t, &l.targets[0]);
	give(&t, &l.snapshot);
	give(&t, &l.timestamp);
	*out = t;
	return 0;
}

int published_load(const char *metadata_dir, struct published *out, struct err *e)
{
	return load(metadata_dir, false, out, e);
}

int published_load_roots(const char *metadata_dir, struct published *out, struct err *e)
{
	CLEANUP(loader_release) struct loader l = { .dir = metadata_dir };
	struct published t = { 0 };
	if (load_roots(&l, e) < 0)
		return err_context(e, "%s", metadata_dir);
	if (l.root_count == 0)
		return err_set(e, ERR_NOT_FOUND, "%s has no root", metadata_dir);
	for (size_t i = 0; i < l.root_count; i++)
		give(&t, &l.roots[i]);
	t.root = t.files[t.count - 1].m;
	*out = t;
	return 0;
}

int published_load_partial(const char *metadata_dir, struct published *out, struct err *e)
{
	return load(metadata_dir, true, out, e);
}

const struct published_file *published_find(const struct published *t, const char *role)
{
	for (size_t i = t->count; i-- > 0;)
		if (strcmp(t->files[i].role, role) == 0)
			return &t->files[i];
	return NULL;
}

/* -- targets --------------------------------------------------------------------------- */

int published_target_read(const char *role, const char *path, const json_t *entry,
			  struct published_target *out, struct err *e)
{
	const char *hex =
		json_string_value(json_object_get(json_object_get(entry, "hashes"), "sha256"));
	*out = (struct published_target){ .role = role, .path = path };
	int rc = json_get_u64(entry, path, "length", &out->length, e);
	if (rc == 0 && (!hex || !digest_parse(&out->sha256, hex)))
		rc = err_set(e, ERR_INTEGRITY, "%s: no SHA-256", path);
	return rc;
}

static int each_of(const struct published_file *f,
		   int (*fn)(void *, const struct published_target *, struct err *), void *ctx,
		   struct err *e)
{
	json_t *targets = (json_t *)f->m->targets;
	size_t count = json_object_size(targets), i = 0;
	CLEANUP(mem_free_ptr) const char **paths = mem_alloc((count + 1) * sizeof *paths);
	const char *path;
	json_t *entry;
	json_object_foreach (targets, path, entry)
		paths[i++] = path;
	if (count)
		qsort(paths, count, sizeof *paths, str_compare);
	for (i = 0; i < count; i++) {
		struct published_target target;
		int rc = published_target_read(f->role, paths[i],
					       json_object_get(targets, paths[i]), &target, e);
		if (rc == 0)
			rc = fn(ctx, &target, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int published_each_target(const struct published *t,
			  int (*fn)(void *ctx, const struct published_target *target,
				    struct err *e),
			  void *ctx, struct err *e)
{
	for (size_t i = 0; i < t->count; i++) {
		/* The other roles have no targets. */
		int rc = each_of(&t->files[i], fn, ctx, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}
