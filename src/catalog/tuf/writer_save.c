#include "catalog/tuf/writer_private.h"

#include "catalog/tuf/client.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define DOCUMENT_MAX (64 * MIB)
#define HASHED_BIN_BITS 10      /* 1,024 bins are 130 kB of snapshot with their hashes */

struct save {
	struct tuf_writer *w;
	struct signer *const *signers;
	size_t count;
	struct tuf_saved result;
};

static int serialise(const json_t *envelope, struct buf *out, struct err *e)
{
	int rc = json_compact(envelope, out, e);
	buf_addc(out, '\n');
	return rc < 0 ? rc : buf_ok(out, "metadata", e);
}

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
	CLEANUP(buf_release) struct buf text = BUF_INIT(DOCUMENT_MAX);
	int rc = serialise(d->draft, &text, e);
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

static int add_signature(struct save *s, struct writer_doc *d, struct signer *signer,
			 struct err *e)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT(DOCUMENT_MAX), sig = BUF_INIT(4096);
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
static int sign(struct save *s, struct writer_doc *d, enum writer_state state, bool *complete,
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
static int consistent(const struct tuf_writer *w, bool *out, struct err *e)
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

static void choose_published(const struct tuf_writer *w)
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
static int choose(struct save *s, bool *usable, struct err *e)
{
	struct tuf_writer *w = s->w;
	choose_published(w);
	for (size_t i = 0; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		bool complete;
		if (!d->draft || d->type == TUF_SNAPSHOT || d->type == TUF_TIMESTAMP)
			continue;
		int rc = sign(s, d, WRITER_CURRENT, &complete, e);
		if (rc < 0)
			return rc;
		if (complete)
			d->chosen = d->draft;
	}
	choose_bins_together(w);
	int rc = consistent(w, usable, e);
	if (rc < 0 || *usable)
		return rc;
	choose_published(w);
	return consistent(w, usable, e);
}

/* -- snapshot and timestamp ------------------------------------------------------------ */

/* Of very many bins the snapshot tells the version alone, which is all that it must: with
 * hashes it would be most of what a reader downloads. */
static bool in_brief(const struct tuf_writer *w, const struct writer_doc *d)
{
	const json_t *body = json_object_get(writer_top(w, TUF_TARGETS)->chosen, "signed");
	return writer_is_bin_of(body, d) &&
	       json_integer_value(json_object_get(writer_bins(body), "bit_length")) >
		       HASHED_BIN_BITS;
}

/* {version, length, hashes} of a document as it will be published. */
static int describe(const struct tuf_writer *w, const struct writer_doc *d, json_t **out,
		    struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(DOCUMENT_MAX);
	uint64_t size = d->size;
	struct digest sha256 = d->sha256;
	if (d->chosen != d->published) {
		int rc = serialise(d->chosen, &text, e);
		if (rc < 0)
			return rc;
		size = text.len;
		sha256_of(text.data, text.len, &sha256);
	}
	json_t *entry = json_object(), *hashes = json_object();
	if (!in_brief(w, d)) {
		json_put_hex(hashes, "sha256", sha256.bytes, DIGEST_SIZE);
		json_put(entry, "hashes", json_incref(hashes));
		json_put_u64(entry, "length", size);
	}
	json_decref(hashes);
	json_put(entry, "version", json_incref(json_object_get(
		json_object_get(d->chosen, "signed"), "version")));
	*out = entry;
	return 0;
}

static int describe_into(const struct tuf_writer *w, json_t *meta, const struct writer_doc *d,
			 struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s.json", d->role);
	const json_t *version = json_object_get(json_object_get(d->chosen, "signed"), "version");
	json_t *entry;
	/* What is listed already stays as it is listed, whoever wrote it. */
	if (json_equal(json_object_get(json_object_get(meta, name), "version"), version))
		return 0;
	int rc = describe(w, d, &entry, e);
	if (rc == 0)
		json_put(meta, name, entry);
	return rc;
}

/* What snapshot or timestamp must list. Nothing that was listed ever goes. */
static int wanted_meta(const struct tuf_writer *w, const struct writer_doc *d, json_t **out,
		       struct err *e)
{
	const json_t *before = json_object_get(json_object_get(d->published, "signed"), "meta");
	CLEANUP(json_release) json_t *meta = before ? json_deep_copy(before) : json_object();
	int rc = 0;
	if (d->type == TUF_TIMESTAMP)
		rc = describe_into(w, meta, writer_top(w, TUF_SNAPSHOT), e);
	for (size_t i = TUF_TARGETS; rc == 0 && d->type == TUF_SNAPSHOT && i < w->count; i++)
		if (w->docs[i]->chosen)
			rc = describe_into(w, meta, w->docs[i], e);
	if (rc == 0)
		*out = STEAL(meta);
	return rc;
}

/* Makes the document say what it must, in a new version if need be, and signs it.
 * *complete is true when there is nothing to do, too. */
static int bring_in_step(struct save *s, struct writer_doc *d, bool *complete, struct err *e)
{
	CLEANUP(json_release) json_t *meta = NULL;
	bool fits = true;
	int rc = wanted_meta(s->w, d, &meta, e);
	if (rc == 0 && !d->draft && d->published)
		rc = writer_verifies(s->w, d, d->published, WRITER_CHOSEN, &fits, e);
	if (rc < 0)
		return rc;
	bool same = fits && writer_body(d) &&
		    json_equal(json_object_get(writer_body(d), "meta"), meta);
	if (same && !d->draft) {
		*complete = true;
		return 0;
	}
	if (!same)
		json_put(writer_edit(s->w, d), "meta", json_incref(meta));
	else if (json_array_size(json_object_get(d->draft, "signatures")) == 0)
		writer_renew(s->w, d);
	/* By what is to be in force: keys of a root that still waits are of no use yet. */
	rc = sign(s, d, WRITER_CHOSEN, complete, e);
	if (rc == 0 && *complete)
		d->chosen = d->draft;
	return rc;
}

/* -- writing --------------------------------------------------------------------------- */

/* Has somebody else published here, in spite of the lock? */
static int check_unchanged(const struct tuf_writer *w, struct err *e)
{
	CLEANUP(mem_free_ptr) char *timestamp = path_join(w->metadata, "timestamp.json");
	CLEANUP(mem_free_ptr) char *root = mem_printf("%s/%llu.root.json", w->metadata,
		(unsigned long long)writer_top(w, TUF_ROOT)->version + 1);
	struct digest now;
	uint64_t size;
	bool there = file_exists(timestamp), same = there == w->has_timestamp;
	if (same && there) {
		int rc = sha256_of_file(timestamp, &now, &size, e);
		if (rc < 0)
			return rc;
		same = digest_equal(&now, &w->timestamp);
	}
	if (same && !file_exists(root))
		return 0;
	err_set(e, ERR_CONFLICT, "%s changed while this change was made", w->metadata);
	return err_hint(e, "another publisher was faster; run the command again");
}

static int publish_doc(struct tuf_writer *w, struct writer_doc *d, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(DOCUMENT_MAX);
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(d->role, "");
	CLEANUP(mem_free_ptr) char *path =
		d->type == TUF_TIMESTAMP
			? path_join(w->metadata, "timestamp.json")
			: mem_printf("%s/%llu.%s.json", w->metadata,
				     (unsigned long long)d->version + 1, encoded);
	if (d->chosen == d->published)
		return 0;
	int rc = serialise(d->chosen, &text, e);
	if (rc == 0)
		rc = file_write_atomic(path, text.data, text.len, 0644, e);
	if (rc < 0)
		return rc;
	json_decref(d->published);
	d->published = STEAL(d->draft);
	d->chosen = d->published;
	d->version++;
	d->size = text.len;
	sha256_of(text.data, text.len, &d->sha256);
	return 0;
}

static int write_draft(const struct tuf_writer *w, const struct writer_doc *d, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = writer_draft_path(w, d->role);
	CLEANUP(buf_release) struct buf text = BUF_INIT(DOCUMENT_MAX);
	int rc = serialise(d->draft, &text, e);
	return rc < 0 ? rc : file_write_atomic(path, text.data, text.len, 0644, e);
}

/* Killed after the last rename, the next run finds drafts of versions that are published: it
 * takes those for leftovers that say the same. */
static int renew_drafts(const struct tuf_writer *w, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < w->count; i++) {
		const struct writer_doc *d = w->docs[i];
		CLEANUP(mem_free_ptr) char *path = writer_draft_path(w, d->role);
		if (d->draft && d->chosen == d->draft && file_exists(path))
			rc = write_draft(w, d, e);
	}
	return rc;
}

