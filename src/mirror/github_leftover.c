#include "mirror/github.h"

#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What uploads left: assets that GitHub did not complete, parts of objects without the first one,
 * and drafts, which no reader sees. The id is "assets ID …" or "release ID".
 */

struct scan {
	struct mirror_connection *c;
	struct mirror_github_release *release;
	mirror_leftover_fn *fn;
	void *ctx;
	size_t complete; /* objects in this release */
	uint64_t bytes;  /* of them */
	struct group {
		char *key;
		struct buf ids;
		uint64_t bytes;
		int64_t started_s;
		bool first; /* readers find it: its first part is there */
		bool waste; /* and this is none of its parts */
	} * at;
	size_t count, cap;
};

static void forget_groups(struct scan *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->at[i].key);
		buf_release(&s->at[i].ids);
	}
	s->count = 0;
}

static void scan_release(struct scan *s)
{
	forget_groups(s);
	free(s->at);
}

/* Of one object: what can be read, and what cannot for itself. */
static struct group *group_of(struct scan *s, const char *key, bool waste)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->at[i].waste == waste && strcmp(s->at[i].key, key) == 0)
			return &s->at[i];
	s->at = mem_grow(s->at, s->count, &s->cap, sizeof *s->at);
	s->at[s->count] = (struct group){ .key = mem_strdup(key), .waste = waste };
	buf_init(&s->at[s->count].ids, 64 * KIB);
	return &s->at[s->count++];
}

static int add(void *ctx, const struct github_asset *a, const struct github_name *n, struct err *e)
{
	struct scan *s = ctx;
	struct group *g = group_of(s, n->key, !a->uploaded);
	(void)e;
	buf_addf(&g->ids, " %llu", (unsigned long long)a->id);
	g->bytes += a->uploaded ? a->size : 0;
	g->started_s = MAX(g->started_s, a->created_s);
	g->first |= a->uploaded && n->part <= 1 && !n->pending;
	return 0;
}

static int tell_group(struct scan *s, const struct group *g, struct err *e)
{
	CLEANUP(mem_free_ptr) char *id = mem_printf("assets%s", buf_str(&g->ids));
	struct mirror_leftover left = {
		.kind = MIRROR_LEFT_UPLOAD,
		.key = g->key,
		.id = id,
		.started_s = g->started_s,
		.has_bytes = true,
		.bytes = g->bytes,
	};
	if (g->first) {
		s->complete++;
		s->bytes += g->bytes;
		return 0;
	}
	return s->fn(s->ctx, &left, e);
}

static int tell_draft(struct scan *s, struct err *e)
{
	const struct github_release *about = &s->release->about;
	CLEANUP(mem_free_ptr) char *id = mem_printf("release %llu", (unsigned long long)about->id);
	struct mirror_leftover left = {
		.kind = MIRROR_LEFT_UPLOAD,
		.key = "",
		.id = id,
		.started_s = about->created_s,
		.has_bytes = true,
		.bytes = s->bytes,
	};
	return mirror_github_is_draft(s->c->mirror->state, s->release) ? s->fn(s->ctx, &left, e)
								       : 0;
}

static int scan_one(struct scan *s, struct err *e)
{
	forget_groups(s);
	s->complete = 0;
	s->bytes = 0;
	int rc = mirror_github_assets(s->c, s->release, true, e);
	if (rc == 0)
		rc = mirror_github_each(s->c->mirror->state, s->release, add, s, e);
	for (size_t i = 0; i < s->count && rc == 0; i++)
		rc = tell_group(s, &s->at[i], e);
	return rc < 0 ? rc : tell_draft(s, e);
}

int mirror_github_leftovers(struct mirror_connection *c, mirror_leftover_fn *fn, void *ctx,
			    struct err *e)
{
	CLEANUP(scan_release) struct scan s = { .c = c, .fn = fn, .ctx = ctx };
	CLEANUP(mem_free_ptr) struct mirror_github_release **all = NULL;
	size_t count = 0;
	int rc = mirror_github_all(c, &all, &count, e);
	for (size_t i = 0; i < count && rc == 0; i++) {
		s.release = all[i];
		rc = scan_one(&s, e);
	}
	return rc;
}

/* ---- removing ------------------------------------------------------------------- */

/* The release that has the asset, as far as is known. */
static struct mirror_github_release *owner_of(struct mirror_github_release **all, size_t count,
					      uint64_t id)
{
	for (size_t i = 0; i < count; i++) {
		struct mirror_github_release *r = all[i];
		bool has = false;
		pthread_mutex_lock(&r->lock);
		for (size_t k = 0; k < r->count && !has; k++)
			has = r->assets[k].id == id;
		pthread_mutex_unlock(&r->lock);
		if (has)
			return r;
	}
	return NULL;
}

static int remove_assets(struct mirror_connection *c, const struct str_list *words, struct err *e)
{
	CLEANUP(mem_free_ptr) struct mirror_github_release **all = NULL;
	size_t count = 0;
	uint64_t id;
	int rc = mirror_github_all(c, &all, &count, e);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = mirror_github_assets(c, all[i], false, e);
	for (size_t i = 1; i < words->count && rc == 0; i++) {
		struct mirror_github_release *r = parse_u64(words->at[i], &id)
							  ? owner_of(all, count, id)
							  : NULL;
		rc = r ? mirror_github_remove_asset(c, r, id, e) : 0;
	}
	return rc;
}

/* Only if it is still a draft: meanwhile another run may have published it. */
static int remove_draft(struct mirror_connection *c, const char *word, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	CLEANUP(mem_free_ptr) struct mirror_github_release **all = NULL;
	CLEANUP(json_release) json_t *o = NULL;
	CLEANUP(mem_free_ptr) char *path = mem_printf("/releases/%s", word);
	struct github_request q = { .path = path, .answer = &o };
	struct err why = ERR_INIT;
	size_t count = 0;
	uint64_t id;
	int rc = mirror_github_call(c, &q, NULL, &why);
	if (rc == -ERR_NOT_FOUND)
		return 0;
	if (rc < 0) {
		*e = why;
		return rc;
	}
	rc = mirror_github_note_release(s, o, e);
	if (rc == 0)
		rc = mirror_github_all(c, &all, &count, e);
	for (size_t i = 0; i < count && rc == 0; i++) {
		if (!parse_u64(word, &id) || all[i]->about.id != id)
			continue;
		if (!mirror_github_is_draft(s, all[i]))
			return err_set(e, ERR_CONFLICT, "the release %s was published meanwhile",
				       all[i]->about.tag);
		return mirror_github_remove_release(c, all[i], e);
	}
	return rc;
}

int mirror_github_leftover_remove(struct mirror_connection *c, const struct mirror_leftover *left,
				  struct err *e)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	str_list_split(&words, left->id, " ");
	if (words.count == 2 && strcmp(words.at[0], "release") == 0)
		return remove_draft(c, words.at[1], e);
	if (words.count > 1 && strcmp(words.at[0], "assets") == 0)
		return remove_assets(c, &words, e);
	return err_set(e, ERR_BUG, "'%.100s' is not the id of a leftover", left->id);
}
