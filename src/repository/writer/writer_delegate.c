#include "repository/writer/internal.h"

#include "tuf/match.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* -- what a body says ------------------------------------------------------------------ */

json_t *writer_delegation(const json_t *body, const char *role)
{
	json_t *roles = json_object_get(json_object_get(body, "delegations"), "roles"), *entry;
	size_t i;
	json_array_foreach (roles, i, entry)
		if (strcmp(json_string_value(json_object_get(entry, "name")), role) == 0)
			return entry;
	return NULL;
}

json_t *writer_bins(const json_t *body)
{
	return json_object_get(json_object_get(body, "delegations"), "succinct_roles");
}

const char *writer_bins_prefix(const json_t *bins)
{
	return json_string_value(json_object_get(bins, "name_prefix"));
}

static unsigned bins_bits(const json_t *bins)
{
	return (unsigned)json_integer_value(json_object_get(bins, "bit_length"));
}

bool writer_bins_named(const struct writer_doc *d, const char *prefix)
{
	const json_t *bins = writer_bins(writer_body(d));
	return bins && strcmp(writer_bins_prefix(bins), prefix) == 0;
}

bool writer_is_bin_of(const json_t *body, const struct writer_doc *d)
{
	const json_t *bins = writer_bins(body);
	return bins && d->type == TUF_TARGETS &&
	       tuf_match_is_bin(writer_bins_prefix(bins), bins_bits(bins), d->role);
}

/* A role that was delegated to before goes on counting its versions: clients refuse a
 * lower one. */
static uint64_t listed_version(const struct tuf_writer *w, const char *role)
{
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s.json", role);
	const json_t *meta = json_object_get(
		json_object_get(writer_top(w, TUF_SNAPSHOT)->published, "signed"), "meta");
	return (uint64_t)json_integer_value(
		json_object_get(json_object_get(meta, name), "version"));
}

static void adopt(struct tuf_writer *w, const struct writer_doc *parent, const char *name)
{
	struct writer_doc *d = writer_find(w, name);
	if (!d) {
		d = writer_add(w, name, TUF_TARGETS);
		d->version = listed_version(w, name);
	}
	if (!d->parent)
		d->parent = mem_strdup(parent->role);
}

void writer_adopt(struct tuf_writer *w, const struct writer_doc *parent)
{
	const json_t *body = writer_body(parent), *bins = writer_bins(body);
	const json_t *roles = json_object_get(json_object_get(body, "delegations"), "roles");
	json_t *entry;
	size_t i;
	json_array_foreach (roles, i, entry)
		adopt(w, parent, json_string_value(json_object_get(entry, "name")));
	for (uint32_t n = 0; bins && n < 1u << MIN(bins_bits(bins), TUF_TREE_MAX_BIN_BITS); n++) {
		CLEANUP(mem_free_ptr) char *name =
			tuf_match_bin_name(writer_bins_prefix(bins), bins_bits(bins), n);
		adopt(w, parent, name);
	}
}

/* Whom `parent` delegates to no longer: what they changed is dropped. */
static void disown(struct tuf_writer *w, const struct writer_doc *parent)
{
	const json_t *body = writer_body(parent);
	for (size_t i = TUF_TYPES; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		if (!d->parent || strcmp(d->parent, parent->role) != 0 ||
		    writer_delegation(body, d->role) || writer_is_bin_of(body, d))
			continue;
		mem_free_ptr(&d->parent);
		json_release(&d->draft);
	}
}

/* -- changing it ----------------------------------------------------------------------- */

static int check_name(const struct tuf_writer *w, const char *name, struct err *e)
{
	enum tuf_type type;
	if (!path_is_id(name)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
		err_set(e, ERR_USAGE, "\"%.80s\" is no name for a role", shown);
		return err_hint(e, "up to 64 of a-z, 0-9, '.', '_' and '-', starting with a letter or "
				   "digit");
	}
	const struct writer_doc *taken = writer_find(w, name);
	if ((taken && taken->parent) || tuf_type_from_name(name, &type))
		return err_set(e, ERR_USAGE, "there is a role \"%s\" already", name);
	return 0;
}

static int check_key_count(const char *name, size_t count, unsigned threshold, struct err *e)
{
	if (threshold >= 1 && count >= threshold)
		return 0;
	return err_set(e, ERR_USAGE, "the role %s needs at least as many keys as its threshold, "
				     "and a threshold of at least 1", name);
}

static json_t *new_role(json_t *delegations, const struct tuf_key *const *keys, size_t count,
			unsigned threshold)
{
	json_t *role = json_object(), *keyids = json_array();
	for (size_t i = 0; i < count; i++) {
		json_put(json_object_get(delegations, "keys"), keys[i]->id,
			 json_deep_copy(keys[i]->json));
		json_push(keyids, json_string(keys[i]->id));
	}
	json_put(role, "keyids", keyids);
	json_put_u64(role, "threshold", threshold);
	return role;
}

static json_t *edit_delegations(struct tuf_writer *w, struct writer_doc *by)
{
	json_t *body = writer_edit(w, by), *delegations = json_object_get(body, "delegations");
	if (!delegations) {
		delegations = json_object();
		json_put(delegations, "keys", json_object());
		json_put(body, "delegations", delegations);
	}
	return delegations;
}

