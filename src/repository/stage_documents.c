#include "repository/stage_internal.h"

#include "catalog/index.h"
#include "catalog/places.h"
#include "repository/catalog_build.h"
#include "repository/internal.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

static const char *const documents[] = { CATALOG_TARGET, CATALOG_HEAD_TARGET, INDEX_TARGET };

bool stage_is_document(const char *target)
{
	for (size_t i = 0; i < ARRAY_LEN(documents); i++)
		if (strcmp(target, documents[i]) == 0)
			return true;
	return places_is_target(target);
}

static bool has_document(const char *dir, const struct writer *w, const char *target)
{
	struct published_target t;
	if (!writer_target_get(w, TARGETS, target, &t))
		return false;
	CLEANUP(mem_free_ptr) char *path = repository_object_path(dir, target, &t.sha256);
	return sha256_file_is(path, &t.sha256);
}

bool stage_has_documents(const char *dir, const struct writer *w)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(documents); i++)
		if (!has_document(dir, w, documents[i]))
			return false;
	writer_target_paths(w, TARGETS, &paths);
	for (size_t i = 0; i < paths.count; i++)
		if (places_is_target(paths.at[i]) && !has_document(dir, w, paths.at[i]))
			return false;
	return true;
}

/* ---- what is signed ---- */

static bool current_object(const struct staging *s, const char *target, struct buf *out)
{
	struct published_target t;
	struct err unread = ERR_INIT;
	if (!writer_target_get(s->w, TARGETS, target, &t))
		return false;
	CLEANUP(mem_free_ptr) char *path = repository_object_path(s->dir, target, &t.sha256);
	return repository_read_signed(path, &t.sha256, out, &unread) == 0;
}

void stage_load_current(struct staging *s)
{
	CLEANUP(buf_release) struct buf catalog = BUF_INIT(CATALOG_MAX_BYTES);
	CLEANUP(buf_release) struct buf head = BUF_INIT(CATALOG_HEAD_MAX_BYTES);
	struct err unread = ERR_INIT;
	if (!current_object(s, CATALOG_TARGET, &catalog) ||
	    catalog_parse(buf_str(&catalog), catalog.len, CATALOG_TARGET, &s->current, &unread) < 0)
		s->current = (struct catalog){ 0 };
	if (!current_object(s, CATALOG_HEAD_TARGET, &head) ||
	    catalog_parse(buf_str(&head), head.len, CATALOG_HEAD_TARGET, &s->head, &unread) < 0)
		s->head = (struct catalog){ 0 };
}

/* ---- repository.json ---- */

static int fill_parts(const struct staging *s, struct repository_catalog_parts *p, struct err *e)
{
	/* A tree of version 0.1 has only the catalog. */
	const struct catalog *was = s->head.json ? &s->head : &s->current;
	p->name = s->how->name ? s->how->name : was->name;
	p->title = s->how->title ? s->how->title : was->title;
	p->mirrors = s->how->mirrors ? s->how->mirrors : json_object_get(was->json, "mirrors");
	p->now_s = s->how->now_s;
	if (p->name)
		return 0;
	err_set(e, ERR_USAGE, "%s: the repository has no name yet", s->dir);
	return err_hint(e, "set one with --name");
}

/* Its date is that of the last change of a model or of the repository. */
static int set_head(struct staging *s, const struct repository_catalog_parts *p, bool same_models,
		    struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CATALOG_HEAD_MAX_BYTES);
	CLEANUP(catalog_release) struct catalog check = { 0 };
	CLEANUP(json_release) json_t *json = repository_head_build(p, same_models ? s->head.json
										  : NULL);
	int rc = json_pretty(json, &text, e);
	if (rc == 0)
		rc = catalog_from_json(json, &check, e);
	return rc < 0 ? err_context(e, "the new " CATALOG_HEAD_TARGET)
		      : stage_set_document(s, CATALOG_HEAD_TARGET, &text, e);
}

/* ---- the index and the catalog: what is signed, with the models that changed ---- */

/* Those whose entries are not those that are signed, sorted. */
static void find_changed(const struct staging *s, struct str_list *out)
{
	for (size_t i = 0; i < s->cards->changed.count; i++)
		str_list_add(out, s->cards->changed.at[i].id);
	for (size_t i = 0; i < s->gone.count; i++)
		str_list_add(out, s->gone.at[i]);
	if (out->count)
		qsort(out->at, out->count, sizeof *out->at, str_compare);
}

static bool is_changed(const struct str_list *changed, const char *id)
{
	return changed->count &&
	       bsearch(&id, changed->at, changed->count, sizeof *changed->at, str_compare);
}

