#include "repository/ceremony.h"

#include "repository/internal.h"
#include "repository/plain.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

static const char *const top_roles[] = { "root", "targets", "snapshot", "timestamp" };

/* A key that is made now: on disk only when it is sure that nothing stands in the way. */
struct fresh {
	char *name;
	struct privkey *key;
};

struct ceremony {
	const char *dir;
	const struct repository_signing *how;
	struct writer *w;
	struct keyring_signers signers;
	struct fresh *fresh;
	size_t fresh_count, fresh_cap;
	bool repairs;                   /* a publication was stopped midway */
	struct repository_ceremony result;
};

void repository_ceremony_release(struct repository_ceremony *c)
{
	str_list_release(&c->added);
	str_list_release(&c->removed);
	str_list_release(&c->made);
}

static void release(struct ceremony *c)
{
	writer_close(c->w);
	keyring_signers_release(&c->signers);
	for (size_t i = 0; i < c->fresh_count; i++) {
		free(c->fresh[i].name);
		privkey_free(c->fresh[i].key);
	}
	free(c->fresh);
	repository_ceremony_release(&c->result);
}

static int begin(struct ceremony *c, const char *dir, const struct repository_signing *how,
		 struct err *e)
{
	*c = (struct ceremony){ .dir = dir, .how = how };
	int rc = writer_open(dir, &how->expiry, how->now_s, &c->w, e);
	if (rc < 0 || writer_has_root(c->w))
		return rc;
	err_set(e, ERR_NOT_FOUND, "%s: the repository has no root yet", dir);
	return err_hint(e, "`ferry catalog init` makes its keys and its root");
}

/* ---- who may sign ---- */

static bool is_top_online(const char *role)
{
	return strcmp(role, top_roles[2]) == 0 || strcmp(role, top_roles[3]) == 0;
}

static void add_missing(struct str_list *out, const struct str_list *ids)
{
	for (size_t i = 0; i < ids->count; i++)
		if (!str_list_has(out, ids->at[i]))
			str_list_add(out, ids->at[i]);
}

/* "alice (1f2e3d4c5b6a7988), 99aabbcc…" */
static char *tell_keys(const struct repository_signing *how, const struct str_list *ids)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * KIB);
	for (size_t i = 0; i < ids->count; i++) {
		const struct keyring_key *known =
			keyring_by_id(how->names ? how->names : how->keys, ids->at[i]);
		buf_addf(&text, "%s", i ? ", " : "");
		if (known)
			buf_addf(&text, "%s (%.16s)", known->name, ids->at[i]);
		else
			buf_addf(&text, "%.16s", ids->at[i]);
	}
	return mem_strdup(buf_str(&text));
}

static void every_signer(struct writer *w, struct str_list *out)
{
	const struct writer_statuses *all;
	struct err ignored = ERR_INIT;
	if (writer_status(w, &all, &ignored) < 0)
		return;
	for (size_t i = 0; i < all->count; i++)
		writer_signers(w, all->at[i].role, out);
}

static int wrong_key(const char *dir, const struct repository_signing *how,
		     const struct keyring_key *key, const char *role, const struct str_list *fit,
		     struct err *e)
{
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(4 * KIB);
	CLEANUP(mem_free_ptr) char *who = tell_keys(how, fit);
	repository_key_roles(dir, key->public->id, &roles);
	for (size_t i = 0; i < roles.count; i++)
		buf_addf(&text, "%s%s", i ? " and " : "", roles.at[i]);
	err_set(e, ERR_USAGE, "the key %s (%.16s) may not sign %s: it may sign %s", key->path,
		key->public->id, role ? role : "anything here",
		roles.count ? buf_str(&text) : "nothing in this repository");
	return role ? err_hint(e, "%s may be signed by %.300s", role, who) :
		      err_hint(e, "`ferry catalog status` shows who may sign what");
}

