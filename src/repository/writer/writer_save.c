#include "repository/writer/internal.h"

#include "tuf/client.h"
#include "util/mem.h"

#include <string.h>

/* -- may it be signed ------------------------------------------------------------- */

static int check_role(const char *name, const struct tuf_role *role, const struct tuf_keys *keys,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) struct digest *seen = mem_alloc((role->count + 1) * sizeof *seen);
	size_t count = 0;
	for (size_t i = 0; i < role->count; i++) {
		const struct tuf_key *key = tuf_keys_find(keys, role->keyids[i]);
		bool known = !key || !key->pkey;
		for (size_t j = 0; j < count && !known; j++)
			known = digest_equal(&seen[j], &key->identity);
		if (!known)
			seen[count++] = key->identity;
	}
	if (count >= role->threshold)
		return 0;
	err_set(e, ERR_USAGE, "the role %s has %zu key%s, but its threshold is %llu", name, count,
		count == 1 ? "" : "s", (unsigned long long)role->threshold);
	return err_hint(e, "add keys to the role, or lower its threshold");
}

int tuf_writer_check(const struct tuf_writer *w, struct err *e)
{
	for (size_t i = 0; i < w->count; i++) {
		CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
		const struct writer_doc *d = w->docs[i];
		if (!d->draft || (d->type != TUF_ROOT && d->type != TUF_TARGETS))
			continue;
		int rc = tuf_metadata_from_json(d->type, d->draft, d->role, &m, e);
		for (size_t j = 0; rc == 0 && d->type == TUF_ROOT && j < TUF_TYPES; j++)
			rc = check_role(tuf_type_name((enum tuf_type)j), &m->roles[j], &m->keys, e);
		for (size_t j = 0; rc == 0 && j < m->delegated_count; j++)
			rc = check_role(m->delegated[j].name, &m->delegated[j].role, &m->keys, e);
		if (rc == 0 && m->bins.bit_length)
			rc = check_role(m->bins.prefix, &m->bins.role, &m->keys, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What clients refuse to read must not become what they are to read. */
static int check_size(const struct tuf_writer *w, const struct writer_doc *d, struct err *e)
{
	const struct tuf_limits *l = &tuf_limits_default;
	const size_t most[TUF_TYPES] = { [TUF_ROOT] = l->root, [TUF_TIMESTAMP] = l->timestamp,
					 [TUF_SNAPSHOT] = l->snapshot, [TUF_TARGETS] = l->targets };
	CLEANUP(buf_release) struct buf text = BUF_INIT(WRITER_DOCUMENT_MAX);
	int rc = writer_serialise(d->draft, &text, e);
	if (rc < 0 || text.len <= most[d->type])
		return rc;
	err_set(e, ERR_USAGE, "the metadata of %s would have %zu bytes; clients read %zu at most",
		d->role, text.len, most[d->type]);
	if (d->type != TUF_TARGETS)
		return -ERR_USAGE;
	return writer_is_bin_of(writer_body(writer_top(w, TUF_TARGETS)), d)
		? err_hint(e, "`ferry catalog delegate --bins N` with a larger N makes bins smaller")
		: err_hint(e, "`ferry catalog delegate --bins 256` spreads the files over bins, of "
			      "which a client reads one");
}

static int check_sizes(const struct tuf_writer *w, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < w->count; i++)
		if (w->docs[i]->draft)
			rc = check_size(w, w->docs[i], e);
	return rc;
}

/* -- signatures ------------------------------------------------------------------------ */

static bool lists(const struct writer_authority *a, const char *keyid)
{
	for (size_t i = 0; a->role && i < a->role->count; i++)
		if (strcmp(a->role->keyids[i], keyid) == 0)
			return true;
	return false;
}

/* May this save sign the document at all? */
static bool within_limits(const struct tuf_writer *w, const struct writer_doc *d)
{
	const json_t *body = writer_body(writer_top(w, TUF_TARGETS));
	bool bin = writer_is_bin_of(body, d);
	if (!w->limited || d->type == TUF_SNAPSHOT || d->type == TUF_TIMESTAMP)
		return true;
	if (bin && str_list_has(&w->only, writer_bins_prefix(writer_bins(body))))
		return true;
	bool with_targets = bin && tuf_writer_bins_like_targets(w);
	return str_list_has(&w->only, with_targets ? "targets" : d->role);
}

static int add_signature(struct writer_save *s, struct writer_doc *d, struct signer *signer,
			 struct err *e)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT(WRITER_DOCUMENT_MAX), sig = BUF_INIT(4096);
	int rc = json_canonical(json_object_get(d->draft, "signed"), &body, e);
	if (rc == 0)
		rc = signer_sign(signer, buf_str(&body), body.len, &sig, e);
	if (rc < 0)
		return rc;
	json_t *entry = json_object();
	json_put_string(entry, "keyid", signer->key->id);
	json_put_hex(entry, "sig", buf_str(&sig), sig.len);
	json_push(json_object_get(d->draft, "signatures"), entry);
	s->result.signatures++;
	return 0;
}

int writer_authorities(const struct tuf_writer *w, const struct writer_doc *d,
		       enum writer_state state, struct writer_authority *now,
		       struct writer_authority *old, struct err *e)
{
	int rc = writer_authority(w, d, state, now, e);
	if (rc == 0 && d->type == TUF_ROOT && d->published)
		rc = writer_authority(w, d, WRITER_PUBLISHED, old, e);
	return rc;
}

/* Signs with all that fits; *complete: there are enough signatures now. */
int writer_sign(struct writer_save *s, struct writer_doc *d, enum writer_state state, bool *complete,
		struct err *e)
{
	CLEANUP(writer_authority_release) struct writer_authority now = { 0 }, old = { 0 };
	int rc = writer_authorities(s->w, d, state, &now, &old, e);
	for (size_t i = 0; rc == 0 && i < s->count && within_limits(s->w, d); i++) {
		const char *id = s->signers[i]->key->id;
		if ((lists(&now, id) || lists(&old, id)) && !writer_has_entry(d->draft, id))
			rc = add_signature(s, d, s->signers[i], e);
	}
	unsigned valid = 0, old_valid = 0;
	if (rc == 0)
		rc = writer_valid(d, d->draft, &now, &valid, e);
	if (rc == 0 && old.role)
		rc = writer_valid(d, d->draft, &old, &old_valid, e);
	*complete = rc == 0 && now.role && valid >= now.role->threshold &&
		    (!old.role || old_valid >= old.role->threshold);
	return rc;
}

/* -- what is to be in force ------------------------------------------------------------ */

/* New keys for a targets role: what is published must be signed anew. */
static int renew_unsigned(struct tuf_writer *w, struct err *e)
{
	for (size_t i = TUF_TARGETS; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		bool fits;
		/* Nobody delegates to it any more: it stays as it is. */
		if (d->draft || !d->published || (i > TUF_TARGETS && !d->parent))
			continue;
		int rc = writer_verifies(w, d, d->published, WRITER_CURRENT, &fits, e);
		if (rc < 0)
			return rc;
		if (!fits)
			writer_edit(w, d);
	}
	return 0;
}

/* Do root and the targets roles that are chosen verify together? */
int writer_consistent(const struct tuf_writer *w, bool *out, struct err *e)
{
	*out = w->docs[TUF_ROOT]->chosen && w->docs[TUF_TARGETS]->chosen;
	for (size_t i = TUF_TARGETS; *out && i < w->count; i++) {
		const struct writer_doc *d = w->docs[i];
		if (!d->chosen || (i > TUF_TARGETS && !d->parent))
			continue;
		int rc = writer_verifies(w, d, d->chosen, WRITER_CHOSEN, out, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void writer_choose_published(const struct tuf_writer *w)
{
	for (size_t i = 0; i < w->count; i++)
		w->docs[i]->chosen = w->docs[i]->published;
}

/* Targets move between bins, and between bins and who delegates to them: readers get all of
 * such a change, or nothing of it. */
static void choose_bins_together(const struct tuf_writer *w)
{
	const struct writer_doc *top = writer_top(w, TUF_TARGETS);
	const json_t *body = writer_body(top);
	bool complete = true;
	if (!writer_bins(body))
		return;
	for (size_t i = TUF_TARGETS; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		if (d == top || writer_is_bin_of(body, d))
			complete &= d->chosen == writer_current(d);
	}
	for (size_t i = TUF_TARGETS; !complete && i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		if (d == top || writer_is_bin_of(body, d))
			d->chosen = d->published;
	}
}

/* Chooses the drafts that are complete, or none of them when they do not fit together
 * without the others. */
static int choose(struct writer_save *s, bool *usable, struct err *e)
{
	struct tuf_writer *w = s->w;
	writer_choose_published(w);
	for (size_t i = 0; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		bool complete;
		if (!d->draft || d->type == TUF_SNAPSHOT || d->type == TUF_TIMESTAMP)
			continue;
		int rc = writer_sign(s, d, WRITER_CURRENT, &complete, e);
		if (rc < 0)
			return rc;
		if (complete)
			d->chosen = d->draft;
	}
	choose_bins_together(w);
	int rc = writer_consistent(w, usable, e);
	if (rc < 0 || *usable)
		return rc;
	writer_choose_published(w);
	return writer_consistent(w, usable, e);
}

/* -- the whole ------------------------------------------------------------------------- */

/* Is any of the signers of use for anything that waits? */
static bool any_is_listed(const struct writer_save *s)
{
	for (size_t i = 0; i < s->w->count; i++) {
		CLEANUP(str_list_release) struct str_list ids = { 0 };
		if (s->w->docs[i]->draft)
			tuf_writer_signers(s->w, s->w->docs[i]->role, &ids);
		for (size_t k = 0; k < s->count; k++)
			if (str_list_has(&ids, s->signers[k]->key->id))
				return true;
	}
	return false;
}

/* Says whose signature is wanted. */
static int no_signer_fits(const struct writer_save *s, struct err *e)
{
	for (size_t i = 0; i < s->w->count; i++) {
		CLEANUP(str_list_release) struct str_list ids = { 0 };
		CLEANUP(buf_release) struct buf text = BUF_INIT(4096);
		const struct writer_doc *d = s->w->docs[i];
		if (!d->draft)
			continue;
		tuf_writer_signers(s->w, d->role, &ids);
		for (size_t k = 0; k < ids.count; k++)
			buf_addf(&text, "%s%.16s", k ? ", " : "", ids.at[k]);
		err_set(e, ERR_USAGE, "none of the given keys can sign what is waiting: %s wants "
				      "one of the keys %.300s", d->role, buf_str(&text));
		return err_hint(e, "`ferry catalog status` shows who can sign and who did");
	}
	return 0;
}

/* A first publication has an empty targets document and new bins have empty ones, so that
 * clients find all roles. */
static void complete_new_tree(struct tuf_writer *w, bool bins)
{
	struct writer_doc *targets = writer_top(w, TUF_TARGETS);
	if (!writer_current(targets))
		writer_edit(w, targets);
	for (size_t i = TUF_TYPES; bins && i < w->count; i++)
		if (!writer_current(w->docs[i]) && writer_is_bin_of(writer_body(targets), w->docs[i]))
			writer_edit(w, w->docs[i]);
}

void tuf_writer_limit(struct tuf_writer *w, const char *const *roles, size_t count)
{
	str_list_release(&w->only);
	w->limited = true;
	for (size_t i = 0; i < count; i++)
		str_list_add(&w->only, roles[i]);
}

int tuf_writer_sign(struct tuf_writer *w, const char *role, struct signer *const *signers,
		    size_t count, bool *complete, struct err *e)
{
	struct writer_save s = { .w = w, .signers = signers, .count = count };
	struct writer_doc *d = writer_find(w, role);
	if (!d)
		return writer_no_role(role, e);
	*complete = true;
	return d->draft ? writer_sign(&s, d, WRITER_CURRENT, complete, e) : 0;
}

int tuf_writer_save(struct tuf_writer *w, struct signer *const *signers, size_t count,
		    struct tuf_saved *out, struct err *e)
{
	struct writer_save s = { .w = w, .signers = signers, .count = count };
	bool usable, complete;
	if (!tuf_writer_has_root(w)) {
		err_set(e, ERR_USAGE, "the repository has no root role yet");
		return err_hint(e, "add the keys of root, targets, snapshot and timestamp first");
	}
	complete_new_tree(w, count > 0);
	int rc = tuf_writer_check(w, e);
	if (rc == 0)
		rc = renew_unsigned(w, e);
	if (rc == 0)
		rc = choose(&s, &usable, e);
	complete = rc == 0 && usable;
	if (complete)
		rc = writer_bring_online_in_step(&s, &complete, e);
	if (rc == 0)
		rc = check_sizes(w, e);
	if (rc == 0 && complete)
		rc = writer_publish(&s, e);
	if (rc == 0)
		rc = writer_keep_drafts(&s, e);
	if (rc == 0 && s.result.waiting && count && !s.result.signatures &&
	    !s.result.timestamp && !any_is_listed(&s))
		rc = no_signer_fits(&s, e);
	if (rc < 0)
		return rc;
	s.result.published = s.result.waiting == 0;
	*out = s.result;
	return 0;
}
