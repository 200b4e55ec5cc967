#include "repository/ceremony_internal.h"

#include "repository/keys.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* A new key; written to disk only when nothing else can fail. */
struct fresh {
	char *name;
	struct privkey *key;
};

struct rotation {
	struct ceremony run;
	const struct repository_rotation *request;
	struct fresh *fresh;
	size_t fresh_count, fresh_cap;
	bool repairs; /* a publication was interrupted */
};

static void release(struct rotation *x)
{
	repository_ceremony_end(&x->run);
	for (size_t i = 0; i < x->fresh_count; i++) {
		free(x->fresh[i].name);
		privkey_free(x->fresh[i].key);
	}
	free(x->fresh);
}

/* ---- the change ---- */

static int make_key(struct rotation *x, const char *role, struct err *e)
{
	struct privkey *key;
	int rc = privkey_new(x->request->kind, &key, e);
	if (rc < 0)
		return rc;
	x->fresh = mem_grow(x->fresh, x->fresh_count, &x->fresh_cap, sizeof *x->fresh);
	x->fresh[x->fresh_count++] = (struct fresh){
		.name = keyring_free_name(x->request->keys, path_is_id(role) ? role : "delegated"),
		.key = key,
	};
	str_list_add(&x->run.result.added, privkey_public(key)->id);
	return writer_key_add(x->run.w, role, privkey_public(key), e);
}

static int remove_key(struct rotation *x, const char *role, const char *keyid, struct err *e)
{
	str_list_add(&x->run.result.removed, keyid);
	return writer_key_remove(x->run.w, role, keyid, e);
}

static int replace_only_key(struct rotation *x, const char *role, struct err *e)
{
	CLEANUP(str_list_release) struct str_list keys = { 0 };
	int rc = writer_keys(x->run.w, role, &keys, e);
	if (rc < 0)
		return rc;
	if (keys.count != 1) {
		CLEANUP(mem_free_ptr) char *who = repository_name_keys(x->run.how, &keys);
		err_set(e, ERR_USAGE, "%s has %zu keys: %.300s", role, keys.count, who);
		return err_hint(e, "choose the keys to replace with --remove and --add");
	}
	rc = make_key(x, role, e);
	return rc < 0 ? rc : remove_key(x, role, keys.at[0], e);
}

static int change_keys(struct rotation *x, const char *role, struct err *e)
{
	CLEANUP(str_list_release) struct str_list keys = { 0 };
	int rc = writer_keys(x->run.w, role, &keys, e);
	for (size_t i = 0; rc == 0 && i < x->request->remove_count; i++) {
		CLEANUP(mem_free_ptr) char *who = repository_name_keys(x->run.how, &keys);
		if (!str_list_has(&keys, x->request->remove[i])) {
			err_set(e, ERR_USAGE, "%s has no key %.16s", role, x->request->remove[i]);
			return x->repairs
				       ? err_hint(e, "a command was interrupted after it removed "
						     "the key; run `ferry catalog sign` to finish")
				       : err_hint(e, "its keys are %.300s", who);
		}
		rc = remove_key(x, role, x->request->remove[i], e);
	}
	for (size_t i = 0; rc == 0 && i < x->request->add_count; i++) {
		if (!str_list_has(&keys, x->request->add[i]->id))
			str_list_add(&x->run.result.added, x->request->add[i]->id);
		rc = writer_key_add(x->run.w, role, x->request->add[i], e);
	}
	if (rc == 0 && x->request->threshold)
		rc = writer_set_threshold(x->run.w, role, x->request->threshold, e);
	return rc;
}

