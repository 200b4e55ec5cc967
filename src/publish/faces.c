#include "publish/faces.h"

#include "publish/faces_list.h"
#include "util/mem.h"

#include <string.h>

struct sending {
	struct mirror *m;
	const struct faces_options *o;
	size_t *written;
};

/* -- one file ------------------------------------------------------------------------------- */

/* Its name has its digest, or the commit. */
static bool never_changes(const struct faces_item *i)
{
	return i->from || strstr(i->key, "/sha256:");
}

static int put_once(struct mirror *m, const struct faces_item *i, struct err *e)
{
	const struct mirror_put how = { .content_type = i->type, .immutable = never_changes(i) };
	if (i->from)
		return mirror_copy(m, i->from, i->key, e);
	return mirror_put_small(m, i->key, buf_str(&i->bytes), i->bytes.len, &how, NULL, e);
}

static int put(const struct sending *s, const struct faces_item *i, struct err *e)
{
	struct retry retry = *s->o->retry;
	int rc;
	do
		rc = put_once(s->m, i, e);
	while (rc < 0 && retry_again(&retry, e));
	if (rc == 0)
		(*s->written)++;
	return rc;
}

static int remove_key(const struct sending *s, const char *key, struct err *e)
{
	struct retry retry = *s->o->retry;
	int rc;
	do
		rc = mirror_remove(s->m, key, e);
	while (rc < 0 && retry_again(&retry, e));
	if (rc == 0)
		(*s->written)++;
	return rc;
}

/* -- what was there before -------------------------------------------------------------------- */

/* A list that is missing or damaged is written again, and all files with it. */
static int read_list(const struct sending *s, struct faces_list *out, struct err *e)
{
	struct retry retry = *s->o->retry;
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * MIB);
	struct err why = ERR_INIT;
	int rc;
	do {
		buf_clear(&text);
		rc = mirror_get_small(s->m, FACES_RECORD, 0, &text, e);
	} while (rc < 0 && !err_is(e, ERR_NOT_FOUND) && retry_again(&retry, e));
	if (rc < 0 && !err_is(e, ERR_NOT_FOUND))
		return rc;
	err_clear(e);
	if (rc == 0)
		(void)!faces_list_parse(buf_str(&text), text.len, out, &why);
	return 0;
}

static void add_old(struct faces_list *l, const struct faces_item *was, int64_t unused_s)
{
	l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
	l->at[l->count++] = (struct faces_item){ .key = mem_strdup(was->key),
						 .sha256 = was->sha256,
						 .unused_s = unused_s };
}

/* What this release does not need: it goes, or it stays on the list. */
static int leave_old(const struct sending *s, const struct faces_list *was, struct faces_list *now,
		     bool *changed, struct err *e)
{
	int rc = 0;
	size_t count = now->count; /* sorted up to here */
	for (size_t i = 0; rc == 0 && i < was->count; i++) {
		const struct faces_item *old = &was->at[i];
		const struct faces_list current = { .at = now->at, .count = count };
		if (faces_list_find(&current, old->key))
			continue;
		int64_t since_s = old->unused_s ? old->unused_s : s->o->now_s;
		bool goes = s->o->now_s - since_s > FACES_GRACE_S;
		*changed = *changed || goes || !old->unused_s;
		if (goes)
			rc = remove_key(s, old->key, e);
		else
			add_old(now, old, since_s);
	}
	return rc;
}

static int write_list(const struct sending *s, const struct faces_list *l, struct err *e)
{
	struct faces_item record = { .key = (char *)FACES_RECORD, .type = "application/json" };
	buf_init(&record.bytes, 64 * MIB);
	int rc = faces_list_write(l, &record.bytes, e);
	if (rc == 0)
		rc = put(s, &record, e);
	buf_release(&record.bytes);
	return rc;
}

/* -- all of it ------------------------------------------------------------------------------ */

/* Blobs are before manifests, and those before lists: a reader that finds a name finds what it
 * stands for. */
static int turn_of(const struct faces_item *i)
{
	if (i->from || strstr(i->key, "/blobs/"))
		return 0;
	return strstr(i->key, "/sha256:") ? 1 : 2;
}

static int send_new(const struct sending *s, const struct faces_list *was,
		    const struct faces_list *now, bool *changed, struct err *e)
{
	int rc = 0;
	for (int turn = 0; turn < 3; turn++)
		for (size_t i = 0; rc == 0 && i < now->count; i++) {
			const struct faces_item *item = &now->at[i];
			const struct faces_item *old = faces_list_find(was, item->key);
			bool same = old && digest_equal(&old->sha256, &item->sha256);
			if (turn_of(item) != turn || (same && !old->unused_s))
				continue;
			*changed = true;
			if (!same)
				rc = put(s, item, e);
		}
	return rc;
}

int faces_send(const struct tree *t, const struct publication *p, struct mirror *m,
	       const struct faces_options *o, size_t *written, struct err *e)
{
	CLEANUP(faces_list_release) struct faces_list was = { 0 }, now = { 0 };
	const struct sending s = { .m = m, .o = o, .written = written };
	bool changed = false;
	if (!mirror_can(m, MIRROR_CAN_COPY))
		return err_set(e, ERR_USAGE,
			       "mirror %s: faces need a mirror that can copy its own objects",
			       m->id);
	int rc = faces_list_make(t, p, o->faces, strcmp(m->ops->kind, "file") == 0, &now, e);
	if (rc == 0)
		rc = read_list(&s, &was, e);
	if (rc == 0)
		rc = send_new(&s, &was, &now, &changed, e);
	if (rc == 0)
		rc = leave_old(&s, &was, &now, &changed, e);
	return rc == 0 && changed ? write_list(&s, &now, e) : rc;
}