int tuf_writer_delegate(struct tuf_writer *w, const char *parent, const struct tuf_delegation *d,
			struct err *e)
{
	struct writer_doc *by;
	int rc = writer_find_targets(w, parent, &by, e);
	if (rc < 0 || (rc = check_name(w, d->name, e)) < 0 ||
	    (rc = check_key_count(d->name, d->key_count, d->threshold, e)) < 0)
		return rc;
	if (writer_bins(writer_body(by)))
		return err_set(e, ERR_USAGE, "%s delegates to hash bins and can have no other "
					     "delegations", parent);
	json_t *delegations = edit_delegations(w, by), *paths = json_array();
	if (!json_object_get(delegations, "roles"))
		json_put(delegations, "roles", json_array());
	json_t *entry = new_role(delegations, d->keys, d->key_count, d->threshold);
	for (size_t i = 0; i < d->path_count; i++)
		json_push(paths, json_string(d->paths[i]));
	json_put_string(entry, "name", d->name);
	json_put_bool(entry, "terminating", d->terminating);
	json_put(entry, "paths", paths);
	json_push(json_object_get(delegations, "roles"), entry);
	writer_adopt(w, by);
	writer_edit(w, writer_find(w, d->name));
	return 0;
}

static int check_bins(const struct tuf_writer *w, const struct writer_doc *by,
		      const struct tuf_bin_delegation *d, struct err *e)
{
	const json_t *body = writer_body(by), *now = writer_bins(body);
	CLEANUP(mem_free_ptr) char *first = tuf_match_bin_name(d->prefix, d->bit_length, 0);
	int rc = now && strcmp(writer_bins_prefix(now), d->prefix) == 0 ? 0 : check_name(w, first, e);
	if (rc == 0 && d->key_count)
		rc = check_key_count(d->prefix, d->key_count, d->threshold, e);
	if (rc == 0 && !tuf_writer_has_root(w))
		rc = err_set(e, ERR_USAGE, "the repository has no root role yet");
	if (rc < 0)
		return rc;
	if (d->bit_length < 1 || d->bit_length > TUF_TREE_MAX_BIN_BITS)
		return err_set(e, ERR_USAGE, "2 to %u hash bins are possible, a power of two",
			       1u << TUF_TREE_MAX_BIN_BITS);
	if (json_array_size(json_object_get(json_object_get(body, "delegations"), "roles")) == 0)
		return 0;
	return err_set(e, ERR_USAGE, "%s delegates to roles with names and can have no hash bins "
				     "besides", by->role);
}

/* The keys that targets has now. */
static json_t *role_like_targets(const struct tuf_writer *w, json_t *delegations)
{
	const json_t *root = writer_body(writer_top(w, TUF_ROOT));
	const json_t *keys = json_object_get(root, "keys");
	json_t *role = json_deep_copy(json_object_get(json_object_get(root, "roles"), "targets")), *id;
	size_t i;
	json_array_foreach (json_object_get(role, "keyids"), i, id) {
		json_t *key = json_object_get(keys, json_string_value(id));
		json_put(json_object_get(delegations, "keys"), json_string_value(id),
			 key ? json_deep_copy(key) : NULL);
	}
	return role;
}

bool tuf_writer_bins_like_targets(const struct tuf_writer *w)
{
	const json_t *root = writer_body(writer_top(w, TUF_ROOT));
	const json_t *targets = json_object_get(json_object_get(root, "roles"), "targets");
	const json_t *bins = writer_bins(writer_body(writer_top(w, TUF_TARGETS)));
	static const char *const members[] = { "keyids", "threshold" };
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (!bins || !json_equal(json_object_get(bins, members[i]),
					 json_object_get(targets, members[i])))
			return false;
	return true;
}

int tuf_writer_bins_follow(struct tuf_writer *w, struct err *e)
{
	const json_t *bins = writer_bins(writer_body(writer_top(w, TUF_TARGETS)));
	CLEANUP(mem_free_ptr) char *prefix = mem_strdup(writer_bins_prefix(bins));
	const struct tuf_bin_delegation d = { .prefix = prefix, .bit_length = bins_bits(bins) };
	return tuf_writer_delegate_bins(w, "targets", &d, e);
}

int tuf_writer_delegate_bins(struct tuf_writer *w, const char *parent,
			     const struct tuf_bin_delegation *d, struct err *e)
{
	struct writer_doc *by;
	int rc = writer_find_targets(w, parent, &by, e);
	if (rc < 0 || (rc = check_bins(w, by, d, e)) < 0)
		return rc;
	CLEANUP(json_release) json_t *delegations = json_object();
	json_put(delegations, "keys", json_object());
	json_t *bins = d->key_count ? new_role(delegations, d->keys, d->key_count, d->threshold) :
				      role_like_targets(w, delegations);
	json_put_u64(bins, "bit_length", d->bit_length);
	json_put_string(bins, "name_prefix", d->prefix);
	json_put(delegations, "succinct_roles", bins);
	if (json_equal(delegations, json_object_get(writer_body(by), "delegations")))
		return 0;
	json_put(writer_edit(w, by), "delegations", json_incref(delegations));
	disown(w, by);
	writer_adopt(w, by);
	return 0;
}

