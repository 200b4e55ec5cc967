#include "repository/sign.h"

#include "repository/internal.h"
#include "repository/keys.h"
#include "repository/plain.h"
#include "repository/stage.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define TARGETS "targets"

static const char *const role_names[] = { "root", TARGETS, "snapshot", "timestamp", NULL };

/* One run: what is signed with what. */
struct signing {
	const char *dir;
	const struct repository_signing *how;
	struct writer *w;
	struct writer_saved saved;
	struct keyring_signers signers; /* that were opened */
	bool delegated_signed;          /* drafts of delegated roles have new signatures */
	struct repository_signed result;
};

static void signing_release(struct signing *s)
{
	writer_close(s->w);
	keyring_signers_release(&s->signers);
	repository_signed_release(&s->result);
}

void repository_signed_release(struct repository_signed *s)
{
	writer_statuses_release(&s->status);
}

/* ---- signatures ---- */

/* A document that this run may sign. Root only when it waits: its key stays away otherwise;
 * a refresh signs snapshot and timestamp alone. */
static bool may_sign(const struct writer_status *st, bool targets)
{
	bool online = repository_is_online(st->role);
	return online || (targets && (strcmp(st->role, TARGETS) == 0 || st->waiting));
}

static void add_all(struct str_list *out, const struct keyring *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		if (keys->at[i].public)
			str_list_add(out, keys->at[i].public->id);
}

/* The key ids whose signatures a save may need; all there are for a first version, where
 * the writer has no snapshot and timestamp yet to ask. */
static int wanted_keys(const struct signing *s, bool targets, struct str_list *out, struct err *e)
{
	const struct writer_statuses *all;
	bool first = true;
	int rc = writer_status(s->w, &all, e);
	for (size_t i = 0; rc == 0 && i < all->count; i++) {
		const struct writer_status *st = &all->at[i];
		first = first && strcmp(st->role, "timestamp") != 0;
		if (may_sign(st, targets))
			writer_signers(s->w, st->role, out);
	}
	if (rc == 0 && first)
		add_all(out, s->how->keys);
	return rc;
}

static int save(struct signing *s, bool targets, struct err *e)
{
	CLEANUP(str_list_release) struct str_list wanted = { 0 };
	/* Without the public part a key is known by its name alone. */
	const char *const *roles = targets ? &role_names[1] : &role_names[2];
	int rc = repository_check_chosen(s->dir, s->w, s->how, NULL, 0, e);
	if (rc == 0)
		rc = wanted_keys(s, targets, &wanted, e);
	if (rc == 0)
		rc = keyring_open(s->how->keys, &wanted, roles, &s->signers, e);
	if (rc == 0 && s->signers.count == 0) {
		err_set(e, ERR_USAGE, "%s: no key there may sign for this repository",
			s->how->keys->dir);
		return err_hint(e,
				"name the folder of its keys with `keys` in ferry.conf or --keys; "
				"`ferry catalog key list` shows what a folder has");
	}
	if (rc == 0)
		rc = writer_save(s->w, s->signers.at, s->signers.count, &s->saved, e);
	if (rc < 0)
		return rc;
	s->result.changed = true;
	/* A delegated role or a root that waits holds nobody up. */
	s->result.published = !writer_waits(s->w, TARGETS) && !writer_waits(s->w, "snapshot") &&
			      !writer_waits(s->w, "timestamp");
	return 0;
}

/* What waits in the delegated roles, with their keys where they are here, too: before the
 * catalog is made, for it shows what they have signed. */
static int sign_delegated(struct signing *s, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	writer_delegation_names(s->w, &names);
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(str_list_release) struct str_list wanted = { 0 };
		CLEANUP(keyring_signers_release) struct keyring_signers signers = { 0 };
		bool complete;
		if (!writer_waits(s->w, names.at[i]))
			continue;
		int rc = writer_keys(s->w, names.at[i], &wanted, e);
		if (rc == 0)
			rc = keyring_open(s->how->keys, &wanted, (const char *const[]){ NULL },
					  &signers, e);
		if (rc == 0)
			rc = writer_sign(s->w, names.at[i], signers.at, signers.count, &complete,
					 e);
		if (rc < 0)
			return rc;
		s->delegated_signed |= signers.count > 0;
	}
	return 0;
}

/* ---- the commands ---- */

static int open_signing(struct signing *s, const struct repository *r,
			const struct repository_signing *how, struct err *e)
{
	*s = (struct signing){ .dir = r->dir, .how = how };
	return writer_open(r->dir, &how->expiry, how->now_s, &s->w, e);
}

static int finish(struct signing *s, struct repository_signed *out, struct err *e)
{
	int rc = writer_status_take(s->w, &s->result.status, e);
	if (rc < 0)
		return rc;
	*out = s->result;
	s->result = (struct repository_signed){ 0 };
	return 0;
}

static int need_root(const struct signing *s, struct err *e)
{
	if (writer_has_root(s->w))
		return 0;
	err_set(e, ERR_NOT_FOUND, "%s: the repository has no root yet, so nothing can be signed",
		s->dir);
	return err_hint(e, "`ferry catalog init` makes its keys and its root");
}

static int refuse_errors(const struct repository_cards *cards, struct err *e)
{
	CLEANUP(lint_release) struct lint_findings f = { 0 };
	for (size_t i = 0; i < cards->count; i++)
		lint_card(&cards->at[i], &f);
	lint_cards(cards->at, cards->count, &f);
	for (size_t i = 0; i < f.count; i++) {
		if (f.at[i].level != LINT_ERROR)
			continue;
		err_set(e, ERR_USAGE, "%s: %s", f.at[i].where, f.at[i].text);
		return err_hint(e, "%zu such %s; `ferry catalog lint` shows all",
				f.levels[LINT_ERROR],
				f.levels[LINT_ERROR] == 1 ? "error" : "errors");
	}
	return 0;
}