int repository_check_chosen(const char *dir, struct writer *w,
			    const struct repository_signing *how, const char *const *roles,
			    size_t count, struct err *e)
{
	CLEANUP(str_list_release) struct str_list fit = { 0 };
	for (size_t i = 0; i < count; i++)
		writer_signers(w, roles[i], &fit);
	if (!roles)
		every_signer(w, &fit);
	for (size_t i = 0; i < how->keys->count; i++) {
		const struct keyring_key *key = &how->keys->at[i];
		if (key->chosen && key->public && !str_list_has(&fit, key->public->id))
			return wrong_key(dir, how, key, roles ? roles[0] : NULL, &fit, e);
	}
	return 0;
}

/* The same for keys whose public part was known only when they were opened. */
static int check_opened(const struct ceremony *c, const char *const *roles, size_t count,
			const struct str_list *wanted, struct err *e)
{
	for (size_t i = 0; i < c->signers.count; i++) {
		const struct signer *s = c->signers.at[i];
		const struct keyring_key key = { .path = s->name, .public = s->key };
		if (!str_list_has(wanted, s->key->id))
			return wrong_key(c->dir, c->how, &key, count ? roles[0] : NULL, wanted, e);
	}
	return 0;
}

static int open_keys(struct ceremony *c, const char *const *roles, size_t count,
		     const struct str_list *wanted, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **names = mem_alloc((count + 1) * sizeof *names);
	static const char *const none[] = { NULL };
	int rc = keyring_open(c->how->keys, wanted, none, &c->signers, e);
	/* Those whose public part is missing may still be called by their role. */
	for (size_t i = 0; i < count; i++)
		names[i] = roles[i];
	names[count] = NULL;
	if (rc == 0 && c->signers.count == 0)
		rc = keyring_open(c->how->keys, wanted, names, &c->signers, e);
	return rc < 0 ? rc : check_opened(c, roles, count, wanted, e);
}

/* ---- saving ---- */

static int role_index(const char *role)
{
	for (size_t i = 0; i < ARRAY_LEN(top_roles); i++)
		if (strcmp(role, top_roles[i]) == 0)
			return (int)i;
	return -1;
}

static int tell_states(struct ceremony *c, struct err *e)
{
	const struct writer_statuses *all;
	struct repository_signed *s = &c->result.state;
	struct repository_state *const at[] = { &s->root, &s->targets, &s->snapshot,
						&s->timestamp };
	int rc = writer_status(c->w, &all, e);
	for (size_t i = 0; rc == 0 && i < all->count; i++) {
		int role = role_index(all->at[i].role);
		if (role >= 0)
			*at[role] = (struct repository_state){ all->at[i].version,
							       all->at[i].expires_s };
	}
	return rc;
}

static bool targets_waits(struct writer *w)
{
	const struct writer_statuses *all;
	struct err ignored = ERR_INIT;
	if (writer_status(w, &all, &ignored) < 0)
		return true;
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->at[i].role, top_roles[1]) == 0)
			return all->at[i].waiting;
	return true;
}

/* with_keys false: the drafts are kept as they are, unless they are complete. */
static int save(struct ceremony *c, bool with_keys, struct repository_ceremony *out,
		struct err *e)
{
	struct writer_saved saved;
	int rc = writer_save(c->w, c->signers.at, with_keys ? c->signers.count : 0, &saved, e);
	if (rc < 0)
		return rc;
	c->result.state.changed = true;
	c->result.state.published = saved.published;
	c->result.signatures += saved.signatures;
	rc = tell_states(c, e);
	if (rc == 0 && !targets_waits(c->w))
		rc = repository_plain_settle(c->dir, c->w, c->how, &c->signers, e);
	if (rc < 0)
		return rc;
	*out = c->result;
	c->result = (struct repository_ceremony){ 0 };
	return 0;
}

/* Nothing was to be done. */
static int finish_unchanged(struct ceremony *c, struct repository_ceremony *out, struct err *e)
{
	int rc = tell_states(c, e);
	c->result.state.published = !writer_changed(c->w);
	if (rc < 0)
		return rc;
	*out = c->result;
	c->result = (struct repository_ceremony){ 0 };
	return 0;
}

/* ---- rotating ---- */

