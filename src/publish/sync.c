#include "publish/sync.h"

#include "catalog/catalog.h"
#include "sign/minisig.h"
#include "tuf/client.h"
#include "tuf/folder.h"
#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MAX_METADATA (64 * MIB) /* of one file, as in the publisher's tree */

struct copy {
	const struct sync_from *from;
	char *trust; /* folder of the client */
	struct tuf_client *client;
	uint64_t root, targets; /* versions */
};

static void copy_release(struct copy *c)
{
	tuf_client_close(c->client);
	free(c->trust);
}

/* ---- reading -------------------------------------------------------------------- */

static int get(struct mirror *m, const struct retry *how, const char *key, struct buf *out,
	       struct err *e)
{
	struct retry retry = *how;
	do {
		(void)!mirror_get_small(m, key, 0, out, e);
	} while (e->class && retry_again(&retry, e));
	return -(int)e->class;
}

/* Some servers refuse access to what is not there. */
static bool is_absent(const struct err *e, const char *name)
{
	return err_is(e, ERR_AUTH) && tuf_name_version(name, "root");
}

static int transport_get(void *ctx, const char *name, struct buf *out, struct err *e)
{
	const struct sync_from *from = ctx;
	CLEANUP(mem_free_ptr) char *key = mem_printf("metadata/%s", name);
	int rc = get(from->mirror, from->retry, key, out, e);
	return rc < 0 && is_absent(e, name) ? err_class_set(e, ERR_NOT_FOUND) : rc;
}

static int keep(const struct copy *c, const char *key, const struct buf *bytes, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(c->from->dir, key);
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	return rc < 0 ? rc : file_write_atomic(path, buf_str(bytes), bytes->len, FILE_MODE, e);
}

static int fetch(const struct copy *c, const char *key, struct buf *out, struct err *e)
{
	int rc = get(c->from->mirror, c->from->retry, key, out, e);
	return rc < 0 ? rc : keep(c, key, out, e);
}

static char *metadata_key(const char *role, uint64_t version)
{
	CLEANUP(mem_free_ptr) char *name = tuf_name_file(role, version);
	return mem_printf("metadata/%s", name);
}

/* ---- trust ---------------------------------------------------------------------- */

static void note_versions(struct copy *c)
{
	struct tuf_role_state states[4];
	size_t count = tuf_client_state(c->client, states);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(states[i].role, "root") == 0)
			c->root = states[i].version;
		if (strcmp(states[i].role, "targets") == 0)
			c->targets = states[i].version;
	}
}

/* What a client would trust is now in the trust folder. */
static int refresh(struct copy *c, struct err *e)
{
	const struct sync_from *from = c->from;
	struct tuf_limits limits = tuf_limits_default;
	struct tuf_transport transport = {
		.get = transport_get,
		.ctx = (void *)from,
		.cancel = from->cancel,
	};
	limits.snapshot = limits.targets = MAX_METADATA;
	int rc = tuf_client_init(c->trust, from->root, from->root_len, e);
	if (rc == 0)
		rc = tuf_client_open(c->trust, &transport, &limits, from->now_s, &c->client, e);
	if (rc == 0)
		rc = tuf_client_refresh(c->client, e);
	if (rc == 0)
		note_versions(c);
	return rc;
}

/* ---- metadata ------------------------------------------------------------------- */

/* A role that the client has verified, under its name in a repository. */
static int copy_trusted(const struct copy *c, const char *role, uint64_t version, struct buf *bytes,
			struct err *e)
{
	CLEANUP(mem_free_ptr) char *key = metadata_key(role, version);
	int rc = tuf_folder_load(c->trust, role, bytes, e);
	return rc < 0 ? rc : keep(c, key, bytes, e);
}

/* All roots from the given one on: the tree's loader verifies that they are one chain. */
static int copy_roots(const struct copy *c, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(SYNC_MAX_ROOT);
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *first = NULL;
	buf_add(&bytes, c->from->root, c->from->root_len);
	int rc = tuf_metadata_parse(TUF_ROOT, c->from->root, c->from->root_len, "the trusted root",
				    &first, e);
	if (rc < 0)
		return rc;
	for (uint64_t v = first->version; rc == 0 && v <= c->root; v++) {
		CLEANUP(mem_free_ptr) char *key = metadata_key("root", v);
		rc = v == first->version ? keep(c, key, &bytes, e) : fetch(c, key, &bytes, e);
	}
	return rc;
}

