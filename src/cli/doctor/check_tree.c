/* What is signed here, and what signs it. */
#include "cli/doctor/doctor.h"

#include "repository/keys.h"
#include "tuf/margin.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <sys/stat.h>

/* ---- the catalog ---- */

/* What is done and not published is no fault, but perhaps forgotten. */
static void tell_waiting(struct doctor_result *r, const struct writer_statuses *roles)
{
	for (size_t i = 0; i < roles->count; i++)
		if (roles->at[i].waiting)
			doctor_detail(r,
				      "%s %llu is not published yet: ferry catalog status says why",
				      roles->at[i].role, (unsigned long long)roles->at[i].version);
}

static void judge_lint(struct doctor_result *r, const struct tree *t, size_t models,
		       const struct lint_findings *f)
{
	size_t errors = f->levels[LINT_ERROR], warnings = f->levels[LINT_WARNING];
	for (size_t i = 0; i < f->count; i++)
		if (f->at[i].level == LINT_ERROR)
			doctor_detail(r, "%s: %s", f->at[i].where, f->at[i].text);
	if (errors) {
		doctor_fail(r, "%zu error%s in the catalog", errors, errors == 1 ? "" : "s");
		doctor_next(r, "ferry catalog lint");
		return;
	}
	doctor_pass(r, "release %llu with %zu model%s is signed and valid",
		    (unsigned long long)t->version, models, models == 1 ? "" : "s");
	if (warnings)
		doctor_detail(r, "%zu warning%s: ferry catalog lint lists them", warnings,
			      warnings == 1 ? "" : "s");
}

static void tell_unsigned(struct doctor_result *r, const struct doctor_subject *subject)
{
	CLEANUP(mem_free_ptr) char *root = path_join(subject->settings->dir,
						     "metadata/1.root.json");
	bool begun = file_exists(root);
	doctor_fail(r, begun ? "nothing has been signed yet" : "there is no repository yet");
	doctor_next(r, "ferry catalog %s", begun ? "sign" : "init");
}

static int tell_unpublished(struct doctor_result *r, const struct doctor_subject *subject,
			    const struct catalog *catalog, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	int rc = repository_cards_load(subject->settings->dir, &cards, e);
	size_t count = rc < 0 ? 0 : repository_cards_unsigned(&cards, catalog);
	if (count)
		doctor_detail(r, "%zu model%s changes that are not signed: ferry catalog list",
			      count, count == 1 ? " has" : "s have");
	return rc;
}

int doctor_check_catalog(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			 struct err *e)
{
	CLEANUP(lint_release) struct lint_findings found = { 0 };
	CLEANUP(catalog_release) struct catalog catalog = { 0 };
	if (!facts_was_signed(subject)) {
		tell_unsigned(r, subject);
		return 0;
	}
	int rc = facts_tree(subject, e);
	if (rc == 0)
		rc = repository_catalog(subject->settings->dir, &catalog, e);
	if (rc == 0)
		rc = repository_lint(subject->settings->dir, NULL, NULL, d->quiet.cancel, &found,
				     e);
	if (rc < 0) {
		doctor_next(r, "ferry catalog status");
		return rc;
	}
	judge_lint(r, &subject->tree, catalog.model_count, &found);
	rc = facts_roles(subject, e);
	if (rc == 0)
		tell_waiting(r, &subject->roles);
	return rc < 0 ? rc : tell_unpublished(r, subject, &catalog, e);
}

/* ---- expiry ---- */

static void add_expiry(struct doctor_result *r, const struct writer_status *s, int64_t now_s)
{
	char when[DURATION_TEXT];
	int64_t expires_s = s->published ? s->published_expires_s : s->expires_s;
	int64_t left_s = expires_s - now_s;
	if (left_s >= tuf_margin_s(s->role, 0))
		return;
	format_duration(when, (uint64_t)(left_s < 0 ? -left_s : left_s));
	doctor_detail(r, left_s < 0 ? "%s expired %s ago" : "%s expires in %s", s->role, when);
	if (repository_is_online(s->role))
		doctor_next(r, "ferry catalog refresh && ferry push");
	else if (s->bins)
		doctor_next(r, "ferry catalog sign");
	else
		doctor_next(r, "ferry catalog renew %s", s->role);
}

static int64_t soonest(const struct writer_statuses *all, const char **role)
{
	int64_t first = INT64_MAX;
	for (size_t i = 0; i < all->count; i++) {
		const struct writer_status *s = &all->at[i];
		int64_t expires_s = s->published ? s->published_expires_s : s->expires_s;
		if (expires_s < first)
			*role = s->role;
		first = MIN(first, expires_s);
	}
	return first;
}