static int make_key(struct ceremony *c, const struct repository_rotation *r, const char *role,
		    struct err *e)
{
	struct privkey *key;
	int rc = privkey_new(r->kind, &key, e);
	if (rc < 0)
		return rc;
	c->fresh = mem_grow(c->fresh, c->fresh_count, &c->fresh_cap, sizeof *c->fresh);
	c->fresh[c->fresh_count++] = (struct fresh){
		.name = keyring_free_name(r->keys, path_is_id(role) ? role : "delegated"),
		.key = key,
	};
	str_list_add(&c->result.added, privkey_public(key)->id);
	return writer_key_add(c->w, role, privkey_public(key), e);
}

static int remove_key(struct ceremony *c, const char *role, const char *keyid, struct err *e)
{
	str_list_add(&c->result.removed, keyid);
	return writer_key_remove(c->w, role, keyid, e);
}

static int replace_only_key(struct ceremony *c, const struct repository_rotation *r,
			    const char *role, struct err *e)
{
	CLEANUP(str_list_release) struct str_list keys = { 0 };
	int rc = writer_keys(c->w, role, &keys, e);
	if (rc < 0)
		return rc;
	if (keys.count != 1) {
		CLEANUP(mem_free_ptr) char *who = tell_keys(c->how, &keys);
		err_set(e, ERR_USAGE, "%s has %zu keys: %.300s", role, keys.count, who);
		return err_hint(e, "say which goes with --remove, and which comes with --add");
	}
	rc = make_key(c, r, role, e);
	return rc < 0 ? rc : remove_key(c, role, keys.at[0], e);
}

static int change_keys(struct ceremony *c, const struct repository_rotation *r, const char *role,
		       struct err *e)
{
	CLEANUP(str_list_release) struct str_list keys = { 0 };
	int rc = writer_keys(c->w, role, &keys, e);
	for (size_t i = 0; rc == 0 && i < r->remove_count; i++) {
		CLEANUP(mem_free_ptr) char *who = tell_keys(c->how, &keys);
		if (!str_list_has(&keys, r->remove[i])) {
			err_set(e, ERR_USAGE, "%s has no key %.16s", role, r->remove[i]);
			return c->repairs ?
				err_hint(e, "a command was stopped midway, after it took the key away: "
					 "`ferry catalog sign` finishes what it did") :
				err_hint(e, "it has %.300s", who);
		}
		rc = remove_key(c, role, r->remove[i], e);
	}
	for (size_t i = 0; rc == 0 && i < r->add_count; i++) {
		if (!str_list_has(&keys, r->add[i]->id))
			str_list_add(&c->result.added, r->add[i]->id);
		rc = writer_key_add(c->w, role, r->add[i], e);
	}
	if (rc == 0 && r->threshold)
		rc = writer_set_threshold(c->w, role, r->threshold, e);
	return rc;
}

static int change(struct ceremony *c, const struct repository_rotation *r, const char *role,
		  struct err *e)
{
	CLEANUP(str_list_release) struct str_list keys = { 0 };
	bool replace = !r->add_count && !r->remove_count && !r->threshold;
	if (r->renew) {
		int rc = writer_keys(c->w, role, &keys, e);
		return rc < 0 ? rc : writer_touch(c->w, role, e);
	}
	return replace ? replace_only_key(c, r, role, e) : change_keys(c, r, role, e);
}

static size_t count_signatures(struct writer *w)
{
	const struct writer_statuses *all;
	struct err ignored = ERR_INIT;
	size_t count = 0;
	if (writer_status(w, &all, &ignored) == 0)
		for (size_t i = 0; i < all->count; i++)
			count += all->at[i].waiting ? all->at[i].signed_by.count : 0;
	return count;
}

static int change_all(struct ceremony *c, const struct repository_rotation *r, struct err *e)
{
	size_t before = count_signatures(c->w);
	bool follow = writer_bins_like_targets(c->w);
	for (size_t i = 0; i < r->role_count; i++) {
		int rc = change(c, r, r->roles[i], e);
		if (rc < 0)
			return rc;
	}
	int rc = follow ? writer_bins_follow(c->w, e) : 0;
	if (rc < 0)
		return rc;
	size_t after = count_signatures(c->w);
	c->result.dropped = before > after ? before - after : 0;
	return writer_check(c->w, e);
}

