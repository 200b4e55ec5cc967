#include "repository/sign.h"

#include "repository/catalog_build.h"
#include "catalog/manifest.h"
#include "repository/ceremony.h"
#include "repository/internal.h"
#include "repository/minisign.h"
#include "repository/plain.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define TARGETS "targets"
#define RENEW_S (30 * 86400)

static const char *const role_names[] = { "root", TARGETS, "snapshot", "timestamp", NULL };

/* One run: what is signed with what. */
struct signing {
	struct repository *r;
	const struct repository_signing *how;
	struct writer *w;
	struct writer_saved saved;
	struct keyring_signers signers; /* that were opened */
	struct str_list paths;          /* of the targets that stay */
	bool delegated_signed;          /* drafts of delegated roles have new signatures */
	char *name;                     /* of the repository; NULL: not built */
	struct catalog current;         /* as signed last; json NULL: none that reads */
	struct buf current_text;
	char *catalog_text;             /* of the plain catalog.json; NULL: not built */
	size_t catalog_len;
};

static void signing_release(struct signing *s)
{
	writer_close(s->w);
	keyring_signers_release(&s->signers);
	str_list_release(&s->paths);
	free(s->name);
	catalog_release(&s->current);
	buf_release(&s->current_text);
	free(s->catalog_text);
}

/* In targets or a bin. */
static int set_target(struct signing *s, const char *path, uint64_t size,
		      const struct digest *sha256, struct err *e)
{
	CLEANUP(mem_free_ptr) char *owner = writer_owner(s->w, path);
	str_list_add(&s->paths, path);
	return writer_target_set(s->w, owner, path, size, sha256, e);
}

/* ---- files and manifests ---- */

static int check_object(const struct signing *s, const struct card_file *f, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = repository_object_path(s->r->dir, f->path, &f->sha256);
	uint64_t size;
	int rc = file_size(path, &size, e);
	if (rc < 0) {
		err_context(e, "%s is in the card but not in the tree", f->name);
		return err_hint(e, "run `ferry catalog add` again for this model");
	}
	if (size != f->size)
		return err_set(e, ERR_INTEGRITY, "%s: it has %llu bytes, the card says %llu", path,
			       (unsigned long long)size, (unsigned long long)f->size);
	return 0;
}

static int set_file(struct signing *s, const char *model, const struct card_file *f,
		    struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s%s", f->path, MANIFEST_SUFFIX);
	CLEANUP(mem_free_ptr) char *owner = writer_owner(s->w, f->path);
	CLEANUP(buf_release) struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
	struct digest sha256;
	int rc = check_object(s, f, e);
	/* What a delegated role lists, its own people have listed. */
	if (rc < 0 || writer_delegates_to(s->w, owner))
		return rc;
	if ((rc = repository_manifest_read(s->r->dir, model, f, &text, e)) < 0)
		return rc;
	sha256_of(buf_str(&text), text.len, &sha256);
	if ((rc = repository_put(s->r->dir, path, text.data, text.len, &sha256, e)) < 0 ||
	    (rc = set_target(s, f->path, f->size, &f->sha256, e)) < 0)
		return rc;
	return set_target(s, path, text.len, &sha256, e);
}

static int set_files(struct signing *s, const struct card *cards, size_t count,
		     struct repository_signed *out, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		const struct card *c = &cards[i];
		size_t ready = 0;
		for (size_t j = 0; j < c->variant_count; j++) {
			const struct card_variant *v = &c->variants[j];
			ready += v->file_count > 0;
			out->planned += v->file_count == 0;
			for (size_t k = 0; k < v->file_count; k++) {
				int rc = set_file(s, c->id, &v->files[k], e);
				if (rc < 0)
					return err_context(e, "%s:%s", c->id, v->id);
			}
		}
		out->planned += c->variant_count == 0;
		out->models += ready > 0;
		out->variants += ready;
	}
	return 0;
}

/* ---- the catalog ---- */

/* The one that was signed last, or a draft of it. */
static void load_current(struct signing *s)
{
	struct published_target t;
	struct err unread = ERR_INIT;
	struct digest have;
	struct buf *text = &s->current_text;
	if (!writer_target_get(s->w, TARGETS, CATALOG_TARGET, &t))
		return;
	CLEANUP(mem_free_ptr) char *path = repository_object_path(s->r->dir, t.path, &t.sha256);
	if (file_read_all(path, text, &unread) < 0)
		return;
	sha256_of(buf_str(text), text->len, &have);
	if (digest_equal(&have, &t.sha256) &&
	    catalog_parse(buf_str(text), text->len, path, &s->current, &unread) < 0)
		s->current = (struct catalog){ 0 };
}

