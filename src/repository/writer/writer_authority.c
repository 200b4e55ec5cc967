#include "repository/writer/writer_authority.h"

#include "tuf/match.h"
#include "util/mem.h"

#include <string.h>

/* -- who may ----------------------------------------------------------------------------- */

void writer_authority_release(struct writer_authority *a)
{
	tuf_metadata_free(a->m);
	*a = (struct writer_authority){ 0 };
}

/* NULL: nobody. */
static const struct writer_doc *delegator(const struct writer *w, const struct writer_doc *d)
{
	if (strcmp(d->role, tuf_type_name(d->type)) == 0)
		return writer_doc_top(w, TUF_ROOT);
	return d->parent ? writer_doc_find(w, d->parent) : NULL;
}

static const struct tuf_role *role_of(const struct tuf_metadata *m, const struct writer_doc *d)
{
	if (m->type == TUF_ROOT)
		return &m->roles[d->type];
	for (size_t i = 0; i < m->delegated_count; i++)
		if (strcmp(m->delegated[i].name, d->role) == 0)
			return &m->delegated[i].role;
	bool bin = m->bins.bit_length &&
		   tuf_match_is_bin(m->bins.prefix, m->bins.bit_length, d->role);
	return bin ? &m->bins.role : NULL;
}

int writer_authority_of(const struct writer *w, const struct writer_doc *d, enum writer_state state,
			struct writer_authority *out, struct err *e)
{
	const struct writer_doc *by = delegator(w, d);
	json_t *envelope = by ? writer_doc_version(by, state) : NULL;
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

int writer_authority_both(const struct writer *w, const struct writer_doc *d,
			  enum writer_state state, struct writer_authority *now,
			  struct writer_authority *old, struct err *e)
{
	int rc = writer_authority_of(w, d, state, now, e);
	if (rc == 0 && d->type == TUF_ROOT && d->published)
		rc = writer_authority_of(w, d, WRITER_PUBLISHED, old, e);
	return rc;
}

bool writer_authority_lists(const struct writer_authority *a, const char *keyid)
{
	for (size_t i = 0; a->role && i < a->role->count; i++)
		if (strcmp(a->role->keyids[i], keyid) == 0)
			return true;
	return false;
}

static void add_keyids(const struct writer *w, const struct writer_doc *d, enum writer_state state,
		       struct str_list *out)
{
	CLEANUP(writer_authority_release) struct writer_authority a = { 0 };
	struct err e = ERR_INIT;
	if (writer_authority_of(w, d, state, &a, &e) < 0 || !a.role)
		return;
	for (size_t i = 0; i < a.role->count; i++)
		if (!str_list_has(out, a.role->keyids[i]))
			str_list_add(out, a.role->keyids[i]);
}

/* For the prefix of bins, one of them. */
static const struct writer_doc *find_or_bin(const struct writer *w, const char *role)
{
	const struct writer_doc *d = writer_doc_find(w, role);
	if (d || !writer_doc_bins_named(w, role))
		return d;
	for (size_t i = TUF_TYPES; i < w->count; i++)
		if (writer_doc_is_bin(w, w->docs[i], WRITER_CURRENT))
			return w->docs[i];
	return NULL;
}

void writer_signers(const struct writer *w, const char *role, struct str_list *out)
{
	const struct writer_doc *d = find_or_bin(w, role);
	if (!d)
		return;
	add_keyids(w, d, WRITER_CURRENT, out);
	add_keyids(w, d, WRITER_PUBLISHED, out);
}

int writer_keys(const struct writer *w, const char *role, struct str_list *out, struct err *e)
{
	const struct writer_doc *d = find_or_bin(w, role);
	if (!d || !delegator(w, d))
		return writer_doc_no_role(w, role, e);
	add_keyids(w, d, WRITER_CURRENT, out);
	return 0;
}

/* -- who did ----------------------------------------------------------------------------- */

bool writer_authority_signed_by(const struct writer_authority *a, const struct tuf_metadata *m,
				const char *keyid)
{
	struct tuf_role only = { .keyids = &keyid, .count = 1, .threshold = 1 };
	struct err e = ERR_INIT;
	unsigned count = 0;
	return tuf_metadata_count(m, &only, &a->m->keys, &count, &e) == 0 && count == 1;
}

int writer_authority_count(const struct writer_authority *a, const struct writer_doc *d,
			   json_t *envelope, unsigned *out, struct err *e)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	*out = 0;
	if (!a->role || !envelope)
		return 0;
	int rc = tuf_metadata_from_json(d->type, envelope, d->role, &m, e);
	return rc < 0 ? rc : tuf_metadata_count(m, a->role, &a->m->keys, out, e);
}

