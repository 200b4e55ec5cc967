#include "repository/stage_internal.h"

#include "catalog/pack.h"
#include "catalog/places.h"
#include "github/name.h"
#include "repository/allocate.h"
#include "repository/internal.h"
#include "repository/located.h"
#include "util/mem.h"

#include <string.h>

#define DEFAULT_TAG "models" /* of ferry.conf */

/* ---- the objects of the repository, as the targets are now ---- */

struct stage_object {
	char *key;
	uint64_t size;
};

void stage_objects_release(struct stage_objects *o)
{
	for (size_t i = 0; i < o->count; i++)
		free(o->at[i].key);
	free(o->at);
	*o = (struct stage_objects){ 0 };
}

static int compare(const void *a, const void *b)
{
	const struct stage_object *x = a, *y = b;
	return strcmp(x->key, y->key);
}

static bool has(const struct stage_objects *o, const char *key)
{
	struct stage_object wanted = { .key = (char *)key };
	return o->count && bsearch(&wanted, o->at, o->count, sizeof wanted, compare);
}

static void add(struct stage_objects *o, char *key, uint64_t size)
{
	o->at = mem_grow(o->at, o->count, &o->cap, sizeof *o->at);
	o->at[o->count++] = (struct stage_object){ key, size };
}

/* Of a model's small files, mirrors of releases get the pack. */
static void add_target(struct stage_objects *o, const struct published_target *t)
{
	CLEANUP(mem_free_ptr) char *name = repository_object_name(t->path, &t->sha256);
	CLEANUP(mem_free_ptr) char *key = mem_printf("targets/%s", name);
	CLEANUP(mem_free_ptr) char *pack = pack_key(key);
	if (pack)
		add(o, STEAL(pack), 0);
	else if (!pack_takes(t->path))
		add(o, STEAL(key), t->length);
}

static void add_role(const struct staging *s, const char *role, struct stage_objects *o)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	struct published_target t;
	writer_target_paths(s->w, role, &paths);
	for (size_t i = 0; i < paths.count; i++)
		if (writer_target_get(s->w, role, paths.at[i], &t))
			add_target(o, &t);
}

static void find_objects(const struct staging *s, struct stage_objects *o)
{
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	size_t kept = 0;
	str_list_add(&roles, TARGETS);
	writer_bin_names(s->w, &roles);
	writer_delegation_names(s->w, &roles);
	for (size_t i = 0; i < roles.count; i++)
		add_role(s, roles.at[i], o);
	if (o->count)
		qsort(o->at, o->count, sizeof *o->at, compare);
	for (size_t i = 0; i < o->count; i++) {
		if (kept && strcmp(o->at[kept - 1].key, o->at[i].key) == 0)
			free(o->at[i].key);
		else
			o->at[kept++] = o->at[i];
	}
	o->count = kept;
}

/* ---- one mirror ---- */

struct listing {
	const struct staging *s;
	const json_t *entry;
	const char *id;
	char *target;                        /* of its list */
	const struct stage_objects *objects; /* as they will be signed */
	struct places before, now;
	bool had; /* a list is signed, and its object is right */
};

static void listing_release(struct listing *l)
{
	free(l->target);
	places_release(&l->before);
	places_release(&l->now);
}

static bool is_kind(const json_t *entry, const char *kind)
{
	const char *is = json_text(entry, "kind");
	return is && strcmp(is, kind) == 0;
}

static bool may_need_list(const json_t *entry)
{
	return is_kind(entry, "names") || is_kind(entry, "github");
}

/* A list that cannot be read is made again from the record, but for releases nothing else says
 * where objects are. */
static int read_before(struct listing *l, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(PLACES_MAX_BYTES);
	struct published_target t;
	struct err why = ERR_INIT;
	if (!writer_target_get(l->s->w, TARGETS, l->target, &t))
		return 0;
	CLEANUP(mem_free_ptr) char *path = repository_object_path(l->s->dir, l->target, &t.sha256);
	int rc = repository_read_signed(path, &t.sha256, &bytes, &why);
	if (rc == 0)
		rc = places_read(bytes.data, bytes.len, l->target, &l->before, &why);
	l->had = rc == 0;
	if (rc == 0 || !is_kind(l->entry, "github"))
		return 0;
	*e = why;
	return err_hint(e,
			"it says in which release each object of mirror %s is: copy %s from "
			"another mirror or from a backup",
			l->id, path);
}

static int list_urls(struct listing *l, struct err *e)
{
	CLEANUP(located_release) struct located record = { 0 };
	CLEANUP(places_release) struct places template = { 0 };
	int rc = located_read(l->s->dir, &record, e);
	if (rc == 0)
		rc = places_read_entry(l->entry, l->id, &template, e);
	for (size_t i = 0; rc == 0 && i < record.count; i++) {
		const struct located_file *f = &record.at[i];
		CLEANUP(mem_free_ptr) char *given = places_url(&template, f->key);
		if (strcmp(f->mirror, l->id) == 0 && has(l->objects, f->key) &&
		    !(given && strcmp(given, f->url) == 0))
			places_add_url(&l->now, f->key, f->url);
	}
	places_sort(&l->now);
	return rc;
}

static char *release_tag(void *ctx, const char *key, uint64_t release)
{
	return github_name_tag(ctx, key, (unsigned)release);
}

static bool same_text(const json_t *a, const json_t *b, const char *key)
{
	const char *x = json_text(a, key), *y = json_text(b, key);
	return (!x && !y) || (x && y && strcmp(x, y) == 0);
}

