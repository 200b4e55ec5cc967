/* The mirrors of a release, as sources. */
#include "catalog/places.h"
#include "serve/cache/view_internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define DEADLINE_MS 10000 /* of a request, while another mirror is there */

void view_mirrors_add(struct source_list *l, const struct settings_repository *set,
		      const struct catalog *c)
{
	for (size_t i = 0; set && i < set->metadata.count; i++) {
		struct source *s = source_add(l, NULL, set->metadata.at[i], true);
		s->metadata = s->objects = true;
	}
	for (size_t i = 0; !(set && set->no_mirrors) && i < c->mirror_count; i++)
		if (mirror_reads_entry(l->kinds, &c->mirrors[i], MIRROR_HOLDS_OBJECTS))
			source_add_entry(l, &c->mirrors[i])->objects = true;
}

/* ---- places ---- */

static const struct view_entry *find_places(const struct view_release *r, const char *target)
{
	for (size_t i = 0; i < r->tree.files.count; i++) {
		const struct repository_file *f = &r->tree.files.at[i];
		if (!str_starts(f->key, "targets/" PLACES_FOLDER))
			continue;
		CLEANUP(mem_free_ptr) char *path = tree_target_path(f);
		if (path && strcmp(path, target) == 0)
			return &r->entries[i];
	}
	return NULL;
}

int view_mirrors_places(void *ctx, const struct source *s, struct mirror *m, struct err *e)
{
	const struct view_release *r = ctx;
	const char *target = json_text(s->entry->json, "places");
	const struct view_entry *entry = places_is_target(target) ? find_places(r, target) : NULL;
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(PLACES_MAX_BYTES);
	if (!entry)
		return err_set(e, ERR_INTEGRITY, "mirror %s: '%.200s' is not a list of places",
			       s->id, target);
	if (entry->bytes.data)
		return mirror_read_places(m, buf_str(&entry->bytes), entry->bytes.len, target, e);
	/* One that is too large to be kept. */
	int rc = tree_read_small(&r->tree, entry->file, &bytes, e);
	if (rc < 0)
		return err_context(e, "where mirror %s has its files", s->id);
	return mirror_read_places(m, buf_str(&bytes), bytes.len, target, e);
}

/* ---- small objects ----
 * A mirror with `holds = metadata` has no cards: they are on another one, perhaps in packs. */

static const struct view_entry *find_head(const struct view_release *r)
{
	for (size_t i = 0; i < r->tree.files.count; i++) {
		CLEANUP(mem_free_ptr) char *path = tree_target_path(&r->tree.files.at[i]);
		if (path && strcmp(path, CATALOG_HEAD_TARGET) == 0)
			return &r->entries[i];
	}
	return NULL;
}

/* The mirrors of the release, before its cards are there. */
static int read_head(const struct view_release *r, struct catalog *out, struct err *e)
{
	const struct view_entry *entry = find_head(r);
	if (!entry || !entry->bytes.data)
		return err_set(e, ERR_NOT_FOUND, "the mirror does not have %s",
			       CATALOG_HEAD_TARGET);
	return catalog_parse(buf_str(&entry->bytes), entry->bytes.len, entry->file->key, out, e);
}

static int read_one(const struct view_release *r, struct source_list *l, struct view_entry *entry,
		    struct err *e)
{
	const struct repository_file *f = entry->file;
	const struct source_small what = { f->key, f->pack_key, f->size, f->sha256 };
	CLEANUP(mem_free_ptr) char *path = path_join(r->tree.dir, f->key);
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	int rc = source_get_small(l, &what, &bytes, e);
	if (rc == 0)
		rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = file_write_atomic(path, buf_str(&bytes), bytes.len, FILE_MODE, e);
	if (rc < 0)
		return rc;
	buf_release(&entry->bytes);
	entry->bytes = bytes;
	bytes = (struct buf)BUF_INIT(0);
	return 0;
}

/* One after the other: those of a model may be in one pack. */
int view_mirrors_read(struct view_release *r, const struct view_from *from, const bool *marked,
		      struct err *e)
{
	const struct views_options *o = from->o;
	CLEANUP(catalog_release) struct catalog head = { 0 };
	CLEANUP(source_list_release) struct source_list l = {
		.kinds = o->kinds,
		.access = o->access,
		.cancel = from->cancel,
		.clock = o->clock,
		.report = o->report,
		.stall_s = o->stall_s,
		.max_failures = 2,
		.deadline_ms = DEADLINE_MS,
		.end_ms = clock_now_ms(o->clock) + from->ms,
		.read_places = view_mirrors_places,
		.places_ctx = r,
	};
	int rc = read_head(r, &head, e);
	if (rc < 0)
		return rc;
	view_mirrors_add(&l, from->repository, &head);
	for (size_t i = 0; rc == 0 && i < r->tree.files.count; i++)
		if (marked[i])
			rc = read_one(r, &l, &r->entries[i], e);
	return rc;
}
