#include "repository/repository.h"

#include "catalog/manifest.h"
#include "repository/internal.h"
#include "repository/numbers.h"
#include "repository/origin.h"
#include "repository/take.h"
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
		free(c->at[i].members);
		free(c->at[i].label);
		json_decref(c->at[i].sentences);
		json_decref(c->at[i].roles);
	}
	free(c->at);
	*c = (struct repository_changes){ 0 };
}

/* What is being added: a card, and the folder of its files. */
struct adding {
	struct repository *r;
	const struct card *card;
	struct card before, after; /* of the tree; before.json NULL: there is none */
	const char *from;
	json_t *numbers; /* that the model's variants have had */
	struct take take;
	bool *repaired;   /* for each variant of the card: an object was wrong or missing */
	bool *recorded;   /* likewise: its provenance is new */
	struct writer *w; /* knows which role owns the files */
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

static int add_file(struct adding *a, const struct card_file *f, size_t variant, struct err *e)
{
	CLEANUP(mem_free_ptr) char *from = path_join(a->from, f->name);
	CLEANUP(mem_free_ptr) char *beside = mem_printf("%s%s", from, MANIFEST_SUFFIX);
	CLEANUP(mem_free_ptr) char *to = repository_object_path(a->r->dir, f->path, &f->sha256);
	CLEANUP(mem_free_ptr) char *manifest = repository_manifest_path(a->r->dir, a->card->id, f);
	CLEANUP(manifest_release) struct manifest m = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
	int rc = read_manifest(beside, f, &m, &text, e);
	if (rc == 0)
		rc = take_file(&a->take, &m, from, to, &a->repaired[variant], e);
	if (rc == 0)
		rc = file_mkdirs_for(manifest, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = file_write_atomic(manifest, text.data, text.len, FILE_MODE, e);
	return rc < 0 ? rc : origin_take(a->r->dir, a->card->id, f, from, &a->recorded[variant], e);
}

/* ---- one card ---- */

/* Appends the names of the members that differ, "title, license"; not those in `but`. */
static void differences(const json_t *was, const json_t *is, const char *const *but,
			struct buf *out)
{
	const char *key;
	json_t *value;
	CLEANUP(json_release) json_t *all = json_deep_copy(was);
	json_object_foreach ((json_t *)is, key, value)
		if (!json_object_get(all, key))
			json_put(all, key, json_null());
	json_object_foreach (all, key, value) {
		const json_t *a = json_object_get(was, key), *b = json_object_get(is, key);
		bool skip = a && b && json_equal(a, b);
		for (size_t i = 0; but[i] && !skip; i++)
			skip = strcmp(but[i], key) == 0;
		if (!skip)
			buf_addf(out, "%s%s", out->len ? ", " : "", key);
	}
}

static const json_t *variant_json(const struct card *c, const struct card_variant *v)
{
	return json_array_get(json_object_get(c->json, "variants"), (size_t)(v - c->variants));
}

/* The members of the card and of the variant that changed, or NULL. */
static char *changed_members(const struct card *before, const struct card *after,
			     const char *variant)
{
	static const char *const dates[] = { "variants", "updated", NULL };
	static const char *const history[] = { "version", "released", "changes", "superseded",
					       NULL };
	CLEANUP(buf_release) struct buf out = BUF_INIT(64 * KIB);
	const struct card_variant *was = card_variant(before, variant);
	const struct card_variant *is = card_variant(after, variant);
	differences(before->json, after->json, dates, &out);
	if (was && is)
		differences(variant_json(before, was), variant_json(after, is), history, &out);
	return out.len ? mem_strdup(buf_str(&out)) : NULL;
}

static void note_change(const struct adding *a, size_t index, struct repository_changes *out)
{
	const struct card_variant *v = &a->card->variants[index];
	const struct card_variant *old = a->before.json ? card_variant(&a->before, v->id) : NULL;
	const struct card_variant *now = card_variant(&a->after, v->id);
	char *members = a->before.json ? changed_members(&a->before, &a->after, v->id) : NULL;
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count++] = (struct repository_change){
		.model = mem_strdup(a->card->id),
		.variant = mem_strdup(v->id),
		.what = !old || old->file_count == 0    ? REPOSITORY_ADDED
			: !card_same_files(old, v)      ? REPOSITORY_REPLACED
			: a->repaired[index]            ? REPOSITORY_REPAIRED
			: members || a->recorded[index] ? REPOSITORY_UPDATED
							: REPOSITORY_UNCHANGED,
		.members = members,
		.origin = a->recorded[index],
		.version = now->version,
		.label = now->label ? mem_strdup(now->label) : NULL,
		.sentences = json_incref(json_object_get(now->json, "changes")),
		.files = v->file_count,
		.roles = card_roles(v),
		.size = v->size,
	};
}

/* The variant as it will be in the tree, with the paths of its version. */
static const struct card_variant *in_tree(const struct adding *a, const struct card_variant *v)
{
	return card_variant(&a->after, v->id);
}

/* A version keeps the label that it has. */
static void tell_label(const struct adding *a, const struct card_variant *now)
{
	const char *label = a->take.how->label;
	if (label && now->label && strcmp(now->label, label) != 0)
		report_warn(a->take.look.report,
			    "%s:%s did not change, and its version %llu keeps the label '%s'",
			    a->card->id, now->id, (unsigned long long)now->version, now->label);
}

static void tell_withdrawn(const struct adding *a, const struct repository_change *c)
{
	const char *model = a->card->id;
	if (!a->after.withdrawn.reason ||
	    (c->what != REPOSITORY_ADDED && c->what != REPOSITORY_REPLACED))
		return;
	report_warn(a->take.look.report,
		    "%s is withdrawn with all its versions, so readers cannot fetch "
		    "%s:%s@%llu either. `ferry catalog withdraw --undo %s` takes that back for all "
		    "of them; then withdraw the bad versions by their numbers",
		    model, model, c->variant, (unsigned long long)c->version, model);
}

/* What a person wrote in the tree's card wins, also over what is new in the other. */
static void tell_kept(const struct adding *a, const char *path, const json_t *merged)
{
	static const char *const own[] = { "variants", "updated", "created", NULL };
	CLEANUP(buf_release) struct buf out = BUF_INIT(64 * KIB);
	CLEANUP(json_release) json_t *same = json_object();
	const char *key;
	json_t *value;
	/* Members that only the tree's card has are no contradiction. */
	json_object_foreach ((json_t *)a->card->json, key, value)
		json_put(same, key, json_deep_copy(json_object_get(merged, key)));
	differences(a->card->json, same, own, &out);
	if (out.len)
		report_note(a->take.look.report,
			    "%s keeps its own %s, which the added card would change: edit that "
			    "file instead",
			    path, buf_str(&out));
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

static uint64_t highest_version(const void *ctx, const char *variant)
{
	const struct adding *a = ctx;
	return numbers_highest(a->numbers, a->card->id, variant);
}

/* The card of the tree, and what it becomes. */
static int merge_card(struct adding *a, const char *path, struct err *e)
{
	const struct card_versioning versions = {
		.now_s = time(NULL),
		.keep = a->take.how->keep,
		.label = a->take.how->label,
		.highest = highest_version,
		.ctx = a,
	};
	int rc = file_exists(path) ? card_load(path, &a->before, e) : 0;
	if (rc < 0)
		return rc;
	const struct card *before = a->before.json ? &a->before : NULL;
	CLEANUP(json_release) json_t *merged = json_deep_copy(before ? before->json
								     : a->card->json);
	rc = before ? card_merge(merged, a->card->json, e) : 0;
	if (rc == 0)
		rc = card_set_versions(merged, before, a->card, &versions, e);
	if (rc < 0)
		return rc;
	rc = card_from_json(merged, "", &a->after, e);
	return rc < 0 ? err_context(e, "%s, merged with the new card", path)
		      : refuse_errors(&a->after, path, e);
}

static void note_and_tell(const struct adding *a, size_t index, struct repository_changes *out)
{
	note_change(a, index, out);
	tell_label(a, in_tree(a, &a->card->variants[index]));
	tell_withdrawn(a, &out->at[out->count - 1]);
}

static int save_card(struct adding *a, const char *path, struct repository_changes *out,
		     struct err *e)
{
	int rc = 0;
	for (size_t i = 0; a->before.json && i < a->card->variant_count; i++)
		if (a->card->variants[i].file_count)
			repository_describe_version(a->r->dir, &a->before, &a->after,
						    a->card->variants[i].id);
	if (!a->before.json || !json_equal(a->before.json, a->after.json))
		rc = card_save(&a->after, path, e);
	tell_kept(a, path, a->after.json);
	if (rc == 0 && a->take.how->role)
		rc = repository_list_for_role(a->r->dir, a->w, a->take.how->role, &a->after, e);
	for (size_t i = 0; rc == 0 && i < a->card->variant_count; i++)
		if (a->card->variants[i].file_count)
			note_and_tell(a, i, out);
	return rc;
}

/* How many bytes a card takes if its files must be copied. */
static uint64_t bytes_to_copy(const struct adding *a, const struct card *c)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < c->variant_count; i++)
		for (size_t k = 0; k < c->variants[i].file_count; k++) {
			const struct card_file *f = &in_tree(a, &c->variants[i])->files[k];
			CLEANUP(mem_free_ptr) char *from = path_join(a->from, f->name);
			CLEANUP(mem_free_ptr) char *to = repository_object_path(a->r->dir, f->path,
										&f->sha256);
			if (!file_exists(to) && !take_shares(&a->take, from))
				sum += f->size;
		}
	return sum;
}

