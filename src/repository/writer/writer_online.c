#include "repository/writer/writer_steps.h"

#include "util/mem.h"

#define HASHED_BIN_BITS 8 /* 256 bins are 34 kB of snapshot with their hashes */

/* -- one of the two ------------------------------------------------------------------- */

/* For a large number of bins, the snapshot lists only versions, as TUF allows: with hashes it
 * would be most of a reader's download. */
static bool in_brief(const struct writer *w, const struct writer_doc *d)
{
	const struct tuf_bins bins = writer_doc_bins(writer_doc_top(w, TUF_TARGETS), WRITER_CHOSEN);
	return bins.bit_length > HASHED_BIN_BITS && writer_doc_is_bin(w, d, WRITER_CHOSEN);
}

/* {version, length, hashes} of a document to be published. */
static int describe(const struct writer *w, const struct writer_doc *d, json_t **out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(WRITER_DOC_MAX);
	uint64_t size = d->size;
	struct digest sha256 = d->sha256;
	if (d->chosen != d->published) {
		int rc = writer_doc_serialise(d->chosen, &text, e);
		if (rc < 0)
			return rc;
		size = text.len;
		sha256_of(text.data, text.len, &sha256);
	}
	json_t *entry = json_object();
	if (!in_brief(w, d)) {
		json_t *hashes = json_object();
		json_put_hex(hashes, "sha256", sha256.bytes, DIGEST_SIZE);
		json_put(entry, "hashes", hashes);
		json_put_u64(entry, "length", size);
	}
	json_put(entry, "version",
		 json_incref(json_object_get(json_object_get(d->chosen, "signed"), "version")));
	*out = entry;
	return 0;
}

static int describe_into(const struct writer *w, json_t *meta, const struct writer_doc *d,
			 struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s.json", d->role);
	const json_t *version = json_object_get(json_object_get(d->chosen, "signed"), "version");
	json_t *entry;
	/* Existing entries are kept unchanged. */
	if (json_equal(json_object_get(json_object_get(meta, name), "version"), version))
		return 0;
	int rc = describe(w, d, &entry, e);
	if (rc == 0)
		json_put(meta, name, entry);
	return rc;
}

/* What snapshot or timestamp must list. Entries are never removed. */
static int wanted_meta(const struct writer *w, const struct writer_doc *d, json_t **out,
		       struct err *e)
{
	const json_t *before = json_object_get(json_object_get(d->published, "signed"), "meta");
	CLEANUP(json_release) json_t *meta = before ? json_deep_copy(before) : json_object();
	int rc = 0;
	if (d->type == TUF_TIMESTAMP)
		rc = describe_into(w, meta, writer_doc_top(w, TUF_SNAPSHOT), e);
	for (size_t i = TUF_TARGETS; rc == 0 && d->type == TUF_SNAPSHOT && i < w->count; i++)
		if (w->docs[i]->chosen)
			rc = describe_into(w, meta, w->docs[i], e);
	if (rc == 0)
		*out = STEAL(meta);
	return rc;
}

/* Updates the document, in a new version if necessary, and signs it. *complete is also true if
 * there is nothing to do. */
static int bring_in_step(struct writer *w, struct writer_doc *d, struct writer_signing *with,
			 bool *complete, struct err *e)
{
	CLEANUP(json_release) json_t *meta = NULL;
	bool fits = true;
	int rc = wanted_meta(w, d, &meta, e);
	if (rc == 0 && !d->draft && d->published)
		rc = writer_authority_verifies(w, d, d->published, WRITER_CHOSEN, &fits, e);
	if (rc < 0)
		return rc;
	bool same = fits && writer_doc_body(d) &&
		    json_equal(json_object_get(writer_doc_body(d), "meta"), meta);
	if (same && !d->draft) {
		*complete = true;
		return 0;
	}
	if (!same)
		json_put(writer_doc_edit(w, d), "meta", json_incref(meta));
	else if (json_array_size(json_object_get(d->draft, "signatures")) == 0)
		writer_doc_renew(w, d);
	/* According to the root that will be in force: keys of a draft of root cannot be used
	 * yet. */
	rc = writer_authority_sign(w, d, WRITER_CHOSEN, with, complete, e);
	if (rc == 0 && *complete)
		d->chosen = d->draft;
	return rc;
}

/* -- both ------------------------------------------------------------------------------ */

static int bring_both_in_step(struct writer *w, struct writer_signing *with, bool *complete,
			      struct err *e)
{
	int rc = bring_in_step(w, writer_doc_top(w, TUF_SNAPSHOT), with, complete, e);
	return rc < 0 || !*complete
		       ? rc
		       : bring_in_step(w, writer_doc_top(w, TUF_TIMESTAMP), with, complete, e);
}

/* What an attempt changes, so that it can be undone. */
struct online {
	json_t *snapshot, *timestamp;
	size_t signatures;
};

static void online_release(struct online *o)
{
	json_release(&o->snapshot);
	json_release(&o->timestamp);
}

static struct online online_copy(const struct writer *w, const struct writer_signing *with)
{
	return (struct online){
		json_deep_copy(writer_doc_top(w, TUF_SNAPSHOT)->draft),
		json_deep_copy(writer_doc_top(w, TUF_TIMESTAMP)->draft),
		with->signatures,
	};
}

static void online_restore(struct writer *w, struct writer_signing *with, struct online *o)
{
	writer_doc_set_draft(w, writer_doc_top(w, TUF_SNAPSHOT), STEAL(o->snapshot));
	writer_doc_set_draft(w, writer_doc_top(w, TUF_TIMESTAMP), STEAL(o->timestamp));
	with->signatures = o->signatures;
}

/* A refresh must not wait for the new keys of a complete root: it continues with what is
 * published and leaves the rest to the holders of these keys. */
int writer_online_bring_in_step(struct writer *w, struct writer_signing *with, bool *complete,
				struct err *e)
{
	CLEANUP(online_release) struct online before = online_copy(w, with), after = { 0 };
	bool refresh = before.timestamp;
	int rc = bring_both_in_step(w, with, complete, e);
	if (rc < 0 || *complete || !refresh)
		return rc;
	after = online_copy(w, with);
	online_restore(w, with, &before);
	writer_doc_choose_published(w);
	if ((rc = writer_authority_consistent(w, complete, e)) == 0 && *complete)
		rc = bring_both_in_step(w, with, complete, e);
	if (rc == 0 && !*complete)
		online_restore(w, with, &after);
	return rc;
}
