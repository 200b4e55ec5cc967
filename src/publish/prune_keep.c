#include "publish/prune_keep.h"

#include "catalog/pack.h"
#include "publish/release.h"
#include "tuf/metadata.h"
#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

struct snapshot {
	uint64_t version;
	bool needed;        /* shown, or the newest somewhere */
	int64_t replaced_s; /* on the last of the mirrors that have it; 0: on none */
};

struct finder {
	const struct tree *t;
	struct mirror *const *mirrors;
	size_t count;
	const struct prune_time *time;
	const struct retry *retry;
	struct snapshot *snapshots;
	size_t snapshot_count, cap;
	struct prune_keep *out;
};

void prune_keep_release(struct prune_keep *k)
{
	str_list_release(&k->keys);
	*k = (struct prune_keep){ 0 };
}

bool prune_keep_has(const struct prune_keep *k, const char *key)
{
	return k->keys.count &&
	       bsearch(&key, k->keys.at, k->keys.count, sizeof *k->keys.at, str_compare);
}

/* ---- which snapshots there are --------------------------------------------------- */

static struct snapshot *snapshot_at(struct finder *f, uint64_t version)
{
	for (size_t i = 0; i < f->snapshot_count; i++)
		if (f->snapshots[i].version == version)
			return &f->snapshots[i];
	f->snapshots = mem_grow(f->snapshots, f->snapshot_count, &f->cap, sizeof *f->snapshots);
	f->snapshots[f->snapshot_count] = (struct snapshot){ .version = version };
	return &f->snapshots[f->snapshot_count++];
}

static uint64_t current(const struct tree *t)
{
	uint64_t version = 0;
	for (size_t i = 0; i < t->files.count; i++)
		if (t->files.at[i].class == REPOSITORY_METADATA)
			version = MAX(version,
				      tuf_name_version(path_base(t->files.at[i].key), "snapshot"));
	return version;
}

static int from_tree(struct finder *f, struct err *e)
{
	CLEANUP(mem_free_ptr) char *folder = path_join(f->t->dir, "metadata");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(folder, &names, e);
	for (size_t i = 0; i < names.count; i++) {
		uint64_t version = tuf_name_version(names.at[i], "snapshot");
		if (version)
			snapshot_at(f, version);
	}
	return rc;
}

/* Those of one mirror. */
struct versions {
	struct {
		uint64_t version;
		int64_t modified_s;
	} * at;
	size_t count, cap;
};

static int on_metadata(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	(void)e;
	struct versions *v = ctx;
	uint64_t version = tuf_name_version(path_base(entry->key), "snapshot");
	if (!version)
		return 0;
	v->at = mem_grow(v->at, v->count, &v->cap, sizeof *v->at);
	v->at[v->count].version = version;
	v->at[v->count++].modified_s = entry->stat.modified_s;
	return 0;
}

/* A mirror shows a snapshot from the time when it got it until it got the next one. */
static void take_versions(struct finder *f, const struct versions *v)
{
	for (size_t i = 0; i < v->count; i++) {
		struct snapshot *s = snapshot_at(f, v->at[i].version);
		size_t next = v->count;
		for (size_t k = 0; k < v->count; k++)
			if (v->at[k].version > s->version &&
			    (next == v->count || v->at[k].version < v->at[next].version))
				next = k;
		if (next == v->count)
			s->needed = true;
		else
			s->replaced_s = MAX(s->replaced_s, v->at[next].modified_s
								   ? v->at[next].modified_s
								   : f->time->now_s);
	}
}

static int list(struct finder *f, struct mirror *m, struct err *e)
{
	struct versions v = { 0 };
	struct retry retry = *f->retry;
	if (!mirror_can(m, MIRROR_CAN_LIST))
		return 0;
	do {
		v.count = 0;
		(void)!mirror_list(m, "metadata/", on_metadata, &v, e);
	} while (e->class && retry_again(&retry, e));
	if (!e->class)
		take_versions(f, &v);
	free(v.at);
	return -(int)e->class;
}

/* *out stays empty if there is none. */
static int get(struct finder *f, struct mirror *m, const char *key, struct buf *out, struct err *e)
{
	struct retry retry = *f->retry;
	do {
		(void)!mirror_get_small(m, key, 0, out, e);
	} while (e->class && retry_again(&retry, e));
	if (!err_is(e, ERR_NOT_FOUND))
		return -(int)e->class;
	err_clear(e);
	buf_clear(out);
	return 0;
}

static int shown(struct finder *f, struct mirror *m, struct err *e)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *timestamp = NULL;
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(RELEASE_MAX_BYTES);
	struct tuf_meta meta;
	int rc = get(f, m, RELEASE_TIMESTAMP, &bytes, e);
	if (rc < 0 || !bytes.len)
		return rc;
	rc = tuf_metadata_parse(TUF_TIMESTAMP, buf_str(&bytes), bytes.len, RELEASE_TIMESTAMP,
				&timestamp, e);
	if (rc < 0)
		return err_context(e, "mirror %s", m->id);
	if (tuf_metadata_meta(timestamp, "snapshot.json", &meta))
		snapshot_at(f, meta.version)->needed = true;
	return 0;
}

/* ---- what a snapshot names ------------------------------------------------------- */

