#include "repository/writer/writer_authority.h"

#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* -- one document ------------------------------------------------------------------------ */

struct merge {
	struct writer *w;
	const char *what; /* the file, for messages */
	const struct tuf_metadata *m;
	size_t signatures; /* new ones */
};

static bool is_body(json_t *envelope, const struct merge *g)
{
	return envelope && json_equal(json_object_get(envelope, "signed"), g->m->body);
}

static int take_signatures(struct merge *g, struct writer_doc *d, struct err *e)
{
	CLEANUP(writer_authority_release) struct writer_authority now = { 0 }, old = { 0 };
	int rc = writer_authority_both(g->w, d, WRITER_CURRENT, &now, &old, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < g->m->signature_count; i++) {
		const struct tuf_signature *s = &g->m->signatures[i];
		const struct writer_authority *by = writer_authority_lists(&now, s->keyid) ? &now
											   : &old;
		if (!writer_authority_lists(by, s->keyid) ||
		    writer_doc_has_signature(d->draft, s->keyid))
			continue;
		if (!writer_authority_signed_by(by, g->m, s->keyid)) {
			err_set(e, ERR_INTEGRITY,
				"%s: the signature by the key %.16s does not verify", g->what,
				s->keyid);
			return err_hint(e,
					"the copy is damaged or forged: ask the holder of the key "
					"to sign again, on a fresh copy of metadata/ and drafts/");
		}
		writer_doc_sign(g->w, d, s->keyid, s->hex);
		g->signatures++;
	}
	return 0;
}

/* The error for a document that is not a draft here. */
static int explain(const struct merge *g, struct err *e)
{
	CLEANUP(tuf_name_release) struct tuf_name named = { 0 };
	const struct writer_doc *d = tuf_name_parse(path_base(g->what), &named)
					     ? writer_doc_find(g->w, named.role)
					     : NULL;
	if (!d || d->type != g->m->type)
		d = writer_doc_top(g->w, g->m->type);
	uint64_t here = d->version + (d->draft ? 1 : 0);
	err_set(e, ERR_CONFLICT, "%s: version %llu of %s differs from the one that %s here",
		g->what, (unsigned long long)g->m->version, d->role,
		d->draft ? "waits" : "is published");
	if (g->m->version > here)
		return err_hint(e, "somebody has published meanwhile: copy the newer metadata/ "
				   "here and run `ferry catalog discard`");
	return err_hint(e,
			"it belongs to another change: ask for signatures on version %llu, with a "
			"fresh copy of metadata/ and drafts/",
			(unsigned long long)here);
}

static int merge_document(struct merge *g, struct err *e)
{
	if (g->m->type == TUF_SNAPSHOT || g->m->type == TUF_TIMESTAMP)
		return 0;
	for (size_t i = 0; i < g->w->count; i++) {
		struct writer_doc *d = g->w->docs[i];
		bool waits = d->type == g->m->type && is_body(d->draft, g);
		if (!waits && (d->type != g->m->type || !is_body(d->published, g)))
			continue;
		return waits ? take_signatures(g, d, e) : 0;
	}
	return explain(g, e);
}

static int merge_file(struct merge *g, const char *path, struct err *e)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT(WRITER_DOC_MAX);
	CLEANUP(json_release) json_t *json = NULL;
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	static const struct json_limits limits = { .max_bytes = WRITER_DOC_MAX };
	enum tuf_type type;
	int rc = file_read_named(path, &raw, e);
	if (rc < 0 || (rc = json_parse(buf_str(&raw), raw.len, &limits, path, &json, e)) < 0)
		return rc;
	const char *name =
		json_string_value(json_object_get(json_object_get(json, "signed"), "_type"));
	if (!name || !tuf_type_from_name(name, &type))
		return err_set(e, ERR_INTEGRITY, "%s is not TUF metadata", path);
	if ((rc = tuf_metadata_from_json(type, json, path, &m, e)) < 0)
		return rc;
	g->what = path;
	g->m = m;
	rc = merge_document(g, e);
	g->m = NULL;
	return rc;
}

/* -- a copy of the tree -------------------------------------------------------------------- */

/* A draft here may already be published there, if the copy got the last signature. */
static int merge_published(struct merge *g, const char *metadata, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < g->w->count; i++) {
		const struct writer_doc *d = g->w->docs[i];
		CLEANUP(mem_free_ptr) char *file = tuf_name_file(d->role, d->version + 1);
		CLEANUP(mem_free_ptr) char *path = path_join(metadata, file);
		if (d->draft && file_exists(path))
			rc = merge_file(g, path, e);
	}
	return rc;
}

static int merge_folder(struct merge *g, const char *dir, struct err *e)
{
	CLEANUP(mem_free_ptr) char *drafts = path_join(dir, "drafts");
	CLEANUP(mem_free_ptr) char *metadata = path_join(dir, "metadata");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	if (!file_is_dir(drafts) && !file_is_dir(metadata)) {
		err_set(e, ERR_NOT_FOUND, "%s contains neither drafts/ nor metadata/", dir);
		return err_hint(e, "give the folder of a copy of the tree, or one document");
	}
	int rc = file_list_dir(drafts, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(drafts, names.at[i]);
		if (str_ends(names.at[i], ".json") && !file_is_temporary(names.at[i]))
			rc = merge_file(g, path, e);
	}
	return rc < 0 ? rc : merge_published(g, metadata, e);
}

int writer_merge(struct writer *w, const char *path, size_t *signatures, struct err *e)
{
	struct merge g = { .w = w };
	int rc = file_is_dir(path) ? merge_folder(&g, path, e) : merge_file(&g, path, e);
	if (rc == 0)
		*signatures = g.signatures;
	return rc;
}
