#include "repository/writer/internal.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

int writer_no_role(const char *role, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(role);
	err_set(e, ERR_USAGE, "there is no role \"%.80s\"", shown);
	return err_hint(e, "the roles are root, targets, snapshot, timestamp, and those that "
			   "targets delegates to");
}

/* -- keys and thresholds --------------------------------------------------------------- */

/* Where a role's keys are listed: the document, "keys" and the role's entry in a body. */
struct place {
	struct writer_doc *doc;
	const char *role;
	bool top;
};

static int find_place(struct tuf_writer *w, const char *role, struct place *out, struct err *e)
{
	enum tuf_type type;
	*out = (struct place){ .role = role };
	if (tuf_type_from_name(role, &type)) {
		out->top = true;
		out->doc = writer_top(w, TUF_ROOT);
		return 0;
	}
	const struct writer_doc *d = writer_find(w, role);
	struct writer_doc *targets = writer_top(w, TUF_TARGETS);
	out->doc = d && d->parent ? writer_find(w, d->parent) :
		   writer_bins_named(targets, role) ? targets : NULL;
	return out->doc ? 0 : writer_no_role(role, e);
}

static json_t *role_entry(const struct place *p, const json_t *body)
{
	if (p->top)
		return json_object_get(json_object_get(body, "roles"), p->role);
	json_t *bins = json_object_get(json_object_get(body, "delegations"), "succinct_roles");
	json_t *entry = writer_delegation(body, p->role);
	return entry ? entry : bins;
}

static json_t *keys_of(const struct place *p, const json_t *body)
{
	return json_object_get(p->top ? body : json_object_get(body, "delegations"), "keys");
}

static size_t find_keyid(const json_t *keyids, const char *id)
{
	size_t i;
	json_t *value;
	json_array_foreach (keyids, i, value)
		if (strcmp(json_string_value(value), id) == 0)
			return i;
	return SIZE_MAX;
}

static size_t listed_at(const struct place *p, const char *id)
{
	const json_t *body = writer_body(p->doc);
	return find_keyid(json_object_get(role_entry(p, body), "keyids"), id);
}

int tuf_writer_key_add(struct tuf_writer *w, const char *role, const struct tuf_key *key,
		       struct err *e)
{
	struct place p;
	int rc = find_place(w, role, &p, e);
	if (rc < 0 || listed_at(&p, key->id) != SIZE_MAX)
		return rc;
	json_t *body = writer_edit(w, p.doc);
	json_put(keys_of(&p, body), key->id, json_deep_copy(key->json));
	json_push(json_object_get(role_entry(&p, body), "keyids"), json_string(key->id));
	return 0;
}

void writer_drop_unused_key(json_t *body, const char *id)
{
	json_t *delegations = json_object_get(body, "delegations");
	json_t *entry;
	const char *name;
	size_t i;
	bool used = find_keyid(json_object_get(json_object_get(delegations, "succinct_roles"),
					       "keyids"), id) != SIZE_MAX;
	json_object_foreach (json_object_get(body, "roles"), name, entry)
		used |= find_keyid(json_object_get(entry, "keyids"), id) != SIZE_MAX;
	json_array_foreach (json_object_get(delegations, "roles"), i, entry)
		used |= find_keyid(json_object_get(entry, "keyids"), id) != SIZE_MAX;
	if (!used)
		json_object_del(json_object_get(delegations ? delegations : body, "keys"), id);
}

int tuf_writer_key_remove(struct tuf_writer *w, const char *role, const char *keyid,
			  struct err *e)
{
	struct place p;
	int rc = find_place(w, role, &p, e);
	size_t at = rc == 0 ? listed_at(&p, keyid) : SIZE_MAX;
	if (rc < 0 || at == SIZE_MAX)
		return rc;
	json_t *body = writer_edit(w, p.doc);
	json_array_remove(json_object_get(role_entry(&p, body), "keyids"), at);
	writer_drop_unused_key(body, keyid);
	return 0;
}

int tuf_writer_set_threshold(struct tuf_writer *w, const char *role, unsigned threshold,
			     struct err *e)
{
	struct place p;
	if (threshold < 1)
		return err_set(e, ERR_USAGE, "the threshold of %s must be at least 1", role);
	int rc = find_place(w, role, &p, e);
	if (rc < 0)
		return rc;
	const json_t *entry = role_entry(&p, writer_body(p.doc));
	if (entry && json_integer_value(json_object_get(entry, "threshold")) ==
			     (json_int_t)threshold)
		return 0;
	json_t *body = writer_edit(w, p.doc);
	json_put_u64(role_entry(&p, body), "threshold", threshold);
	return 0;
}

