#include "catalog/tuf/writer_private.h"

#include "util/mem.h"

void tuf_writer_statuses_release(struct tuf_writer_statuses *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->at[i].role);
		str_list_release(&s->at[i].keyids);
		str_list_release(&s->at[i].signed_by);
	}
	free(s->at);
	*s = (struct tuf_writer_statuses){ 0 };
}

static bool signed_by(const struct tuf_metadata *m, const struct writer_authority *a,
		      const char *keyid, struct err *e)
{
	struct tuf_role only = { .keyids = &keyid, .count = 1, .threshold = 1 };
	unsigned count = 0;
	return tuf_metadata_count(m, &only, &a->m->keys, &count, e) == 0 && count == 1;
}

static void list_keys(const struct tuf_metadata *m, const struct writer_authority *a,
		      struct tuf_writer_status *s, struct err *e)
{
	for (size_t i = 0; i < a->role->count; i++) {
		const char *id = a->role->keyids[i];
		if (str_list_has(&s->keyids, id))
			continue;
		str_list_add(&s->keyids, id);
		if (signed_by(m, a, id, e))
			str_list_add(&s->signed_by, id);
	}
}

static int fill_status(const struct tuf_writer *w, const struct writer_doc *d,
		       struct tuf_writer_status *s, struct err *e)
{
	CLEANUP(writer_authority_release) struct writer_authority now = { 0 }, old = { 0 };
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
	s->role = mem_strdup(d->role);
	s->published = d->version;
	s->waiting = d->draft;
	int rc = tuf_metadata_from_json(d->type, writer_current(d), d->role, &m, e);
	if (rc == 0)
		rc = writer_authority(w, d, WRITER_CURRENT, &now, e);
	if (rc < 0)
		return rc;
	s->version = m->version;
	s->expires_s = m->expires_s;
	if (now.role) {
		s->threshold = (unsigned)now.role->threshold;
		rc = writer_valid(d, m->json, &now, &s->valid, e);
		list_keys(m, &now, s, e);
	}
	if (rc == 0 && d->type == TUF_ROOT && d->draft && d->published) {
		rc = writer_authority(w, d, WRITER_PUBLISHED, &old, e);
		if (rc < 0)
			return rc;
		s->old_threshold = (unsigned)old.role->threshold;
		rc = writer_valid(d, m->json, &old, &s->old_valid, e);
		list_keys(m, &old, s, e);
	}
	return rc;
}

static int add_status(const struct tuf_writer *w, const struct writer_doc *d,
		      struct tuf_writer_statuses *out, struct err *e)
{
	if (!writer_current(d))
		return 0;
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count] = (struct tuf_writer_status){ 0 };
	return fill_status(w, d, &out->at[out->count++], e);
}

int tuf_writer_status(const struct tuf_writer *w, struct tuf_writer_statuses *out, struct err *e)
{
	CLEANUP(tuf_writer_statuses_release) struct tuf_writer_statuses all = { 0 };
	int rc = add_status(w, writer_top(w, TUF_ROOT), &all, e);
	for (size_t i = TUF_TARGETS; rc == 0 && i < w->count; i++)
		rc = add_status(w, w->docs[i], &all, e);
	if (rc == 0)
		rc = add_status(w, writer_top(w, TUF_SNAPSHOT), &all, e);
	if (rc == 0)
		rc = add_status(w, writer_top(w, TUF_TIMESTAMP), &all, e);
	if (rc < 0)
		return rc;
	*out = all;
	all = (struct tuf_writer_statuses){ 0 };
	return 0;
}
