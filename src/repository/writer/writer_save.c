#include "repository/writer/writer_steps.h"

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

int writer_check(const struct writer *w, struct err *e)
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

/* The number of bins with which a look-up costs least: a reader gets about 28 bytes of snapshot for
 * each bin, and three bins, of the card, the file and its manifest, with about 190 bytes for each
 * target. So the best number is the square root of 20 times the targets. */
static unsigned cheapest_bins(uint64_t targets)
{
	unsigned bits = 1;
	while (bits < PUBLISHED_MAX_BIN_BITS && (2ull << 2 * bits) < 20 * targets)
		bits++;
	return 1u << bits;
}

/* If its own size says how many targets there are in all bins. */
static unsigned bins_for(const struct writer *w, const struct writer_doc *d)
{
	const struct tuf_bins bins = writer_doc_bins(writer_doc_top(w, TUF_TARGETS),
						     WRITER_CURRENT);
	uint64_t listed = json_object_size(json_object_get(writer_doc_body(d), "targets"));
	return cheapest_bins(listed << bins.bit_length);
}

/* Do not publish metadata that clients would refuse to read. */
static int check_size(const struct writer *w, const struct writer_doc *d, struct err *e)
{
	const struct tuf_limits *l = &tuf_limits_default;
	const size_t most[TUF_TYPES] = { [TUF_ROOT] = l->root,
					 [TUF_TIMESTAMP] = l->timestamp,
					 [TUF_SNAPSHOT] = l->snapshot,
					 [TUF_TARGETS] = l->targets };
	CLEANUP(buf_release) struct buf text = BUF_INIT(WRITER_DOC_MAX);
	int rc = writer_doc_serialise(d->draft, &text, e);
	if (rc < 0 || text.len <= most[d->type])
		return rc;
	err_set(e, ERR_USAGE,
		"the metadata of %s would have %zu bytes, but clients read at most %zu", d->role,
		text.len, most[d->type]);
	if (d->type != TUF_TARGETS)
		return -ERR_USAGE;
	return writer_doc_is_bin(w, d, WRITER_CURRENT)
		       ? err_hint(e, "`ferry catalog delegate --bins %u` makes bins smaller",
				  bins_for(w, d))
		       : err_hint(e,
				  "`ferry catalog delegate --bins %u` distributes the files over "
				  "bins, of which a client reads three for a model",
				  bins_for(w, d));
}

static int check_sizes(const struct writer *w, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < w->count; i++)
		if (w->docs[i]->draft)
			rc = check_size(w, w->docs[i], e);
	return rc;
}

/* -- what is to be in force ------------------------------------------------------------ */

/* A targets role with new keys: its published metadata must be signed again. */
static int renew_unsigned(struct writer *w, struct err *e)
{
	for (size_t i = TUF_TARGETS; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		bool fits;
		/* No role delegates to it any more: keep it. */
		if (d->draft || !d->published || (i > TUF_TARGETS && !d->parent))
			continue;
		int rc = writer_authority_verifies(w, d, d->published, WRITER_CURRENT, &fits, e);
		if (rc < 0)
			return rc;
		if (!fits)
			writer_doc_edit(w, d);
	}
	return 0;
}

/* Targets move between bins and their delegator: such a change is published as a whole or not at
 * all. */
static void choose_bins_together(const struct writer *w)
{
	const struct writer_doc *top = writer_doc_top(w, TUF_TARGETS);
	bool complete = true;
	if (!writer_doc_bins(top, WRITER_CURRENT).bit_length)
		return;
	for (size_t i = TUF_TARGETS; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		if (d == top || writer_doc_is_bin(w, d, WRITER_CURRENT))
			complete &= d->chosen == writer_doc_version(d, WRITER_CURRENT);
	}
	for (size_t i = TUF_TARGETS; !complete && i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		if (d == top || writer_doc_is_bin(w, d, WRITER_CURRENT))
			d->chosen = d->published;
	}
}

/* Chooses the complete drafts, or none if they do not verify together without the others. */
static int choose(struct writer *w, struct writer_signing *with, bool *usable, struct err *e)
{
	writer_doc_choose_published(w);
	for (size_t i = 0; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		bool complete;
		if (!d->draft || d->type == TUF_SNAPSHOT || d->type == TUF_TIMESTAMP)
			continue;
		int rc = writer_authority_sign(w, d, WRITER_CURRENT, with, &complete, e);
		if (rc < 0)
			return rc;
		if (complete)
			d->chosen = d->draft;
	}
	choose_bins_together(w);
	int rc = writer_authority_consistent(w, usable, e);
	if (rc < 0 || *usable)
		return rc;
	writer_doc_choose_published(w);
	return writer_authority_consistent(w, usable, e);
}

