#include "repository/writer/writer_authority.h"

#include "util/mem.h"

#include <string.h>

void writer_statuses_release(struct writer_statuses *s)
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
	for (size_t i = 0; i < s->changes.count; i++) {
		str_list_release(&s->changes.at[i].added);
		str_list_release(&s->changes.at[i].removed);
	}
	free(s->at);
	*s = (struct writer_statuses){ 0 };
}

static void list_keys(const struct tuf_metadata *m, const struct writer_authority *a,
		      struct str_list *keyids, struct str_list *signers)
{
	for (size_t i = 0; i < a->role->count; i++) {
		const char *id = a->role->keyids[i];
		if (!str_list_has(keyids, id))
			str_list_add(keyids, id);
		if (!str_list_has(signers, id) && writer_authority_signed_by(a, m, id))
			str_list_add(signers, id);
	}
}

static void sort(struct str_list *paths)
{
	if (paths->count)
		qsort(paths->at, paths->count, sizeof *paths->at, str_compare);
}

/* For the signers: what it lists and what it listed before. */
static void compare_targets(const struct writer_doc *d, struct writer_status *s)
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

/* The ids of the role in `a` that are not in `b`, in the order of the document. */
static void difference(const struct tuf_metadata *a, const struct tuf_metadata *b,
		       enum tuf_type type, struct str_list *out)
{
	const json_t *role = json_object_get(json_object_get(a->body, "roles"),
					     tuf_type_name(type));
	const struct writer_authority other = { .role = &b->roles[type] };
	json_t *id;
	size_t i;
	json_array_foreach (json_object_get(role, "keyids"), i, id)
		if (!writer_authority_lists(&other, json_string_value(id)))
			str_list_add(out, json_string_value(id));
}

static void compare_roots(const struct tuf_metadata *old, const struct tuf_metadata *new,
			  struct writer_changes *out)
{
	for (size_t i = 0; i < TUF_TYPES; i++) {
		enum tuf_type type = tuf_type_order[i];
		const struct tuf_role *was = &old->roles[type], *is = &new->roles[type];
		struct writer_change *c = &out->at[out->count];
		*c = (struct writer_change){
			.role = tuf_type_name(type),
			.old_threshold = was->threshold,
			.threshold = is->threshold,
		};
		difference(new, old, type, &c->added);
		difference(old, new, type, &c->removed);
		if (c->added.count || c->removed.count || c->threshold != c->old_threshold)
			out->count++;
	}
}

static int fill_status(const struct writer *w, const struct writer_doc *d,
		       struct writer_statuses *all, struct writer_status *s, struct err *e)
{
	CLEANUP(writer_authority_release) struct writer_authority now = { 0 }, old = { 0 };
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	/* Published metadata is checked with the keys in force, whatever the drafts. */
	enum writer_state state = d->draft ? WRITER_CURRENT : WRITER_PUBLISHED;
	s->role = mem_strdup(d->role);
	s->published = d->version;
	s->waiting = d->draft;
	int rc = tuf_metadata_from_json(d->type, writer_doc_version(d, state), d->role, &m, e);
	if (rc == 0)
		rc = writer_authority_both(w, d, state, &now, &old, e);
	if (rc < 0)
		return rc;
	s->version = m->version;
	s->expires_s = m->expires_s;
	s->published_expires_s = writer_doc_expires_s(d->published);
	if (d->draft && d->type == TUF_TARGETS)
		compare_targets(d, s);
	if (now.role) {
		s->threshold = (unsigned)now.role->threshold;
		rc = writer_authority_count(&now, d, m->json, &s->valid, e);
		list_keys(m, &now, &s->keyids, &s->signed_by);
	}
	if (rc == 0 && d->draft && old.role) {
		s->old_threshold = (unsigned)old.role->threshold;
		rc = writer_authority_count(&old, d, m->json, &s->old_valid, e);
		list_keys(m, &old, &s->old_keyids, &s->signed_by);
		compare_roots(old.m, m, &all->changes);
	}
	return rc;
}

static struct writer_status *add(struct writer_statuses *all)
{
	all->at = mem_grow(all->at, all->count, &all->cap, sizeof *all->at);
	struct writer_status *s = &all->at[all->count++];
	*s = (struct writer_status){ 0 };
	return s;
}

static int add_status(const struct writer *w, const struct writer_doc *d,
		      struct writer_statuses *all, struct err *e)
{
	/* Skip roles to which no role delegates any more. */
	bool delegated = d->type == TUF_TARGETS && d != writer_doc_top(w, TUF_TARGETS);
	if (!writer_doc_body(d) || (delegated && !d->parent))
		return 0;
	return fill_status(w, d, all, add(all), e);
}

/* -- bins: one line for all of them ------------------------------------------------------ */

static bool is_bin(const struct writer *w, const struct writer_doc *d)
{
	return writer_doc_is_bin(w, d, WRITER_CURRENT);
}

