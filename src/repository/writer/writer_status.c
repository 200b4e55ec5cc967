#include "repository/writer/internal.h"

#include "util/mem.h"

#include <string.h>

void tuf_writer_statuses_release(struct tuf_writer_statuses *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->at[i].role);
		str_list_release(&s->at[i].keyids);
		str_list_release(&s->at[i].old_keyids);
		str_list_release(&s->at[i].signed_by);
		str_list_release(&s->at[i].added);
		str_list_release(&s->at[i].removed);
		str_list_release(&s->at[i].changed);
	}
	free(s->at);
	tuf_writer_changes_release(&s->changes);
	*s = (struct tuf_writer_statuses){ 0 };
}

bool writer_signed_by(const struct tuf_metadata *m, const struct writer_authority *a,
		      const char *keyid)
{
	struct tuf_role only = { .keyids = &keyid, .count = 1, .threshold = 1 };
	struct err e = ERR_INIT;
	unsigned count = 0;
	return tuf_metadata_count(m, &only, &a->m->keys, &count, &e) == 0 && count == 1;
}

static void list_keys(const struct tuf_metadata *m, const struct writer_authority *a,
		      struct str_list *keyids, struct str_list *signers)
{
	for (size_t i = 0; i < a->role->count; i++) {
		const char *id = a->role->keyids[i];
		if (!str_list_has(keyids, id))
			str_list_add(keyids, id);
		if (!str_list_has(signers, id) && writer_signed_by(m, a, id))
			str_list_add(signers, id);
	}
}

/* 0: no envelope. */
static int64_t expiry_of(const json_t *envelope)
{
	int64_t at = 0;
	const json_t *expires = json_object_get(json_object_get(envelope, "signed"), "expires");
	return envelope && parse_time(json_string_value(expires), &at) ? at : 0;
}

static void sort(struct str_list *paths)
{
	if (paths->count)
		qsort(paths->at, paths->count, sizeof *paths->at, str_compare);
}

/* Who signs it wants to know what it lists, and listed before. */
static void compare_targets(const struct writer_doc *d, struct tuf_writer_status *s)
{
	const json_t *then = json_object_get(d->published, "signed");
	const json_t *now = json_object_get(d->draft, "signed");
	json_t *old = json_object_get(then, "targets"), *new = json_object_get(now, "targets");
	const json_t *was = json_object_get(then, "delegations");
	const json_t *is = json_object_get(now, "delegations");
	const char *path;
	json_t *entry;
	json_object_foreach (new, path, entry) {
		const json_t *before = json_object_get(old, path);
		if (!before)
			str_list_add(&s->added, path);
		else if (!json_equal(before, entry))
			str_list_add(&s->changed, path);
	}
	json_object_foreach (old, path, entry)
		if (!json_object_get(new, path))
			str_list_add(&s->removed, path);
	sort(&s->added);
	sort(&s->changed);
	sort(&s->removed);
	s->delegations = was != is && !json_equal(was, is);
}

static int fill_status(const struct tuf_writer *w, const struct writer_doc *d,
		       struct tuf_writer_status *s, struct err *e)
{
	CLEANUP(writer_authority_release) struct writer_authority now = { 0 }, old = { 0 };
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	/* What is published stands by the keys that are in force, whatever waits. */
	enum writer_state state = d->draft ? WRITER_CURRENT : WRITER_PUBLISHED;
	s->role = mem_strdup(d->role);
	s->published = d->version;
	s->waiting = d->draft;
	int rc = tuf_metadata_from_json(d->type, writer_current(d), d->role, &m, e);
	if (rc == 0)
		rc = writer_authorities(w, d, state, &now, &old, e);
	if (rc < 0)
		return rc;
	s->version = m->version;
	s->expires_s = m->expires_s;
	s->published_expires_s = expiry_of(d->published);
	if (d->draft && d->type == TUF_TARGETS)
		compare_targets(d, s);
	if (now.role) {
		s->threshold = (unsigned)now.role->threshold;
		rc = writer_valid(d, m->json, &now, &s->valid, e);
		list_keys(m, &now, &s->keyids, &s->signed_by);
	}
	if (rc == 0 && d->draft && old.role) {
		s->old_threshold = (unsigned)old.role->threshold;
		rc = writer_valid(d, m->json, &old, &s->old_valid, e);
		list_keys(m, &old, &s->old_keyids, &s->signed_by);
	}
	return rc;
}

/* -- bins: one line for all of them ------------------------------------------------------ */

static bool is_bin(const struct tuf_writer *w, const struct writer_doc *d)
{
	return writer_is_bin_of(writer_body(writer_top(w, TUF_TARGETS)), d);
}

bool writer_has_entry(const json_t *envelope, const char *keyid)
{
	json_t *entry;
	size_t i;
	json_array_foreach (json_object_get(envelope, "signatures"), i, entry)
		if (strcmp(json_string_value(json_object_get(entry, "keyid")), keyid) == 0)
			return true;
	return false;
}

/* The keys that signed every one. */
static void list_bin_keys(const struct tuf_writer *w, const json_t *bins,
			  struct tuf_writer_status *s)
{
	json_t *value;
	size_t i;
	json_array_foreach (json_object_get(bins, "keyids"), i, value) {
		const char *id = json_string_value(value);
		bool all = true;
		for (size_t k = TUF_TYPES; k < w->count; k++)
			all &= !is_bin(w, w->docs[k]) ||
			       writer_has_entry(writer_current(w->docs[k]), id);
		str_list_add(&s->keyids, id);
		if (all)
			str_list_add(&s->signed_by, id);
	}
}

