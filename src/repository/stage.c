#include "repository/stage_internal.h"

#include "catalog/manifest.h"
#include "repository/internal.h"
#include "repository/origin.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define RENEW_S (30 * 86400)

static void staging_release(struct staging *s)
{
	repository_cards_release(&s->vouched);
	str_list_release(&s->paths);
	str_list_release(&s->gone);
	stage_objects_release(&s->signed_objects);
	catalog_release(&s->current);
	catalog_release(&s->head);
}

/* ---- files, manifests and cards ---- */

static int set_file(struct staging *s, const struct card *c, const struct card_file *f,
		    struct err *e)
{
	CLEANUP(mem_free_ptr) char *owner = writer_owner(s->w, f->path);
	int rc = object_check(&s->look, s->dir, f, e);
	/* The files of a delegated role were listed by its own people. */
	if (rc == 0 && !writer_delegates_to(s->w, owner)) {
		str_list_add(&s->paths, f->path);
		str_list_take(&s->paths, repository_manifest_target(f));
		if (origin_listed(s->dir, s->w, NULL, c->id, f))
			str_list_take(&s->paths, origin_target(f));
		rc = repository_list_file(s->dir, s->w, NULL, c->id, f, e);
	}
	return rc;
}

static int set_files(struct staging *s, const struct card *c, struct err *e)
{
	struct card_walk w = { .card = c };
	int rc = 0;
	while (rc == 0 && card_next_file(&w))
		rc = set_file(s, c, w.file, e);
	return rc < 0 ? err_context(e, "%s:%s", c->id, w.variant->id) : 0;
}

static int goes_back(const struct card *c, const struct card_variant *is,
		     const struct card_variant *was, struct err *e)
{
	if (is->version < was->version)
		err_set(e, ERR_CONFLICT,
			"%s:%s: the card says version %llu, but version %llu is "
			"signed already",
			c->id, is->id, (unsigned long long)is->version,
			(unsigned long long)was->version);
	else if (is->version == was->version && !card_same_files(is, was))
		err_set(e, ERR_CONFLICT, "%s:%s: version %llu is signed already, with other files",
			c->id, is->id, (unsigned long long)is->version);
	else
		return 0;
	return err_hint(e, "versions only count up: `ferry catalog add` gives a change its number; "
			   "if an old card was restored, take the newer one");
}

/* Compares a card with the one that is signed under this path. */
static int check_versions(const struct staging *s, const struct card *c, const char *path,
			  const struct digest *sha256, struct err *e)
{
	CLEANUP(mem_free_ptr) char *object = repository_object_path(s->dir, path, sha256);
	CLEANUP(buf_release) struct buf text = BUF_INIT(CARD_MAX_BYTES);
	CLEANUP(card_release) struct card was = { 0 };
	struct err unread = ERR_INIT;
	int rc = 0;
	if (repository_read_signed(object, sha256, &text, &unread) < 0 ||
	    card_parse(buf_str(&text), text.len, path, &was, &unread) < 0)
		return 0;
	for (size_t i = 0; rc == 0 && i < c->variant_count; i++) {
		const struct card_variant *old = card_variant(&was, c->variants[i].id);
		if (old && c->variants[i].file_count)
			rc = goes_back(c, &c->variants[i], old, e);
	}
	return rc;
}

static int set_card(struct staging *s, const struct card *c, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = card_document(c->id);
	CLEANUP(mem_free_ptr) char *owner = writer_owner(s->w, path);
	struct published_target before, after;
	if (writer_delegates_to(s->w, owner))
		return 0;
	bool had = writer_target_get(s->w, owner, path, &before);
	struct digest old = had ? before.sha256 : (struct digest){ 0 };
	int rc = repository_list_card(s->dir, s->w, NULL, c, e);
	if (rc < 0 || !writer_target_get(s->w, owner, path, &after))
		return rc;
	str_list_add(&s->paths, path);
	return had && !digest_equal(&old, &after.sha256) ? check_versions(s, c, path, &old, e) : 0;
}

static int set_model(struct staging *s, const struct card *c, struct staged_model *m, struct err *e)
{
	for (size_t i = 0; i < c->variant_count; i++)
		m->variants += c->variants[i].file_count > 0;
	m->planned = c->variant_count ? c->variant_count - m->variants : 1;
	int rc = set_files(s, c, e);
	if (rc == 0 && m->variants)
		rc = set_card(s, c, e);
	if (rc == 0)
		staged_seal(m, s->dir, s->w);
	return rc;
}

/* What readers get of a card that was read: *m counts it. */
static int set_vouched(struct staging *s, size_t i, struct err *e)
{
	const struct card *c = &s->cards->changed.at[i];
	struct staged_model *m = staged_add(&s->cards->after, s->dir, c, &s->cards->marks[i]);
	struct card *to = &s->vouched.at[s->vouched.count];
	int rc = repository_vouched_card(s->dir, s->w, c, &s->current, to, &m->waiting, e);
	if (rc < 0 || !to->json)
		return rc;
	return set_model(s, &s->vouched.at[s->vouched.count++], m, e);
}

static int set_models(struct staging *s, struct err *e)
{
	int rc = 0;
	s->vouched.at = mem_alloc((s->cards->changed.count + 1) * sizeof *s->vouched.at);
	for (size_t i = 0; rc == 0 && i < s->cards->changed.count; i++)
		rc = set_vouched(s, i, e);
	return rc;
}

