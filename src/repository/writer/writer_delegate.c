#include "repository/writer/writer_authority.h"
#include "repository/writer/writer_role.h"

#include "tuf/match.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

static struct writer_doc *targets_of(const struct writer *w)
{
	return writer_doc_top(w, TUF_TARGETS);
}

/* -- changing it ----------------------------------------------------------------------- */

static int check_name(const struct writer *w, const char *name, struct err *e)
{
	enum tuf_type type;
	if (!path_is_id(name)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
		err_set(e, ERR_USAGE, "\"%.80s\" is not a valid name for a role", shown);
		return err_hint(e, "use at most 64 of a-z, 0-9, '.', '_' and '-', starting with a "
				   "letter or digit");
	}
	const struct writer_doc *taken = writer_doc_find(w, name);
	if ((taken && taken->parent) || tuf_type_from_name(name, &type))
		return err_set(e, ERR_USAGE, "the role \"%s\" already exists", name);
	return 0;
}

static int check_key_count(const char *name, size_t count, unsigned threshold, struct err *e)
{
	if (threshold >= 1 && count >= threshold)
		return 0;
	return err_set(e, ERR_USAGE,
		       "the role %s needs at least as many keys as its threshold, and a threshold "
		       "of at least 1",
		       name);
}

static json_t *edit_delegations(struct writer *w)
{
	json_t *body = writer_doc_edit(w, targets_of(w));
	json_t *delegations = json_object_get(body, "delegations");
	if (!delegations) {
		delegations = json_object();
		json_put(delegations, "keys", json_object());
		json_put(delegations, "roles", json_array());
		json_put(body, "delegations", delegations);
	}
	return delegations;
}

int writer_delegate(struct writer *w, const struct writer_delegation *d, struct err *e)
{
	int rc = check_name(w, d->name, e);
	if (rc == 0)
		rc = check_key_count(d->name, d->key_count, d->threshold, e);
	if (rc < 0)
		return rc;
	if (writer_doc_bins(targets_of(w), WRITER_CURRENT).bit_length)
		return err_set(e, ERR_USAGE,
			       "targets delegates to hash bins and cannot have other delegations");
	json_t *delegations = edit_delegations(w), *paths = json_array();
	json_t *entry = writer_role_new(delegations, d->keys, d->key_count, d->threshold);
	for (size_t i = 0; i < d->path_count; i++)
		json_push(paths, json_string(d->paths[i]));
	json_put_string(entry, "name", d->name);
	json_put_bool(entry, "terminating", d->terminating);
	json_put(entry, "paths", paths);
	json_push(json_object_get(delegations, "roles"), entry);
	writer_doc_adopt(w, targets_of(w));
	writer_doc_edit(w, writer_doc_find(w, d->name));
	return 0;
}

static int check_bins(const struct writer *w, const struct writer_bin_delegation *d, struct err *e)
{
	struct tuf_delegated named;
	CLEANUP(mem_free_ptr) char *first = tuf_match_bin_name(d->prefix, d->bit_length, 0);
	int rc = writer_doc_bins_named(w, d->prefix) ? 0 : check_name(w, first, e);
	if (rc == 0 && d->key_count)
		rc = check_key_count(d->prefix, d->key_count, d->threshold, e);
	if (rc == 0 && !writer_doc_body(writer_doc_top(w, TUF_ROOT)))
		rc = err_set(e, ERR_USAGE, "the repository has no root role yet");
	if (rc < 0)
		return rc;
	if (d->bit_length < 1 || d->bit_length > PUBLISHED_MAX_BIN_BITS)
		return err_set(e, ERR_USAGE,
			       "the number of hash bins must be a power of two from 2 to %u",
			       1u << PUBLISHED_MAX_BIN_BITS);
	if (!writer_doc_delegated(targets_of(w), 0, &named))
		return 0;
	return err_set(e, ERR_USAGE, "targets delegates to named roles and cannot have hash bins");
}