int doctor_check_expiry(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			struct err *e)
{
	const char *role = "";
	char when[DURATION_TEXT];
	int rc = facts_roles(subject, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < subject->roles.count; i++)
		add_expiry(r, &subject->roles.at[i], d->now_s);
	if (r->details.count) {
		doctor_fail(r, "clients will reject the repository, or do so already");
		return 0;
	}
	format_duration(when, (uint64_t)(soonest(&subject->roles, &role) - d->now_s));
	doctor_pass(r, "%s expires first, in %s", role, when);
	return 0;
}

/* ---- the files of the keys ---- */

/* Those that people sign: a cron job has the others, perhaps without a passphrase. */
static bool signs_offline(const char *dir, const struct keyring_key *k)
{
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	if (k->public)
		repository_key_roles(dir, k->public->id, &roles);
	for (size_t i = 0; i < roles.count; i++)
		if (!repository_is_online(roles.at[i]))
			return true;
	return false;
}

static void judge_mode(struct doctor_result *r, const char *path, mode_t wanted)
{
	struct stat st;
	CLEANUP(mem_free_ptr) char *quoted = text_shell_quoted(path);
	if (stat(path, &st) != 0 || !(st.st_mode & 07777 & ~wanted & ~(mode_t)S_ISGID))
		return;
	doctor_detail(r, "%s has the mode %03o: others can use it", path,
		      (unsigned)(st.st_mode & 0777));
	doctor_next(r, "chmod %03o %s", (unsigned)wanted, quoted);
}

static int judge_key(struct doctor_result *r, const struct doctor_subject *subject,
		     const struct keyring_key *k, struct err *e)
{
	bool encrypted = true;
	if (k->kind != KEYRING_FILE)
		return 0;
	judge_mode(r, k->path, 0600);
	int rc = keyring_is_encrypted(k, &encrypted, e);
	if (rc < 0 || encrypted || !signs_offline(subject->settings->dir, k))
		return rc;
	doctor_detail(r, "%s is not encrypted, and signs more than snapshot and timestamp",
		      k->path);
	doctor_next(r, "ferry catalog key passphrase %s", k->name);
	return 0;
}

int doctor_check_keys(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
		      struct err *e)
{
	const struct settings_repository *s = subject->settings;
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	size_t private = 0;
	(void)d;
	if (!s->keys) {
		doctor_skip(r, "no folder of keys is configured here");
		return 0;
	}
	int rc = keyring_load(s->keys, s->dir, &keys, e);
	for (size_t i = 0; rc == 0 && i < keys.count; i++) {
		rc = judge_key(r, subject, &keys.at[i], e);
		private += keys.at[i].kind == KEYRING_FILE;
	}
	if (rc < 0)
		return rc;
	if (s->passphrase_file)
		judge_mode(r, s->passphrase_file, 0600);
	if (r->details.count)
		doctor_fail(r, "keys could be used by others");
	else if (!private)
		doctor_skip(r, "%s has no private keys", s->keys);
	else
		doctor_pass(r, "%zu private key%s, for their owner only", private,
			    private == 1 ? "" : "s");
	return 0;
}

/* ---- thresholds ---- */

int doctor_check_spare(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
		       struct err *e)
{
	int rc = facts_roles(subject, e);
	(void)d;
	if (rc < 0)
		return rc;
	const struct writer_status *root = &subject->roles.at[0];
	for (size_t i = 0; i < subject->roles.count; i++) {
		const struct writer_status *s = &subject->roles.at[i];
		if (s->keyids.count >= s->threshold)
			continue;
		doctor_detail(r, "%s has %zu of the %u keys that must sign", s->role,
			      s->keyids.count, s->threshold);
		doctor_next(r, "ferry catalog rotate %s --add KEY", s->role);
	}
	if (r->details.count) {
		doctor_fail(r, "a role has fewer keys than must sign it");
		return 0;
	}
	doctor_pass(r, "root: %u of %zu key%s must sign", root->threshold, root->keyids.count,
		    root->keyids.count == 1 ? "" : "s");
	if (root->keyids.count > root->threshold)
		return 0;
	doctor_skip(r, "root has no spare key: after a loss, only a backup helps");
	doctor_next(r, "ferry catalog rotate root --add KEY");
	return 0;
}
