#include "repository/repository.h"

#include "catalog/manifest.h"
#include "repository/internal.h"
#include "repository/object.h"
#include "repository/writer/published.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

/* ---- names ---- */

char *repository_object_name(const char *target_path, const struct digest *sha256)
{
	char hex[DIGEST_HEX];
	const char *name = path_base(target_path);
	return mem_printf("%.*s%s.%s", (int)(name - target_path), target_path,
			  digest_hex(hex, sha256), name);
}

char *repository_object_path(const char *dir, const char *target_path, const struct digest *sha256)
{
	CLEANUP(mem_free_ptr) char *name = repository_object_name(target_path, sha256);
	return mem_printf("%s/targets/%s", dir, name);
}

char *repository_card_path(const char *dir, const char *model)
{
	return mem_printf("%s/cards/%s%s", dir, model, CARD_SUFFIX);
}

char *repository_manifest_path(const char *dir, const char *model, const struct card_file *f)
{
	char hex[DIGEST_HEX];
	return mem_printf("%s/cards/%s/%s.%s%s", dir, model, digest_hex(hex, &f->sha256), f->name,
			  MANIFEST_SUFFIX);
}

/* ---- small reads and writes ---- */

int repository_read_signed(const char *path, const struct digest *sha256, struct buf *out,
			   struct err *e)
{
	struct digest have;
	int rc = file_read_all(path, out, e);
	if (rc < 0)
		return rc;
	sha256_of(buf_str(out), out->len, &have);
	return digest_equal(&have, sha256)
		       ? 0
		       : err_set(e, ERR_INTEGRITY, "%s does not match the signed metadata", path);
}

int repository_file_read(const char *dir, const struct repository_file *f, struct buf *out,
			 struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, f->key);
	return repository_read_signed(path, &f->sha256, out, e);
}

int repository_catalog_read(const char *dir, const char *target, const struct digest *sha256,
			    struct catalog *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = repository_object_path(dir, target, sha256);
	CLEANUP(buf_release) struct buf text = BUF_INIT(CATALOG_MAX_BYTES);
	int rc = repository_read_signed(path, sha256, &text, e);
	return rc < 0 ? rc : catalog_parse(buf_str(&text), text.len, path, out, e);
}

int repository_manifest_read(const char *dir, const char *model, const struct card_file *f,
			     struct buf *text, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = repository_manifest_path(dir, model, f);
	CLEANUP(manifest_release) struct manifest m = { 0 };
	int rc = file_read_all(path, text, e);
	if (rc == 0)
		rc = manifest_parse(buf_str(text), text->len, path, &m, e);
	if (rc == 0 && !manifest_is_of(&m, f->size, &f->sha256))
		rc = err_set(e, ERR_INTEGRITY, "%s is not the manifest of the file in the card",
			     path);
	return rc < 0 ? err_hint(e, "run `ferry catalog add` for this model again") : 0;
}

int repository_put(const char *dir, const char *target_path, const void *data, size_t len,
		   const struct digest *sha256, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = repository_object_path(dir, target_path, sha256);
	if (sha256_file_is(path, sha256))
		return 0;
	int rc = file_mkdirs_for(path, FILE_PUBLIC_DIR_MODE, e);
	return rc < 0 ? rc : file_write_unsynced(path, data, len, OBJECT_MODE, e);
}

int repository_sync_objects(const char *dir, struct err *e)
{
	CLEANUP(mem_free_ptr) char *targets = path_join(dir, "targets");
	return file_is_dir(targets) ? file_sync_all(targets, e) : 0;
}

/* ---- open ---- */