/* Is it there already, by its hash? */
static bool has(const struct copy *c, const char *key, const struct tuf_meta *meta)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MAX_METADATA);
	CLEANUP(mem_free_ptr) char *path = path_join(c->from->dir, key);
	struct err ignored = ERR_INIT;
	return tuf_hashes_first(meta->hashes) && file_read_all(path, &bytes, &ignored) == 0 &&
	       tuf_meta_check(meta, buf_str(&bytes), bytes.len, key, &ignored) == 0;
}

static int copy_delegated(const struct copy *c, const char *listed, const struct tuf_meta *meta,
			  struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MAX_METADATA);
	CLEANUP(mem_free_ptr) char *role = mem_strndup(listed, strlen(listed) - strlen(".json"));
	CLEANUP(mem_free_ptr) char *key = metadata_key(role, meta->version);
	int rc = cancel_check(c->from->cancel, e);
	if (rc < 0 || has(c, key, meta))
		return rc;
	return fetch(c, key, &bytes, e);
}

static int copy_snapshot(const struct copy *c, const struct tuf_metadata *snapshot, struct err *e)
{
	const char *name;
	json_t *ignored;
	int rc = 0;
	json_object_foreach ((json_t *)snapshot->meta, name, ignored) {
		struct tuf_meta meta;
		if (strcmp(name, "targets.json") == 0 || strcmp(name, "root.json") == 0 ||
		    !str_ends(name, ".json") || !tuf_metadata_meta(snapshot, name, &meta))
			continue;
		rc = copy_delegated(c, name, &meta, e);
		if (rc < 0)
			break;
	}
	return rc;
}

/* timestamp.json last, as always. */
static int copy_metadata(const struct copy *c, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MAX_METADATA);
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *snapshot = NULL;
	int rc = copy_roots(c, e);
	if (rc == 0)
		rc = copy_trusted(c, "targets", c->targets, &bytes, e);
	if (rc == 0)
		rc = tuf_folder_load(c->trust, "snapshot", &bytes, e);
	if (rc == 0)
		rc = tuf_metadata_parse(TUF_SNAPSHOT, buf_str(&bytes), bytes.len, "snapshot.json",
					&snapshot, e);
	if (rc == 0)
		rc = copy_snapshot(c, snapshot, e);
	if (rc == 0)
		rc = copy_trusted(c, "snapshot", snapshot->version, &bytes, e);
	return rc < 0 ? rc : copy_trusted(c, "timestamp", 0, &bytes, e);
}

/* ---- the plain catalog ---------------------------------------------------------- */

/* The signed one: the mirror's catalog.json may be of a release that it does not show yet. */
static int copy_catalog(const struct copy *c, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(CATALOG_MAX_BYTES);
	CLEANUP(tuf_target_release) struct tuf_target t = { 0 };
	struct digest got;
	struct err none = ERR_INIT;
	int rc = tuf_client_target(c->client, CATALOG_TARGET, &t, &none);
	if (rc == -ERR_NOT_FOUND)
		return 0;
	if (rc < 0) {
		*e = none;
		return rc;
	}
	CLEANUP(mem_free_ptr) char *name = tuf_client_target_name(c->client, CATALOG_TARGET, &t);
	CLEANUP(mem_free_ptr) char *key = mem_printf("targets/%s", name);
	rc = get(c->from->mirror, c->from->retry, key, &bytes, e);
	if (rc < 0)
		return rc;
	sha256_of(buf_str(&bytes), bytes.len, &got);
	if (!digest_equal(&got, &t.sha256))
		return err_set(e, ERR_INTEGRITY, "%s does not match the signed metadata", key);
	return keep(c, CATALOG_TARGET, &bytes, e);
}

/* The tree's loader verifies it; a repository may have none. */
static int copy_minisig(const struct copy *c, struct err *e)
{
	static const char key[] = CATALOG_TARGET MINISIG_SUFFIX;
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MINISIG_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *path = path_join(c->from->dir, key);
	struct err why = ERR_INIT;
	int rc = get(c->from->mirror, c->from->retry, key, &bytes, &why);
	if (rc == 0)
		return keep(c, key, &bytes, e);
	if (rc == -ERR_NOT_FOUND || rc == -ERR_AUTH)
		return file_remove(path, e);
	*e = why;
	return rc;
}