static void remove_named(json_t *body, const char *name)
{
	json_t *roles = json_object_get(json_object_get(body, "delegations"), "roles"), *id;
	CLEANUP(json_release) json_t *removed = json_incref(writer_delegation(body, name));
	size_t i;
	for (i = 0; json_array_get(roles, i) != removed; i++)
		;
	json_array_remove(roles, i);
	json_array_foreach (json_object_get(removed, "keyids"), i, id)
		writer_drop_unused_key(body, json_string_value(id));
	/* Neither named roles nor bins: that is no delegations object. */
	if (json_array_size(roles) == 0)
		json_object_del(body, "delegations");
}

int tuf_writer_undelegate(struct tuf_writer *w, const char *parent, const char *name,
			  struct err *e)
{
	struct writer_doc *by;
	int rc = writer_find_targets(w, parent, &by, e);
	if (rc < 0)
		return rc;
	bool bins = writer_bins_named(by, name);
	if (!bins && !writer_delegation(writer_body(by), name)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
		return err_set(e, ERR_NOT_FOUND, "%s does not delegate to \"%.80s\"", parent, shown);
	}
	if (bins)
		json_object_del(writer_edit(w, by), "delegations");
	else
		remove_named(writer_edit(w, by), name);
	disown(w, by);
	return 0;
}

/* -- who lists what -------------------------------------------------------------------- */

static bool covers(const json_t *entry, const char *path)
{
	const struct tuf_delegated d = {
		.paths = json_object_get(entry, "paths"),
		.hash_prefixes = json_object_get(entry, "path_hash_prefixes"),
	};
	return tuf_match_delegated(&d, path);
}

char *tuf_writer_owner(const struct tuf_writer *w, const char *path)
{
	const json_t *body = writer_body(writer_top(w, TUF_TARGETS)), *bins = writer_bins(body);
	json_t *roles = json_object_get(json_object_get(body, "delegations"), "roles"), *entry;
	size_t i;
	if (bins) {
		const struct tuf_bins b = { .prefix = writer_bins_prefix(bins),
					    .bit_length = bins_bits(bins) };
		return tuf_match_bin(&b, path);
	}
	json_array_foreach (roles, i, entry)
		if (covers(entry, path))
			return mem_strdup(json_string_value(json_object_get(entry, "name")));
	return mem_strdup("targets");
}

bool tuf_writer_covers(const struct tuf_writer *w, const char *role, const char *path)
{
	const json_t *body = writer_body(writer_top(w, TUF_TARGETS));
	const json_t *entry = writer_delegation(body, role);
	return entry && covers(entry, path);
}

const json_t *tuf_writer_delegation(const struct tuf_writer *w, const char *role)
{
	return writer_delegation(writer_body(writer_top(w, TUF_TARGETS)), role);
}

bool tuf_writer_has_bins(const struct tuf_writer *w)
{
	return writer_bins(writer_body(writer_top(w, TUF_TARGETS)));
}

void tuf_writer_bin_names(const struct tuf_writer *w, struct str_list *out)
{
	const json_t *body = writer_body(writer_top(w, TUF_TARGETS));
	for (size_t i = TUF_TYPES; i < w->count; i++)
		if (writer_is_bin_of(body, w->docs[i]))
			str_list_add(out, w->docs[i]->role);
}

void tuf_writer_delegation_names(const struct tuf_writer *w, struct str_list *out)
{
	const json_t *body = writer_body(writer_top(w, TUF_TARGETS));
	json_t *roles = json_object_get(json_object_get(body, "delegations"), "roles"), *entry;
	size_t i;
	json_array_foreach (roles, i, entry)
		str_list_add(out, json_string_value(json_object_get(entry, "name")));
}

static bool lists_it(json_t *envelope, const char *path, const struct digest *sha256)
{
	const json_t *entry = json_object_get(
		json_object_get(json_object_get(envelope, "signed"), "targets"), path);
	const char *hex = json_string_value(json_object_get(json_object_get(entry, "hashes"),
							    "sha256"));
	struct digest have;
	return hex && digest_parse(&have, hex) && digest_equal(&have, sha256);
}

int tuf_writer_vouched(const struct tuf_writer *w, const char *role, const char *path,
		       const struct digest *sha256, bool *out, struct err *e)
{
	const struct writer_doc *d = writer_find(w, role);
	bool fits = false;
	*out = false;
	if (!d || !d->parent)
		return 0;
	int rc = d->draft ? writer_verifies(w, d, d->draft, WRITER_CURRENT, &fits, e) : 0;
	json_t *in_force = fits ? d->draft : d->published;
	if (rc == 0 && in_force && !fits)
		rc = writer_verifies(w, d, in_force, WRITER_CURRENT, &fits, e);
	*out = rc == 0 && fits && lists_it(in_force, path, sha256);
	return rc;
}
