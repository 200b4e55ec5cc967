#include "repository/writer/internal.h"

#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

int writer_serialise(const json_t *envelope, struct buf *out, struct err *e)
{
	int rc = json_compact(envelope, out, e);
	buf_addc(out, '\n');
	return rc < 0 ? rc : buf_ok(out, "metadata", e);
}

/* Has somebody else published here, in spite of the lock? */
static int check_unchanged(const struct tuf_writer *w, struct err *e)
{
	CLEANUP(mem_free_ptr) char *timestamp = path_join(w->metadata, TUF_NAME_TIMESTAMP);
	CLEANUP(mem_free_ptr) char *file =
		tuf_name_file("root", writer_top(w, TUF_ROOT)->version + 1);
	CLEANUP(mem_free_ptr) char *root = path_join(w->metadata, file);
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
	CLEANUP(buf_release) struct buf text = BUF_INIT(WRITER_DOCUMENT_MAX);
	CLEANUP(mem_free_ptr) char *file =
		tuf_name_file(d->role, d->type == TUF_TIMESTAMP ? 0 : d->version + 1);
	CLEANUP(mem_free_ptr) char *path = path_join(w->metadata, file);
	if (d->chosen == d->published)
		return 0;
	int rc = writer_serialise(d->chosen, &text, e);
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
	CLEANUP(buf_release) struct buf text = BUF_INIT(WRITER_DOCUMENT_MAX);
	int rc = writer_serialise(d->draft, &text, e);
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

int writer_publish(struct writer_save *s, struct err *e)
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

int writer_keep_drafts(struct writer_save *s, struct err *e)
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
