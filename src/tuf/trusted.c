#include "tuf/trusted.h"

#include "util/mem.h"
#include "util/text.h"

#include <string.h>

typedef unsigned long long ull;

static void forget_targets(struct tuf_trusted *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->roles[i].name);
		if (t->roles[i].owned)
			tuf_metadata_free(t->roles[i].m);
	}
	t->count = 0;
}

void tuf_trusted_release(struct tuf_trusted *t)
{
	forget_targets(t);
	free(t->roles);
	tuf_metadata_free(t->root);
	tuf_metadata_free(t->timestamp);
	tuf_metadata_free(t->snapshot);
	*t = (struct tuf_trusted){ .now_s = t->now_s };
}

static void replace(struct tuf_metadata **slot, struct tuf_metadata *m)
{
	tuf_metadata_free(*slot);
	*slot = m;
}

static char *root_name(const struct tuf_metadata *root)
{
	return mem_printf("root version %llu", (ull)root->version);
}

static int check_signed(const struct tuf_trusted *t, const struct tuf_metadata *m, const char *what,
			struct err *e)
{
	CLEANUP(mem_free_ptr) char *by = root_name(t->root);
	if (tuf_metadata_verify(m, &t->root->roles[m->type], &t->root->keys, what, by, e) < 0)
		return err_hint(e, "this is not what the publisher signed; try another mirror");
	return 0;
}

static int check_fresh(struct tuf_trusted *t, const struct tuf_metadata *m, const char *what,
		       struct err *e)
{
	char expires[TIME_TEXT], now[TIME_TEXT];
	if (m->expires_s > t->now_s)
		return 0;
	if (!t->expired || !t->offline)
		t->expired = tuf_type_name(m->type);
	if (t->offline)
		return 0;
	format_time(expires, m->expires_s);
	format_time(now, t->now_s);
	err_set(e, ERR_INTEGRITY, "%s version %llu has expired at %s", what, (ull)m->version,
		expires);
	return err_hint(e,
			"ask the publisher to refresh the repository; or correct this machine's "
			"clock, if it is wrong (it shows %s)",
			now);
}

int tuf_trusted_root_first(struct tuf_trusted *t, const void *data, size_t len, const char *what,
			   struct err *e)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *root = NULL;
	int rc = tuf_metadata_parse(TUF_ROOT, data, len, what, &root, e);
	if (rc == 0)
		rc = tuf_metadata_verify(root, &root->roles[TUF_ROOT], &root->keys, what, "itself",
					 e);
	if (rc < 0)
		return rc;
	tuf_trusted_release(t);
	t->root = STEAL(root);
	return 0;
}

static bool key_taken_away(const struct tuf_metadata *old, const struct tuf_metadata *new,
			   enum tuf_type type)
{
	const struct tuf_role *before = &old->roles[type], *after = &new->roles[type];
	for (size_t i = 0; i < before->count; i++)
		if (!after->count || !bsearch(&before->keyids[i], after->keyids, after->count,
					      sizeof *after->keyids, str_compare))
			return true;
	return false;
}

int tuf_trusted_root_next(struct tuf_trusted *t, const void *data, size_t len, const char *what,
			  bool *rotated, struct err *e)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *root = NULL;
	int rc = tuf_metadata_parse(TUF_ROOT, data, len, what, &root, e);
	if (rc == 0)
		rc = check_signed(t, root, what, e);
	if (rc < 0)
		return rc;
	if (root->version != t->root->version + 1)
		return err_set(e, ERR_INTEGRITY,
			       "%s is root version %llu; only version %llu can follow version %llu",
			       what, (ull)root->version, (ull)t->root->version + 1,
			       (ull)t->root->version);
	rc = tuf_metadata_verify(root, &root->roles[TUF_ROOT], &root->keys, what, "itself", e);
	if (rc < 0)
		return rc;
	*rotated = key_taken_away(t->root, root, TUF_TIMESTAMP) ||
		   key_taken_away(t->root, root, TUF_SNAPSHOT);
	replace(&t->root, STEAL(root));
	return 0;
}

