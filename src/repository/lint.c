#include "catalog/lint.h"

#include "catalog/manifest.h"
#include "repository/internal.h"
#include "repository/lint_places.h"
#include "repository/object.h"
#include "repository/origin.h"
#include "repository/repository.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* shape NULL: of no interest. */
static void lint_manifest(const char *dir, const char *model, const struct card_file *f,
			  const char *where, struct lint_shape *shape, struct lint_findings *out)
{
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
	CLEANUP(manifest_release) struct manifest m = { 0 };
	int rc = repository_manifest_read(dir, model, f, &text, &e);
	if (rc == 0)
		rc = manifest_parse(text.data, text.len, f->name, &m, &e);
	if (rc < 0)
		lint_add(out, LINT_ERROR, where, "%s", e.text);
	else if (m.gguf && shape)
		lint_shape_add(shape, m.gguf);
	err_clear(&e);
	if (origin_check(dir, model, f, &e) < 0)
		lint_add(out, LINT_ERROR, where, "%s", e.text);
}

static int lint_object(struct object_look *l, const char *dir, const struct card_file *f,
		       bool superseded, const char *where, struct lint_findings *out, struct err *e)
{
	struct err found = ERR_INIT;
	int rc = object_check(l, dir, f, &found);
	if (rc < 0 && err_is(&found, ERR_CANCELLED)) {
		*e = found;
		return rc;
	}
	/* Adding the old files would make a new version of them. */
	const char *hint = superseded ? "restore it from a copy of the tree, or remove the version "
					"with `ferry catalog prune`"
				      : found.hint;
	if (rc < 0)
		lint_add(out, LINT_ERROR, where, "%s%s%s", found.text, *hint ? "; " : "", hint);
	return 0;
}

/* The files of one card. */
struct card_lint {
	struct object_look *look;
	const char *dir;
	const struct card *card;
	struct lint_shape *shapes; /* of the current versions */
	struct lint_findings *f;
};

/* The version after it; NULL: v is the current one. */
static const struct card_variant *version_after(const struct card_variant *current,
						const struct card_variant *v)
{
	return v == current ? NULL : v == &current->superseded[0] ? current : v - 1;
}

/* A file that did not change with the next version was looked at there. */
static bool is_known(const struct card_variant *after, const struct card_file *f)
{
	for (size_t i = 0; after && i < after->file_count; i++)
		if (digest_equal(&after->files[i].sha256, &f->sha256) &&
		    strcmp(after->files[i].path, f->path) == 0)
			return true;
	return false;
}

/* "phi-2:q4_k_m", "phi-2:q4_k_m@1" of a superseded version; the caller frees. */
static char *place_of(const struct card *c, const struct card_variant *v, bool superseded)
{
	return superseded ? mem_printf("%s:%s@%llu", c->id, v->id, (unsigned long long)v->version)
			  : mem_printf("%s:%s", c->id, v->id);
}

static int lint_file(const struct card_lint *l, const struct card_variant *v,
		     const struct card_file *f, struct err *e)
{
	const struct card_variant *current = card_variant(l->card, v->id);
	bool of_model = v == current && !f->role;
	struct lint_shape *shape = of_model ? &l->shapes[v - l->card->variants] : NULL;
	CLEANUP(mem_free_ptr) char *where = place_of(l->card, v, v != current);
	if (is_known(version_after(current, v), f))
		return 0;
	int rc = lint_object(l->look, l->dir, f, v != current, where, l->f, e);
	if (rc == 0)
		lint_manifest(l->dir, l->card->id, f, where, shape, l->f);
	return rc;
}

/* The objects in the tree: are they right, with a manifest that agrees? */
static int lint_objects(struct object_look *look, const char *dir, const struct card *c,
			struct lint_findings *f, struct err *e)
{
	struct lint_shape *shapes = mem_alloc((c->variant_count + 1) * sizeof *shapes);
	struct card_lint l = { look, dir, c, shapes, f };
	struct card_walk w = { .card = c };
	int rc = 0;
	while (rc == 0 && card_next_file(&w))
		rc = lint_file(&l, w.variant, w.file, e);
	if (rc == 0)
		lint_shapes(c, shapes, f);
	for (size_t i = 0; i < c->variant_count; i++)
		lint_shape_release(&shapes[i]);
	free(shapes);
	return rc;
}

static int lint_tree(const char *dir, const struct repository_cards *cards, struct report *report,
		     const struct cancel *cancel, struct lint_findings *f, struct err *e)
{
	struct object_look look = { .report = report, .cancel = cancel };
	int rc = 0;
	seen_open(&look.seen, dir);
	for (size_t i = 0; rc == 0 && i < cards->count; i++) {
		lint_card(&cards->at[i], f);
		rc = lint_objects(&look, dir, &cards->at[i], f, e);
	}
	seen_close(&look.seen);
	return rc;
}

/* The signed files that are no models: metadata, catalog, manifests. */
static void lint_signed(const char *dir, struct lint_findings *f)
{
	CLEANUP(repository_files_release) struct repository_files files = { 0 };
	struct err why = ERR_INIT;
	int rc = repository_published(dir, &files, &why);
	if (rc < 0 && rc != -ERR_NOT_FOUND)
		lint_add(f, LINT_ERROR, "signed files", "%s%s%s", why.text, why.hint[0] ? "; " : "",
			 why.hint);
	for (size_t i = 0; rc == 0 && i < files.count; i++) {
		const struct repository_file *file = &files.at[i];
		CLEANUP(mem_free_ptr) char *path = path_join(dir, file->key);
		if (!file->manifest_key && file->size <= CATALOG_MAX_BYTES &&
		    !sha256_file_is(path, &file->sha256))
			lint_add(f, LINT_ERROR, "signed files",
				 "%s is missing or damaged; `ferry catalog sign` writes it again",
				 path);
	}
}

int repository_lint(const char *dir, const json_t *mirrors, struct report *report,
		    const struct cancel *cancel, struct lint_findings *f, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	int rc = repository_cards_load_lint(dir, &cards, f, e);
	if (rc == 0)
		rc = lint_tree(dir, &cards, report, cancel, f, e);
	if (rc < 0)
		return rc;
	lint_cards(cards.at, cards.count, f);
	lint_signed(dir, f);
	lint_places(dir, &cards, mirrors, f);
	if (cards.count == 0 && f->count == 0)
		lint_add(f, LINT_NOTE, "cards", "there are none yet in %s/cards", dir);
	if (mirrors)
		lint_mirrors(mirrors, f);
	return 0;
}