static int make_catalog(struct signing *s, const struct card *cards, size_t count,
			struct buf *text, struct err *e)
{
	CLEANUP(catalog_release) struct catalog check = { 0 };
	CLEANUP(json_release) json_t *json = NULL;
	const struct repository_catalog_parts parts = {
		.name = s->how->name ? s->how->name : s->current.name,
		.title = s->how->title ? s->how->title : s->current.title,
		.mirrors = s->how->mirrors ? s->how->mirrors :
			   json_object_get(s->current.json, "mirrors"),
		.cards = cards,
		.card_count = count,
		.now_s = s->how->now_s,
	};
	if (!parts.name) {
		err_set(e, ERR_USAGE, "%s: the repository has no name yet", s->r->dir);
		return err_hint(e, "give it one with --name");
	}
	s->name = mem_strdup(parts.name);
	json = repository_catalog_build(&parts, s->current.json);
	int rc = json_pretty(json, text, e);
	return rc < 0 ? rc : catalog_from_json(json, &check, e);
}

static int set_catalog(struct signing *s, const struct card *cards, size_t count, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CATALOG_MAX_BYTES);
	struct digest sha256;
	int rc = make_catalog(s, cards, count, &text, e);
	if (rc < 0)
		return err_context(e, "the new catalog");
	sha256_of(buf_str(&text), text.len, &sha256);
	rc = repository_put(s->r->dir, CATALOG_TARGET, text.data, text.len, &sha256, e);
	if (rc == 0)
		rc = writer_target_set(s->w, TARGETS, CATALOG_TARGET, text.len, &sha256, e);
	s->catalog_len = text.len;
	s->catalog_text = buf_steal(&text);
	return rc;
}

/* For those who read it without TUF. Last, so that it never shows what is not signed. */
static int write_pointer(const struct signing *s, bool *changed, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->r->dir, CATALOG_TARGET);
	CLEANUP(buf_release) struct buf have = BUF_INIT(CATALOG_MAX_BYTES);
	struct err missing = ERR_INIT;
	if (file_read_all(path, &have, &missing) == 0 && have.len == s->catalog_len &&
	    memcmp(buf_str(&have), s->catalog_text, have.len) == 0)
		return 0;
	*changed = true;
	return file_write_atomic(path, s->catalog_text, s->catalog_len, 0644, e);
}

static void targets_keyids(const struct signing *s, struct str_list *out)
{
	const struct writer_statuses *all;
	struct err none = ERR_INIT;
	if (writer_status(s->w, &all, &none) < 0)
		return;
	const struct writer_status *targets = writer_status_of(all, TARGETS);
	for (size_t i = 0; targets && i < targets->keyids.count; i++)
		str_list_add(out, targets->keyids.at[i]);
}

/* The plain catalog and its signature; or, while signatures of metadata are awaited, only a
 * draft of the latter. The signature goes first: who sees a new catalog.json finds it. */
static int write_plain(struct signing *s, struct repository_signed *out, struct err *e)
{
	const struct repository_minisig m = {
		.dir = s->r->dir, .name = s->name, .version = out->targets.version,
		.catalog = s->catalog_text, .catalog_len = s->catalog_len,
		.now_s = s->how->now_s, .signers = &s->signers, .keys = s->how->keys,
	};
	if (!out->published) {
		CLEANUP(str_list_release) struct str_list keyids = { 0 };
		targets_keyids(s, &keyids);
		return repository_minisig_draft(&m, &keyids, e);
	}
	int rc = repository_minisig_settle(&m, &out->changed, e);
	return rc < 0 ? rc : write_pointer(s, &out->changed, e);
}

