#include "repository/writer/writer_doc.h"

#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define DAY ((uint64_t)86400)
#define LOOK_WAIT_MS 1000

const struct writer_expiry writer_expiry_default = {
	.root_s = 365 * DAY,
	.targets_s = 365 * DAY,
	.snapshot_s = 30 * DAY,
	.timestamp_s = 14 * DAY,
};

/* -- opening --------------------------------------------------------------------------- */

static void take_published(struct writer *w, const struct published *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct published_file *f = &t->files[i];
		struct writer_doc *d = writer_doc_find(w, f->role);
		if (!d)
			d = writer_doc_add(w, f->role, TUF_TARGETS);
		json_decref(d->published);
		d->published = json_incref(f->m->json);
		d->version = f->m->version;
		d->size = f->size;
		d->sha256 = f->sha256;
		d->fits = f->fits;
	}
	w->has_timestamp = writer_doc_top(w, TUF_TIMESTAMP)->published;
	w->timestamp = writer_doc_top(w, TUF_TIMESTAMP)->sha256;
}

static int check_draft(const struct writer_doc *d, const struct tuf_metadata *m, const char *path,
		       struct err *e)
{
	if (m->version == d->version + 1)
		return 0;
	err_set(e, ERR_CONFLICT, "%s is version %llu, but version %llu of %s is already published",
		path, (unsigned long long)m->version, (unsigned long long)d->version, d->role);
	return err_hint(e, "somebody has published meanwhile: run `ferry catalog discard`, then "
			   "make the change again");
}

static json_t *keys_in(const struct writer_doc *d, const json_t *envelope)
{
	const json_t *body = json_object_get(envelope, "signed");
	return json_object_get(d->type == TUF_ROOT ? body : json_object_get(body, "delegations"),
			       "keys");
}

/* People compare key ids before they sign, so in a draft an id must be the hash of its key, or
 * already be published for it. For clients, ids are opaque. */
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
		err_set(e, ERR_INTEGRITY, "%s: the key listed with the id %.16s is a different key",
			path, shown);
		return err_hint(e, "this draft passes off one key as another: do not sign it, and "
				   "find out where it comes from");
	}
	return 0;
}

/* Refuses changes that `status` would not show. */
static int check_snapshots(const struct writer_doc *d, const json_t *envelope, const char *path,
			   struct err *e)
{
	static const char member[] = "consistent_snapshot";
	const json_t *was = json_object_get(json_object_get(d->published, "signed"), member);
	const json_t *is = json_object_get(json_object_get(envelope, "signed"), member);
	if (d->type != TUF_ROOT || !d->published || json_is_true(was) == json_is_true(is))
		return 0;
	err_set(e, ERR_INTEGRITY, "%s changes %s, which no command does", path, member);
	return err_hint(e, "do not sign it, and find out where it comes from");
}

static int load_draft(struct writer *w, struct writer_doc *d, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = writer_doc_draft_path(w, d->role);
	CLEANUP(buf_release) struct buf raw = BUF_INIT(WRITER_DOC_MAX);
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	if (!file_exists(path))
		return 0;
	int rc = file_read_all(path, &raw, e);
	if (rc == 0)
		rc = tuf_metadata_parse(d->type, buf_str(&raw), raw.len, path, &m, e);
	if (rc < 0 && err_is(e, ERR_INTEGRITY))
		err_hint(e, "run `ferry catalog discard`, then make the change again");
	if (rc < 0)
		return rc;
	/* A draft that was published but not removed; a copy may have more signatures. */
	if (m->version == d->version &&
	    json_equal(m->body, json_object_get(d->published, "signed")))
		return w->looks ? 0 : file_remove(path, e);
	rc = check_draft(d, m, path, e);
	if (rc == 0)
		rc = check_key_ids(d, m->json, path, e);
	if (rc == 0)
		rc = check_snapshots(d, m->json, path, e);
	if (rc == 0)
		writer_doc_set_draft(w, d, json_incref(m->json));
	return rc;
}

/* The loader checks the tree; a draft may come from anywhere. */
static int check_bins(const struct writer_doc *d, struct err *e)
{
	if (writer_doc_bins(d, WRITER_CURRENT).bit_length <= PUBLISHED_MAX_BIN_BITS)
		return 0;
	return err_set(e, ERR_INTEGRITY, "the draft of %s has more than 2^%d hash bins", d->role,
		       PUBLISHED_MAX_BIN_BITS);
}