/* Was it signed with the same releases? Otherwise nothing of it is there yet. */
static bool was_signed(const struct listing *l)
{
	const json_t *mirrors = json_object_get(l->s->head.json, "mirrors"), *m;
	size_t i;
	json_array_foreach ((json_t *)mirrors, i, m)
		if (same_text(m, l->entry, "id"))
			return same_text(m, l->entry, "kind") && same_text(m, l->entry, "url") &&
			       same_text(m, l->entry, "tag");
	return false;
}

static bool is_immutable(const struct listing *l)
{
	return l->s->how->immutable && str_list_has(l->s->how->immutable, l->id);
}

static int list_releases(struct listing *l, struct err *e)
{
	CLEANUP(closed_release) struct closed closed = { 0 };
	CLEANUP(mem_free_ptr)
	struct allocate_object *objects = mem_alloc((l->objects->count + 1) * sizeof *objects);
	const char *tag = json_text(l->entry, "tag");
	bool known = was_signed(l);
	struct allocate_rule rule = {
		.part_size = json_number(l->entry, "part_size"),
		.max_assets = GITHUB_NAME_MAX_ASSETS,
		.immutable = is_immutable(l),
		.closed = &closed,
		.before = &l->before,
		.tag = release_tag,
		.ctx = (char *)(tag ? tag : DEFAULT_TAG),
	};
	int rc = closed_read(l->s->dir, l->id, &closed, e);
	for (size_t i = 0; rc == 0 && i < l->objects->count; i++) {
		const struct stage_object *o = &l->objects->at[i];
		objects[i] = (struct allocate_object){
			.key = o->key,
			.size = o->size,
			.old = known && has(&l->s->signed_objects, o->key),
		};
	}
	if (rc == 0)
		allocate(&rule, objects, l->objects->count, &l->now);
	return rc;
}

static int list(struct listing *l, struct err *e)
{
	l->id = json_text(l->entry, "id");
	l->target = places_target(l->id);
	int rc = read_before(l, e);
	if (rc == 0)
		rc = is_kind(l->entry, "names") ? list_urls(l, e) : list_releases(l, e);
	return rc < 0 ? err_context(e, "mirror %s", l->id) : 0;
}

static bool same_places(const struct places *a, const struct places *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct places_entry *x = &a->at[i], *y = &b->at[i];
		if (strcmp(x->key, y->key) != 0 || x->release != y->release ||
		    strcmp(x->url ? x->url : "", y->url ? y->url : "") != 0)
			return false;
	}
	return true;
}

static bool is_as_signed(const struct listing *l)
{
	return l->now.count ? l->had && same_places(&l->before, &l->now) : !l->had;
}

/* ---- all mirrors ---- */

void stage_places_begin(struct staging *s)
{
	find_objects(s, &s->signed_objects);
}

bool stage_places_are_possible(const json_t *mirrors)
{
	const json_t *entry;
	size_t i;
	json_array_foreach ((json_t *)mirrors, i, entry)
		if (may_need_list(entry))
			return true;
	return false;
}

int stage_places_differ(const struct staging *s, bool *yes, struct err *e)
{
	const json_t *entry;
	size_t i;
	*yes = false;
	json_array_foreach ((json_t *)s->how->mirrors, i, entry) {
		CLEANUP(listing_release)
		struct listing l = { .s = s, .entry = entry, .objects = &s->signed_objects };
		int rc = may_need_list(entry) ? list(&l, e) : 0;
		if (rc < 0)
			return rc;
		*yes |= l.id && !is_as_signed(&l);
	}
	return 0;
}

/* Equal places keep the bytes that are signed, whichever version of zstd made them. */
static int set_list(struct staging *s, struct listing *l, struct str_list *used, struct err *e)
{
	CLEANUP(buf_release) struct buf packed = BUF_INIT(0);
	int rc = list(l, e);
	if (rc < 0 || !l->now.count)
		return rc;
	json_put_string((json_t *)l->entry, "places", l->target);
	str_list_add(used, l->target);
	if (is_as_signed(l))
		return 0;
	rc = places_pack(&l->now, &packed, e);
	return rc < 0 ? rc : stage_set_document(s, l->target, &packed, e);
}

static int drop_unused(struct staging *s, const struct str_list *used, struct err *e)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	int rc = 0;
	writer_target_paths(s->w, TARGETS, &paths);
	for (size_t i = 0; rc == 0 && i < paths.count; i++)
		if (places_is_target(paths.at[i]) && !str_list_has(used, paths.at[i]))
			rc = writer_target_remove(s->w, TARGETS, paths.at[i], e);
	return rc;
}

int stage_places(struct staging *s, json_t *mirrors, struct err *e)
{
	CLEANUP(stage_objects_release) struct stage_objects objects = { 0 };
	CLEANUP(str_list_release) struct str_list used = { 0 };
	json_t *entry;
	size_t i;
	int rc = 0;
	if (stage_places_are_possible(mirrors))
		find_objects(s, &objects);
	json_array_foreach (mirrors, i, entry) {
		CLEANUP(listing_release)
		struct listing l = { .s = s, .entry = entry, .objects = &objects };
		json_object_del(entry, "places");
		if (rc == 0 && may_need_list(entry))
			rc = set_list(s, &l, &used, e);
	}
	return rc < 0 ? rc : drop_unused(s, &used, e);
}
