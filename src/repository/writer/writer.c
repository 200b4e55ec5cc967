#include "repository/writer/internal.h"

#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define DAY ((uint64_t)86400)
#define DRAFT_MAX (64 * MIB)
#define SPEC_VERSION "1.0.34"
#define LOOK_WAIT_MS 1000

const struct tuf_expiry tuf_expiry_default = {
	.root_s = 365 * DAY,
	.targets_s = 365 * DAY,
	.snapshot_s = 30 * DAY,
	.timestamp_s = 14 * DAY,
};

/* -- documents ------------------------------------------------------------------------- */

struct writer_doc *writer_find(const struct tuf_writer *w, const char *role)
{
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->docs[i]->role, role) == 0)
			return w->docs[i];
	return NULL;
}

struct writer_doc *writer_top(const struct tuf_writer *w, enum tuf_type type)
{
	return w->docs[type];
}

json_t *writer_current(const struct writer_doc *d)
{
	return d->draft ? d->draft : d->published;
}

json_t *writer_body(const struct writer_doc *d)
{
	return json_object_get(writer_current(d), "signed");
}

char *writer_draft_path(const struct tuf_writer *w, const char *role)
{
	CLEANUP(mem_free_ptr) char *file = tuf_name_file(role, 0);
	return path_join(w->drafts, file);
}

struct writer_doc *writer_add(struct tuf_writer *w, const char *role, enum tuf_type type)
{
	struct writer_doc *d = NEW(struct writer_doc);
	d->role = mem_strdup(role);
	d->type = type;
	w->docs = mem_grow(w->docs, w->count, &w->cap, sizeof *w->docs);
	w->docs[w->count++] = d;
	return d;
}

static void free_doc(struct writer_doc *d)
{
	free(d->role);
	free(d->parent);
	json_decref(d->published);
	json_decref(d->draft);
	free(d);
}

static json_t *new_role(void)
{
	json_t *role = json_object();
	json_put(role, "keyids", json_array());
	json_put_u64(role, "threshold", 1);
	return role;
}

static json_t *new_envelope(enum tuf_type type)
{
	json_t *envelope = json_object(), *body = json_object();
	json_put_string(body, "_type", tuf_type_name(type));
	json_put_string(body, "spec_version", SPEC_VERSION);
	json_put_u64(body, "version", 1);
	json_put_string(body, "expires", "");
	if (type == TUF_ROOT) {
		json_t *roles = json_object();
		for (size_t i = 0; i < TUF_TYPES; i++)
			json_put(roles, tuf_type_name((enum tuf_type)i), new_role());
		json_put_bool(body, "consistent_snapshot", true);
		json_put(body, "keys", json_object());
		json_put(body, "roles", roles);
	} else {
		json_put(body, type == TUF_TARGETS ? "targets" : "meta", json_object());
	}
	json_put(envelope, "signatures", json_array());
	json_put(envelope, "signed", body);
	return envelope;
}

static uint64_t lifetime(const struct tuf_writer *w, enum tuf_type type)
{
	switch (type) {
	case TUF_ROOT:
		return w->expiry.root_s;
	case TUF_TIMESTAMP:
		return w->expiry.timestamp_s;
	case TUF_SNAPSHOT:
		return w->expiry.snapshot_s;
	case TUF_TARGETS:
		break;
	}
	return w->expiry.targets_s;
}

void writer_renew(struct tuf_writer *w, struct writer_doc *d)
{
	char expires[TIME_TEXT];
	format_time(expires, w->now_s + (int64_t)lifetime(w, d->type));
	json_put_string(json_object_get(d->draft, "signed"), "expires", expires);
	json_put(d->draft, "signatures", json_array());
}

json_t *writer_edit(struct tuf_writer *w, struct writer_doc *d)
{
	if (!d->draft) {
		d->draft = d->published ? json_deep_copy(d->published) : new_envelope(d->type);
		json_put_u64(json_object_get(d->draft, "signed"), "version", d->version + 1);
	}
	writer_renew(w, d);
	return json_object_get(d->draft, "signed");
}

/* -- opening --------------------------------------------------------------------------- */