/* What the role lists and should not: it is in no card, or another bin's. */
static int drop_others_of(struct signing *s, const char *role, struct err *e)
{
	CLEANUP(str_list_release) struct str_list have = { 0 };
	writer_target_paths(s->w, role, &have);
	for (size_t i = 0; i < have.count; i++) {
		CLEANUP(mem_free_ptr) char *owner = writer_owner(s->w, have.at[i]);
		bool stays = strcmp(owner, role) == 0 && s->paths.count &&
			     bsearch(&have.at[i], s->paths.at, s->paths.count,
				     sizeof *s->paths.at, str_compare);
		bool catalog = strcmp(role, TARGETS) == 0 &&
			       strcmp(have.at[i], CATALOG_TARGET) == 0;
		int rc = stays || catalog ? 0 : writer_target_remove(s->w, role, have.at[i], e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int drop_other_targets(struct signing *s, struct err *e)
{
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	str_list_add(&roles, TARGETS);
	writer_bin_names(s->w, &roles);
	if (s->paths.count)
		qsort(s->paths.at, s->paths.count, sizeof *s->paths.at, str_compare);
	for (size_t i = 0; i < roles.count; i++) {
		int rc = drop_others_of(s, roles.at[i], e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- signatures ---- */

static int role_index(const char *role)
{
	for (int i = 0; role_names[i]; i++)
		if (strcmp(role, role_names[i]) == 0)
			return i;
	return -1;
}

/* A document that this run may sign. Root only when it waits: its key stays away otherwise;
 * a refresh signs snapshot and timestamp alone. */
static bool may_sign(const struct writer_status *st, bool targets)
{
	int role = role_index(st->role);
	return role >= 2 || (targets && (role == 1 || st->waiting));
}

static void add_all(struct str_list *out, const struct keyring *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		if (keys->at[i].public)
			str_list_add(out, keys->at[i].public->id);
}

/* The key ids whose signatures a save may need; all there are for a first version, where
 * the writer has no snapshot and timestamp yet to ask. */
static int wanted_keys(const struct signing *s, bool targets, struct str_list *out,
		       struct err *e)
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

static int save(struct signing *s, bool targets, struct repository_signed *out, struct err *e)
{
	CLEANUP(str_list_release) struct str_list wanted = { 0 };
	/* Without the public part a key is known by its name alone. */
	const char *const *roles = targets ? &role_names[1] : &role_names[2];
	int rc = repository_check_chosen(s->r->dir, s->w, s->how, NULL, 0, e);
	if (rc == 0)
		rc = wanted_keys(s, targets, &wanted, e);
	if (rc == 0)
		rc = keyring_open(s->how->keys, &wanted, roles, &s->signers, e);
	if (rc == 0 && s->signers.count == 0) {
		err_set(e, ERR_USAGE, "%s: no key there may sign for this repository",
			s->how->keys->dir);
		return err_hint(e, "name the folder of its keys with `keys` in ferry.conf or --keys; "
				"`ferry catalog key list` shows what a folder has");
	}
	if (rc == 0)
		rc = writer_save(s->w, s->signers.at, s->signers.count, &s->saved, e);
	if (rc < 0)
		return rc;
	out->changed = true;
	/* A delegated role or a root that waits holds nobody up. */
	out->published = !writer_waits(s->w, TARGETS) &&
			 !writer_waits(s->w, "snapshot") &&
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
			rc = writer_sign(s->w, names.at[i], signers.at, signers.count,
					     &complete, e);
		if (rc < 0)
			return rc;
		s->delegated_signed |= signers.count > 0;
	}
	return 0;
}

static int tell_states(const struct signing *s, struct repository_signed *out, struct err *e)
{
	const struct writer_statuses *all;
	struct repository_state *const at[] = { &out->root, &out->targets, &out->snapshot,
						&out->timestamp };
	int rc = writer_status(s->w, &all, e);
	for (size_t i = 0; rc == 0 && i < all->count; i++) {
		int role = role_index(all->at[i].role);
		if (all->at[i].bins) {
			out->bins = all->at[i].bins;
			out->bins_expire_s = all->at[i].expires_s;
		}
		if (role >= 0)
			*at[role] = (struct repository_state){ all->at[i].version,
							       all->at[i].expires_s };
	}
	return rc;
}

/* ---- the commands ---- */

static int open_signing(struct signing *s, struct repository *r,
			const struct repository_signing *how, struct err *e)
{
	*s = (struct signing){ .r = r, .how = how, .current_text = BUF_INIT(CATALOG_MAX_BYTES) };
	return writer_open(r->dir, &how->expiry, how->now_s, &s->w, e);
}

static int need_root(const struct signing *s, struct err *e)
{
	if (writer_has_root(s->w))
		return 0;
	err_set(e, ERR_NOT_FOUND, "%s: the repository has no root yet, so nothing can be signed",
		s->r->dir);
	return err_hint(e, "`ferry catalog init` makes its keys and its root");
}

static int refuse_errors(const struct repository_cards *cards, struct err *e)
{
	CLEANUP(findings_release) struct findings f = { 0 };
	for (size_t i = 0; i < cards->count; i++)
		lint_card(&cards->at[i], &f);
	lint_cards(cards->at, cards->count, &f);
	for (size_t i = 0; i < f.count; i++) {
		if (f.at[i].level != FINDING_ERROR)
			continue;
		err_set(e, ERR_USAGE, "%s: %s", f.at[i].where, f.at[i].text);
		return err_hint(e, "%zu such %s; `ferry catalog lint` shows all",
				f.levels[FINDING_ERROR],
				f.levels[FINDING_ERROR] == 1 ? "error" : "errors");
	}
	return 0;
}

/* A version that nothing changed for a year would expire under its readers. */
static void renew_targets(struct signing *s)
{
	int64_t soon_s = (int64_t)MIN(s->how->expiry.targets_s / 4, (uint64_t)RENEW_S);
	writer_touch_expiring(s->w, s->how->now_s + soon_s);
}

/* Everything that is to be signed, with the writer open. */
static int set_all(struct signing *s, struct repository_signed *out, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	CLEANUP(mem_free_ptr) struct card *vouched = NULL;
	size_t count;
	(void)writer_repair(s->w);
	int rc = repository_cards_load(s->r->dir, &cards, e);
	if (rc < 0 || (rc = refuse_errors(&cards, e)) < 0 || (rc = sign_delegated(s, e)) < 0)
		return rc;
	load_current(s);
	if ((rc = repository_vouched_cards(s->w, &cards, &s->current, &vouched, &count,
					   &out->waiting, e)) < 0 ||
	    (rc = set_files(s, vouched, count, out, e)) < 0 ||
	    (rc = set_catalog(s, vouched, count, e)) < 0 || (rc = drop_other_targets(s, e)) < 0)
		return rc;
	renew_targets(s);
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
		if (st->waiting && (st->valid >= st->threshold ||
				    !writer_delegates_to(s->w, st->role)))
			return true;
	}
	return false;
}

/* From cards to a published catalog. */
static int sign_cards(struct signing *s, struct repository_signed *out, struct err *e)
{
	int rc = set_all(s, out, e);
	if (rc < 0)
		return rc;
	out->published = true;
	if (s->delegated_signed || concerns_us(s))
		rc = save(s, true, out, e);
	if (rc < 0)
		return rc;
	rc = tell_states(s, out, e);
	return rc < 0 ? rc : write_plain(s, out, e);
}

int repository_sign(struct repository *r, const struct repository_signing *how,
		    struct repository_signed *out, struct err *e)
{
	CLEANUP(signing_release) struct signing s;
	struct repository_signed result = { 0 };
	int rc = open_signing(&s, r, how, e);
	if (rc < 0 || (rc = need_root(&s, e)) < 0 || (rc = sign_cards(&s, &result, e)) < 0)
		return rc;
	*out = result;
	return 0;
}

/* A refresh may have published what had all its signatures, too. */
static int settle_refreshed(struct signing *s, struct err *e)
{
	struct published_target t;
	bool there = !writer_waits(s->w, TARGETS) &&
		     writer_target_get(s->w, TARGETS, CATALOG_TARGET, &t);
	if (!there || (!s->saved.targets && repository_plain_is(s->r->dir, &t.sha256)))
		return 0;
	return repository_plain_settle(s->r->dir, s->w, s->how, &s->signers, e);
}

int repository_refresh(struct repository *r, const struct repository_signing *how,
		       struct repository_signed *out, struct err *e)
{
	CLEANUP(signing_release) struct signing s;
	struct repository_signed result = { 0 };
	int rc = open_signing(&s, r, how, e);
	if (rc < 0 || (rc = need_root(&s, e)) < 0)
		return rc;
	writer_limit(s.w, NULL, 0);
	if ((rc = writer_touch(s.w, "snapshot", e)) < 0 ||
	    (rc = writer_touch(s.w, "timestamp", e)) < 0 ||
	    (rc = save(&s, false, &result, e)) < 0 || (rc = settle_refreshed(&s, e)) < 0 ||
	    (rc = tell_states(&s, &result, e)) < 0)
		return rc;
	result.published = s.saved.timestamp;
	*out = result;
	return 0;
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
			return err_hint(e, "remove the key if it was never used, and run init again");
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
	struct repository_signed result = { 0 };
	int rc = open_signing(&s, r, how, e);
	if (rc < 0)
		return rc;
	if (was_signed(r->dir)) {
		err_set(e, ERR_CONFLICT, "%s: there is a repository already", r->dir);
		return err_hint(e, "`ferry catalog list` shows it; a new one needs another folder");
	}
	if ((rc = make_keys(&s, kind, passphrase, e)) < 0 ||
	    (rc = sign_cards(&s, &result, e)) < 0)
		return rc;
	*out = result;
	return 0;
}