static int load_tree(struct writer *w, struct err *e)
{
	CLEANUP(published_release) struct published t = { 0 };
	int rc = published_load_partial(w->metadata, &t, e);
	if (rc < 0)
		return rc;
	take_published(w, &t);
	/* The list grows during the loop, because drafts may delegate to new roles. */
	for (size_t i = 0; rc == 0 && i < w->count; i++) {
		rc = load_draft(w, w->docs[i], e);
		if (rc == 0)
			rc = check_bins(w->docs[i], e);
		if (rc == 0 && w->docs[i]->type == TUF_TARGETS)
			writer_doc_adopt(w, w->docs[i]);
	}
	return rc;
}

static int lock_tree(const char *tree, int *lock, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(tree, ".lock");
	int rc = file_lock(path, 0, NULL, lock, e);
	if (rc != -ERR_CONFLICT)
		return rc;
	err_context(e, "%s: another publisher is changing this tree", tree);
	return err_hint(e, "run the command again when the other one has finished");
}

static struct writer *new_writer(const char *tree, const struct writer_expiry *expiry,
				 int64_t now_s)
{
	struct writer *w = NEW(struct writer);
	w->metadata = path_join(tree, "metadata");
	w->drafts = path_join(tree, "drafts");
	w->expiry = expiry ? *expiry : writer_expiry_default;
	w->now_s = now_s;
	w->lock = -1;
	w->places = json_object();
	for (size_t i = 0; i < TUF_TYPES; i++)
		writer_doc_add(w, tuf_type_name((enum tuf_type)i), (enum tuf_type)i);
	return w;
}

int writer_open(const char *tree, const struct writer_expiry *expiry, int64_t now_s,
		struct writer **out, struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = new_writer(tree, expiry, now_s);
	int rc = file_mkdirs(tree, FILE_PUBLIC_DIR_MODE, e);
	if (rc == 0)
		rc = lock_tree(tree, &w->lock, e);
	if (rc == 0)
		rc = load_tree(w, e);
	if (rc < 0)
		return rc;
	*out = STEAL(w);
	return 0;
}

int writer_look(const char *tree, int64_t now_s, struct writer **out, struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = new_writer(tree, NULL, now_s);
	CLEANUP(mem_free_ptr) char *lock = path_join(tree, ".lock");
	w->lock = file_lock_shared(lock, LOOK_WAIT_MS);
	w->looks = true;
	int rc = load_tree(w, e);
	if (rc < 0)
		return rc;
	*out = STEAL(w);
	return 0;
}

void writer_close(struct writer *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->count; i++)
		writer_doc_free(w->docs[i]);
	free(w->docs);
	json_decref(w->places);
	free(w->metadata);
	free(w->drafts);
	str_list_release(&w->only);
	writer_statuses_release(&w->status);
	file_close(&w->lock);
	free(w);
}

bool writer_has_root(const struct writer *w)
{
	return writer_doc_body(writer_doc_top(w, TUF_ROOT));
}

void writer_state(const struct writer *w, struct buf *out)
{
	char hex[DIGEST_HEX];
	for (size_t i = TUF_TARGETS; i < w->count; i++) {
		const struct writer_doc *d = w->docs[i];
		if (d->published)
			buf_addf(out, "%s %llu %s\n", d->role, (unsigned long long)d->version,
				 digest_hex(hex, &d->sha256));
	}
}

bool writer_changed(const struct writer *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->docs[i]->draft)
			return true;
	return false;
}

bool writer_waits(const struct writer *w, const char *role)
{
	const struct writer_doc *d = writer_doc_find(w, role);
	return d && d->draft;
}

uint64_t writer_version(const struct writer *w, const char *role)
{
	const struct writer_doc *d = writer_doc_find(w, role);
	return d ? d->version : 0;
}

int writer_discard(const char *tree, struct str_list *removed, struct err *e)
{
	CLEANUP(mem_free_ptr) char *drafts = path_join(tree, "drafts");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(file_close) int lock = -1;
	int rc = lock_tree(tree, &lock, e);
	if (rc == 0)
		rc = file_list_dir(drafts, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(drafts, names.at[i]);
		CLEANUP(tuf_name_release) struct tuf_name n = { 0 };
		bool document = tuf_name_parse(names.at[i], &n);
		if (document || file_is_temporary(names.at[i]))
			rc = file_remove(path, e);
		if (rc == 0 && document)
			str_list_take(removed, STEAL(n.role));
	}
	if (rc == 0)
		file_remove_dir_if_empty(drafts);
	return rc;
}