static void take_published(struct tuf_writer *w, const struct published *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct published_file *f = &t->files[i];
		struct writer_doc *d = writer_find(w, f->role);
		if (!d)
			d = writer_add(w, f->role, TUF_TARGETS);
		json_decref(d->published);
		d->published = json_incref(f->json);
		d->version = f->version;
		d->size = f->size;
		d->sha256 = f->sha256;
		d->fits = f->fits;
	}
	w->has_timestamp = writer_top(w, TUF_TIMESTAMP)->published;
	w->timestamp = writer_top(w, TUF_TIMESTAMP)->sha256;
}

static int check_draft(const struct writer_doc *d, const struct tuf_metadata *m,
		       const char *path, struct err *e)
{
	if (m->version == d->version + 1)
		return 0;
	err_set(e, ERR_CONFLICT, "%s is version %llu, but version %llu of %s is published", path,
		(unsigned long long)m->version, (unsigned long long)d->version, d->role);
	return err_hint(e, "somebody published meanwhile: `ferry catalog discard` throws the draft "
			   "away; then make the change again");
}

static json_t *keys_in(const struct writer_doc *d, const json_t *envelope)
{
	const json_t *body = json_object_get(envelope, "signed");
	return json_object_get(d->type == TUF_ROOT ? body : json_object_get(body, "delegations"),
			       "keys");
}

/* People look at key ids before they sign: in what waits for them an id says which key it is, or the
 * key stands under it already. For clients ids are opaque. */
static int check_key_ids(const struct writer_doc *d, const json_t *envelope, const char *path,
			 struct err *e)
{
	const json_t *known = keys_in(d, d->published);
	json_t *object;
	const char *id;
	json_object_foreach (keys_in(d, envelope), id, object) {
		if (tuf_key_id_fits(id, object) || json_equal(object, json_object_get(known, id)))
			continue;
		CLEANUP(mem_free_ptr) char *shown = text_escaped(id);
		err_set(e, ERR_INTEGRITY, "%s: the key under the id %.16s is another one", path, shown);
		return err_hint(e, "whoever made this draft passes one key off as another: sign nothing "
				   "of it, and ask where it comes from");
	}
	return 0;
}

/* What no line of `status` would tell. */
static int check_snapshots(const struct writer_doc *d, const json_t *envelope, const char *path,
			   struct err *e)
{
	static const char member[] = "consistent_snapshot";
	const json_t *was = json_object_get(json_object_get(d->published, "signed"), member);
	const json_t *is = json_object_get(json_object_get(envelope, "signed"), member);
	if (d->type != TUF_ROOT || !d->published || json_is_true(was) == json_is_true(is))
		return 0;
	err_set(e, ERR_INTEGRITY, "%s: it changes %s, which no command does", path, member);
	return err_hint(e, "sign nothing of it, and ask where it comes from");
}

static int load_draft(struct tuf_writer *w, struct writer_doc *d, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = writer_draft_path(w, d->role);
	CLEANUP(buf_release) struct buf raw = BUF_INIT(DRAFT_MAX);
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	if (!file_exists(path))
		return 0;
	int rc = file_read_all(path, &raw, e);
	if (rc == 0)
		rc = tuf_metadata_parse(d->type, buf_str(&raw), raw.len, path, &m, e);
	if (rc < 0 && err_is(e, ERR_INTEGRITY))
		err_hint(e, "`ferry catalog discard` throws away what waits; then make the change "
			    "again");
	if (rc < 0)
		return rc;
	/* Published, but not tidied up any more; perhaps with more signatures elsewhere. */
	if (m->version == d->version &&
	    json_equal(m->body, json_object_get(d->published, "signed")))
		return w->looks ? 0 : file_remove(path, e);
	rc = check_draft(d, m, path, e);
	if (rc == 0)
		rc = check_key_ids(d, m->json, path, e);
	if (rc == 0)
		rc = check_snapshots(d, m->json, path, e);
	if (rc == 0)
		d->draft = json_incref(m->json);
	return rc;
}

/* The tree is checked by its loader; a draft may have come from anywhere. */
static int check_bins(const struct writer_doc *d, struct err *e)
{
	const json_t *bins = writer_bins(writer_body(d));
	if (json_integer_value(json_object_get(bins, "bit_length")) <= TUF_TREE_MAX_BIN_BITS)
		return 0;
	return err_set(e, ERR_INTEGRITY, "the draft of %s has more than 2^%d hash bins", d->role,
		       TUF_TREE_MAX_BIN_BITS);
}