static int add_files(struct adding *a, struct err *e)
{
	const struct card *c = a->card;
	int rc = 0;
	for (size_t i = 0; i < c->variant_count; i++)
		for (size_t k = 0; rc == 0 && k < c->variants[i].file_count; k++)
			rc = add_file(a, &in_tree(a, &c->variants[i])->files[k], i, e);
	return rc;
}

static int add_files_and_card(struct adding *a, struct repository_changes *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = repository_card_path(a->r->dir, a->card->id);
	int rc = numbers_load_model(a->r->dir, a->card->id, &a->numbers, e);
	if (rc == 0)
		rc = merge_card(a, path, e);
	if (rc < 0)
		return rc;
	a->take.to_copy = bytes_to_copy(a, a->card);
	a->take.said = false;
	rc = add_files(a, e);
	return rc < 0 ? rc : save_card(a, path, out, e);
}

static int add_card(struct adding *a, const char *path, struct repository_changes *out,
		    struct err *e)
{
	CLEANUP(card_release) struct card card = { 0 };
	CLEANUP(mem_free_ptr) char *from = path_dir(path);
	int rc = card_load(path, &card, e);
	if (rc < 0 || (rc = refuse_errors(&card, path, e)) < 0 ||
	    (rc = repository_check_owner(a->w, a->take.how->role, &card, e)) < 0)
		return rc;
	CLEANUP(mem_free_ptr) bool *repaired = mem_alloc(card.variant_count + 1);
	CLEANUP(mem_free_ptr) bool *recorded = mem_alloc(card.variant_count + 1);
	a->card = &card;
	a->from = from;
	a->repaired = repaired;
	a->recorded = recorded;
	rc = add_files_and_card(a, out, e);
	card_release(&a->before);
	card_release(&a->after);
	json_release(&a->numbers);
	return rc;
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

int repository_model_add(struct repository *r, const char *path,
			 const struct repository_adding *how, struct repository_changes *out,
			 struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	int rc = writer_open(r->dir, NULL, time(NULL), &w, e);
	if (rc == 0 && how->role)
		rc = repository_check_role(w, how->role, e);
	if (rc < 0)
		return rc;
	struct adding a = { .r = r, .take = { .how = how }, .w = w };
	a.take.look = (struct object_look){
		.remember = true,
		.report = how->report,
		.cancel = r->cancel,
	};
	seen_open(&a.take.look.seen, r->dir);
	rc = add_path(&a, path, out, e);
	seen_close(&a.take.look.seen);
	return rc < 0 ? rc : repository_keep_drafts(r->dir, w, e);
}