/* Can this key sign here and now, or has it signed? */
static bool at_hand(const struct ceremony *c, const struct writer_status *st, const char *id)
{
	const struct keyring_key *known = keyring_by_id(c->how->keys, id);
	for (size_t i = 0; i < c->fresh_count; i++)
		if (strcmp(privkey_public(c->fresh[i].key)->id, id) == 0)
			return true;
	return str_list_has(&st->signed_by, id) || (known && known->kind != KEYRING_PUBLIC);
}

static bool enough(const struct ceremony *c, const struct writer_status *st,
		   const struct str_list *ids, unsigned threshold)
{
	unsigned count = 0;
	for (size_t i = 0; i < ids->count; i++)
		count += at_hand(c, st, ids->at[i]);
	return count >= threshold;
}

/* Whose signatures this save can use. While root waits for other people, the online keys are
 * of no use yet, and nobody is asked for their passphrases. */
static int wanted_keys(const struct ceremony *c, const struct repository_rotation *r,
		       struct str_list *out, struct err *e)
{
	const struct writer_statuses *all;
	int rc = writer_status(c->w, &all, e);
	bool online = true;
	for (size_t i = 0; rc == 0 && i < all->count; i++) {
		const struct writer_status *st = &all->at[i];
		if (!st->waiting || is_top_online(st->role))
			continue;
		writer_signers(c->w, st->role, out);
		if (strcmp(st->role, top_roles[0]) == 0)
			online = enough(c, st, &st->keyids, st->threshold) &&
				 enough(c, st, &st->old_keyids, st->old_threshold);
	}
	for (size_t i = 0; rc == 0 && i < r->role_count; i++)
		if (!is_top_online(r->roles[i]))
			writer_signers(c->w, r->roles[i], out);
	for (size_t i = 2; rc == 0 && online && i < ARRAY_LEN(top_roles); i++)
		writer_signers(c->w, top_roles[i], out);
	return rc;
}

/* A key that somebody named must be of use for the change, if only in the end. */
static int check_named(const struct ceremony *c, const struct repository_rotation *r,
		       struct err *e)
{
	const struct writer_statuses *all;
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	int rc = writer_status(c->w, &all, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < r->role_count; i++)
		str_list_add(&roles, r->roles[i]);
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].waiting || is_top_online(all->at[i].role))
			str_list_add(&roles, all->at[i].role);
	return repository_check_chosen(c->dir, c->w, c->how, (const char *const *)roles.at,
				       roles.count, e);
}

static int store_fresh(struct ceremony *c, const struct repository_rotation *r, struct err *e)
{
	for (size_t i = 0; i < c->fresh_count; i++) {
		struct fresh *f = &c->fresh[i];
		int rc = keyring_store(r->keys, f->name, STEAL(f->key), r->passphrase, e);
		if (rc < 0)
			return rc;
		str_list_add(&c->result.made, f->name);
		keyring_signers_add(&c->signers, keyring_find(r->keys, f->name)->signer);
	}
	return 0;
}

static bool any_fits(const struct ceremony *c, const char *role)
{
	CLEANUP(str_list_release) struct str_list ids = { 0 };
	writer_signers(c->w, role, &ids);
	for (size_t i = 0; i < c->signers.count; i++)
		if (str_list_has(&ids, c->signers.at[i]->key->id))
			return true;
	return false;
}

/* A role that is rotated gets a new version of its own when it is saved. */
static bool is_named(const struct repository_rotation *r, const char *role)
{
	for (size_t i = 0; i < r->role_count; i++)
		if (strcmp(r->roles[i], role) == 0)
			return true;
	return false;
}

/* Is there a signature that one of the signers can make now? Those of snapshot and timestamp come
 * last, and are of no use before the others are there. */
static bool any_is_of_use(const struct ceremony *c, const struct repository_rotation *r)
{
	const struct writer_statuses *all;
	struct err ignored = ERR_INIT;
	bool offline = false, online = false, offline_fits = false;
	if (writer_status(c->w, &all, &ignored) < 0)
		return true;
	for (size_t i = 0; i < all->count; i++) {
		const struct writer_status *st = &all->at[i];
		bool fits = (st->waiting || is_named(r, st->role)) && any_fits(c, st->role);
		if (is_top_online(st->role)) {
			online |= fits;
			continue;
		}
		offline |= st->waiting;
		offline_fits |= fits;
	}
	return offline ? offline_fits : online;
}