int repository_open(const char *dir, const struct cancel *cancel, struct repository **out,
		    struct err *e)
{
	CLEANUP(mem_free_ptr) char *cards = path_join(dir, "cards");
	CLEANUP(mem_free_ptr) char *targets = path_join(dir, "targets");
	CLEANUP(mem_free_ptr) char *lock = path_join(cards, ".lock");
	int fd = -1, rc = file_mkdirs(targets, FILE_PUBLIC_DIR_MODE, e);
	if (rc < 0 || (rc = file_mkdirs(cards, FILE_DIR_MODE, e)) < 0)
		return rc;
	rc = file_lock(lock, 0, NULL, &fd, e);
	if (rc < 0 && err_is(e, ERR_CONFLICT)) {
		err_clear(e);
		err_set(e, ERR_CONFLICT, "%s: another process is changing this repository", dir);
		return err_hint(e, "wait until it has finished, then run the same command again");
	}
	if (rc < 0)
		return rc;
	struct repository *r = NEW(struct repository);
	*r = (struct repository){ .dir = mem_strdup(dir), .lock = fd, .cancel = cancel };
	*out = r;
	return 0;
}

void repository_close(struct repository *r)
{
	if (!r)
		return;
	file_close(&r->lock);
	free(r->dir);
	free(r);
}

/* ---- cards ---- */

void repository_cards_release(struct repository_cards *c)
{
	for (size_t i = 0; i < c->count; i++)
		card_release(&c->at[i]);
	free(c->at);
	*c = (struct repository_cards){ 0 };
}

int repository_card_append(const char *dir, const char *name, struct repository_cards *out,
			   struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/cards/%s", dir, name);
	struct card card;
	int rc = card_load(path, &card, e);
	if (rc < 0)
		return rc;
	size_t len = strlen(name) - strlen(CARD_SUFFIX);
	if (strlen(card.id) != len || strncmp(card.id, name, len) != 0) {
		rc = err_set(e, ERR_INTEGRITY,
			     "%s is the card of '%s', so the file must be named %s%s", path,
			     card.id, card.id, CARD_SUFFIX);
		card_release(&card);
		return rc;
	}
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count++] = card;
	return 0;
}

int repository_card_names(const char *dir, struct str_list *out, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *cards = path_join(dir, "cards");
	int rc = file_list_dir(cards, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		if (str_ends(names.at[i], CARD_SUFFIX) && names.at[i][0] != '.')
			str_list_add(out, names.at[i]);
	return rc;
}

static int compare_cards(const void *a, const void *b)
{
	const struct card *x = a, *y = b;
	return strcmp(x->id, y->id);
}

int repository_cards_load_lint(const char *dir, struct repository_cards *out,
			       struct lint_findings *f, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards found = { 0 };
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = repository_card_names(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		struct err bad = ERR_INIT;
		rc = repository_card_append(dir, names.at[i], &found, f ? &bad : e);
		if (rc < 0 && f) {
			lint_add(f, LINT_ERROR, names.at[i], "%s", bad.text);
			rc = 0;
		}
	}
	if (rc < 0)
		return rc;
	if (found.count)
		qsort(found.at, found.count, sizeof *found.at, compare_cards);
	*out = found;
	found = (struct repository_cards){ 0 };
	return 0;
}

int repository_cards_load(const char *dir, struct repository_cards *out, struct err *e)
{
	return repository_cards_load_lint(dir, out, NULL, e);
}

/* A recall of the whole model is not in the variant. */
bool repository_variant_is_signed(const struct card *card, const struct card_variant *v,
				  const struct card *old)
{
	const struct card_variant *was = old ? card_variant(old, v->id) : NULL;
	return was && str_same(old->withdrawn.reason, card->withdrawn.reason) &&
	       json_equal(was->json, v->json);
}

static bool card_is_signed(const struct card *card, const struct card *old)
{
	for (size_t i = 0; i < card->variant_count; i++)
		if (card->variants[i].file_count > 0 &&
		    !repository_variant_is_signed(card, &card->variants[i], old))
			return false;
	for (size_t i = 0; old && i < old->variant_count; i++)
		if (!card_variant(card, old->variants[i].id))
			return false;
	return true;
}

size_t repository_cards_unsigned(const struct repository_cards *c, const struct catalog *is_signed)
{
	size_t differ = 0, kept = 0;
	for (size_t i = 0; i < c->count; i++) {
		const struct card *old = catalog_model(is_signed, c->at[i].id);
		differ += !card_is_signed(&c->at[i], old);
		kept += old != NULL;
	}
	return differ + is_signed->model_count - kept;
}
