#include "repository/writer/writer_role.h"

#include "util/mem.h"

#include <string.h>

/* Finds where a role is described: the document, and in its body the entry and "keys". */
struct place {
	struct writer_doc *doc;
	const char *role;
	bool top;
};

static int find_place(struct writer *w, const char *role, struct place *out, struct err *e)
{
	enum tuf_type type;
	*out = (struct place){ .role = role };
	if (tuf_type_from_name(role, &type)) {
		out->top = true;
		out->doc = writer_doc_top(w, TUF_ROOT);
		return 0;
	}
	const struct writer_doc *d = writer_doc_find(w, role);
	if (d && d->parent)
		out->doc = writer_doc_find(w, d->parent);
	else if (writer_doc_bins_named(w, role))
		out->doc = writer_doc_top(w, TUF_TARGETS);
	return out->doc ? 0 : writer_doc_no_role(w, role, e);
}

static json_t *entry_of(const struct place *p, const json_t *body)
{
	const json_t *delegations = json_object_get(body, "delegations");
	json_t *entry;
	size_t i;
	if (p->top)
		return json_object_get(json_object_get(body, "roles"), p->role);
	json_array_foreach (json_object_get(delegations, "roles"), i, entry)
		if (strcmp(json_string_value(json_object_get(entry, "name")), p->role) == 0)
			return entry;
	return json_object_get(delegations, "succinct_roles");
}

static json_t *keys_of(const struct place *p, const json_t *body)
{
	return json_object_get(p->top ? body : json_object_get(body, "delegations"), "keys");
}

static size_t find_keyid(const json_t *entry, const char *id)
{
	size_t i;
	json_t *value;
	json_array_foreach (json_object_get(entry, "keyids"), i, value)
		if (strcmp(json_string_value(value), id) == 0)
			return i;
	return SIZE_MAX;
}

static size_t listed_at(const struct place *p, const char *id)
{
	return find_keyid(entry_of(p, writer_doc_body(p->doc)), id);
}

int writer_key_add(struct writer *w, const char *role, const struct tuf_key *key, struct err *e)
{
	struct place p;
	int rc = find_place(w, role, &p, e);
	if (rc < 0 || listed_at(&p, key->id) != SIZE_MAX)
		return rc;
	json_t *body = writer_doc_edit(w, p.doc);
	json_put(keys_of(&p, body), key->id, json_deep_copy(key->json));
	json_push(json_object_get(entry_of(&p, body), "keyids"), json_string(key->id));
	return 0;
}

int writer_key_remove(struct writer *w, const char *role, const char *keyid, struct err *e)
{
	struct place p;
	int rc = find_place(w, role, &p, e);
	size_t at = rc == 0 ? listed_at(&p, keyid) : SIZE_MAX;
	if (rc < 0 || at == SIZE_MAX)
		return rc;
	json_t *body = writer_doc_edit(w, p.doc);
	json_array_remove(json_object_get(entry_of(&p, body), "keyids"), at);
	writer_role_drop_unused_key(body, keyid);
	return 0;
}

int writer_set_threshold(struct writer *w, const char *role, unsigned threshold, struct err *e)
{
	struct place p;
	if (threshold < 1)
		return err_set(e, ERR_USAGE, "the threshold of %s must be at least 1", role);
	int rc = find_place(w, role, &p, e);
	if (rc < 0)
		return rc;
	const json_t *now = json_object_get(entry_of(&p, writer_doc_body(p.doc)), "threshold");
	if (json_integer_value(now) != (json_int_t)threshold)
		json_put_u64(entry_of(&p, writer_doc_edit(w, p.doc)), "threshold", threshold);
	return 0;
}

/* -- for delegators -------------------------------------------------------------- */

json_t *writer_role_new(json_t *delegations, const struct tuf_key *const *keys, size_t count,
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

static json_t *targets_role(const struct writer *w)
{
	const json_t *root = writer_doc_body(writer_doc_top(w, TUF_ROOT));
	return json_object_get(json_object_get(root, "roles"), "targets");
}

json_t *writer_role_like_targets(const struct writer *w, json_t *delegations)
{
	const json_t *keys = json_object_get(writer_doc_body(writer_doc_top(w, TUF_ROOT)), "keys");
	json_t *role = json_deep_copy(targets_role(w)), *id;
	size_t i;
	json_array_foreach (json_object_get(role, "keyids"), i, id) {
		json_t *key = json_object_get(keys, json_string_value(id));
		json_put(json_object_get(delegations, "keys"), json_string_value(id),
			 key ? json_deep_copy(key) : NULL);
	}
	return role;
}

bool writer_bins_like_targets(const struct writer *w)
{
	const json_t *targets = targets_role(w);
	const json_t *body = writer_doc_body(writer_doc_top(w, TUF_TARGETS));
	const json_t *bins = json_object_get(json_object_get(body, "delegations"),
					     "succinct_roles");
	return bins &&
	       json_equal(json_object_get(bins, "keyids"), json_object_get(targets, "keyids")) &&
	       json_equal(json_object_get(bins, "threshold"),
			  json_object_get(targets, "threshold"));
}

void writer_role_drop_unused_key(json_t *body, const char *id)
{
	json_t *delegations = json_object_get(body, "delegations");
	json_t *entry;
	const char *name;
	size_t i;
	bool used = find_keyid(json_object_get(delegations, "succinct_roles"), id) != SIZE_MAX;
	json_object_foreach (json_object_get(body, "roles"), name, entry)
		used |= find_keyid(entry, id) != SIZE_MAX;
	json_array_foreach (json_object_get(delegations, "roles"), i, entry)
		used |= find_keyid(entry, id) != SIZE_MAX;
	if (!used)
		json_object_del(json_object_get(delegations ? delegations : body, "keys"), id);
}