/* -- targets --------------------------------------------------------------------------- */

int writer_find_targets(const struct tuf_writer *w, const char *role, struct writer_doc **out,
			struct err *e)
{
	*out = writer_find(w, role);
	return *out && (*out)->type == TUF_TARGETS ? 0 : writer_no_role(role, e);
}

static json_t *target_entry(const struct writer_doc *d, const char *path)
{
	return json_object_get(json_object_get(writer_body(d), "targets"), path);
}

int tuf_writer_target_set(struct tuf_writer *w, const char *role, const char *path,
			  uint64_t length, const struct digest *sha256, const json_t *custom,
			  struct err *e)
{
	struct writer_doc *d;
	int rc = writer_find_targets(w, role, &d, e);
	if (rc < 0)
		return rc;
	if (!path_is_key(path)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(path);
		return err_set(e, ERR_USAGE, "\"%.200s\" cannot be a target path", shown);
	}
	CLEANUP(json_release) json_t *entry = json_object();
	json_t *hashes = json_object();
	json_put_hex(hashes, "sha256", sha256->bytes, DIGEST_SIZE);
	json_put_u64(entry, "length", length);
	json_put(entry, "hashes", hashes);
	json_put(entry, "custom", custom ? json_deep_copy(custom) : NULL);
	if (json_equal(entry, target_entry(d, path)))
		return 0;
	json_t *body = writer_edit(w, d);
	json_put(json_object_get(body, "targets"), path, json_incref(entry));
	return 0;
}

int tuf_writer_target_remove(struct tuf_writer *w, const char *role, const char *path,
			     struct err *e)
{
	struct writer_doc *d;
	int rc = writer_find_targets(w, role, &d, e);
	if (rc < 0)
		return rc;
	if (!target_entry(d, path)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(path);
		return err_set(e, ERR_NOT_FOUND, "%s does not list %.200s", role, shown);
	}
	json_object_del(json_object_get(writer_edit(w, d), "targets"), path);
	return 0;
}

bool tuf_writer_target_get(const struct tuf_writer *w, const char *role, const char *path,
			   struct published_target *out)
{
	const struct writer_doc *d = writer_find(w, role);
	const json_t *entry = d ? target_entry(d, path) : NULL;
	const char *hex = json_string_value(json_object_get(json_object_get(entry, "hashes"),
							    "sha256"));
	struct digest sha256;
	if (!hex || !digest_parse(&sha256, hex))
		return false;
	*out = (struct published_target){
		.role = d->role,
		.path = json_object_iter_key(json_object_iter_at(
			json_object_get(writer_body(d), "targets"), path)),
		.length = (uint64_t)json_integer_value(json_object_get(entry, "length")),
		.sha256 = sha256,
		.custom = json_object_get(entry, "custom"),
	};
	return true;
}

void tuf_writer_target_paths(const struct tuf_writer *w, const char *role, struct str_list *out)
{
	const struct writer_doc *d = writer_find(w, role);
	size_t before = out->count;
	const char *path;
	json_t *entry;
	json_object_foreach (d ? json_object_get(writer_body(d), "targets") : NULL, path, entry)
		str_list_add(out, path);
	if (out->count > before)
		qsort(out->at + before, out->count - before, sizeof *out->at, str_compare);
}

/* -- renewing ------------------------------------------------------------------------- */

int tuf_writer_touch_expiring(struct tuf_writer *w, int64_t before_s, struct err *e)
{
	struct writer_doc *top = writer_top(w, TUF_TARGETS);
	for (size_t i = TUF_TARGETS; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		int64_t expires_s;
		if (d->draft || !d->published || (d != top && !writer_is_bin_of(writer_body(top), d)))
			continue;
		if (!parse_time(json_string_value(json_object_get(writer_body(d), "expires")),
				&expires_s))
			return err_set(e, ERR_BUG, "%s: metadata without expiry", d->role);
		if (expires_s < before_s)
			writer_edit(w, d);
	}
	return 0;
}

int tuf_writer_touch(struct tuf_writer *w, const char *role, struct err *e)
{
	struct writer_doc *d = writer_find(w, role);
	if (!d)
		return writer_no_role(role, e);
	writer_edit(w, d);
	return 0;
}

bool tuf_writer_repair(struct tuf_writer *w)
{
	bool any = false;
	for (size_t i = 0; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		bool wanted = i < TUF_TYPES || d->parent;
		if (!wanted || !d->published || d->fits || d->draft)
			continue;
		writer_edit(w, d);
		any = true;
	}
	return any;
}