/* -- the whole ------------------------------------------------------------------------- */

/* Can any of the signers sign any of the drafts? */
static bool any_is_listed(const struct writer *w, const struct writer_signing *with)
{
	for (size_t i = 0; i < w->count; i++) {
		CLEANUP(str_list_release) struct str_list ids = { 0 };
		if (w->docs[i]->draft)
			writer_signers(w, w->docs[i]->role, &ids);
		for (size_t k = 0; k < with->count; k++)
			if (str_list_has(&ids, with->signers[k]->key->id))
				return true;
	}
	return false;
}

/* The error that names a missing signature. */
static int no_signer_fits(const struct writer *w, struct err *e)
{
	for (size_t i = 0; i < w->count; i++) {
		CLEANUP(str_list_release) struct str_list ids = { 0 };
		CLEANUP(buf_release) struct buf text = BUF_INIT(4096);
		const struct writer_doc *d = w->docs[i];
		if (!d->draft)
			continue;
		writer_signers(w, d->role, &ids);
		for (size_t k = 0; k < ids.count; k++)
			buf_addf(&text, "%s%.16s", k ? ", " : "", ids.at[k]);
		err_set(e, ERR_USAGE,
			"none of the given keys may sign the drafts: %s needs one of the keys "
			"%.300s",
			d->role, buf_str(&text));
		return err_hint(e,
				"`ferry catalog status` shows which keys may sign and have signed");
	}
	return 0;
}

/* The first publication has an empty targets document, and new bins have empty ones, so that
 * clients find all roles. */
static void complete_new_tree(struct writer *w, bool bins)
{
	struct writer_doc *targets = writer_doc_top(w, TUF_TARGETS);
	if (!writer_doc_body(targets))
		writer_doc_edit(w, targets);
	for (size_t i = TUF_TYPES; bins && i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		if (!writer_doc_body(d) && writer_doc_is_bin(w, d, WRITER_CURRENT))
			writer_doc_edit(w, d);
	}
}

void writer_limit(struct writer *w, const char *const *roles, size_t count)
{
	str_list_release(&w->only);
	w->limited = true;
	for (size_t i = 0; i < count; i++)
		str_list_add(&w->only, roles[i]);
}

int writer_sign(struct writer *w, const char *role, struct signer *const *signers, size_t count,
		bool *complete, struct err *e)
{
	struct writer_signing with = { .signers = signers, .count = count };
	struct writer_doc *d = writer_doc_find(w, role);
	if (!d)
		return writer_doc_no_role(w, role, e);
	*complete = true;
	return d->draft ? writer_authority_sign(w, d, WRITER_CURRENT, &with, complete, e) : 0;
}

int writer_save(struct writer *w, struct signer *const *signers, size_t count,
		struct writer_saved *out, struct err *e)
{
	struct writer_signing with = { .signers = signers, .count = count };
	struct writer_saved result = { 0 };
	bool usable, complete;
	if (!writer_doc_body(writer_doc_top(w, TUF_ROOT))) {
		err_set(e, ERR_USAGE, "the repository has no root role yet");
		return err_hint(e, "add the keys of root, targets, snapshot and timestamp first");
	}
	complete_new_tree(w, count > 0);
	int rc = writer_check(w, e);
	if (rc == 0)
		rc = renew_unsigned(w, e);
	if (rc == 0)
		rc = choose(w, &with, &usable, e);
	complete = rc == 0 && usable;
	if (complete)
		rc = writer_online_bring_in_step(w, &with, &complete, e);
	if (rc == 0)
		rc = check_sizes(w, e);
	if (rc == 0 && complete)
		rc = writer_publish_chosen(w, &result, e);
	if (rc == 0)
		rc = writer_publish_drafts(w, &result.waiting, e);
	if (rc == 0 && result.waiting && count && !with.signatures && !result.timestamp &&
	    !any_is_listed(w, &with))
		rc = no_signer_fits(w, e);
	if (rc < 0)
		return rc;
	result.signatures = with.signatures;
	result.published = result.waiting == 0;
	*out = result;
	return 0;
}
