#include "repository/writer/writer_doc.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* -- targets --------------------------------------------------------------------------- */

static json_t *target_entry(const struct writer_doc *d, const char *path)
{
	return json_object_get(json_object_get(writer_doc_body(d), "targets"), path);
}

int writer_target_set(struct writer *w, const char *role, const char *path, uint64_t length,
		      const struct digest *sha256, struct err *e)
{
	struct writer_doc *d;
	int rc = writer_doc_find_targets(w, role, &d, e);
	if (rc < 0)
		return rc;
	if (!path_is_key(path)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(path);
		return err_set(e, ERR_USAGE, "\"%.200s\" is not a valid target path", shown);
	}
	CLEANUP(json_release) json_t *entry = json_object();
	json_t *hashes = json_object();
	json_put_hex(hashes, "sha256", sha256->bytes, DIGEST_SIZE);
	json_put_u64(entry, "length", length);
	json_put(entry, "hashes", hashes);
	if (json_equal(entry, target_entry(d, path)))
		return 0;
	json_t *body = writer_doc_edit(w, d);
	json_put(json_object_get(body, "targets"), path, json_incref(entry));
	return 0;
}

int writer_target_remove(struct writer *w, const char *role, const char *path, struct err *e)
{
	struct writer_doc *d;
	int rc = writer_doc_find_targets(w, role, &d, e);
	if (rc < 0)
		return rc;
	if (!target_entry(d, path)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(path);
		return err_set(e, ERR_NOT_FOUND, "%s does not list %.200s", role, shown);
	}
	json_object_del(json_object_get(writer_doc_edit(w, d), "targets"), path);
	return 0;
}

bool writer_target_get(const struct writer *w, const char *role, const char *path,
		       struct published_target *out)
{
	const struct writer_doc *d = writer_doc_find(w, role);
	json_t *targets = d ? json_object_get(writer_doc_body(d), "targets") : NULL;
	void *at = json_object_iter_at(targets, path);
	struct err none = ERR_INIT;
	return at && published_target_read(d->role, json_object_iter_key(at),
					   json_object_iter_value(at), out, &none) == 0;
}

void writer_target_paths(const struct writer *w, const char *role, struct str_list *out)
{
	const struct writer_doc *d = writer_doc_find(w, role);
	size_t before = out->count;
	const char *path;
	json_t *entry;
	json_object_foreach (d ? json_object_get(writer_doc_body(d), "targets") : NULL, path, entry)
		str_list_add(out, path);
	if (out->count > before)
		qsort(out->at + before, out->count - before, sizeof *out->at, str_compare);
}

/* -- new versions ------------------------------------------------------------------------ */

int writer_touch(struct writer *w, const char *role, struct err *e)
{
	struct writer_doc *d = writer_doc_find(w, role);
	if (!d)
		return writer_doc_no_role(w, role, e);
	writer_doc_edit(w, d);
	return 0;
}

void writer_touch_expiring(struct writer *w, int64_t before_s)
{
	struct writer_doc *top = writer_doc_top(w, TUF_TARGETS);
	for (size_t i = TUF_TARGETS; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		bool ours = d == top || writer_doc_is_bin(w, d, WRITER_CURRENT);
		if (ours && d->published && !d->draft &&
		    writer_doc_expires_s(d->published) < before_s)
			writer_doc_edit(w, d);
	}
}

bool writer_repair(struct writer *w)
{
	bool any = false;
	for (size_t i = 0; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		bool wanted = i < TUF_TYPES || d->parent;
		if (!wanted || !d->published || d->fits || d->draft)
			continue;
		writer_doc_edit(w, d);
		any = true;
	}
	return any;
}
