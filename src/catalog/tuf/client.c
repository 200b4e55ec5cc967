#include "catalog/tuf/client.h"

#include "catalog/tuf/search.h"
#include "catalog/tuf/trusted.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MAX_TRIES 64            /* endpoints that a transport may offer for one file */
#define MAX_NAME 240            /* bytes of a file name, below what file systems allow */
#define PIN_FILE "pinned"       /* hex SHA-256 of the root that the chain began with */

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
	bool ready;             /* targets can be asked for */
};

void tuf_target_release(struct tuf_target *t)
{
	mem_free_ptr(&t->custom);
}

/* -- the trust folder ------------------------------------------------------------------ */

static char *stored_path(const char *dir, const char *role)
{
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(role, "");
	return mem_printf("%s/%s.json", dir, encoded);
}

/* 1 when the role is stored, 0 when it is not or is of no use because of its size. */
static int read_stored(const char *dir, const char *role, struct buf *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = stored_path(dir, role);
	struct err why = ERR_INIT;
	if (file_read_all(path, out, &why) == 0)
		return 1;
	if (err_is(&why, ERR_NOT_FOUND) || err_is(&why, ERR_INTEGRITY))
		return 0;
	*e = why;
	return -(int)e->class;
}

static int store(const struct tuf_client *c, const char *role, const struct buf *raw,
		 struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = stored_path(c->dir, role);
	return file_write_atomic(path, raw->data, raw->len, 0644, e);
}

static int forget(const struct tuf_client *c, const char *role, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = stored_path(c->dir, role);
	return file_remove(path, e);
}

static int trusted_root_hint(const char *dir, struct err *e)
{
	return err_hint(e, "the trust folder %s is damaged; remove it and start again from the "
			   "root that the publisher gave you", dir);
}

static int load_root(const char *dir, size_t max, struct tuf_trusted *t, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = stored_path(dir, "root");
	CLEANUP(buf_release) struct buf raw = BUF_INIT(max);
	if (!file_exists(path)) {
		err_set(e, ERR_NOT_FOUND, "there is no trusted root in %s", dir);
		return err_hint(e, "name the root file that the publisher gave you, or its "
				   "SHA-256, in the configuration");
	}
	int rc = file_read_all(path, &raw, e);
	if (rc == 0)
		rc = tuf_trusted_root_first(t, buf_str(&raw), raw.len, path, e);
	return rc < 0 && err_is(e, ERR_INTEGRITY) ? trusted_root_hint(dir, e) : rc;
}

static int store_pinned(const char *dir, const void *root, size_t len, struct err *e)
{
	struct digest digest;
	char hex[DIGEST_HEX];
	sha256_of(root, len, &digest);
	digest_hex(hex, &digest);
	hex[DIGEST_HEX - 1] = '\n';      /* a text file, not a string */
	CLEANUP(mem_free_ptr) char *pin = path_join(dir, PIN_FILE);
	CLEANUP(mem_free_ptr) char *path = stored_path(dir, "root");
	int rc = file_write_atomic(path, root, len, 0644, e);
	return rc < 0 ? rc : file_write_atomic(pin, hex, DIGEST_HEX, 0644, e);
}

bool tuf_client_pinned(const char *trust_dir, struct digest *out)
{
	CLEANUP(mem_free_ptr) char *path = path_join(trust_dir, PIN_FILE);
	CLEANUP(buf_release) struct buf text = BUF_INIT(DIGEST_HEX);
	struct err ignored = ERR_INIT;
	if (file_read_all(path, &text, &ignored) < 0 || text.len < DIGEST_HEX - 1)
		return false;
	text.data[DIGEST_HEX - 1] = '\0';
	return digest_parse(out, text.data);
}

static bool is_pinned(const char *dir, const void *root, size_t len)
{
	struct digest digest, pinned;
	sha256_of(root, len, &digest);
	return tuf_client_pinned(dir, &pinned) && digest_equal(&pinned, &digest);
}

/* Do the older root's keys vouch for the newer one? */
static bool vouches(const struct tuf_metadata *older, const struct tuf_metadata *newer)
{
	struct err ignored = ERR_INIT;
	return tuf_metadata_verify(newer, &older->roles[TUF_ROOT], &older->keys, "root", "",
				   &ignored) == 0;
}

/* 1: the given root takes the stored one's place; 0: the stored one stays. */
static int choose_root(const char *dir, const struct tuf_metadata *stored,
		       const struct tuf_metadata *given, const void *root, size_t len,
		       struct err *e)
{
	if (is_pinned(dir, root, len) ||
	    (given->version <= stored->version && vouches(given, stored)))
		return 0;
	if (given->version > stored->version && vouches(stored, given))
		return 1;
	err_set(e, ERR_CONFLICT,
		"%s holds the trusted root of another repository, or of another time", dir);
	return err_hint(e, "if the publisher began anew, remove %s; be sure of the new root first",
			dir);
}