/* The keys that signed all of them. */
static void list_bin_keys(const struct writer *w, const struct tuf_role *role,
			  struct writer_status *s)
{
	for (size_t i = 0; i < role->count; i++) {
		bool all = true;
		for (size_t k = TUF_TYPES; k < w->count; k++)
			all &= !is_bin(w, w->docs[k]) ||
			       writer_doc_has_signature(writer_doc_version(w->docs[k],
									   WRITER_CURRENT),
							role->keyids[i]);
		str_list_add(&s->keyids, role->keyids[i]);
		if (all)
			str_list_add(&s->signed_by, role->keyids[i]);
	}
}

/* Do not verify again what was verified with the tree, because there are many bins. */
static int count_bin(const struct writer *w, const struct writer_doc *d,
		     const struct writer_authority *a, unsigned *valid, struct err *e)
{
	bool fits = false;
	int rc = d->draft ? 0
			  : writer_authority_verifies(w, d, d->published, WRITER_CURRENT, &fits, e);
	*valid = (unsigned)a->role->threshold;
	if (rc < 0 || fits)
		return rc;
	return writer_authority_count(a, d, writer_doc_version(d, WRITER_CURRENT), valid, e);
}

static int fill_bin(const struct writer *w, const struct writer_doc *d,
		    const struct writer_authority *a, struct writer_status *s, struct err *e)
{
	unsigned valid;
	int rc = count_bin(w, d, a, &valid, e);
	if (rc < 0)
		return rc;
	bool is_new = d->draft || !d->published;
	s->valid = s->bins++ ? MIN(s->valid, valid) : valid;
	s->waiting |= is_new;
	s->version = MAX(s->version, d->version + is_new);
	s->published = MAX(s->published, d->version);
	if (writer_doc_body(d))
		s->expires_s = MIN(s->expires_s,
				   writer_doc_expires_s(writer_doc_version(d, WRITER_CURRENT)));
	if (d->published) {
		int64_t expires_s = writer_doc_expires_s(d->published);
		s->published_expires_s = s->published_expires_s
						 ? MIN(s->published_expires_s, expires_s)
						 : expires_s;
	}
	return 0;
}

static int add_bins(const struct writer *w, struct writer_statuses *all, struct err *e)
{
	CLEANUP(writer_authority_release) struct writer_authority a = { 0 };
	const struct tuf_bins bins = writer_doc_bins(writer_doc_top(w, TUF_TARGETS),
						     WRITER_CURRENT);
	struct writer_status *s = NULL;
	int rc = 0;
	for (size_t i = TUF_TYPES; rc == 0 && bins.bit_length && i < w->count; i++) {
		if (!is_bin(w, w->docs[i]))
			continue;
		if (!s) {
			rc = writer_authority_of(w, w->docs[i], WRITER_CURRENT, &a, e);
			if (rc < 0)
				return rc;
			s = add(all);
			s->role = mem_strdup(bins.prefix);
			s->threshold = (unsigned)a.role->threshold;
			/* For new bins, as if they were signed now. */
			s->expires_s = w->now_s + (int64_t)w->expiry.targets_s;
			list_bin_keys(w, a.role, s);
		}
		rc = fill_bin(w, w->docs[i], &a, s, e);
	}
	return rc;
}

/* -- all ------------------------------------------------------------------------------- */

static int compute(const struct writer *w, struct writer_statuses *out, struct err *e)
{
	CLEANUP(writer_statuses_release) struct writer_statuses all = { 0 };
	int rc = add_status(w, writer_doc_top(w, TUF_ROOT), &all, e);
	for (size_t i = TUF_TARGETS; rc == 0 && i < w->count; i++)
		rc = is_bin(w, w->docs[i]) ? 0 : add_status(w, w->docs[i], &all, e);
	if (rc == 0)
		rc = add_bins(w, &all, e);
	if (rc == 0)
		rc = add_status(w, writer_doc_top(w, TUF_SNAPSHOT), &all, e);
	if (rc == 0)
		rc = add_status(w, writer_doc_top(w, TUF_TIMESTAMP), &all, e);
	if (rc < 0)
		return rc;
	*out = all;
	all = (struct writer_statuses){ 0 };
	return 0;
}

int writer_status(struct writer *w, const struct writer_statuses **out, struct err *e)
{
	if (!w->has_status) {
		writer_statuses_release(&w->status);
		int rc = compute(w, &w->status, e);
		if (rc < 0)
			return rc;
		w->has_status = true;
	}
	*out = &w->status;
	return 0;
}

int writer_status_take(struct writer *w, struct writer_statuses *out, struct err *e)
{
	const struct writer_statuses *all;
	int rc = writer_status(w, &all, e);
	if (rc < 0)
		return rc;
	*out = w->status;
	w->status = (struct writer_statuses){ 0 };
	w->has_status = false;
	return 0;
}

const struct writer_status *writer_status_of(const struct writer_statuses *s, const char *role)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->at[i].role, role) == 0)
			return &s->at[i];
	return NULL;
}