/* What was verified with the tree is not verified again: bins are many. */
static int count_bin(const struct tuf_writer *w, const struct writer_doc *d, unsigned threshold,
		     unsigned *valid, struct err *e)
{
	CLEANUP(writer_authority_release) struct writer_authority a = { 0 };
	bool fits;
	*valid = threshold;
	int rc = writer_verifies(w, d, writer_current(d), WRITER_CURRENT, &fits, e);
	if (rc < 0 || fits)
		return rc;
	rc = writer_authority(w, d, WRITER_CURRENT, &a, e);
	return rc < 0 ? rc : writer_valid(d, writer_current(d), &a, valid, e);
}

static int fill_bins(const struct tuf_writer *w, struct tuf_writer_status *s, struct err *e)
{
	const json_t *bins = writer_bins(writer_body(writer_top(w, TUF_TARGETS)));
	s->role = mem_strdup(writer_bins_prefix(bins));
	s->threshold = (unsigned)json_integer_value(json_object_get(bins, "threshold"));
	/* Of bins that are new, as if they were signed now. */
	s->expires_s = w->now_s + (int64_t)w->expiry.targets_s;
	list_bin_keys(w, bins, s);
	for (size_t i = TUF_TYPES; i < w->count; i++) {
		const struct writer_doc *d = w->docs[i];
		const json_t *body = writer_body(d);
		unsigned valid = 0;
		if (!is_bin(w, d))
			continue;
		int rc = body ? count_bin(w, d, s->threshold, &valid, e) : 0;
		if (rc < 0)
			return rc;
		s->valid = s->bins++ ? MIN(s->valid, valid) : valid;
		s->waiting |= d->draft || !body;
		s->version = MAX(s->version, d->version + (d->draft || !body));
		s->published = MAX(s->published, d->version);
		if (body)
			s->expires_s = MIN(s->expires_s, expiry_of(writer_current(d)));
		if (d->published && (!s->published_expires_s ||
				     expiry_of(d->published) < s->published_expires_s))
			s->published_expires_s = expiry_of(d->published);
	}
	return 0;
}

static int add_bins(const struct tuf_writer *w, struct tuf_writer_statuses *out, struct err *e)
{
	if (!tuf_writer_has_bins(w))
		return 0;
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count] = (struct tuf_writer_status){ 0 };
	return fill_bins(w, &out->at[out->count++], e);
}

/* -- all ------------------------------------------------------------------------------- */

static int add_status(const struct tuf_writer *w, const struct writer_doc *d,
		      struct tuf_writer_statuses *out, struct err *e)
{
	/* Roles that nobody delegates to any more are of no interest. */
	bool delegated = d->type == TUF_TARGETS && d != writer_top(w, TUF_TARGETS);
	if (!writer_current(d) || (delegated && !d->parent))
		return 0;
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count] = (struct tuf_writer_status){ 0 };
	return fill_status(w, d, &out->at[out->count++], e);
}

int tuf_writer_status(const struct tuf_writer *w, struct tuf_writer_statuses *out, struct err *e)
{
	CLEANUP(tuf_writer_statuses_release) struct tuf_writer_statuses all = { 0 };
	int rc = add_status(w, writer_top(w, TUF_ROOT), &all, e);
	for (size_t i = TUF_TARGETS; rc == 0 && i < w->count; i++)
		rc = is_bin(w, w->docs[i]) ? 0 : add_status(w, w->docs[i], &all, e);
	if (rc == 0)
		rc = add_bins(w, &all, e);
	if (rc == 0)
		rc = add_status(w, writer_top(w, TUF_SNAPSHOT), &all, e);
	if (rc == 0)
		rc = add_status(w, writer_top(w, TUF_TIMESTAMP), &all, e);
	if (rc < 0)
		return rc;
	tuf_writer_root_changes(w, &all.changes);
	*out = all;
	all = (struct tuf_writer_statuses){ 0 };
	return 0;
}

/* -- what a root changes ----------------------------------------------------------------- */

void tuf_writer_changes_release(struct tuf_writer_changes *c)
{
	for (size_t i = 0; i < c->count; i++) {
		str_list_release(&c->at[i].added);
		str_list_release(&c->at[i].removed);
	}
	c->count = 0;
}

static const json_t *root_role(json_t *envelope, const char *role)
{
	return json_object_get(json_object_get(json_object_get(envelope, "signed"), "roles"), role);
}

/* The ids of a that b has not. */
static void difference(const json_t *a, const json_t *b, struct str_list *out)
{
	json_t *id, *other;
	size_t i, k;
	json_array_foreach (json_object_get(a, "keyids"), i, id) {
		bool there = false;
		json_array_foreach (json_object_get(b, "keyids"), k, other)
			there |= json_equal(id, other);
		if (!there)
			str_list_add(out, json_string_value(id));
	}
}

void tuf_writer_root_changes(const struct tuf_writer *w, struct tuf_writer_changes *out)
{
	static const enum tuf_type order[] = { TUF_ROOT, TUF_TARGETS, TUF_SNAPSHOT, TUF_TIMESTAMP };
	const struct writer_doc *root = writer_top(w, TUF_ROOT);
	*out = (struct tuf_writer_changes){ 0 };
	if (!root->draft || !root->published)
		return;
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		const char *role = tuf_type_name(order[i]);
		const json_t *old = root_role(root->published, role);
		const json_t *new = root_role(root->draft, role);
		struct tuf_writer_change *c = &out->at[out->count];
		*c = (struct tuf_writer_change){ .role = role };
		c->old_threshold =
			(uint64_t)json_integer_value(json_object_get(old, "threshold"));
		c->threshold = (uint64_t)json_integer_value(json_object_get(new, "threshold"));
		difference(new, old, &c->added);
		difference(old, new, &c->removed);
		if (c->added.count || c->removed.count || c->threshold != c->old_threshold)
			out->count++;
	}
}