int writer_delegate_bins(struct writer *w, const struct writer_bin_delegation *d, struct err *e)
{
	int rc = check_bins(w, d, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *delegations = json_object();
	json_put(delegations, "keys", json_object());
	json_t *bins = d->key_count
			       ? writer_role_new(delegations, d->keys, d->key_count, d->threshold)
			       : writer_role_like_targets(w, delegations);
	json_put_u64(bins, "bit_length", d->bit_length);
	json_put_string(bins, "name_prefix", d->prefix);
	json_put(delegations, "succinct_roles", bins);
	if (json_equal(delegations, json_object_get(writer_doc_body(targets_of(w)), "delegations")))
		return 0;
	json_put(writer_doc_edit(w, targets_of(w)), "delegations", json_incref(delegations));
	writer_doc_disown(w, targets_of(w));
	writer_doc_adopt(w, targets_of(w));
	return 0;
}

int writer_bins_follow(struct writer *w, struct err *e)
{
	const struct tuf_bins bins = writer_doc_bins(targets_of(w), WRITER_CURRENT);
	CLEANUP(mem_free_ptr) char *prefix = mem_strdup(bins.prefix);
	const struct writer_bin_delegation d = { .prefix = prefix, .bit_length = bins.bit_length };
	return writer_delegate_bins(w, &d, e);
}

/* Without named roles and bins, there is no delegations object. */
static void remove_named(json_t *body, size_t at)
{
	json_t *roles = json_object_get(json_object_get(body, "delegations"), "roles"), *id;
	CLEANUP(json_release) json_t *removed = json_incref(json_array_get(roles, at));
	size_t i;
	json_array_remove(roles, at);
	json_array_foreach (json_object_get(removed, "keyids"), i, id)
		writer_role_drop_unused_key(body, json_string_value(id));
	if (json_array_size(roles) == 0)
		json_object_del(body, "delegations");
}

int writer_undelegate(struct writer *w, const char *name, struct err *e)
{
	struct tuf_delegated named;
	size_t at = 0;
	while (writer_doc_delegated(targets_of(w), at, &named) && strcmp(named.name, name) != 0)
		at++;
	if (!named.name && !writer_doc_bins_named(w, name)) {
		CLEANUP(str_list_release) struct str_list names = { 0 };
		CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
		writer_delegation_names(w, &names);
		err_set(e, ERR_NOT_FOUND, "targets does not delegate to \"%.80s\"", shown);
		return text_hint_nearest(name, (const char *const *)names.at, names.count, NULL, e);
	}
	json_t *body = writer_doc_edit(w, targets_of(w));
	if (named.name)
		remove_named(body, at);
	else
		json_object_del(body, "delegations");
	writer_doc_disown(w, targets_of(w));
	return 0;
}

/* -- who lists what -------------------------------------------------------------------- */

char *writer_owner(const struct writer *w, const char *path)
{
	const struct tuf_bins bins = writer_doc_bins(targets_of(w), WRITER_CURRENT);
	struct tuf_delegated named;
	if (bins.bit_length)
		return tuf_match_bin(&bins, path);
	for (size_t i = 0; writer_doc_delegated(targets_of(w), i, &named); i++)
		if (tuf_match_delegated(&named, path))
			return mem_strdup(named.name);
	return mem_strdup("targets");
}

bool writer_delegates_to(const struct writer *w, const char *role)
{
	struct tuf_delegated named;
	return writer_doc_find_delegated(targets_of(w), role, &named);
}

void writer_delegation_paths(const struct writer *w, const char *role, struct str_list *out)
{
	struct tuf_delegated named;
	json_t *pattern;
	size_t i;
	if (writer_doc_find_delegated(targets_of(w), role, &named))
		json_array_foreach (named.paths, i, pattern)
			str_list_add(out, json_string_value(pattern));
}

bool writer_covers(const struct writer *w, const char *role, const char *path)
{
	struct tuf_delegated named;
	return writer_doc_find_delegated(targets_of(w), role, &named) &&
	       tuf_match_delegated(&named, path);
}

void writer_delegation_names(const struct writer *w, struct str_list *out)
{
	struct tuf_delegated named;
	for (size_t i = 0; writer_doc_delegated(targets_of(w), i, &named); i++)
		str_list_add(out, named.name);
}

void writer_bin_names(const struct writer *w, struct str_list *out)
{
	for (size_t i = TUF_TYPES; i < w->count; i++)
		if (writer_doc_is_bin(w, w->docs[i], WRITER_CURRENT))
			str_list_add(out, w->docs[i]->role);
}

static bool lists_it(const struct writer_doc *d, const json_t *envelope, const char *path,
		     struct published_target *out)
{
	json_t *targets = json_object_get(json_object_get(envelope, "signed"), "targets");
	void *at = json_object_iter_at(targets, path);
	struct err none = ERR_INIT;
	return at && published_target_read(d->role, json_object_iter_key(at),
					   json_object_iter_value(at), out, &none) == 0;
}

int writer_vouched(const struct writer *w, const char *role, const char *path,
		   struct published_target *out, bool *found, struct err *e)
{
	const struct writer_doc *d = writer_doc_find(w, role);
	bool fits = false;
	*found = false;
	if (!d || !d->parent)
		return 0;
	int rc = d->draft ? writer_authority_verifies(w, d, d->draft, WRITER_CURRENT, &fits, e) : 0;
	json_t *in_force = fits ? d->draft : d->published;
	if (rc == 0 && in_force && !fits)
		rc = writer_authority_verifies(w, d, in_force, WRITER_CURRENT, &fits, e);
	*found = rc == 0 && fits && lists_it(d, in_force, path, out);
	return rc;
}