static int load_tree(struct tuf_writer *w, struct err *e)
{
	CLEANUP(published_release) struct published t = { 0 };
	int rc = published_load_partial(w->metadata, &t, e);
	if (rc < 0)
		return rc;
	take_published(w, &t);
	/* The list grows while it is walked: drafts may delegate to roles of their own. */
	for (size_t i = 0; rc == 0 && i < w->count; i++) {
		rc = load_draft(w, w->docs[i], e);
		if (rc == 0)
			rc = check_bins(w->docs[i], e);
		if (rc == 0 && w->docs[i]->type == TUF_TARGETS)
			writer_adopt(w, w->docs[i]);
	}
	return rc;
}

static int lock_tree(const char *tree, int *lock, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(tree, ".lock");
	int rc = file_lock(path, false, lock, e);
	if (rc != -ERR_CONFLICT)
		return rc;
	err_context(e, "%s: another publisher is at work here", tree);
	return err_hint(e, "run the command again when the other one has ended");
}

static struct tuf_writer *new_writer(const char *tree, const struct tuf_expiry *expiry,
				     int64_t now_s)
{
	struct tuf_writer *w = NEW(struct tuf_writer);
	w->metadata = path_join(tree, "metadata");
	w->drafts = path_join(tree, "drafts");
	w->expiry = expiry ? *expiry : tuf_expiry_default;
	w->now_s = now_s;
	w->lock = -1;
	for (size_t i = 0; i < TUF_TYPES; i++)
		writer_add(w, tuf_type_name((enum tuf_type)i), (enum tuf_type)i);
	return w;
}

int tuf_writer_open(const char *tree, const struct tuf_expiry *expiry, int64_t now_s,
		    struct tuf_writer **out, struct err *e)
{
	CLEANUP_PTR(tuf_writer_close) struct tuf_writer *w = new_writer(tree, expiry, now_s);
	int rc = file_mkdirs(tree, 0755, e);
	if (rc == 0)
		rc = lock_tree(tree, &w->lock, e);
	if (rc == 0)
		rc = load_tree(w, e);
	if (rc < 0)
		return rc;
	*out = STEAL(w);
	return 0;
}

int tuf_writer_look(const char *tree, int64_t now_s, struct tuf_writer **out, struct err *e)
{
	CLEANUP_PTR(tuf_writer_close) struct tuf_writer *w = new_writer(tree, NULL, now_s);
	CLEANUP(mem_free_ptr) char *lock = path_join(tree, ".lock");
	w->lock = file_lock_shared(lock, LOOK_WAIT_MS);
	w->looks = true;
	int rc = load_tree(w, e);
	if (rc < 0)
		return rc;
	*out = STEAL(w);
	return 0;
}

void tuf_writer_close(struct tuf_writer *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->count; i++)
		free_doc(w->docs[i]);
	free(w->docs);
	free(w->metadata);
	free(w->drafts);
	str_list_release(&w->only);
	file_close(&w->lock);
	free(w);
}

bool tuf_writer_has_root(const struct tuf_writer *w)
{
	return writer_current(writer_top(w, TUF_ROOT));
}

bool tuf_writer_changed(const struct tuf_writer *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->docs[i]->draft)
			return true;
	return false;
}

bool tuf_writer_waits(const struct tuf_writer *w, const char *role)
{
	const struct writer_doc *d = writer_find(w, role);
	return d && d->draft;
}

uint64_t tuf_writer_version(const struct tuf_writer *w, const char *role)
{
	const struct writer_doc *d = writer_find(w, role);
	return d ? d->version : 0;
}

static int discard_in(const char *drafts, struct str_list *removed, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(drafts, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(drafts, names.at[i]);
		bool document = str_ends(names.at[i], ".json");
		if (document || file_is_temporary(names.at[i]))
			rc = file_remove(path, e);
		if (rc == 0 && document && removed)
			str_list_take(removed, mem_strndup(names.at[i], strlen(names.at[i]) - 5));
	}
	if (rc == 0)
		file_remove_dir_if_empty(drafts);
	return rc;
}