static int publish(struct save *s, struct err *e)
{
	struct tuf_writer *w = s->w;
	struct writer_doc *timestamp = writer_top(w, TUF_TIMESTAMP);
	s->result.timestamp = timestamp->chosen != timestamp->published;
	s->result.targets = writer_top(w, TUF_TARGETS)->chosen !=
			    writer_top(w, TUF_TARGETS)->published;
	int rc = check_unchanged(w, e);
	if (rc == 0)
		rc = renew_drafts(w, e);
	if (rc == 0)
		rc = file_mkdirs(w->metadata, 0755, e);
	for (size_t i = TUF_TYPES; rc == 0 && i < w->count; i++)
		rc = publish_doc(w, w->docs[i], e);
	if (rc == 0)
		rc = publish_doc(w, writer_top(w, TUF_TARGETS), e);
	if (rc == 0)
		rc = publish_doc(w, writer_top(w, TUF_SNAPSHOT), e);
	/* Readers see it at once, and with it refuse a timestamp of keys that it takes away. */
	if (rc == 0)
		rc = publish_doc(w, writer_top(w, TUF_ROOT), e);
	if (rc == 0)
		rc = publish_doc(w, timestamp, e);
	w->has_timestamp = timestamp->published;
	w->timestamp = timestamp->sha256;
	for (size_t i = 0; i < w->count; i++)
		w->docs[i]->fits = rc == 0 && w->docs[i]->published;
	return rc;
}