/* Reads metadata from the tree, else from the first mirror that has it whole. */
static int read(struct finder *f, enum tuf_type type, const char *key, struct tuf_metadata **out,
		struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(RELEASE_MAX_METADATA);
	CLEANUP(mem_free_ptr) char *path = path_join(f->t->dir, key);
	struct err why = ERR_INIT;
	if (file_read_all(path, &bytes, &why) == 0 &&
	    tuf_metadata_parse(type, buf_str(&bytes), bytes.len, path, out, &why) == 0)
		return 0;
	for (size_t i = 0; i < f->count; i++) {
		struct err theirs = ERR_INIT;
		if (get(f, f->mirrors[i], key, &bytes, &theirs) == 0 && bytes.len &&
		    tuf_metadata_parse(type, buf_str(&bytes), bytes.len, key, out, &theirs) == 0)
			return 0;
		if (theirs.class &&
		    (err_is(&why, ERR_NOT_FOUND) || !err_is(&theirs, ERR_INTEGRITY)))
			why = theirs;
	}
	err_set(e, why.class, "%s", why.text);
	err_context(e, "cannot determine what readers of %s still need", key);
	return err_hint(e,
			"nothing was removed; run it again when this metadata can be read, or is "
			"gone from all mirrors");
}

/* The object's name has one of the hashes in front; readers choose which. */
static void keep_target(struct finder *f, const char *path, const json_t *target)
{
	const char *base = path_base(path), *algorithm;
	json_t *hash;
	json_t *hashes = json_object_get(target, "hashes");
	json_object_foreach (hashes, algorithm, hash)
		if (json_is_string(hash)) {
			char *key = mem_printf("targets/%.*s%s.%s", (int)(base - path), path,
					       json_string_value(hash), base);
			char *pack = pack_key(key);
			str_list_take(&f->out->keys, key);
			if (pack)
				str_list_take(&f->out->keys, pack);
		}
}

static int keep_role(struct finder *f, const char *role, uint64_t version, struct err *e)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	CLEANUP(mem_free_ptr) char *name = tuf_name_file(role, version);
	CLEANUP(mem_free_ptr) char *key = mem_printf("metadata/%s", name);
	const char *path;
	json_t *target;
	int rc = read(f, TUF_TARGETS, key, &m, e);
	if (rc < 0)
		return rc;
	str_list_add(&f->out->keys, key);
	json_object_foreach ((json_t *)m->targets, path, target)
		keep_target(f, path, target);
	return 0;
}

static int keep_snapshot(struct finder *f, const struct tuf_metadata *m, struct err *e)
{
	const char *file;
	json_t *value;
	f->out->snapshots++;
	json_object_foreach ((json_t *)m->meta, file, value) {
		struct tuf_meta meta;
		size_t len = strlen(file);
		if (!tuf_metadata_meta(m, file, &meta) || !str_ends(file, ".json"))
			continue;
		CLEANUP(mem_free_ptr) char *role = mem_strndup(file, len - strlen(".json"));
		int rc = keep_role(f, role, meta.version, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool is_needed(const struct finder *f, const struct snapshot *s, int64_t expires_s)
{
	int64_t last_s = MAX(s->replaced_s, expires_s);
	return s->needed || f->time->now_s < last_s ||
	       (uint64_t)(f->time->now_s - last_s) < f->time->grace_s;
}

static int judge(struct finder *f, const struct snapshot *s, struct err *e)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	CLEANUP(mem_free_ptr) char *key = mem_printf("metadata/%llu.snapshot.json",
						     (unsigned long long)s->version);
	uint64_t own = current(f->t);
	if (s->version > own) {
		err_set(e, ERR_CONFLICT, "a mirror has %s, but this repository has version %llu",
			key, (unsigned long long)own);
		return err_hint(e,
				"another publisher is writing, or this copy of the repository is "
				"outdated: nothing was removed");
	}
	if (s->version == own)
		return 0;
	int rc = read(f, TUF_SNAPSHOT, key, &m, e);
	if (rc < 0 || !is_needed(f, s, m->expires_s))
		return rc;
	str_list_add(&f->out->keys, key);
	return keep_snapshot(f, m, e);
}

static int find(struct finder *f, struct err *e)
{
	int rc = from_tree(f, e);
	for (size_t i = 0; rc == 0 && i < f->count; i++) {
		rc = list(f, f->mirrors[i], e);
		if (rc == 0)
			rc = shown(f, f->mirrors[i], e);
	}
	for (size_t i = 0; rc == 0 && i < f->snapshot_count; i++)
		rc = judge(f, &f->snapshots[i], e);
	for (size_t i = 0; i < f->t->files.count; i++)
		str_list_add(&f->out->keys, f->t->files.at[i].key);
	return rc;
}

int prune_keep_find(const struct tree *t, struct mirror *const *mirrors, size_t count,
		    const struct prune_time *time, const struct retry *retry,
		    struct prune_keep *out, struct err *e)
{
	CLEANUP(prune_keep_release) struct prune_keep keep = { 0 };
	struct finder f = {
		.t = t,
		.mirrors = mirrors,
		.count = count,
		.time = time,
		.retry = retry,
		.out = &keep,
	};
	int rc = find(&f, e);
	free(f.snapshots);
	if (rc < 0)
		return rc;
	qsort(keep.keys.at, keep.keys.count, sizeof *keep.keys.at, str_compare);
	*out = keep;
	keep = (struct prune_keep){ 0 };
	return 0;
}