/* Is the delegation in this state the same as the published one? */
static bool same_authority(const struct writer *w, const struct writer_doc *d,
			   enum writer_state state)
{
	const struct writer_doc *by = delegator(w, d);
	if (!by)
		return false;
	const json_t *then = writer_doc_version(by, WRITER_PUBLISHED);
	const json_t *now = writer_doc_version(by, state);
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

int writer_authority_verifies(const struct writer *w, const struct writer_doc *d, json_t *envelope,
			      enum writer_state state, bool *out, struct err *e)
{
	CLEANUP(writer_authority_release) struct writer_authority a = { 0 };
	unsigned valid = 0;
	/* Bins were already verified when the tree was read. */
	*out = d->fits && envelope == d->published && same_authority(w, d, state);
	if (*out)
		return 0;
	int rc = writer_authority_of(w, d, state, &a, e);
	if (rc == 0)
		rc = writer_authority_count(&a, d, envelope, &valid, e);
	*out = rc == 0 && a.role && valid >= a.role->threshold;
	return rc;
}

int writer_authority_consistent(const struct writer *w, bool *out, struct err *e)
{
	*out = w->docs[TUF_ROOT]->chosen && w->docs[TUF_TARGETS]->chosen;
	for (size_t i = TUF_TARGETS; *out && i < w->count; i++) {
		const struct writer_doc *d = w->docs[i];
		if (!d->chosen || !delegator(w, d))
			continue;
		int rc = writer_authority_verifies(w, d, d->chosen, WRITER_CHOSEN, out, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* -- signing ----------------------------------------------------------------------------- */

/* May this save sign the document? */
static bool within_limits(const struct writer *w, const struct writer_doc *d)
{
	const struct tuf_bins bins = writer_doc_bins(writer_doc_top(w, TUF_TARGETS),
						     WRITER_CURRENT);
	bool bin = writer_doc_is_bin(w, d, WRITER_CURRENT);
	if (!w->limited || d->type == TUF_SNAPSHOT || d->type == TUF_TIMESTAMP)
		return true;
	if (bin && str_list_has(&w->only, bins.prefix))
		return true;
	return str_list_has(&w->only, bin && writer_bins_like_targets(w) ? "targets" : d->role);
}

static int add_signature(struct writer *w, struct writer_doc *d, struct signer *signer,
			 struct err *e)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT(WRITER_DOC_MAX), sig = BUF_INIT(4096);
	int rc = json_canonical(json_object_get(d->draft, "signed"), &body, e);
	if (rc == 0)
		rc = signer_sign(signer, buf_str(&body), body.len, &sig, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *hex = mem_alloc(2 * sig.len + 1);
	hex_encode(hex, sig.data, sig.len);
	writer_doc_sign(w, d, signer->key->id, hex);
	return 0;
}

int writer_authority_sign(struct writer *w, struct writer_doc *d, enum writer_state state,
			  struct writer_signing *with, bool *complete, struct err *e)
{
	CLEANUP(writer_authority_release) struct writer_authority now = { 0 }, old = { 0 };
	int rc = writer_authority_both(w, d, state, &now, &old, e);
	for (size_t i = 0; rc == 0 && i < with->count && within_limits(w, d); i++) {
		const char *id = with->signers[i]->key->id;
		if ((!writer_authority_lists(&now, id) && !writer_authority_lists(&old, id)) ||
		    writer_doc_has_signature(d->draft, id))
			continue;
		rc = add_signature(w, d, with->signers[i], e);
		with->signatures += rc == 0;
	}
	unsigned valid = 0, old_valid = 0;
	if (rc == 0)
		rc = writer_authority_count(&now, d, d->draft, &valid, e);
	if (rc == 0 && old.role)
		rc = writer_authority_count(&old, d, d->draft, &old_valid, e);
	*complete = rc == 0 && now.role && valid >= now.role->threshold &&
		    (!old.role || old_valid >= old.role->threshold);
	return rc;
}