static int change(struct rotation *x, const char *role, struct err *e)
{
	CLEANUP(str_list_release) struct str_list keys = { 0 };
	bool replace = !x->request->add_count && !x->request->remove_count &&
		       !x->request->threshold;
	if (x->request->renew) {
		int rc = writer_keys(x->run.w, role, &keys, e);
		return rc < 0 ? rc : writer_touch(x->run.w, role, e);
	}
	return replace ? replace_only_key(x, role, e) : change_keys(x, role, e);
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

static int change_all(struct rotation *x, struct err *e)
{
	size_t before = count_signatures(x->run.w);
	bool follow = writer_bins_like_targets(x->run.w);
	for (size_t i = 0; i < x->request->role_count; i++) {
		int rc = change(x, x->request->roles[i], e);
		if (rc < 0)
			return rc;
	}
	int rc = follow ? writer_bins_follow(x->run.w, e) : 0;
	if (rc < 0)
		return rc;
	size_t after = count_signatures(x->run.w);
	x->run.result.dropped = before > after ? before - after : 0;
	return writer_check(x->run.w, e);
}

/* Can this key sign now, or has it already signed? */
static bool at_hand(const struct rotation *x, const struct writer_status *st, const char *id)
{
	const struct keyring_key *known = keyring_by_id(x->run.how->keys, id);
	for (size_t i = 0; i < x->fresh_count; i++)
		if (strcmp(privkey_public(x->fresh[i].key)->id, id) == 0)
			return true;
	return str_list_has(&st->signed_by, id) || (known && known->kind != KEYRING_PUBLIC);
}

static bool enough(const struct rotation *x, const struct writer_status *st,
		   const struct str_list *ids, unsigned threshold)
{
	unsigned count = 0;
	for (size_t i = 0; i < ids->count; i++)
		count += at_hand(x, st, ids->at[i]);
	return count >= threshold;
}

/* The keys whose signatures this save can use. While root waits for other people, the online keys
 * are not needed yet, so their passphrases are not requested. */
static int wanted_keys(const struct rotation *x, struct str_list *out, struct err *e)
{
	const struct writer_statuses *all;
	int rc = writer_status(x->run.w, &all, e);
	bool online = true;
	for (size_t i = 0; rc == 0 && i < all->count; i++) {
		const struct writer_status *st = &all->at[i];
		if (!st->waiting || repository_is_online(st->role))
			continue;
		writer_signers(x->run.w, st->role, out);
		if (strcmp(st->role, "root") == 0)
			online = enough(x, st, &st->keyids, st->threshold) &&
				 enough(x, st, &st->old_keyids, st->old_threshold);
	}
	for (size_t i = 0; rc == 0 && i < x->request->role_count; i++)
		if (!repository_is_online(x->request->roles[i]))
			writer_signers(x->run.w, x->request->roles[i], out);
	if (rc == 0 && online) {
		writer_signers(x->run.w, "snapshot", out);
		writer_signers(x->run.w, "timestamp", out);
	}
	return rc;
}

/* A key that the user named must be usable for the change, at least at its end. */
static int check_named(const struct rotation *x, struct err *e)
{
	const struct writer_statuses *all;
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	int rc = writer_status(x->run.w, &all, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < x->request->role_count; i++)
		str_list_add(&roles, x->request->roles[i]);
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].waiting || repository_is_online(all->at[i].role))
			str_list_add(&roles, all->at[i].role);
	return repository_check_chosen(x->run.dir, x->run.w, x->run.how,
				       (const char *const *)roles.at, roles.count, e);
}

static int store_fresh(struct rotation *x, struct err *e)
{
	for (size_t i = 0; i < x->fresh_count; i++) {
		struct fresh *f = &x->fresh[i];
		int rc = keyring_store(x->request->keys, f->name, STEAL(f->key),
				       x->request->passphrase, e);
		if (rc < 0)
			return rc;
		str_list_add(&x->run.result.made, f->name);
		keyring_signers_add(&x->run.signers,
				    keyring_find(x->request->keys, f->name)->signer);
	}
	return 0;
}

static bool any_fits(const struct rotation *x, const char *role)
{
	CLEANUP(str_list_release) struct str_list ids = { 0 };
	writer_signers(x->run.w, role, &ids);
	for (size_t i = 0; i < x->run.signers.count; i++)
		if (str_list_has(&ids, x->run.signers.at[i]->key->id))
			return true;
	return false;
}

/* A rotated role gets a new version when it is saved. */
static bool is_named(const struct rotation *x, const char *role)
{
	for (size_t i = 0; i < x->request->role_count; i++)
		if (strcmp(x->request->roles[i], role) == 0)
			return true;
	return false;
}

/* Can one of the signers make a signature now? Those of snapshot and timestamp come last and are
 * useless before the others exist. */
static bool any_is_of_use(const struct rotation *x)
{
	const struct writer_statuses *all;
	struct err ignored = ERR_INIT;
	bool offline = false, online = false, offline_fits = false;
	if (writer_status(x->run.w, &all, &ignored) < 0)
		return true;
	for (size_t i = 0; i < all->count; i++) {
		const struct writer_status *st = &all->at[i];
		bool fits = (st->waiting || is_named(x, st->role)) && any_fits(x, st->role);
		if (repository_is_online(st->role)) {
			online |= fits;
			continue;
		}
		offline |= st->waiting;
		offline_fits |= fits;
	}
	return offline ? offline_fits : online;
}

int repository_rotate(const char *dir, const struct repository_signing *how,
		      const struct repository_rotation *request, struct repository_ceremony *out,
		      struct err *e)
{
	CLEANUP(release) struct rotation x = { .request = request };
	CLEANUP(str_list_release) struct str_list wanted = { 0 };
	int rc = repository_ceremony_begin(&x.run, dir, how, e);
	if (rc < 0)
		return rc;
	x.repairs = writer_repair(x.run.w);
	if ((rc = change_all(&x, e)) < 0)
		return rc;
	if (!writer_changed(x.run.w))
		return repository_ceremony_finish(&x.run, out, e);
	rc = check_named(&x, e);
	if (rc == 0)
		rc = wanted_keys(&x, &wanted, e);
	if (rc == 0)
		rc = repository_open_keys(dir, how, NULL, 0, &wanted, &x.run.signers, e);
	if (rc == 0)
		rc = store_fresh(&x, e);
	return rc < 0 ? rc : repository_ceremony_save(&x.run, any_is_of_use(&x), out, e);
}