static int keep_drafts(struct save *s, struct err *e)
{
	struct tuf_writer *w = s->w;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < w->count; i++) {
		const struct writer_doc *d = w->docs[i];
		if (!d->draft) {
			CLEANUP(mem_free_ptr) char *path = writer_draft_path(w, d->role);
			rc = file_remove(path, e);
			continue;
		}
		s->result.waiting++;
		rc = file_mkdirs(w->drafts, 0755, e);
		if (rc == 0)
			rc = write_draft(w, d, e);
	}
	file_remove_dir_if_empty(w->drafts);
	return rc;
}

/* -- snapshot and timestamp, together --------------------------------------------------- */

static int bring_both_in_step(struct save *s, bool *complete, struct err *e)
{
	int rc = bring_in_step(s, writer_top(s->w, TUF_SNAPSHOT), complete, e);
	return rc < 0 || !*complete ? rc :
	       bring_in_step(s, writer_top(s->w, TUF_TIMESTAMP), complete, e);
}

/* What a try at it changes, to be taken back. */
struct online {
	json_t *snapshot, *timestamp;
	size_t signatures;
};

static void online_release(struct online *o)
{
	json_release(&o->snapshot);
	json_release(&o->timestamp);
}

static struct online online_copy(const struct save *s)
{
	const struct writer_doc *snapshot = writer_top(s->w, TUF_SNAPSHOT);
	const struct writer_doc *timestamp = writer_top(s->w, TUF_TIMESTAMP);
	return (struct online){
		snapshot->draft ? json_deep_copy(snapshot->draft) : NULL,
		timestamp->draft ? json_deep_copy(timestamp->draft) : NULL,
		s->result.signatures,
	};
}

static void online_restore(struct save *s, struct online *o)
{
	struct writer_doc *snapshot = writer_top(s->w, TUF_SNAPSHOT);
	struct writer_doc *timestamp = writer_top(s->w, TUF_TIMESTAMP);
	json_release(&snapshot->draft);
	json_release(&timestamp->draft);
	snapshot->draft = STEAL(o->snapshot);
	timestamp->draft = STEAL(o->timestamp);
	s->result.signatures = o->signatures;
}

/* A refresh must not wait for the new keys of a root that is complete: it goes on with what is
 * published, and leaves the rest to who has them. */
static int bring_online_in_step(struct save *s, bool *complete, struct err *e)
{
	CLEANUP(online_release) struct online before = online_copy(s), after = { 0 };
	bool refresh = before.timestamp;
	int rc = bring_both_in_step(s, complete, e);
	if (rc < 0 || *complete || !refresh)
		return rc;
	after = online_copy(s);
	online_restore(s, &before);
	choose_published(s->w);
	if ((rc = consistent(s->w, complete, e)) == 0 && *complete)
		rc = bring_both_in_step(s, complete, e);
	if (rc == 0 && !*complete)
		online_restore(s, &after);
	return rc;
}

/* -- the whole ------------------------------------------------------------------------- */

/* Is any of the signers of use for anything that waits? */
static bool any_is_listed(const struct save *s)
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
static int no_signer_fits(const struct save *s, struct err *e)
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
	struct save s = { .w = w, .signers = signers, .count = count };
	struct writer_doc *d = writer_find(w, role);
	if (!d)
		return writer_no_role(role, e);
	*complete = true;
	return d->draft ? sign(&s, d, WRITER_CURRENT, complete, e) : 0;
}

int tuf_writer_save(struct tuf_writer *w, struct signer *const *signers, size_t count,
		    struct tuf_saved *out, struct err *e)
{
	struct save s = { .w = w, .signers = signers, .count = count };
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
		rc = bring_online_in_step(&s, &complete, e);
	if (rc == 0)
		rc = check_sizes(w, e);
	if (rc == 0 && complete)
		rc = publish(&s, e);
	if (rc == 0)
		rc = keep_drafts(&s, e);
	if (rc == 0 && s.result.waiting && count && !s.result.signatures &&
	    !s.result.timestamp && !any_is_listed(&s))
		rc = no_signer_fits(&s, e);
	if (rc < 0)
		return rc;
	s.result.published = s.result.waiting == 0;
	*out = s.result;
	return 0;
}
