#include "tuf/client.h"

#include "tuf/folder.h"
#include "tuf/name.h"
#include "tuf/search.h"
#include "tuf/trusted.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MAX_TRIES 64 /* endpoints that a transport may offer for one file */
#define MAX_NAME 240 /* bytes of a file name, below what file systems allow */

const struct tuf_limits tuf_limits_default = {
	.root = 512000,
	.timestamp = 16384,
	.snapshot = 2000000,
	.targets = 5000000,
	.root_rotations = 256,
	.delegations = 32,
};

struct tuf_client {
	char *dir;
	struct tuf_transport transport;
	struct tuf_limits limits;
	struct tuf_trusted trusted;
	bool ready; /* targets can be asked for */
};

void tuf_target_release(struct tuf_target *t)
{
	mem_free_ptr(&t->custom);
}

int tuf_client_open(const char *trust_dir, const struct tuf_transport *transport,
		    const struct tuf_limits *limits, int64_t now_s, struct tuf_client **out,
		    struct err *e)
{
	CLEANUP_PTR(tuf_client_close) struct tuf_client *c = NEW(struct tuf_client);
	c->dir = mem_strdup(trust_dir);
	c->transport = transport ? *transport : (struct tuf_transport){ 0 };
	c->limits = limits ? *limits : tuf_limits_default;
	c->trusted.now_s = now_s;
	int rc = tuf_folder_root(c->dir, c->limits.root, &c->trusted, e);
	if (rc < 0)
		return rc;
	*out = STEAL(c);
	return 0;
}

void tuf_client_close(struct tuf_client *c)
{
	if (!c)
		return;
	tuf_trusted_release(&c->trusted);
	free(c->dir);
	free(c);
}

/* -- fetching -------------------------------------------------------------------------- */

/* One file on its way into the trusted set. */
struct step {
	const char *role;
	const struct tuf_metadata *parent; /* of targets roles */
	const struct tuf_metadata *loaded; /* the same: the result */
	bool flag;                         /* rotated, same or final, as set by check */
	int (*check)(struct tuf_client *c, struct step *s, const struct buf *raw, const char *what,
		     bool local, struct err *e);
};

static int fetch(struct tuf_client *c, struct step *s, const char *name, struct buf *raw,
		 struct err *e)
{
	if (!c->transport.get)
		return err_set(e, ERR_BUG, "a TUF client without transport");
	for (int tries = 0;; tries++) {
		buf_clear(raw);
		int rc = c->transport.get(c->transport.ctx, name, raw, e);
		if (rc == 0)
			rc = buf_ok(raw, name, e);
		if (rc == 0) {
			c->trusted.expired = NULL; /* that was of a stored file */
			rc = s->check(c, s, raw, name, false, e);
		}
		if (rc == 0 || !err_is(e, ERR_INTEGRITY))
			return rc;
		if (tries == MAX_TRIES || !c->transport.rejected ||
		    !c->transport.rejected(c->transport.ctx, name, e))
			return rc;
		err_clear(e);
	}
}

/* -- storing ------------------------------------------------------------------------------- */

/* Has another process stored a newer root? What it revokes must not be stored beside it. */
static bool root_is_outdated(const struct tuf_client *c, uint64_t version)
{
	CLEANUP(tuf_trusted_release) struct tuf_trusted stored = { 0 };
	struct err ignored = ERR_INIT;
	return tuf_folder_root(c->dir, c->limits.root, &stored, &ignored) == 0 &&
	       stored.root->version > version;
}

/* Has another process stored a newer timestamp? Then it also stores what belongs to it. */
static int is_outdated(const struct tuf_client *c, struct err *e)
{
	CLEANUP(buf_release) struct buf stored = BUF_INIT(c->limits.timestamp);
	if (root_is_outdated(c, c->trusted.root->version))
		return 1;
	int rc = tuf_folder_read(c->dir, "timestamp", &stored, e);
	if (rc <= 0)
		return rc;
	return tuf_trusted_is_outdated(&c->trusted, buf_str(&stored), stored.len);
}

/* The lock is held only here: what another process stored while this one fetched is kept if it is
 * newer. */
static int store(struct tuf_client *c, const char *role, const struct buf *raw, struct err *e)
{
	CLEANUP(file_close) int lock = -1;
	int rc = tuf_folder_lock(c->dir, c->transport.cancel, &lock, e);
	if (rc == 0)
		rc = is_outdated(c, e);
	if (rc != 0)
		return MIN(rc, 0);
	return tuf_folder_write(c->dir, role, raw->data, raw->len, e);
}

/* First removes what the new root revokes, so that an interruption cannot leave it in force
 * beside the new root (5.3.11). */
