#include "repository/repository.h"

#include "catalog/manifest.h"
#include "repository/internal.h"
#include "repository/writer/writer.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void repository_changes_release(struct repository_changes *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->at[i].model);
		free(c->at[i].variant);
	}
	free(c->at);
	*c = (struct repository_changes){ 0 };
}

/* What is being added: a card, and the folder of its files. */
struct adding {
	struct repository *r;
	const struct card *card;
	const char *from;
	bool copy;
	struct report *report;
	struct writer *w; /* knows which role owns the files */
	const char *role; /* the role that they are added for, or NULL */
};

/* ---- one file ---- */

static int read_manifest(const char *path, const struct card_file *f, struct manifest *m,
			 struct buf *text, struct err *e)
{
	int rc = file_read_all(path, text, e);
	if (rc < 0) {
		err_context(e, "the manifest");
		return err_hint(e, "`ferry prepare` writes it beside the file; `ferry manifest "
				   "create` makes one for an existing file");
	}
	rc = manifest_parse(buf_str(text), text->len, path, m, e);
	if (rc < 0)
		return rc;
	if (manifest_is_of(m, f->size, &f->sha256))
		return 0;
	err_set(e, ERR_INTEGRITY, "%s is not the manifest of the file in the card", path);
	return err_hint(e, "prepare the model again");
}

static int check_file(const struct adding *a, const struct manifest *m, const char *path,
		      struct err *e)
{
	struct manifest_verdict v;
	int rc = manifest_check(m, path, a->report, a->r->cancel, &v, e);
	if (rc < 0 || v.fault == MANIFEST_OK)
		return rc;
	if (v.fault == MANIFEST_MISSING)
		return err_set(e, ERR_NOT_FOUND, "%s is listed in the card, but missing", path);
	if (v.fault == MANIFEST_SIZE)
		err_set(e, ERR_INTEGRITY, "%s has %llu bytes, but %llu according to its manifest",
			path, (unsigned long long)v.actual_size, (unsigned long long)m->grid.size);
	else if (v.has_piece)
		err_set(e, ERR_INTEGRITY,
			"%s does not match its manifest; the first wrong piece is %u (at byte "
			"%llu)",
			path, v.piece, (unsigned long long)v.piece_offset);
	else
		err_set(e, ERR_INTEGRITY, "%s does not match its manifest", path);
	return err_hint(e, "it has changed since it was prepared: prepare it again");
}

/* Sync the bytes before the object gets its name. */
static int sync_file(const char *path, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	int rc = file_open_read(path, &fd, e);
	return rc < 0 ? rc : file_sync(fd, path, e);
}

static int place_object(const struct adding *a, const char *from, const char *to, struct err *e)
{
	int rc = file_mkdirs_for(to, 0755, e);
	if (rc == 0 && a->copy)
		return file_copy(from, to, 0644, a->r->cancel, e);
	if (rc == 0)
		rc = sync_file(from, e);
	return rc < 0 ? rc : file_link_or_copy(from, to, 0644, a->r->cancel, e);
}

static int add_file(const struct adding *a, const struct card_file *f, struct err *e)
{
	CLEANUP(mem_free_ptr) char *from = path_join(a->from, f->name);
	CLEANUP(mem_free_ptr) char *beside = mem_printf("%s%s", from, MANIFEST_SUFFIX);
	CLEANUP(mem_free_ptr) char *to = repository_object_path(a->r->dir, f->path, &f->sha256);
	CLEANUP(mem_free_ptr) char *manifest = repository_manifest_path(a->r->dir, a->card->id, f);
	CLEANUP(manifest_release) struct manifest m = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
	struct err missing = ERR_INIT;
	uint64_t size;
	int rc = read_manifest(beside, f, &m, &text, e);
	if (rc < 0)
		return rc;
	bool there = file_size(to, &size, &missing) == 0 && size == f->size;
	if (!there &&
	    ((rc = check_file(a, &m, from, e)) < 0 || (rc = place_object(a, from, to, e)) < 0))
		return rc;
	if ((rc = file_mkdirs_for(manifest, 0755, e)) < 0)
		return rc;
	return file_write_atomic(manifest, text.data, text.len, 0644, e);
}