/* ---- the tree ------------------------------------------------------------------- */

/* What the publisher's own tree would need is no help here. */
static int explain(const struct sync_from *from, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = mem_printf("mirror %s", from->mirror->id);
	if (!str_starts(e->text, name))
		err_context(e, "%s", name);
	if (!err_is(e, ERR_INTEGRITY))
		return -(int)e->class;
	e->hint[0] = '\0';
	return err_hint(e,
			"if a push to mirror %s is running, wait until it is done; otherwise "
			"bring that mirror up to date first (ferry push)",
			from->mirror->id);
}

static int open_copy(struct copy *c, struct tree *t, struct err *e)
{
	int rc = refresh(c, e);
	if (rc == 0)
		rc = copy_catalog(c, e);
	if (rc == 0)
		rc = copy_minisig(c, e);
	if (rc == 0)
		rc = copy_metadata(c, e);
	return rc < 0 ? rc : tree_open(c->from->dir, t, e);
}

int sync_open(const struct sync_from *from, struct tree *out, struct err *e)
{
	CLEANUP(copy_release) struct copy c = { .from = from };
	struct tree t = { 0 };
	c.trust = from->trust ? mem_strdup(from->trust) : path_join(from->dir, "trust");
	if (open_copy(&c, &t, e) < 0)
		return explain(from, e);
	t.source = from->mirror;
	t.retry = from->retry;
	t.cancel = from->cancel;
	*out = t;
	return 0;
}

/* The mirror's first root, if it has this digest; else ERR_INTEGRITY. */
static int first_root(struct mirror *m, const struct retry *retry, const struct digest *sha256,
		      struct buf *out, struct err *e)
{
	static const char key[] = "metadata/" TUF_NAME_FIRST_ROOT;
	struct digest got;
	int rc = get(m, retry, key, out, e);
	if (rc < 0)
		return rc;
	sha256_of(buf_str(out), out->len, &got);
	if (digest_equal(&got, sha256))
		return 0;
	char there[DIGEST_HEX], pinned[DIGEST_HEX];
	err_set(e, ERR_INTEGRITY,
		"mirror %s: its %s has the SHA-256 %s, but the pinned root-sha256 is %s", m->id,
		key, digest_hex(there, &got), digest_hex(pinned, sha256));
	return err_hint(e, "the mirror holds another repository, or the digest is of a later root: "
			   "then give that root with --root FILE");
}

/* ---- the root that the settings trust ----------------------------------------------- */

/* The first root of the publisher's tree. ERR_NOT_FOUND: it has none. */
static int root_of_tree(const char *dir, struct buf *out, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *folder = path_join(dir, "metadata");
	uint64_t first = 0;
	int rc = file_list_dir(folder, &names, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < names.count; i++) {
		uint64_t version = tuf_name_version(names.at[i], "root");
		if (version && (!first || version < first))
			first = version;
	}
	if (!first)
		return err_set(e, ERR_NOT_FOUND, "%s has no root", folder);
	CLEANUP(mem_free_ptr) char *name = tuf_name_file("root", first);
	CLEANUP(mem_free_ptr) char *path = path_join(folder, name);
	return file_read_all(path, out, e);
}

static int no_root(struct err *e)
{
	err_set(e, ERR_USAGE, "no root of the repository is known, so nothing can be verified");
	return err_hint(e, "give 1.root.json with --root FILE, or set path, root or root-sha256 in "
			   "[repository.NAME]");
}

int sync_root(const struct settings_repository *r, struct mirror *m, const struct retry *retry,
	      struct buf *out, struct err *e)
{
	struct digest sha256;
	if (r->dir && file_is_dir(r->dir))
		return root_of_tree(r->dir, out, e);
	if (r->root)
		return file_read_all(r->root, out, e);
	if (!r->root_sha256)
		return no_root(e);
	if (!digest_parse(&sha256, r->root_sha256))
		return err_set(e, ERR_USAGE, "%s: root-sha256 is not a SHA-256 in hex", r->where);
	return first_root(m, retry, &sha256, out, e);
}