static int compare_cards(const void *a, const void *b)
{
	const struct card *x = a, *y = b;
	return strcmp(x->id, y->id);
}

/* Is only the stub signed, which has no model that has a card document? */
static bool is_stub(const struct staging *s)
{
	return s->cards->incremental && s->current.json &&
	       json_is_false(json_object_get(s->current.json, "complete"));
}

static int read_signed(const struct staging *s, const struct staged_model *m, struct card *out,
		       struct err *e)
{
	CLEANUP(mem_free_ptr) char *target = card_document(m->id);
	CLEANUP(mem_free_ptr) char *path = repository_object_path(s->dir, target,
								  &m->object.sha256);
	CLEANUP(buf_release) struct buf text = BUF_INIT(CARD_MAX_BYTES);
	int rc = repository_read_signed(path, &m->object.sha256, &text, e);
	return rc < 0 ? rc : card_parse(buf_str(&text), text.len, path, out, e);
}

/* The models that did not change: those of the signed catalog, or when it has none since it was
 * too large, those of the cards' objects. */
static int find_unchanged(const struct staging *s, const struct str_list *changed,
			  struct repository_cards *read, struct err *e)
{
	const struct staged *after = &s->cards->after;
	int rc = 0;
	if (!is_stub(s))
		return 0;
	read->at = mem_alloc((after->count + 1) * sizeof *read->at);
	for (size_t i = 0; rc == 0 && i < after->count; i++) {
		if (after->at[i].variants == 0 || is_changed(changed, after->at[i].id))
			continue;
		rc = read_signed(s, &after->at[i], &read->at[read->count], e);
		read->count += rc == 0;
	}
	return rc;
}

/* The models that did not change, from `read` or (NULL) from the signed catalog, and those of
 * `vouched`; borrowed. */
static struct card *all_cards(const struct staging *s, const struct repository_cards *read,
			      const struct str_list *changed, size_t *count)
{
	const struct card *old = read ? read->at : s->current.models;
	size_t old_count = !s->cards->incremental ? 0 : read ? read->count : s->current.model_count;
	struct card *all = mem_alloc((old_count + s->vouched.count + 1) * sizeof *all);
	size_t n = 0;
	for (size_t i = 0; i < old_count; i++)
		if (!is_changed(changed, old[i].id))
			all[n++] = old[i];
	for (size_t i = 0; i < s->vouched.count; i++)
		all[n++] = s->vouched.at[i];
	qsort(all, n, sizeof *all, compare_cards);
	*count = n;
	return all;
}

static uint64_t all_bytes(const struct staging *s)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < s->cards->after.count; i++)
		sum += s->cards->after.at[i].object.mark.size;
	return sum;
}

static int build_catalog(const struct staging *s, struct repository_catalog_parts *p,
			 const struct str_list *changed, struct buf *text, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards unchanged = { 0 };
	CLEANUP(catalog_release) struct catalog check = { 0 };
	int rc = find_unchanged(s, changed, &unchanged, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) struct card *all = all_cards(s, is_stub(s) ? &unchanged : NULL,
							   changed, &p->card_count);
	p->cards = all;
	CLEANUP(json_release) json_t *json = repository_catalog_build(p, s->current.json);
	rc = json_pretty(json, text, e);
	return rc < 0 ? rc : catalog_from_json(json, &check, e);
}

/* Is its card a target? Not if people of a delegated role sign with version 0.1. */
static int has_card(const struct staging *s, const struct card *c, bool *yes, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = card_document(c->id);
	CLEANUP(mem_free_ptr) char *owner = writer_owner(s->w, path);
	struct published_target t;
	*yes = true;
	return writer_delegates_to(s->w, owner) ? writer_vouched(s->w, owner, path, &t, yes, e) : 0;
}

static int drop_with_cards(const struct staging *s, struct card *all, size_t *count, struct err *e)
{
	size_t kept = 0;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < *count; i++) {
		bool yes;
		rc = has_card(s, &all[i], &yes, e);
		if (rc == 0 && !yes)
			all[kept++] = all[i];
	}
	*count = kept;
	return rc;
}