/* ---- one card ---- */

static bool same_files(const struct card_variant *a, const struct card_variant *b)
{
	if (a->file_count != b->file_count)
		return false;
	for (size_t i = 0; i < a->file_count; i++)
		if (strcmp(a->files[i].path, b->files[i].path) != 0 ||
		    !digest_equal(&a->files[i].sha256, &b->files[i].sha256))
			return false;
	return true;
}

static void note_change(const struct card *before, const struct card *card,
			const struct card_variant *v, struct repository_changes *out)
{
	const struct card_variant *old = before ? card_variant(before, v->id) : NULL;
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count++] = (struct repository_change){
		.model = mem_strdup(card->id),
		.variant = mem_strdup(v->id),
		.what = !old || old->file_count == 0 ? REPOSITORY_ADDED
			: same_files(old, v)         ? REPOSITORY_UNCHANGED
						     : REPOSITORY_REPLACED,
		.files = v->file_count,
		.size = v->size,
	};
}

static int refuse_errors(const struct card *card, const char *what, struct err *e)
{
	CLEANUP(lint_release) struct lint_findings f = { 0 };
	lint_card(card, &f);
	for (size_t i = 0; i < f.count; i++)
		if (f.at[i].level == LINT_ERROR)
			return err_set(e, ERR_USAGE, "%s: %s: %s", what, f.at[i].where,
				       f.at[i].text);
	return 0;
}

static int merge_card(const struct adding *a, struct repository_changes *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = repository_card_path(a->r->dir, a->card->id);
	CLEANUP(card_release) struct card before = { 0 }, after = { 0 };
	bool had = file_exists(path);
	int rc = had ? card_load(path, &before, e) : 0;
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *merged = json_deep_copy(had ? before.json : a->card->json);
	if (had && (rc = card_merge(merged, a->card->json, e)) < 0)
		return rc;
	rc = card_from_json(merged, "", &after, e);
	if (rc < 0)
		return err_context(e, "%s, merged with the new card", path);
	if ((rc = refuse_errors(&after, path, e)) < 0)
		return rc;
	if (!had || !json_equal(before.json, merged))
		rc = card_save(&after, path, e);
	if (rc == 0 && a->role)
		rc = repository_list_for_role(a->r->dir, a->w, a->role, &after, e);
	for (size_t i = 0; rc == 0 && i < a->card->variant_count; i++)
		if (a->card->variants[i].file_count)
			note_change(had ? &before : NULL, a->card, &a->card->variants[i], out);
	return rc;
}

static int add_card(struct adding *a, const char *path, struct repository_changes *out,
		    struct err *e)
{
	CLEANUP(card_release) struct card card = { 0 };
	CLEANUP(mem_free_ptr) char *from = path_dir(path);
	int rc = card_load(path, &card, e);
	if (rc < 0 || (rc = refuse_errors(&card, path, e)) < 0 ||
	    (rc = repository_check_owner(a->w, a->role, &card, e)) < 0)
		return rc;
	a->card = &card;
	a->from = from;
	for (size_t i = 0; i < card.variant_count; i++)
		for (size_t k = 0; k < card.variants[i].file_count; k++)
			if ((rc = add_file(a, &card.variants[i].files[k], e)) < 0)
				return rc;
	return merge_card(a, out, e);
}