int repository_rotate(const char *dir, const struct repository_signing *how,
		      const struct repository_rotation *r, struct repository_ceremony *out,
		      struct err *e)
{
	CLEANUP(release) struct ceremony c;
	CLEANUP(str_list_release) struct str_list wanted = { 0 };
	int rc = begin(&c, dir, how, e);
	if (rc < 0)
		return rc;
	c.repairs = writer_repair(c.w);
	if ((rc = change_all(&c, r, e)) < 0)
		return rc;
	if (!writer_changed(c.w))
		return finish_unchanged(&c, out, e);
	if ((rc = check_named(&c, r, e)) < 0 || (rc = wanted_keys(&c, r, &wanted, e)) < 0 ||
	    (rc = open_keys(&c, NULL, 0, &wanted, e)) < 0 || (rc = store_fresh(&c, r, e)) < 0)
		return rc;
	return save(&c, any_is_of_use(&c, r), out, e);
}

/* ---- signing what waits ---- */

static int no_key(const struct ceremony *c, const char *role, const struct str_list *fit,
		  struct err *e)
{
	CLEANUP(mem_free_ptr) char *who = tell_keys(c->how, fit);
	err_set(e, ERR_USAGE, "%s: no key there may sign %s, which wants one of %.300s",
		c->how->keys->dir ? c->how->keys->dir : "the keys given", role, who);
	return err_hint(e, "name the key with --key FILE");
}

/* The roles of those that have something to sign; of bins their prefix. */
static int find_waiting(struct ceremony *c, const char *const *roles, size_t count,
			struct str_list *waiting, struct err *e)
{
	const struct writer_statuses *all;
	int rc = writer_status(c->w, &all, e);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		CLEANUP(str_list_release) struct str_list keys = { 0 };
		rc = writer_keys(c->w, roles[i], &keys, e);
		for (size_t k = 0; rc == 0 && k < all->count; k++)
			if (strcmp(all->at[k].role, roles[i]) == 0 && all->at[k].waiting)
				str_list_add(waiting, roles[i]);
	}
	return rc;
}

int repository_sign_roles(const char *dir, const struct repository_signing *how,
			  const char *const *roles, size_t count,
			  struct repository_ceremony *out, struct err *e)
{
	CLEANUP(release) struct ceremony c;
	CLEANUP(str_list_release) struct str_list waiting = { 0 }, wanted = { 0 };
	int rc = begin(&c, dir, how, e);
	if (rc < 0 || (rc = find_waiting(&c, roles, count, &waiting, e)) < 0 ||
	    (rc = repository_check_chosen(dir, c.w, how, roles, count, e)) < 0)
		return rc;
	if (waiting.count == 0)
		return finish_unchanged(&c, out, e);
	writer_limit(c.w, (const char *const *)waiting.at, waiting.count);
	for (size_t i = 0; i < waiting.count; i++) {
		CLEANUP(str_list_release) struct str_list fit = { 0 };
		writer_signers(c.w, waiting.at[i], &fit);
		add_missing(&wanted, &fit);
	}
	if ((rc = open_keys(&c, roles, count, &wanted, e)) < 0)
		return rc;
	return c.signers.count ? save(&c, true, out, e) : no_key(&c, waiting.at[0], &wanted, e);
}

int repository_merge(const char *dir, const struct repository_signing *how,
		     const char *const *paths, size_t count, struct repository_ceremony *out,
		     struct err *e)
{
	CLEANUP(release) struct ceremony c;
	size_t merged, signatures = 0;
	int rc = begin(&c, dir, how, e);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = writer_merge(c.w, paths[i], &merged, e);
		signatures += rc == 0 ? merged : 0;
	}
	if (rc < 0)
		return rc;
	c.result.signatures = signatures;
	return signatures ? save(&c, false, out, e) : finish_unchanged(&c, out, e);
}