static int build_stub(const struct staging *s, struct repository_catalog_parts *p,
		      const struct str_list *changed, struct buf *text, struct err *e)
{
	CLEANUP(mem_free_ptr) struct card *all = all_cards(s, NULL, changed, &p->card_count);
	p->cards = all;
	int rc = drop_with_cards(s, all, &p->card_count, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *json = repository_catalog_stub(p, s->current.json);
	buf_release(text);
	*text = (struct buf)BUF_INIT(CATALOG_MAX_BYTES);
	return json_pretty(json, text, e);
}

/* With a larger catalog than the publisher wants, readers of the plain file are told so. */
static int set_catalog(struct staging *s, struct repository_catalog_parts *p,
		       const struct str_list *changed, struct err *e)
{
	uint64_t most = s->how->catalog_max ? s->how->catalog_max : REPOSITORY_CATALOG_MAX;
	CLEANUP(buf_release) struct buf text = BUF_INIT(most);
	bool fits = all_bytes(s) <= most;
	int rc = fits ? build_catalog(s, p, changed, &text, e) : 0;
	if (text.overflow) {
		err_clear(e);
		fits = false;
	}
	if (!fits)
		rc = build_stub(s, p, changed, &text, e);
	return rc < 0 ? err_context(e, "the new catalog")
		      : stage_set_document(s, CATALOG_TARGET, &text, e);
}

/* The lines of the index, in order. */
struct lines {
	struct buf *out;
	size_t count;
};

static int add_line(struct lines *l, const struct card *c, struct err *e)
{
	CLEANUP(json_release) json_t *prepared = repository_prepared_card(c);
	CLEANUP(card_release) struct card card = { 0 };
	if (!prepared)
		return 0;
	int rc = card_from_json(prepared, "", &card, e);
	l->count++;
	return rc < 0 ? rc : index_line(&card, l->out, e);
}

/* The cards before this id, from *at on; NULL: all that are left. */
static int add_cards(struct lines *l, const struct repository_cards *cards, size_t *at,
		     const char *before, struct err *e)
{
	int rc = 0;
	for (; rc == 0 && *at < cards->count; ++*at) {
		if (before && strcmp(cards->at[*at].id, before) > 0)
			break;
		rc = add_line(l, &cards->at[*at], e);
	}
	return rc;
}

static int merge_lines(const struct staging *s, const char *old, const struct str_list *changed,
		       struct lines *l, struct err *e)
{
	const char *line, *start;
	size_t len, id_len, at = 0;
	int rc = 0;
	while (rc == 0 && index_next(&old, &line, &len, &start, &id_len)) {
		char id[65];
		snprintf(id, sizeof id, "%.*s", (int)id_len, start);
		rc = add_cards(l, &s->vouched, &at, id, e);
		if (is_changed(changed, id))
			continue;
		buf_add(l->out, line, len);
		l->count++;
	}
	return rc < 0 ? rc : add_cards(l, &s->vouched, &at, NULL, e);
}

/* Equal lines keep the bytes that are signed, whichever version of zstd made them. *same: they
 * do. */
static int set_index(struct staging *s, const struct str_list *changed, bool *same, struct err *e)
{
	CLEANUP(buf_release) struct buf lines = BUF_INIT(INDEX_MAX_TEXT);
	CLEANUP(buf_release) struct buf old = BUF_INIT(INDEX_MAX_TEXT);
	CLEANUP(buf_release) struct buf current = BUF_INIT(INDEX_MAX_BYTES);
	CLEANUP(buf_release) struct buf packed = BUF_INIT(0);
	struct lines l = { .out = &lines };
	struct err unread = ERR_INIT;
	bool has = current_object(s, INDEX_TARGET, &current) &&
		   index_lines(current.data, current.len, INDEX_TARGET, &old, &unread) == 0;
	if (s->cards->incremental && !has)
		return err_set(e, ERR_INTEGRITY, "the object of " INDEX_TARGET " is damaged");
	int rc = merge_lines(s, s->cards->incremental ? buf_str(&old) : "", changed, &l, e);
	if (rc < 0)
		return err_context(e, "the new index");
	*same = has && strcmp(buf_str(&old), buf_str(&lines)) == 0;
	if (*same)
		return 0;
	rc = index_pack(&lines, l.count, &packed, e);
	return rc < 0 ? rc : stage_set_document(s, INDEX_TARGET, &packed, e);
}

int stage_documents(struct staging *s, struct err *e)
{
	CLEANUP(str_list_release) struct str_list changed = { 0 };
	struct repository_catalog_parts parts = { 0 };
	bool same = false;
	find_changed(s, &changed);
	if (s->vouched.count)
		qsort(s->vouched.at, s->vouched.count, sizeof *s->vouched.at, compare_cards);
	int rc = fill_parts(s, &parts, e);
	CLEANUP(json_release) json_t *mirrors = json_deep_copy(parts.mirrors);
	if (rc == 0 && mirrors)
		rc = stage_places(s, mirrors, e);
	parts.mirrors = mirrors;
	if (rc == 0)
		rc = set_index(s, &changed, &same, e);
	if (rc == 0)
		rc = set_head(s, &parts, same, e);
	return rc < 0 ? rc : set_catalog(s, &parts, &changed, e);
}