int tuf_trusted_root_final(struct tuf_trusted *t, struct err *e)
{
	return check_fresh(t, t->root, "root", e);
}

static uint64_t snapshot_version(const struct tuf_metadata *timestamp)
{
	struct tuf_meta meta;
	return tuf_metadata_meta(timestamp, "snapshot.json", &meta) ? meta.version : 0;
}

static int check_rollback(const char *what, const char *role, uint64_t now, uint64_t before,
			  struct err *e)
{
	if (now >= before)
		return 0;
	err_set(e, ERR_INTEGRITY, "%s: rollback of %s from version %llu to %llu", what, role,
		(ull)before, (ull)now);
	return err_hint(e, "this mirror is outdated or hides newer versions; try another mirror");
}

int tuf_trusted_timestamp(struct tuf_trusted *t, const void *data, size_t len, const char *what,
			  bool local, bool *same, struct err *e)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	const struct tuf_metadata *old = t->timestamp;
	int rc = tuf_metadata_parse(TUF_TIMESTAMP, data, len, what, &m, e);
	if (rc == 0)
		rc = check_signed(t, m, what, e);
	if (rc == 0 && old)
		rc = check_rollback(what, "timestamp", m->version, old->version, e);
	if (rc < 0)
		return rc;
	*same = old && m->version == old->version;
	if (*same)
		return check_fresh(t, old, "timestamp", e);
	if (old)
		rc = check_rollback(what, "snapshot", snapshot_version(m), snapshot_version(old),
				    e);
	if (rc == 0 && (!local || t->offline))
		rc = check_fresh(t, m, what, e);
	if (rc < 0)
		return rc;
	replace(&t->timestamp, STEAL(m));
	return 0;
}

