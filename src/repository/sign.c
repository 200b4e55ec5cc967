#include "repository/sign.h"

#include "repository/internal.h"
#include "repository/keys.h"
#include "repository/origin.h"
#include "repository/plain.h"
#include "repository/stage.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define TARGETS "targets"

/* The roles of signing at once, targets first. */
static const char *const signed_roles[] = { TARGETS, "snapshot", "timestamp", NULL };

/* One run. */
struct signing {
	const char *dir;
	const struct repository_signing *how;
	struct writer *w;
	struct writer_saved saved;
	struct keyring_signers signers; /* that were opened */
	bool delegated_signed;          /* drafts of delegated roles have new signatures */
	struct stage_cards cards;
	struct repository_signed result;
};

static void signing_release(struct signing *s)
{
	writer_close(s->w);
	keyring_signers_release(&s->signers);
	stage_cards_release(&s->cards);
	repository_signed_release(&s->result);
}

void repository_signed_release(struct repository_signed *s)
{
	writer_statuses_release(&s->status);
}

/* ---- signatures ---- */

/* May this run sign the document? Root only if there is a draft of it, because its key is not
 * needed otherwise; a refresh signs only snapshot and timestamp. */
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

/* The key ids whose signatures a save may need; all of them for a first version, when the writer
 * has no snapshot and timestamp yet. */
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
	/* Without NAME.pub, a key is known only by its name. */
	const char *const *roles = targets ? signed_roles : signed_roles + 1;
	int rc = repository_check_chosen(s->dir, s->w, s->how, NULL, 0, e);
	if (rc == 0)
		rc = wanted_keys(s, targets, &wanted, e);
	if (rc == 0)
		rc = repository_sync_objects(s->dir, e);
	if (rc == 0)
		rc = keyring_open(s->how->keys, &wanted, roles, &s->signers, e);
	if (rc == 0 && s->signers.count == 0) {
		err_set(e, ERR_USAGE, "no key in %s may sign for this repository",
			s->how->keys->dir);
		return err_hint(e, "set the folder of its keys with `keys` in ferry.conf or "
				   "--keys; `ferry catalog key list` lists the keys of a folder");
	}
	if (rc == 0)
		rc = writer_save(s->w, s->signers.at, s->signers.count, &s->saved, e);
	if (rc < 0)
		return rc;
	s->result.changed = true;
	/* A draft of a delegated role or of root does not delay the others. */
	s->result.published = true;
	for (size_t i = 0; signed_roles[i]; i++)
		s->result.published &= !writer_waits(s->w, signed_roles[i]);
	return 0;
}

/* Signs drafts of delegated roles, if their keys are here, before the catalog is built, because
 * it contains what they have signed. */
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
	return err_hint(e, "run `ferry catalog init` to make its keys and root");
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

/* Is anything waiting other than delegated roles that their own people have not signed? */
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

/* Opens the keys of targets at the first record that needs them, so that they are asked for once,
 * and only for a version of targets that needs them anyway. */
static int sign_origin(struct signing *s, const char *model, const struct card_file *f,
		       struct keyring_signers *signers, bool *opened, struct err *e)
{
	CLEANUP(str_list_release) struct str_list wanted = { 0 };
	static const char *const roles[] = { TARGETS, NULL };
	int rc = 0;
	if (!origin_is_unsigned(s->dir, s->w, model, f))
		return 0;
	writer_signers(s->w, TARGETS, &wanted);
	if (!*opened)
		rc = keyring_open(s->how->keys, &wanted, roles, signers, e);
	*opened = true;
	return rc < 0 || !signers->count
		       ? rc
		       : origin_sign(s->dir, model, f, signers->at, signers->count, e);
}

static int sign_origins(struct signing *s, struct err *e)
{
	CLEANUP(keyring_signers_release) struct keyring_signers signers = { 0 };
	bool opened = false;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < s->cards.changed.count; i++) {
		struct card_walk walk = { .card = &s->cards.changed.at[i] };
		while (rc == 0 && card_next_file(&walk))
			rc = sign_origin(s, walk.card->id, walk.file, &signers, &opened, e);
	}
	return rc;
}