static int store_root(struct tuf_client *c, bool rotated, const struct buf *raw, struct err *e)
{
	CLEANUP(file_close) int lock = -1;
	int rc = tuf_folder_lock(c->dir, c->transport.cancel, &lock, e);
	if (rc < 0 || root_is_outdated(c, c->trusted.root->version - 1))
		return rc;
	if (rotated)
		rc = tuf_folder_forget(c->dir, "timestamp", e);
	if (rc == 0 && rotated)
		rc = tuf_folder_forget(c->dir, "snapshot", e);
	return rc < 0 ? rc : tuf_folder_write(c->dir, "root", raw->data, raw->len, e);
}

static char *remote_name(const struct tuf_client *c, const char *role, uint64_t version)
{
	return tuf_name_file(role, c->trusted.root->consistent_snapshot ? version : 0);
}

/* 1 when the stored file is the wanted one; 0 when it is missing or does not verify, so that it
 * must be fetched. */
static int try_stored(struct tuf_client *c, struct step *s, size_t max, struct err *e)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT(max);
	CLEANUP(mem_free_ptr) char *path = tuf_folder_path(c->dir, s->role);
	struct err why = ERR_INIT;
	int rc = tuf_folder_read(c->dir, s->role, &raw, e);
	if (rc <= 0)
		return rc;
	if (s->check(c, s, &raw, path, true, &why) == 0)
		return 1;
	if (!err_is(&why, ERR_INTEGRITY)) {
		*e = why;
		return -(int)e->class;
	}
	return 0;
}

/* Offline: what is not stored, or does not verify, is an error. */
static int need_stored(struct tuf_client *c, struct step *s, size_t max, struct err *e)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT(max);
	CLEANUP(mem_free_ptr) char *path = tuf_folder_path(c->dir, s->role);
	int rc = tuf_folder_load(c->dir, s->role, &raw, e);
	return rc < 0 ? rc : s->check(c, s, &raw, path, true, e);
}

/* -- root ------------------------------------------------------------------------------ */

static int check_root(struct tuf_client *c, struct step *s, const struct buf *raw, const char *what,
		      bool local, struct err *e)
{
	(void)local;
	return tuf_trusted_root_next(&c->trusted, buf_str(raw), raw->len, what, &s->flag, e);
}

static int refresh_root(struct tuf_client *c, struct err *e)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT(c->limits.root);
	struct step step = { .role = "root", .check = check_root };
	for (unsigned i = 0; i < c->limits.root_rotations; i++) {
		struct err why = ERR_INIT;
		CLEANUP(mem_free_ptr) char *name = tuf_name_file("root",
								 c->trusted.root->version + 1);
		if (fetch(c, &step, name, &raw, &why) < 0) {
			if (err_is(&why, ERR_NOT_FOUND))
				break;
			*e = why;
			return -(int)e->class;
		}
		int rc = store_root(c, step.flag, &raw, e);
		if (rc < 0)
			return rc;
	}
	return tuf_trusted_root_final(&c->trusted, e);
}

/* -- timestamp, snapshot, targets ------------------------------------------------------ */

static int check_timestamp(struct tuf_client *c, struct step *s, const struct buf *raw,
			   const char *what, bool local, struct err *e)
{
	return tuf_trusted_timestamp(&c->trusted, buf_str(raw), raw->len, what, local, &s->flag, e);
}

static int refresh_timestamp(struct tuf_client *c, struct err *e)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT(c->limits.timestamp);
	struct step step = { .role = "timestamp", .check = check_timestamp };
	int rc = try_stored(c, &step, c->limits.timestamp, e);
	if (rc >= 0)
		rc = fetch(c, &step, TUF_NAME_TIMESTAMP, &raw, e);
	if (rc < 0 || step.flag)
		return rc;
	return store(c, "timestamp", &raw, e);
}

static int check_snapshot(struct tuf_client *c, struct step *s, const struct buf *raw,
			  const char *what, bool local, struct err *e)
{
	return tuf_trusted_snapshot(&c->trusted, buf_str(raw), raw->len, what, local, &s->flag, e);
}

/* The limit is the signed length if there is one, but never above the configured limit. */
static size_t ceiling(const struct tuf_meta *meta, size_t limit)
{
	return meta->has_length && meta->length < limit ? (size_t)meta->length : limit;
}

static int refresh_snapshot(struct tuf_client *c, struct err *e)
{
	struct step step = { .role = "snapshot", .check = check_snapshot };
	struct tuf_meta meta;
	int rc = try_stored(c, &step, c->limits.snapshot, e);
	if (rc < 0 || (rc > 0 && step.flag))
		return MIN(rc, 0);
	if (!tuf_metadata_meta(c->trusted.timestamp, "snapshot.json", &meta))
		return err_set(e, ERR_BUG, "timestamp without snapshot.json");
	CLEANUP(buf_release) struct buf raw = BUF_INIT(ceiling(&meta, c->limits.snapshot));
	CLEANUP(mem_free_ptr) char *name = remote_name(c, "snapshot", meta.version);
	rc = fetch(c, &step, name, &raw, e);
	return rc < 0 ? rc : store(c, "snapshot", &raw, e);
}

