#include "repository/writer/writer_steps.h"

#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

/* Has somebody else published here in spite of the lock? */
static int check_unchanged(const struct writer *w, struct err *e)
{
	CLEANUP(mem_free_ptr) char *timestamp = path_join(w->metadata, TUF_NAME_TIMESTAMP);
	CLEANUP(mem_free_ptr) char *file = tuf_name_file("root",
							 writer_doc_top(w, TUF_ROOT)->version + 1);
	CLEANUP(mem_free_ptr) char *root = path_join(w->metadata, file);
	struct digest now;
	uint64_t size;
	bool there = file_exists(timestamp), same = there == w->has_timestamp;
	if (same && there) {
		int rc = sha256_of_file(timestamp, NULL, &now, &size, e);
		if (rc < 0)
			return rc;
		same = digest_equal(&now, &w->timestamp);
	}
	if (same && !file_exists(root))
		return 0;
	err_set(e, ERR_CONFLICT, "%s has changed since this command started", w->metadata);
	return err_hint(e, "another publisher was faster; run the command again");
}

typedef int write_fn(const char *path, const void *data, size_t len, mode_t mode, struct err *e);

static int publish_by(write_fn *write, struct writer *w, struct writer_doc *d, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(WRITER_DOC_MAX);
	CLEANUP(mem_free_ptr) char *file =
		tuf_name_file(d->role, d->type == TUF_TIMESTAMP ? 0 : d->version + 1);
	CLEANUP(mem_free_ptr) char *path = path_join(w->metadata, file);
	if (d->chosen == d->published)
		return 0;
	int rc = writer_doc_serialise(d->chosen, &text, e);
	if (rc == 0)
		rc = write(path, text.data, text.len, FILE_PUBLIC_MODE, e);
	if (rc < 0)
		return rc;
	writer_doc_set_published(w, d, &text);
	return 0;
}

static int publish_doc(struct writer *w, struct writer_doc *d, struct err *e)
{
	return publish_by(file_write_atomic, w, d, e);
}

/* There may be thousands of bins. Nothing names these files before the next steps, so that they
 * are brought to the disk together. */
static int publish_delegated(struct writer *w, struct err *e)
{
	bool any = false;
	int rc = 0;
	for (size_t i = TUF_TYPES; rc == 0 && i < w->count; i++) {
		any |= w->docs[i]->chosen != w->docs[i]->published;
		rc = publish_by(file_write_unsynced, w, w->docs[i], e);
	}
	return rc < 0 || !any ? rc : file_sync_all(w->metadata, e);
}

static int write_draft(const struct writer *w, const struct writer_doc *d, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = writer_doc_draft_path(w, d->role);
	CLEANUP(buf_release) struct buf text = BUF_INIT(WRITER_DOC_MAX);
	int rc = writer_doc_serialise(d->draft, &text, e);
	return rc < 0 ? rc : file_write_atomic(path, text.data, text.len, FILE_MODE, e);
}

/* After a kill following the last rename, the next run finds drafts of published versions with
 * the same content and removes them. */
static int renew_drafts(const struct writer *w, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < w->count; i++) {
		const struct writer_doc *d = w->docs[i];
		CLEANUP(mem_free_ptr) char *path = writer_doc_draft_path(w, d->role);
		if (d->draft && d->chosen == d->draft && file_exists(path))
			rc = write_draft(w, d, e);
	}
	return rc;
}

int writer_publish_chosen(struct writer *w, struct writer_saved *result, struct err *e)
{
	struct writer_doc *timestamp = writer_doc_top(w, TUF_TIMESTAMP);
	struct writer_doc *targets = writer_doc_top(w, TUF_TARGETS);
	result->timestamp = timestamp->chosen != timestamp->published;
	result->targets = targets->chosen != targets->published;
	int rc = check_unchanged(w, e);
	if (rc == 0)
		rc = renew_drafts(w, e);
	if (rc == 0)
		rc = file_mkdirs(w->metadata, FILE_PUBLIC_DIR_MODE, e);
	if (rc == 0)
		rc = publish_delegated(w, e);
	if (rc == 0)
		rc = publish_doc(w, targets, e);
	if (rc == 0)
		rc = publish_doc(w, writer_doc_top(w, TUF_SNAPSHOT), e);
	/* Readers see it at once and then reject a timestamp signed by keys that it removes. */
	if (rc == 0)
		rc = publish_doc(w, writer_doc_top(w, TUF_ROOT), e);
	if (rc == 0)
		rc = publish_doc(w, timestamp, e);
	w->has_timestamp = timestamp->published;
	w->timestamp = timestamp->sha256;
	for (size_t i = 0; i < w->count; i++)
		w->docs[i]->fits = rc == 0 && w->docs[i]->published;
	return rc;
}

int writer_publish_drafts(struct writer *w, size_t *waiting, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < w->count; i++) {
		const struct writer_doc *d = w->docs[i];
		if (!d->draft) {
			CLEANUP(mem_free_ptr) char *path = writer_doc_draft_path(w, d->role);
			rc = file_remove(path, e);
			continue;
		}
		++*waiting;
		rc = file_mkdirs(w->drafts, FILE_DIR_MODE, e);
		if (rc == 0)
			rc = write_draft(w, d, e);
	}
	file_remove_dir_if_empty(w->drafts);
	return rc;
}
