#include "repository/ceremony_internal.h"

#include "repository/keys.h"
#include "repository/plain.h"
#include "util/mem.h"

#include <string.h>

void repository_ceremony_release(struct repository_ceremony *c)
{
	repository_signed_release(&c->state);
	str_list_release(&c->added);
	str_list_release(&c->removed);
	str_list_release(&c->made);
}

int repository_ceremony_begin(struct ceremony *c, const char *dir,
			      const struct repository_signing *how, struct err *e)
{
	*c = (struct ceremony){ .dir = dir, .how = how };
	int rc = writer_open(dir, &how->expiry, how->now_s, &c->w, e);
	if (rc < 0 || writer_has_root(c->w))
		return rc;
	err_set(e, ERR_NOT_FOUND, "%s: the repository has no root yet", dir);
	return err_hint(e, "run `ferry catalog init` to make its keys and root");
}

void repository_ceremony_end(struct ceremony *c)
{
	writer_close(c->w);
	keyring_signers_release(&c->signers);
	repository_ceremony_release(&c->result);
}

static int give(struct ceremony *c, struct repository_ceremony *out, struct err *e)
{
	int rc = writer_status_take(c->w, &c->result.state.status, e);
	if (rc < 0)
		return rc;
	*out = c->result;
	c->result = (struct repository_ceremony){ 0 };
	return 0;
}

int repository_ceremony_save(struct ceremony *c, bool with_keys, struct repository_ceremony *out,
			     struct err *e)
{
	struct writer_saved saved;
	int rc = writer_save(c->w, c->signers.at, with_keys ? c->signers.count : 0, &saved, e);
	if (rc < 0)
		return rc;
	c->result.state.changed = true;
	c->result.state.published = saved.published;
	c->result.signatures += saved.signatures;
	if (!writer_waits(c->w, "targets"))
		rc = repository_plain_settle(c->dir, c->w, c->how, &c->signers,
					     &c->result.state.changed, e);
	return rc < 0 ? rc : give(c, out, e);
}

int repository_ceremony_finish(struct ceremony *c, struct repository_ceremony *out, struct err *e)
{
	c->result.state.published = !writer_changed(c->w);
	return give(c, out, e);
}

/* ---- signing what waits ---- */

static int no_key(const struct ceremony *c, const char *role, const struct str_list *fit,
		  struct err *e)
{
	CLEANUP(mem_free_ptr) char *who = repository_name_keys(c->how, fit);
	err_set(e, ERR_USAGE, "no key in %s may sign %s; it needs one of %.300s",
		c->how->keys->dir ? c->how->keys->dir : "the keys given", role, who);
	return err_hint(e, "give the key with --key FILE");
}

/* The roles that have something to sign; for bins, their prefix. */
static int find_waiting(struct ceremony *c, const char *const *roles, size_t count,
			struct str_list *waiting, struct err *e)
{
	const struct writer_statuses *all;
	int rc = writer_status(c->w, &all, e);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		CLEANUP(str_list_release) struct str_list keys = { 0 };
		const struct writer_status *line = writer_status_of(all, roles[i]);
		rc = writer_keys(c->w, roles[i], &keys, e);
		if (rc == 0 && line && line->waiting)
			str_list_add(waiting, roles[i]);
	}
	return rc;
}

int repository_sign_roles(const char *dir, const struct repository_signing *how,
			  const char *const *roles, size_t count, struct repository_ceremony *out,
			  struct err *e)
{
	CLEANUP(repository_ceremony_end) struct ceremony c;
	CLEANUP(str_list_release) struct str_list waiting = { 0 }, wanted = { 0 };
	int rc = repository_ceremony_begin(&c, dir, how, e);
	if (rc < 0 || (rc = find_waiting(&c, roles, count, &waiting, e)) < 0 ||
	    (rc = repository_check_chosen(dir, c.w, how, roles, count, e)) < 0)
		return rc;
	if (waiting.count == 0)
		return repository_ceremony_finish(&c, out, e);
	writer_limit(c.w, (const char *const *)waiting.at, waiting.count);
	for (size_t i = 0; i < waiting.count; i++) {
		CLEANUP(str_list_release) struct str_list fit = { 0 };
		writer_signers(c.w, waiting.at[i], &fit);
		for (size_t k = 0; k < fit.count; k++)
			if (!str_list_has(&wanted, fit.at[k]))
				str_list_add(&wanted, fit.at[k]);
	}
	if ((rc = repository_open_keys(dir, how, roles, count, &wanted, &c.signers, e)) < 0)
		return rc;
	return c.signers.count ? repository_ceremony_save(&c, true, out, e)
			       : no_key(&c, waiting.at[0], &wanted, e);
}

int repository_merge(const char *dir, const struct repository_signing *how,
		     const char *const *paths, size_t count, struct repository_ceremony *out,
		     struct err *e)
{
	CLEANUP(repository_ceremony_end) struct ceremony c;
	size_t merged, signatures = 0;
	int rc = repository_ceremony_begin(&c, dir, how, e);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = writer_merge(c.w, paths[i], &merged, e);
		signatures += rc == 0 ? merged : 0;
	}
	if (rc < 0)
		return rc;
	c.result.signatures = signatures;
	return signatures ? repository_ceremony_save(&c, false, out, e)
			  : repository_ceremony_finish(&c, out, e);
}
