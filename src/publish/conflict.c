#include "publish/conflict.h"

#include "publish/release.h"
#include "tuf/metadata.h"
#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* ---- whose signature ------------------------------------------------------------ */

/* The newest version of a role that the tree has; *found (may be NULL) is its file. 0: none. */
static uint64_t newest(const struct tree *ours, const char *role,
		       const struct repository_file **found)
{
	uint64_t version = 0;
	for (size_t i = 0; i < ours->files.count; i++) {
		const struct repository_file *f = &ours->files.at[i];
		uint64_t v = f->class == REPOSITORY_METADATA
				     ? tuf_name_version(path_base(f->key), role)
				     : 0;
		if (v <= version)
			continue;
		version = v;
		if (found)
			*found = f;
	}
	return version;
}

static char *key_of(uint64_t version, const char *role)
{
	CLEANUP(mem_free_ptr) char *name = tuf_name_file(role, version);
	return mem_printf("metadata/%s", name);
}

char *conflict_next_root(const struct tree *ours)
{
	return key_of(newest(ours, "root", NULL) + 1, "root");
}

static bool type_of(const char *key, enum tuf_type *out)
{
	CLEANUP(tuf_name_release) struct tuf_name name = { 0 };
	return tuf_name_parse(path_base(key), &name) && tuf_type_from_name(name.role, out);
}

static bool is_signed(const struct tuf_metadata *m, const struct tuf_metadata *root)
{
	struct err ignored = ERR_INIT;
	unsigned count = 0;
	return tuf_metadata_count(m, &root->roles[m->type], &root->keys, &count, &ignored) == 0 &&
	       count > 0;
}

bool conflict_is_authentic(const struct tree *ours, const char *key, const void *data, size_t len)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *root = NULL;
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *theirs = NULL;
	struct err ignored = ERR_INIT;
	enum tuf_type type;
	const struct repository_file *f;
	if (!newest(ours, "root", &f) || !type_of(key, &type))
		return true;
	const struct buf *bytes = tree_small(ours, f);
	if (tuf_metadata_parse(TUF_ROOT, buf_str(bytes), bytes->len, f->key, &root, &ignored) < 0)
		return true;
	if (tuf_metadata_parse(type, data, len, key, &theirs, &ignored) < 0)
		return false;
	return is_signed(theirs, type == TUF_ROOT ? theirs : root);
}

static json_t *signed_part(const struct buf *bytes)
{
	static const struct json_limits limits = { .max_bytes = RELEASE_MAX_METADATA };
	CLEANUP(json_release) json_t *document = NULL;
	struct err ignored = ERR_INIT;
	if (json_parse(buf_str(bytes), bytes->len, &limits, "", &document, &ignored) < 0)
		return NULL;
	json_t *part = json_object_get(document, "signed");
	return part ? json_incref(part) : NULL;
}

bool conflict_says_the_same(const struct buf *a, const struct buf *b)
{
	CLEANUP(json_release) json_t *x = signed_part(a), *y = signed_part(b);
	return x && y && json_equal(x, y);
}

/* ---- whose past ----------------------------------------------------------------- */

/* Version and digest that a timestamp or snapshot lists; version 0 if malformed. */
static uint64_t listed(enum tuf_type type, const void *data, size_t len, const char *name,
		       struct digest *sha256)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	struct err ignored = ERR_INIT;
	struct tuf_meta meta;
	*sha256 = (struct digest){ 0 };
	if (tuf_metadata_parse(type, data, len, name, &m, &ignored) < 0 ||
	    !tuf_metadata_meta(m, name, &meta))
		return 0;
	const char *hex = json_string_value(json_object_get(meta.hashes, "sha256"));
	if (hex && !digest_parse(sha256, hex))
		return 0;
	return meta.version;
}

bool conflict_is_forked(const struct tree *ours, const void *timestamp, size_t len)
{
	struct digest theirs, own;
	struct err ignored = ERR_INIT;
	uint64_t size, version = listed(TUF_TIMESTAMP, timestamp, len, "snapshot.json", &theirs);
	CLEANUP(mem_free_ptr) char *key = key_of(version, "snapshot");
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s", ours->dir, key);
	return version && sha256_of_file(path, NULL, &own, &size, &ignored) == 0 &&
	       !digest_equal(&own, &theirs);
}

/* Reads a version of a role from the mirror; bytes are empty if it is missing. */
static int look_at(struct mirror *m, const struct tree *ours, const char *role, uint64_t version,
		   struct buf *bytes, bool *foreign, struct err *e)
{
	CLEANUP(mem_free_ptr) char *key = key_of(version, role);
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s", ours->dir, key);
	CLEANUP(buf_release) struct buf own = BUF_INIT(RELEASE_MAX_METADATA);
	struct err missing = ERR_INIT;
	*foreign = false;
	int rc = mirror_get_small(m, key, 0, bytes, e);
	if (rc == -ERR_NOT_FOUND || rc == -ERR_INTEGRITY) {
		err_clear(e);
		buf_clear(bytes);
		return 0;
	}
	if (rc < 0)
		return rc;
	bool past = file_read_all(path, &own, &missing) == 0 ? conflict_says_the_same(&own, bytes)
							     : version <= newest(ours, role, NULL);
	*foreign = !past && conflict_is_authentic(ours, key, buf_str(bytes), bytes->len);
	return 0;
}

int conflict_is_foreign(struct mirror *m, const struct tree *ours, const void *timestamp,
			size_t len, bool *out, struct err *e)
{
	CLEANUP(buf_release) struct buf snapshot = BUF_INIT(RELEASE_MAX_METADATA);
	CLEANUP(buf_release) struct buf targets = BUF_INIT(RELEASE_MAX_METADATA);
	struct digest ignored;
	uint64_t version = listed(TUF_TIMESTAMP, timestamp, len, "snapshot.json", &ignored);
	*out = false;
	int rc = version ? look_at(m, ours, "snapshot", version, &snapshot, out, e) : 0;
	if (rc < 0 || *out || snapshot.len == 0)
		return rc;
	version = listed(TUF_SNAPSHOT, buf_str(&snapshot), snapshot.len, "targets.json", &ignored);
	return version ? look_at(m, ours, "targets", version, &targets, out, e) : 0;
}