static int check_targets(struct tuf_client *c, struct step *s, const struct buf *raw,
			 const char *what, bool local, struct err *e)
{
	(void)local;
	return tuf_trusted_targets(&c->trusted, buf_str(raw), raw->len, what, s->role, s->parent,
				   &s->loaded, e);
}

static int refuse_size(const struct tuf_client *c, const char *name, uint64_t bytes, struct err *e)
{
	err_set(e, ERR_INTEGRITY, "%s: it has %llu bytes, more than the limit of %zu", name,
		(unsigned long long)bytes, c->limits.targets);
	return err_hint(e, "if the publisher confirms this size, raise targets-max-size of the "
			   "repository in ferry.conf");
}

static int load_targets(struct tuf_client *c, const char *role, const struct tuf_metadata *parent,
			const struct tuf_metadata **out, struct err *e)
{
	struct step step = { .role = role, .parent = parent, .check = check_targets };
	struct tuf_meta meta;
	int rc = tuf_trusted_listed(&c->trusted, role, &meta, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *name = remote_name(c, role, meta.version);
	if (strlen(name) > MAX_NAME)
		return err_set(e, ERR_INTEGRITY, "a delegated role's name is too long");
	if (meta.has_length && meta.length > c->limits.targets)
		return refuse_size(c, name, meta.length, e);
	if (c->trusted.offline)
		rc = need_stored(c, &step, c->limits.targets, e);
	else
		rc = try_stored(c, &step, c->limits.targets, e);
	if (rc == 0 && !c->trusted.offline) {
		CLEANUP(buf_release) struct buf raw = BUF_INIT(ceiling(&meta, c->limits.targets));
		rc = fetch(c, &step, name, &raw, e);
		if (rc == 0)
			rc = store(c, role, &raw, e);
	}
	if (rc < 0)
		return rc;
	*out = step.loaded;
	return 0;
}

/* 1: another process stored a newer timestamp meanwhile. What it stored beside it would be compared
 * with the older one. */
static int refresh(struct tuf_client *c, struct err *e)
{
	const struct tuf_metadata *targets;
	int rc = tuf_folder_root(c->dir, c->limits.root, &c->trusted, e);
	if (rc == 0)
		rc = refresh_root(c, e);
	if (rc == 0)
		rc = refresh_timestamp(c, e);
	if (rc == 0)
		rc = is_outdated(c, e);
	if (rc == 0)
		rc = refresh_snapshot(c, e);
	if (rc == 0)
		rc = load_targets(c, "targets", c->trusted.root, &targets, e);
	return rc;
}

int tuf_client_refresh(struct tuf_client *c, struct err *e)
{
	c->ready = false;
	c->trusted.offline = false;
	int rc = tuf_folder_tidy(c->dir, e);
	if (rc < 0)
		return rc;
	for (int tries = 0; (rc = refresh(c, e)) == 1; tries++)
		if (tries == MAX_TRIES)
			return err_set(e, ERR_CONFLICT, "%s: other processes keep changing it",
				       c->dir);
	c->ready = rc == 0;
	return rc;
}

int tuf_client_load_offline(struct tuf_client *c, const char **expired, struct err *e)
{
	struct step timestamp = { .role = "timestamp", .check = check_timestamp };
	struct step snapshot = { .role = "snapshot", .check = check_snapshot };
	const struct tuf_metadata *targets;
	c->ready = false;
	int rc = tuf_folder_root(c->dir, c->limits.root, &c->trusted, e);
	c->trusted.offline = true;
	if (rc == 0)
		rc = tuf_trusted_root_final(&c->trusted, e);
	if (rc == 0)
		rc = need_stored(c, &timestamp, c->limits.timestamp, e);
	if (rc == 0)
		rc = need_stored(c, &snapshot, c->limits.snapshot, e);
	if (rc == 0 && !snapshot.flag)
		rc = err_set(e, ERR_INTEGRITY,
			     "the stored snapshot is newer than the stored timestamp");
	if (rc == 0)
		rc = load_targets(c, "targets", c->trusted.root, &targets, e);
	if (rc < 0)
		return rc;
	c->ready = true;
	*expired = c->trusted.expired;
	return 0;
}

bool tuf_client_has_timestamp(const struct tuf_client *c)
{
	CLEANUP(mem_free_ptr) char *path = tuf_folder_path(c->dir, "timestamp");
	return file_exists(path);
}

bool tuf_client_is_complete(const struct tuf_client *c)
{
	const struct tuf_trusted *t = &c->trusted;
	const struct tuf_metadata *targets = tuf_trusted_top(t);
	struct tuf_meta snapshot, listed;
	return c->ready && targets && tuf_metadata_meta(t->timestamp, "snapshot.json", &snapshot) &&
	       t->snapshot->version == snapshot.version &&
	       tuf_metadata_meta(t->snapshot, "targets.json", &listed) &&
	       targets->version == listed.version;
}

/* -- targets --------------------------------------------------------------------------- */

static int load_delegated(void *ctx, const char *name, const struct tuf_metadata *parent,
			  const struct tuf_metadata **out, struct err *e)
{
	struct tuf_client *c = ctx;
	struct err why = ERR_INIT;
	/* A file that was loaded for another delegator may not verify for this one; the stored or
	 * the published file may. */
	if (tuf_trusted_known(&c->trusted, name, parent, out, &why) == 0 && *out)
		return 0;
	return load_targets(c, name, parent, out, e);
}

static int read_target(const json_t *entry, const char *path, struct tuf_target *out, struct err *e)
{
	struct tuf_target t = { 0 };
	int rc = json_get_u64(entry, path, "length", &t.length, e);
	if (rc < 0)
		return rc;
	const char *hex =
		json_string_value(json_object_get(json_object_get(entry, "hashes"), "sha256"));
	if (!hex || !digest_parse(&t.sha256, hex))
		return err_set(e, ERR_INTEGRITY, "%s: the signed metadata gives no SHA-256", path);
	const json_t *custom = json_object_get(entry, "custom");
	if (custom) {
		CLEANUP(buf_release) struct buf text = BUF_INIT(64 * MIB);
		rc = json_canonical(custom, &text, e);
		if (rc < 0)
			return rc;
		t.custom = buf_steal(&text);
	}
	*out = t;
	return 0;
}

int tuf_client_find(struct tuf_client *c, const char *path, const json_t **entry,
		    const char **signer, struct err *e)
{
	if (!c->ready)
		return err_set(e, ERR_BUG, "the metadata was used before it was loaded");
	return tuf_search(tuf_trusted_top(&c->trusted), path, c->limits.delegations, load_delegated,
			  c, entry, signer, e);
}

int tuf_client_target(struct tuf_client *c, const char *path, struct tuf_target *out, struct err *e)
{
	const json_t *entry;
	const char *signer;
	int rc = tuf_client_find(c, path, &entry, &signer, e);
	if (rc == 0)
		rc = read_target(entry, path, out, e);
	if (rc == 0)
		out->signer = signer;
	return rc;
}

bool tuf_client_top_lists(const struct tuf_client *c, const char *path)
{
	return c->ready && json_object_get(tuf_trusted_top(&c->trusted)->targets, path);
}

char *tuf_client_hashed_name(const struct tuf_client *c, const char *path, const char *hex)
{
	const char *base = path_base(path);
	if (!c->trusted.root->consistent_snapshot)
		return mem_strdup(path);
	return mem_printf("%.*s%s.%s", (int)(base - path), path, hex, base);
}

char *tuf_client_target_name(const struct tuf_client *c, const char *path,
			     const struct tuf_target *t)
{
	char hex[DIGEST_HEX];
	return tuf_client_hashed_name(c, path, digest_hex(hex, &t->sha256));
}

size_t tuf_client_state(const struct tuf_client *c, struct tuf_role_state out[4])
{
	const struct tuf_metadata *all[] = { c->trusted.root, c->trusted.timestamp,
					     c->trusted.snapshot, tuf_trusted_top(&c->trusted) };
	size_t count = 0;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i])
			out[count++] = (struct tuf_role_state){ tuf_type_name(all[i]->type),
								all[i]->version,
								all[i]->expires_s };
	return count;
}

size_t tuf_client_root_keys(const struct tuf_client *c, const char *const **keyids,
			    uint64_t *threshold)
{
	const struct tuf_role *role = &c->trusted.root->roles[TUF_ROOT];
	*keyids = (const char *const *)role->keyids;
	*threshold = role->threshold;
	return role->count;
}

const struct tuf_metadata *tuf_client_root(const struct tuf_client *c)
{
	return c->trusted.root;
}

const struct tuf_metadata *tuf_client_top(const struct tuf_client *c)
{
	return tuf_trusted_top(&c->trusted);
}

const struct tuf_key *tuf_client_targets_key(const struct tuf_client *c, const char *id)
{
	const struct tuf_role *role = &c->trusted.root->roles[TUF_TARGETS];
	for (size_t i = 0; i < role->count; i++)
		if (strcmp(role->keyids[i], id) == 0)
			return tuf_keys_find(&c->trusted.root->keys, id);
	return NULL;
}

const char *tuf_client_expired(const struct tuf_client *c)
{
	return c->trusted.expired;
}