static void count_models(const struct staging *s, struct repository_signed *out)
{
	for (size_t i = 0; i < s->cards->after.count; i++) {
		const struct staged_model *m = &s->cards->after.at[i];
		out->models += m->variants > 0;
		out->variants += m->variants;
		out->planned += m->planned;
		out->waiting += m->waiting;
	}
}

/* ---- what goes ---- */

static bool stays(const struct staging *s, const char *path)
{
	return s->paths.count &&
	       bsearch(&path, s->paths.at, s->paths.count, sizeof *s->paths.at, str_compare);
}

/* Removes what the role should not list: files in no card, or of another bin. */
static int drop_others_of(struct staging *s, const char *role, struct err *e)
{
	CLEANUP(str_list_release) struct str_list have = { 0 };
	writer_target_paths(s->w, role, &have);
	for (size_t i = 0; i < have.count; i++) {
		CLEANUP(mem_free_ptr) char *owner = writer_owner(s->w, have.at[i]);
		bool kept = strcmp(owner, role) == 0 && stays(s, have.at[i]);
		bool document = strcmp(role, TARGETS) == 0 && stage_is_document(have.at[i]);
		int rc = kept || document ? 0 : writer_target_remove(s->w, role, have.at[i], e);
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

static int drop_target(struct staging *s, const char *path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *owner = writer_owner(s->w, path);
	struct published_target listed;
	if (stays(s, path) || writer_delegates_to(s->w, owner) ||
	    !writer_target_get(s->w, owner, path, &listed))
		return 0;
	return writer_target_remove(s->w, owner, path, e);
}

/* What the model had when it was signed, and has not now. */
static int drop_model(struct staging *s, const struct staged_model *m, struct err *e)
{
	CLEANUP(mem_free_ptr) char *card = card_document(m->id);
	int rc = drop_target(s, card, e);
	for (size_t i = 0; rc == 0 && i < m->file_count; i++) {
		CLEANUP(mem_free_ptr) char *manifest = mem_printf("%s%s", m->files[i].path,
								  MANIFEST_SUFFIX);
		const struct card_file file = { .path = m->files[i].path };
		CLEANUP(mem_free_ptr) char *origin = origin_target(&file);
		rc = drop_target(s, m->files[i].path, e);
		if (rc == 0)
			rc = drop_target(s, manifest, e);
		if (rc == 0)
			rc = drop_target(s, origin, e);
	}
	return rc;
}

static int drop_changed(struct staging *s, struct err *e)
{
	int rc = 0;
	if (s->paths.count)
		qsort(s->paths.at, s->paths.count, sizeof *s->paths.at, str_compare);
	for (size_t i = 0; rc == 0 && i < s->cards->changed.count; i++) {
		const struct staged_model *m = staged_find(&s->cards->before,
							   s->cards->changed.at[i].id);
		rc = m ? drop_model(s, m, e) : 0;
	}
	for (size_t i = 0; rc == 0 && i < s->gone.count; i++)
		rc = drop_model(s, staged_find(&s->cards->before, s->gone.at[i]), e);
	return rc;
}

/* Models of the record that have no card now. */
static void find_gone(struct staging *s)
{
	for (size_t i = 0; i < s->cards->before.count; i++) {
		CLEANUP(mem_free_ptr) char *path = repository_card_path(s->dir,
									s->cards->before.at[i].id);
		if (!file_exists(path))
			str_list_add(&s->gone, s->cards->before.at[i].id);
	}
}

/* Without changes for a year, the version would expire. */
static void renew_targets(struct staging *s)
{
	int64_t soon_s = (int64_t)MIN(s->how->expiry.targets_s / 4, (uint64_t)RENEW_S);
	writer_touch_expiring(s->w, s->how->now_s + soon_s);
}

static int stage_all(struct staging *s, struct err *e)
{
	int rc = set_models(s, e);
	if (rc == 0)
		rc = s->cards->incremental ? drop_changed(s, e) : drop_other_targets(s, e);
	return rc < 0 ? rc : stage_documents(s, e);
}

/* What is signed is loaded if it is needed. */
static int is_needed(struct staging *s, bool *yes, struct err *e)
{
	bool possible = stage_places_are_possible(s->how->mirrors);
	*yes = !s->cards->incremental || s->cards->changed.count || s->gone.count;
	if (*yes || possible)
		stage_load_current(s);
	if (!s->how->mirrors)
		possible = stage_places_are_possible(json_object_get(s->head.json, "mirrors"));
	if (possible)
		stage_places_begin(s);
	return *yes || !possible ? 0 : stage_places_differ(s, yes, e);
}

int repository_stage(const char *dir, struct writer *w, const struct repository_signing *how,
		     struct stage_cards *cards, struct repository_signed *out, struct err *e)
{
	CLEANUP(staging_release) struct staging s = {
		.dir = dir,
		.w = w,
		.how = how,
		.cards = cards,
		.look = {
			.seen = cards->seen,
			.remember = true,
			.report = how->report,
			.cancel = how->cancel,
		},
	};
	find_gone(&s);
	bool needed = false;
	int rc = is_needed(&s, &needed, e);
	if (rc == 0 && needed)
		rc = stage_all(&s, e);
	cards->seen = s.look.seen; /* it grew */
	if (rc == 0) {
		count_models(&s, out);
		renew_targets(&s);
	}
	return rc;
}