/* Nothing that was listed may be missing or older (5.5.5). */
static int check_snapshot_rollback(const struct tuf_metadata *old, const struct tuf_metadata *new,
				   const char *what, struct err *e)
{
	const char *name;
	json_t *value;
	json_object_foreach ((json_t *)old->meta, name, value) {
		struct tuf_meta before, now;
		CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
		if (!tuf_metadata_meta(old, name, &before))
			continue;
		if (!tuf_metadata_meta(new, name, &now))
			return err_set(e, ERR_INTEGRITY, "%s no longer lists %s", what, shown);
		int rc = check_rollback(what, shown, now.version, before.version, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Is m the wanted version? Offline, an older one is accepted: an interrupted refresh leaves one. */
static int check_version(const struct tuf_trusted *t, const struct tuf_metadata *m, uint64_t wanted,
			 const char *what, const char *by, struct err *e)
{
	if (m->version == wanted || (t->offline && m->version < wanted))
		return 0;
	return err_set(e, ERR_INTEGRITY, "%s is version %llu, but %s lists version %llu", what,
		       (ull)m->version, by, (ull)wanted);
}

int tuf_trusted_snapshot(struct tuf_trusted *t, const void *data, size_t len, const char *what,
			 bool local, bool *final, struct err *e)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	struct tuf_meta meta;
	int rc = check_fresh(t, t->timestamp, "timestamp", e);
	if (rc < 0)
		return rc;
	if (!tuf_metadata_meta(t->timestamp, "snapshot.json", &meta))
		return err_set(e, ERR_BUG, "timestamp without snapshot.json");
	if (!local)
		rc = tuf_meta_check(&meta, data, len, what, e);
	if (rc == 0)
		rc = tuf_metadata_parse(TUF_SNAPSHOT, data, len, what, &m, e);
	if (rc == 0)
		rc = check_signed(t, m, what, e);
	if (rc == 0 && t->snapshot)
		rc = check_snapshot_rollback(t->snapshot, m, what, e);
	if (rc < 0)
		return rc;
	struct err why = ERR_INIT;
	rc = check_version(t, m, meta.version, what, "timestamp", &why);
	if (rc == 0)
		rc = check_fresh(t, m, what, &why);
	if (rc < 0 && !local) {
		*e = why;
		return rc;
	}
	*final = rc == 0;
	replace(&t->snapshot, STEAL(m));
	return 0;
}

int tuf_trusted_listed(const struct tuf_trusted *t, const char *name, struct tuf_meta *out,
		       struct err *e)
{
	CLEANUP(mem_free_ptr) char *file = mem_printf("%s.json", name);
	if (tuf_metadata_meta(t->snapshot, file, out))
		return 0;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
	return err_set(e, ERR_INTEGRITY, "snapshot version %llu does not list the role %.80s",
		       (ull)t->snapshot->version, shown);
}

/* Who may sign `name`, according to its delegator. */
static const struct tuf_role *delegated_role(const struct tuf_metadata *parent, const char *name)
{
	if (parent->type == TUF_ROOT)
		return &parent->roles[TUF_TARGETS];
	if (parent->bins.bit_length)
		return &parent->bins.role;
	for (size_t i = 0; i < parent->delegated_count; i++)
		if (strcmp(parent->delegated[i].name, name) == 0)
			return &parent->delegated[i].role;
	return NULL;
}

static int check_delegated(const struct tuf_metadata *m, const char *name,
			   const struct tuf_metadata *parent, const char *what, struct err *e)
{
	CLEANUP(mem_free_ptr) char *by = parent->type == TUF_ROOT
						 ? root_name(parent)
						 : mem_printf("its delegator, version %llu",
							      (ull)parent->version);
	const struct tuf_role *role = delegated_role(parent, name);
	if (!role)
		return err_set(e, ERR_BUG, "%s: no role delegates to it", what);
	return tuf_metadata_verify(m, role, &parent->keys, what, by, e);
}

static void add_role(struct tuf_trusted *t, const char *name, const struct tuf_metadata *parent,
		     struct tuf_metadata *m, bool owned)
{
	t->roles = mem_grow(t->roles, t->count, &t->cap, sizeof *t->roles);
	t->roles[t->count++] = (struct tuf_trusted_role){ mem_strdup(name), parent, m, owned };
}

int tuf_trusted_targets(struct tuf_trusted *t, const void *data, size_t len, const char *what,
			const char *name, const struct tuf_metadata *parent,
			const struct tuf_metadata **out, struct err *e)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	struct tuf_meta meta;
	int rc = tuf_trusted_listed(t, name, &meta, e);
	if (rc == 0 && !t->offline)
		rc = tuf_meta_check(&meta, data, len, what, e);
	if (rc == 0)
		rc = tuf_metadata_parse(TUF_TARGETS, data, len, what, &m, e);
	if (rc == 0)
		rc = check_delegated(m, name, parent, what, e);
	if (rc == 0)
		rc = check_version(t, m, meta.version, what, "snapshot", e);
	if (rc == 0)
		rc = check_fresh(t, m, what, e);
	if (rc < 0)
		return rc;
	add_role(t, name, parent, m, true);
	*out = STEAL(m);
	return 0;
}

int tuf_trusted_known(struct tuf_trusted *t, const char *name, const struct tuf_metadata *parent,
		      const struct tuf_metadata **out, struct err *e)
{
	struct tuf_metadata *known = NULL;
	for (size_t i = 0; i < t->count; i++) {
		if (strcmp(t->roles[i].name, name) != 0)
			continue;
		known = t->roles[i].m;
		if (t->roles[i].parent == parent) {
			*out = known;
			return 0;
		}
	}
	if (known) {
		int rc = check_delegated(known, name, parent, name, e);
		if (rc < 0)
			return rc;
		add_role(t, name, parent, known, false);
	}
	*out = known;
	return 0;
}

bool tuf_trusted_is_outdated(const struct tuf_trusted *t, const void *timestamp, size_t len)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	struct err ignored = ERR_INIT;
	return t->timestamp &&
	       tuf_metadata_parse(TUF_TIMESTAMP, timestamp, len, "", &m, &ignored) == 0 &&
	       m->version > t->timestamp->version && check_signed(t, m, "", &ignored) == 0;
}

const struct tuf_metadata *tuf_trusted_top(const struct tuf_trusted *t)
{
	return t->count ? t->roles[0].m : NULL;
}