/* Does anything wait but delegated roles that their own people have not signed? */
static bool concerns_us(const struct signing *s)
{
	const struct writer_statuses *all;
	struct err unread = ERR_INIT;
	if (writer_status(s->w, &all, &unread) < 0)
		return true;
	for (size_t i = 0; i < all->count; i++) {
		const struct writer_status *st = &all->at[i];
		if (st->waiting &&
		    (st->valid >= st->threshold || !writer_delegates_to(s->w, st->role)))
			return true;
	}
	return false;
}

/* From cards to metadata that is to be signed, with the writer open. */
static int stage(struct signing *s, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	(void)writer_repair(s->w);
	int rc = repository_cards_load(s->dir, &cards, e);
	if (rc == 0)
		rc = refuse_errors(&cards, e);
	if (rc == 0)
		rc = sign_delegated(s, e);
	return rc < 0 ? rc : repository_stage(s->dir, s->w, s->how, &cards, &s->result, e);
}

/* From cards to a published catalog. */
static int sign_cards(struct signing *s, struct repository_signed *out, struct err *e)
{
	int rc = stage(s, e);
	s->result.published = true;
	if (rc == 0 && (s->delegated_signed || concerns_us(s)))
		rc = save(s, true, e);
	if (rc < 0)
		return rc;
	rc = s->result.published ? repository_plain_settle(s->dir, s->w, s->how, &s->signers,
							   &s->result.changed, e)
				 : repository_plain_draft(s->dir, s->w, s->how, &s->signers, e);
	return rc < 0 ? rc : finish(s, out, e);
}

int repository_sign(struct repository *r, const struct repository_signing *how,
		    struct repository_signed *out, struct err *e)
{
	CLEANUP(signing_release) struct signing s;
	int rc = open_signing(&s, r, how, e);
	if (rc == 0)
		rc = need_root(&s, e);
	return rc < 0 ? rc : sign_cards(&s, out, e);
}

/* A refresh may have published what had all its signatures, too. */
static int settle_refreshed(struct signing *s, struct err *e)
{
	struct published_target t;
	bool there = !writer_waits(s->w, TARGETS) &&
		     writer_target_get(s->w, TARGETS, CATALOG_TARGET, &t);
	if (!there || (!s->saved.targets && repository_plain_is(s->dir, &t.sha256)))
		return 0;
	return repository_plain_settle(s->dir, s->w, s->how, &s->signers, &s->result.changed, e);
}

int repository_refresh(struct repository *r, const struct repository_signing *how,
		       struct repository_signed *out, struct err *e)
{
	CLEANUP(signing_release) struct signing s;
	int rc = open_signing(&s, r, how, e);
	if (rc < 0 || (rc = need_root(&s, e)) < 0)
		return rc;
	writer_limit(s.w, NULL, 0);
	rc = writer_touch(s.w, "snapshot", e);
	if (rc == 0)
		rc = writer_touch(s.w, "timestamp", e);
	if (rc == 0)
		rc = save(&s, false, e);
	if (rc == 0)
		rc = settle_refreshed(&s, e);
	s.result.published = s.saved.timestamp;
	return rc < 0 ? rc : finish(&s, out, e);
}

/* A root without a timestamp was left by an init that was killed. */
static bool was_signed(const char *dir)
{
	CLEANUP(published_release) struct published tree = { 0 };
	CLEANUP(mem_free_ptr) char *metadata = path_join(dir, "metadata");
	struct err why = ERR_INIT;
	return published_load(metadata, &tree, &why) == 0 || !err_is(&why, ERR_NOT_FOUND);
}

/* A key that is there already was made by an init that was killed. */
static int make_keys(struct signing *s, enum privkey_kind kind, const struct buf *passphrase,
		     struct err *e)
{
	struct keyring *keys = s->how->keys;
	for (size_t i = 0; role_names[i]; i++) {
		int rc = keyring_drop_public(keys, role_names[i], e);
		if (rc == 0 && !keyring_find(keys, role_names[i]))
			rc = keyring_new(keys, role_names[i], kind, passphrase, e);
		if (rc < 0)
			return rc;
		const struct keyring_key *key = keyring_find(keys, role_names[i]);
		if (!key->public) {
			err_set(e, ERR_USAGE, "%s: its public part, %s.pub, is missing", key->path,
				key->name);
			return err_hint(e,
					"remove the key if it was never used, and run init again");
		}
		if ((rc = writer_key_add(s->w, role_names[i], key->public, e)) < 0 ||
		    (rc = writer_set_threshold(s->w, role_names[i], 1, e)) < 0)
			return rc;
	}
	return 0;
}

int repository_init(struct repository *r, const struct repository_signing *how,
		    enum privkey_kind kind, const struct buf *passphrase,
		    struct repository_signed *out, struct err *e)
{
	CLEANUP(signing_release) struct signing s;
	int rc = open_signing(&s, r, how, e);
	if (rc < 0)
		return rc;
	if (was_signed(r->dir)) {
		err_set(e, ERR_CONFLICT, "%s: there is a repository already", r->dir);
		return err_hint(e, "`ferry catalog list` shows it; a new one needs another folder");
	}
	rc = make_keys(&s, kind, passphrase, e);
	return rc < 0 ? rc : sign_cards(&s, out, e);
}