int tuf_client_init(const char *trust_dir, const void *root, size_t len, struct err *e)
{
	CLEANUP(tuf_trusted_release) struct tuf_trusted given = { 0 }, stored = { 0 };
	if (len > tuf_limits_default.root)
		return err_set(e, ERR_INTEGRITY, "the pinned root is larger than %zu bytes",
			       tuf_limits_default.root);
	int rc = tuf_trusted_root_first(&given, root, len, "the pinned root", e);
	if (rc < 0)
		return err_hint(e, "ask the publisher for the root file again");
	rc = file_mkdirs(trust_dir, 0755, e);
	if (rc < 0)
		return rc;
	struct err why = ERR_INIT;
	if (load_root(trust_dir, tuf_limits_default.root, &stored, &why) == 0) {
		rc = choose_root(trust_dir, stored.root, given.root, root, len, e);
		if (rc <= 0)
			return rc;
	} else if (!err_is(&why, ERR_NOT_FOUND) && !err_is(&why, ERR_INTEGRITY)) {
		*e = why;
		return -(int)e->class;
	}
	return store_pinned(trust_dir, root, len, e);
}

bool tuf_client_is_initialised(const char *trust_dir)
{
	CLEANUP(mem_free_ptr) char *path = stored_path(trust_dir, "root");
	return file_exists(path);
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
	int rc = load_root(c->dir, c->limits.root, &c->trusted, e);
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
	const struct tuf_metadata *parent;      /* of targets roles */
	const struct tuf_metadata *loaded;      /* the same: the result */
	bool flag;                              /* rotated, same, final: what check tells */
	int (*check)(struct tuf_client *c, struct step *s, const struct buf *raw,
		     const char *what, bool local, struct err *e);
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
		if (rc == 0)
			rc = s->check(c, s, raw, name, false, e);
		if (rc == 0 || !err_is(e, ERR_INTEGRITY))
			return rc;
		if (tries == MAX_TRIES || !c->transport.rejected ||
		    !c->transport.rejected(c->transport.ctx, name, e))
			return rc;
		err_clear(e);
	}
}

static char *remote_name(const struct tuf_client *c, const char *role, uint64_t version)
{
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(role, "");
	if (!c->trusted.root->consistent_snapshot)
		return mem_printf("%s.json", encoded);
	return mem_printf("%llu.%s.json", (unsigned long long)version, encoded);
}

/* 1 when the stored file is what is wanted; 0 when it is missing or does not verify: then
 * the network has the word. */
static int try_stored(struct tuf_client *c, struct step *s, size_t max, struct err *e)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT(max);
	CLEANUP(mem_free_ptr) char *path = stored_path(c->dir, s->role);
	struct err why = ERR_INIT;
	int rc = read_stored(c->dir, s->role, &raw, e);
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

/* -- root ------------------------------------------------------------------------------ */

static int check_root(struct tuf_client *c, struct step *s, const struct buf *raw,
		      const char *what, bool local, struct err *e)
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
		CLEANUP(mem_free_ptr) char *name =
			mem_printf("%llu.root.json",
				   (unsigned long long)c->trusted.root->version + 1);
		if (fetch(c, &step, name, &raw, &why) < 0) {
			if (err_is(&why, ERR_NOT_FOUND))
				break;
			*e = why;
			return -(int)e->class;
		}
		/* First what the new root takes away, so that no interruption can leave it
		 * in force beside the new root (5.3.11). */
		int rc = step.flag ? forget(c, "timestamp", e) : 0;
		if (rc == 0 && step.flag)
			rc = forget(c, "snapshot", e);
		if (rc == 0)
			rc = store(c, "root", &raw, e);
		if (rc < 0)
			return rc;
	}
	return tuf_trusted_root_final(&c->trusted, e);
}

/* -- timestamp, snapshot, targets ------------------------------------------------------ */

static int check_timestamp(struct tuf_client *c, struct step *s, const struct buf *raw,
			   const char *what, bool local, struct err *e)
{
	return tuf_trusted_timestamp(&c->trusted, buf_str(raw), raw->len, what, local, &s->flag,
				     e);
}

static int refresh_timestamp(struct tuf_client *c, struct err *e)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT(c->limits.timestamp);
	struct step step = { .role = "timestamp", .check = check_timestamp };
	int rc = try_stored(c, &step, c->limits.timestamp, e);
	if (rc >= 0)
		rc = fetch(c, &step, "timestamp.json", &raw, e);
	if (rc < 0 || step.flag)
		return rc;
	return store(c, "timestamp", &raw, e);
}

static int check_snapshot(struct tuf_client *c, struct step *s, const struct buf *raw,
			  const char *what, bool local, struct err *e)
{
	return tuf_trusted_snapshot(&c->trusted, buf_str(raw), raw->len, what, local, &s->flag,
				    e);
}

/* The signed length is the ceiling where there is one; never above the configured. */
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