static int add_path(struct adding *a, const char *path, struct repository_changes *out,
		    struct err *e)
{
	if (file_exists(path) && !file_is_dir(path) && !str_ends(path, ".json")) {
		err_set(e, ERR_USAGE, "%s is not a model card", path);
		return err_hint(e,
				"`ferry prepare NAME FILE` makes a folder with a card from a model "
				"file; give that folder, or the *%s in it",
				CARD_SUFFIX);
	}
	if (!file_is_dir(path))
		return add_card(a, path, out, e);
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(path, &names, e);
	size_t cards = 0;
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		if (!str_ends(names.at[i], CARD_SUFFIX) || names.at[i][0] == '.')
			continue;
		CLEANUP(mem_free_ptr) char *card = path_join(path, names.at[i]);
		rc = add_card(a, card, out, e);
		cards++;
	}
	if (rc == 0 && cards == 0) {
		err_set(e, ERR_NOT_FOUND, "%s contains no *%s", path, CARD_SUFFIX);
		return err_hint(e, "give the folder that `ferry prepare` made, models/NAME");
	}
	return rc;
}

int repository_model_add(struct repository *r, const char *path, const char *role, bool copy,
			 struct report *report, struct repository_changes *out, struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	int rc = writer_open(r->dir, NULL, time(NULL), &w, e);
	if (rc == 0 && role)
		rc = repository_check_role(w, role, e);
	if (rc < 0)
		return rc;
	struct adding a = { .r = r, .copy = copy, .report = report, .w = w, .role = role };
	rc = add_path(&a, path, out, e);
	return rc < 0 ? rc : repository_keep_drafts(w, e);
}

/* ---- remove ---- */

static int no_model(const struct repository_cards *cards, const char *model, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **names = mem_alloc((cards->count + 1) * sizeof *names);
	for (size_t i = 0; i < cards->count; i++)
		names[i] = cards->at[i].id;
	const char *near = text_nearest(model, names, cards->count);
	err_set(e, ERR_NOT_FOUND, "there is no card for the model '%s'", model);
	return near ? err_hint(e, "did you mean '%s'?", near)
		    : err_hint(e, "`ferry catalog list` lists the models");
}

static int no_variant(const struct card *c, const char *variant, struct err *e)
{
	const char *names[CARD_MAX_VARIANTS];
	for (size_t i = 0; i < c->variant_count; i++)
		names[i] = c->variants[i].id;
	const char *near = text_nearest(variant, names, c->variant_count);
	err_set(e, ERR_NOT_FOUND, "the model '%s' has no variant '%s'", c->id, variant);
	return near ? err_hint(e, "did you mean '%s'?", near)
		    : err_hint(e, "`ferry catalog list` lists the models");
}

static int remove_variant(const struct card *c, const char *path, const char *variant,
			  struct err *e)
{
	for (size_t i = 0; i < c->variant_count; i++) {
		if (strcmp(c->variants[i].id, variant) != 0)
			continue;
		CLEANUP(json_release) json_t *left = json_deep_copy(c->json);
		json_array_remove(json_object_get(left, "variants"), i);
		return json_write_file(path, left, 0644, e);
	}
	return no_variant(c, variant, e);
}

static int unlist(struct repository *r, const char *role, const struct card *c, const char *variant,
		  struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	int rc = writer_open(r->dir, NULL, time(NULL), &w, e);
	if (rc == 0)
		rc = repository_check_role(w, role, e);
	if (rc == 0)
		rc = repository_unlist_for_role(w, role, c, variant, e);
	return rc < 0 ? rc : repository_keep_drafts(w, e);
}

int repository_model_remove(struct repository *r, const char *model, const char *variant,
			    const char *role, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	CLEANUP(mem_free_ptr) char *path = repository_card_path(r->dir, model);
	CLEANUP(mem_free_ptr) char *folder = path_dir(path);
	const struct card *found = NULL;
	int rc = repository_cards_load(r->dir, &cards, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < cards.count; i++)
		if (strcmp(cards.at[i].id, model) == 0)
			found = &cards.at[i];
	if (!found)
		return no_model(&cards, model, e);
	if (variant && !card_variant(found, variant))
		return no_variant(found, variant, e);
	if (role && (rc = unlist(r, role, found, variant, e)) < 0)
		return rc;
	if (variant)
		return remove_variant(found, path, variant, e);
	rc = file_remove(path, e);
	return rc < 0 ? rc : file_sync_dir(folder, e);
}