int tuf_writer_discard(struct tuf_writer *w, struct err *e)
{
	return discard_in(w->drafts, NULL, e);
}

int tuf_writer_discard_tree(const char *tree, struct str_list *removed, struct err *e)
{
	CLEANUP(mem_free_ptr) char *drafts = path_join(tree, "drafts");
	CLEANUP(file_close) int lock = -1;
	int rc = lock_tree(tree, &lock, e);
	return rc < 0 ? rc : discard_in(drafts, removed, e);
}

/* -- who may sign ---------------------------------------------------------------------- */

void writer_authority_release(struct writer_authority *a)
{
	tuf_metadata_free(a->m);
	*a = (struct writer_authority){ 0 };
}

static const struct tuf_role *role_of(const struct tuf_metadata *m, const struct writer_doc *d)
{
	if (m->type == TUF_ROOT)
		return &m->roles[d->type];
	for (size_t i = 0; i < m->delegated_count; i++)
		if (strcmp(m->delegated[i].name, d->role) == 0)
			return &m->delegated[i].role;
	return writer_is_bin_of(m->body, d) ? &m->bins.role : NULL;
}

static json_t *in_state(const struct writer_doc *d, enum writer_state state)
{
	return state == WRITER_PUBLISHED ? d->published
	       : state == WRITER_CHOSEN	 ? d->chosen
					 : writer_current(d);
}

int writer_authority(const struct tuf_writer *w, const struct writer_doc *d,
		     enum writer_state state, struct writer_authority *out, struct err *e)
{
	bool top = strcmp(d->role, tuf_type_name(d->type)) == 0;
	const struct writer_doc *by = top ? writer_top(w, TUF_ROOT)
					  : d->parent ? writer_find(w, d->parent) : NULL;
	json_t *envelope = by ? in_state(by, state) : NULL;
	struct writer_authority a = { 0 };
	if (envelope) {
		int rc = tuf_metadata_from_json(by->type, envelope, by->role, &a.m, e);
		if (rc < 0)
			return rc;
		a.role = role_of(a.m, d);
	}
	*out = a;
	return 0;
}

int writer_valid(const struct writer_doc *d, json_t *envelope, const struct writer_authority *a,
		 unsigned *out, struct err *e)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	*out = 0;
	if (!a->role || !envelope)
		return 0;
	int rc = tuf_metadata_from_json(d->type, envelope, d->role, &m, e);
	return rc < 0 ? rc : tuf_metadata_count(m, a->role, &a->m->keys, out, e);
}

/* Does the delegator say in this state what it says as published? */
static bool same_authority(const struct tuf_writer *w, const struct writer_doc *d,
			   enum writer_state state)
{
	bool top = strcmp(d->role, tuf_type_name(d->type)) == 0;
	const struct writer_doc *by = top ? writer_top(w, TUF_ROOT)
					  : d->parent ? writer_find(w, d->parent) : NULL;
	if (!by)
		return false;
	const json_t *then = in_state(by, WRITER_PUBLISHED), *now = in_state(by, state);
	if (then == now || !then || !now)
		return then == now;
	static const char *const members[] = { "keys", "roles", "delegations" };
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const json_t *a = json_object_get(json_object_get(then, "signed"), members[i]);
		const json_t *b = json_object_get(json_object_get(now, "signed"), members[i]);
		if (a != b && !json_equal(a, b))
			return false;
	}
	return true;
}

int writer_verifies(const struct tuf_writer *w, const struct writer_doc *d, json_t *envelope,
		    enum writer_state state, bool *out, struct err *e)
{
	CLEANUP(writer_authority_release) struct writer_authority a = { 0 };
	unsigned valid = 0;
	/* Hundreds of bins were verified when the tree was read. */
	*out = d->fits && envelope == d->published && same_authority(w, d, state);
	if (*out)
		return 0;
	int rc = writer_authority(w, d, state, &a, e);
	if (rc == 0)
		rc = writer_valid(d, envelope, &a, &valid, e);
	*out = rc == 0 && a.role && valid >= a.role->threshold;
	return rc;
}