/* From the cards to metadata for signing, with the open writer. */
static int stage(struct signing *s, struct err *e)
{
	(void)writer_repair(s->w);
	int rc = stage_cards_read(s->dir, s->w, s->how, &s->cards, e);
	if (rc == 0)
		rc = refuse_errors(&s->cards.changed, e);
	if (rc == 0)
		rc = sign_delegated(s, e);
	if (rc == 0)
		rc = sign_origins(s, e);
	return rc < 0 ? rc : repository_stage(s->dir, s->w, s->how, &s->cards, &s->result, e);
}

/* For the next run, unless drafts wait. */
static void remember_staged(struct signing *s)
{
	struct err ignored = ERR_INIT;
	bool same = s->cards.incremental && !s->cards.changed.count &&
		    s->cards.after.count == s->cards.before.count;
	if (writer_changed(s->w) || staged_key(s->w, s->how, &s->cards.after.key, &ignored) < 0 ||
	    (same && digest_equal(&s->cards.after.key, &s->cards.before.key)))
		return;
	staged_save(&s->cards.after, s->dir);
}

/* From the cards to a published catalog. */
static int sign_cards(struct signing *s, struct repository_signed *out, struct err *e)
{
	int rc = stage(s, e);
	s->result.published = true;
	if (rc == 0 && (s->delegated_signed || concerns_us(s)))
		rc = save(s, true, e);
	if (rc < 0)
		return rc;
	remember_staged(s);
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

/* A refresh may also have published drafts that had all their signatures. */
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

/* A root without a timestamp was left by a killed init. */
/* An existing key was made by a killed init. */
static int make_keys(struct signing *s, enum privkey_kind kind, const struct buf *passphrase,
		     struct err *e)
{
	struct keyring *keys = s->how->keys;
	for (size_t i = 0; i < TUF_TYPES; i++) {
		const char *role = tuf_type_name(tuf_type_order[i]);
		int rc = keyring_drop_public(keys, role, e);
		if (rc == 0 && !keyring_find(keys, role))
			rc = keyring_new(keys, role, kind, passphrase, e);
		if (rc < 0)
			return rc;
		const struct keyring_key *key = keyring_find(keys, role);
		if (!key->public) {
			err_set(e, ERR_USAGE, "%s: its public key, %s.pub, is missing", key->path,
				key->name);
			return err_hint(e,
					"if the key was never used, delete it and run init again");
		}
		if ((rc = writer_key_add(s->w, role, key->public, e)) < 0 ||
		    (rc = writer_set_threshold(s->w, role, 1, e)) < 0)
			return rc;
	}
	return 0;
}

int repository_check_new(const char *dir, struct err *e)
{
	CLEANUP(published_release) struct published tree = { 0 };
	CLEANUP(mem_free_ptr) char *metadata = path_join(dir, "metadata");
	struct err why = ERR_INIT;
	int rc = published_load(metadata, &tree, &why);
	if (rc < 0) {
		if (!err_is(&why, ERR_NOT_FOUND))
			*e = why;
		return -(int)e->class;
	}
	err_set(e, ERR_CONFLICT, "%s already contains a repository", dir);
	return err_hint(e, "use another folder for a new repository");
}

int repository_init(struct repository *r, const struct repository_signing *how,
		    enum privkey_kind kind, const struct buf *passphrase,
		    struct repository_signed *out, struct err *e)
{
	CLEANUP(signing_release) struct signing s;
	int rc = open_signing(&s, r, how, e);
	if (rc < 0)
		return rc;
	rc = repository_check_new(r->dir, e);
	if (rc < 0)
		return rc;
	rc = make_keys(&s, kind, passphrase, e);
	return rc < 0 ? rc : sign_cards(&s, out, e);
}