static int load_targets(struct tuf_client *c, const char *role,
			const struct tuf_metadata *parent, const struct tuf_metadata **out,
			struct err *e)
{
	struct step step = { .role = role, .parent = parent, .check = check_targets };
	struct tuf_meta meta;
	int rc = tuf_trusted_listed(&c->trusted, role, &meta, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *name = remote_name(c, role, meta.version);
	if (strlen(name) > MAX_NAME)
		return err_set(e, ERR_INTEGRITY, "a delegated role's name is too long");
	rc = try_stored(c, &step, c->limits.targets, e);
	if (rc == 0 && c->trusted.offline) {
		err_set(e, ERR_NOT_FOUND, "%s was not fetched before, or is damaged", name);
		return err_hint(e, "run the command once without --offline");
	}
	if (rc == 0) {
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

/* What a killed process left half written; only under the lock. */
static int remove_leftovers(const char *dir, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		if (file_is_temporary(names.at[i]))
			rc = file_remove(path, e);
	}
	return rc;
}

int tuf_client_refresh(struct tuf_client *c, struct err *e)
{
	/* Two processes that refresh at once must not put older metadata over newer. */
	CLEANUP(mem_free_ptr) char *lock_path = path_join(c->dir, "lock");
	CLEANUP(file_close) int lock = -1;
	const struct tuf_metadata *targets;
	c->ready = false;
	c->trusted.offline = false;
	int rc = file_lock(lock_path, true, &lock, e);
	if (rc == 0)
		rc = remove_leftovers(c->dir, e);
	if (rc == 0)
		rc = load_root(c->dir, c->limits.root, &c->trusted, e);
	if (rc == 0)
		rc = refresh_root(c, e);
	if (rc == 0)
		rc = refresh_timestamp(c, e);
	if (rc == 0)
		rc = refresh_snapshot(c, e);
	if (rc == 0)
		rc = load_targets(c, "targets", c->trusted.root, &targets, e);
	c->ready = rc == 0;
	return rc;
}

static int need_stored(struct tuf_client *c, struct step *s, size_t max, struct err *e)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT(max);
	CLEANUP(mem_free_ptr) char *path = stored_path(c->dir, s->role);
	int rc = file_read_all(path, &raw, e);
	if (rc == 0)
		rc = s->check(c, s, &raw, path, true, e);
	return rc < 0 ? err_hint(e, "run the command once without --offline") : 0;
}

int tuf_client_load_offline(struct tuf_client *c, const char **expired, struct err *e)
{
	struct step timestamp = { .role = "timestamp", .check = check_timestamp };
	struct step snapshot = { .role = "snapshot", .check = check_snapshot };
	const struct tuf_metadata *targets;
	c->ready = false;
	int rc = load_root(c->dir, c->limits.root, &c->trusted, e);
	c->trusted.offline = true;
	if (rc == 0)
		rc = tuf_trusted_root_final(&c->trusted, e);
	if (rc == 0)
		rc = need_stored(c, &timestamp, c->limits.timestamp, e);
	if (rc == 0)
		rc = need_stored(c, &snapshot, c->limits.snapshot, e);
	if (rc == 0 && !snapshot.flag)
		rc = err_set(e, ERR_INTEGRITY, "the stored snapshot is newer than the stored "
					       "timestamp");
	if (rc == 0)
		rc = load_targets(c, "targets", c->trusted.root, &targets, e);
	if (rc < 0)
		return rc;
	c->ready = true;
	*expired = c->trusted.expired;
	return 0;
}

/* -- targets --------------------------------------------------------------------------- */

static int load_delegated(void *ctx, const char *name, const struct tuf_metadata *parent,
			  const struct tuf_metadata **out, struct err *e)
{
	struct tuf_client *c = ctx;
	struct err why = ERR_INIT;
	/* What another delegator brought in may not be signed for this one; then the stored
	 * or the published file may be. */
	if (tuf_trusted_known(&c->trusted, name, parent, out, &why) == 0 && *out)
		return 0;
	return load_targets(c, name, parent, out, e);
}

static int read_target(const json_t *entry, const char *path, struct tuf_target *out,
		       struct err *e)
{
	struct tuf_target t = { 0 };
	int rc = json_get_u64(entry, path, "length", &t.length, e);
	if (rc < 0)
		return rc;
	const char *hex = json_string_value(json_object_get(json_object_get(entry, "hashes"),
							    "sha256"));
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
		    struct err *e)
{
	if (!c->ready)
		return err_set(e, ERR_BUG, "the metadata was not loaded before it was asked");
	return tuf_search(tuf_trusted_top(&c->trusted), path, c->limits.delegations,
			  load_delegated, c, entry, e);
}

int tuf_client_target(struct tuf_client *c, const char *path, struct tuf_target *out,
		      struct err *e)
{
	const json_t *entry;
	int rc = tuf_client_find(c, path, &entry, e);
	return rc < 0 ? rc : read_target(entry, path, out, e);
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
