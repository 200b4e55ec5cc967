#include "repository/stage.h"

#include "catalog/manifest.h"
#include "repository/catalog_build.h"
#include "repository/internal.h"
#include "repository/object.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define TARGETS "targets"
#define RENEW_S (30 * 86400)

struct staging {
	const char *dir;
	struct writer *w;
	const struct repository_signing *how;
	struct str_list paths;  /* of the targets that stay */
	struct catalog current; /* as signed last; json NULL: none, or not readable */
	struct object_look look;
};

static void staging_release(struct staging *s)
{
	str_list_release(&s->paths);
	catalog_release(&s->current);
	seen_close(&s->look.seen);
}

/* ---- files and manifests ---- */

static int set_file(struct staging *s, const char *model, const struct card_file *f, struct err *e)
{
	CLEANUP(mem_free_ptr) char *owner = writer_owner(s->w, f->path);
	int rc = object_check(&s->look, s->dir, f, e);
	/* The files of a delegated role were listed by its own people. */
	if (rc < 0 || writer_delegates_to(s->w, owner))
		return rc;
	str_list_add(&s->paths, f->path);
	str_list_take(&s->paths, repository_manifest_target(f));
	return repository_list_file(s->dir, s->w, NULL, model, f, e);
}

static int set_files(struct staging *s, const struct card *cards, size_t count,
		     struct repository_signed *out, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		const struct card *c = &cards[i];
		size_t ready = 0;
		for (size_t j = 0; j < c->variant_count; j++) {
			const struct card_variant *v = &c->variants[j];
			ready += v->file_count > 0;
			out->planned += v->file_count == 0;
			for (size_t k = 0; k < v->file_count; k++) {
				int rc = set_file(s, c->id, &v->files[k], e);
				if (rc < 0)
					return err_context(e, "%s:%s", c->id, v->id);
			}
		}
		out->planned += c->variant_count == 0;
		out->models += ready > 0;
		out->variants += ready;
	}
	return 0;
}

/* ---- the catalog ---- */

/* The one that was signed last, or a draft of it. */
static void load_current(struct staging *s)
{
	struct published_target t;
	struct err unread = ERR_INIT;
	if (!writer_target_get(s->w, TARGETS, CATALOG_TARGET, &t) ||
	    repository_catalog_read(s->dir, &t.sha256, &s->current, &unread) < 0)
		s->current = (struct catalog){ 0 };
}

static int make_catalog(struct staging *s, const struct card *cards, size_t count, struct buf *text,
			struct err *e)
{
	CLEANUP(catalog_release) struct catalog check = { 0 };
	CLEANUP(json_release) json_t *json = NULL;
	const struct repository_catalog_parts parts = {
		.name = s->how->name ? s->how->name : s->current.name,
		.title = s->how->title ? s->how->title : s->current.title,
		.mirrors = s->how->mirrors ? s->how->mirrors
					   : json_object_get(s->current.json, "mirrors"),
		.cards = cards,
		.card_count = count,
		.now_s = s->how->now_s,
	};
	if (!parts.name) {
		err_set(e, ERR_USAGE, "%s: the repository has no name yet", s->dir);
		return err_hint(e, "set one with --name");
	}
	json = repository_catalog_build(&parts, s->current.json);
	int rc = json_pretty(json, text, e);
	return rc < 0 ? rc : catalog_from_json(json, &check, e);
}

static int set_catalog(struct staging *s, const struct card *cards, size_t count, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CATALOG_MAX_BYTES);
	struct digest sha256;
	int rc = make_catalog(s, cards, count, &text, e);
	if (rc < 0)
		return err_context(e, "the new catalog");
	sha256_of(buf_str(&text), text.len, &sha256);
	rc = repository_put(s->dir, CATALOG_TARGET, text.data, text.len, &sha256, e);
	if (rc == 0)
		rc = writer_target_set(s->w, TARGETS, CATALOG_TARGET, text.len, &sha256, e);
	return rc;
}

/* Removes what the role should not list: files in no card, or of another bin. */
static int drop_others_of(struct staging *s, const char *role, struct err *e)
{
	CLEANUP(str_list_release) struct str_list have = { 0 };
	writer_target_paths(s->w, role, &have);
	for (size_t i = 0; i < have.count; i++) {
		CLEANUP(mem_free_ptr) char *owner = writer_owner(s->w, have.at[i]);
		bool stays = strcmp(owner, role) == 0 && s->paths.count &&
			     bsearch(&have.at[i], s->paths.at, s->paths.count, sizeof *s->paths.at,
				     str_compare);
		bool catalog = strcmp(role, TARGETS) == 0 &&
			       strcmp(have.at[i], CATALOG_TARGET) == 0;
		int rc = stays || catalog ? 0 : writer_target_remove(s->w, role, have.at[i], e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int drop_other_targets(struct staging *s, struct err *e)
{
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	str_list_add(&roles, TARGETS);
	writer_bin_names(s->w, &roles);
	if (s->paths.count)
		qsort(s->paths.at, s->paths.count, sizeof *s->paths.at, str_compare);
	for (size_t i = 0; i < roles.count; i++) {
		int rc = drop_others_of(s, roles.at[i], e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Without changes for a year, the version would expire. */
static void renew_targets(struct staging *s)
{
	int64_t soon_s = (int64_t)MIN(s->how->expiry.targets_s / 4, (uint64_t)RENEW_S);
	writer_touch_expiring(s->w, s->how->now_s + soon_s);
}

int repository_stage(const char *dir, struct writer *w, const struct repository_signing *how,
		     const struct repository_cards *cards, struct repository_signed *out,
		     struct err *e)
{
	CLEANUP(staging_release) struct staging s = { .dir = dir, .w = w, .how = how };
	CLEANUP(mem_free_ptr) struct card *vouched = NULL;
	size_t count;
	s.look = (struct object_look){
		.remember = true,
		.report = how->report,
		.cancel = how->cancel,
	};
	seen_open(&s.look.seen, dir);
	load_current(&s);
	int rc = repository_vouched_cards(w, cards, &s.current, &vouched, &count, &out->waiting, e);
	if (rc == 0)
		rc = set_files(&s, vouched, count, out, e);
	if (rc == 0)
		rc = set_catalog(&s, vouched, count, e);
	if (rc == 0)
		rc = drop_other_targets(&s, e);
	if (rc == 0)
		renew_targets(&s);
	return rc;
}
