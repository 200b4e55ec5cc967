#include "catalog/card.h"

#include "catalog/card_members.h"
#include "gguf/gguf.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

#define DIGEST_PREFIX "sha256:"
#define DIGEST_DIGITS 12 /* enough to be meant */
#define SHARD_TEXT (strlen("-00001-of-00002"))

/* ---- finding one ---- */

static bool has_digest(const struct card_variant *v, const char *digits)
{
	char hex[DIGEST_HEX];
	if (strlen(digits) < DIGEST_DIGITS)
		return false;
	for (size_t i = 0; i < v->file_count; i++)
		if (str_starts(digest_hex(hex, &v->files[i].sha256), digits))
			return true;
	return false;
}

static bool is_version(const struct card_variant *v, const char *version)
{
	uint64_t number;
	if (str_starts(version, DIGEST_PREFIX))
		return has_digest(v, version + strlen(DIGEST_PREFIX));
	if (parse_u64(version, &number))
		return v->version == number;
	return v->label && strcmp(v->label, version) == 0;
}

const struct card_variant *card_version(const struct card_variant *v, const char *version)
{
	if (!version || is_version(v, version))
		return v;
	for (size_t i = 0; i < v->superseded_count; i++)
		if (is_version(&v->superseded[i], version))
			return &v->superseded[i];
	return NULL;
}

struct card_withdrawal card_withdrawn(const struct card *c, const struct card_variant *v)
{
	return v->withdrawn.reason ? v->withdrawn : c->withdrawn;
}

/* ---- all files ---- */

/* The version that the walk is at; NULL at the end. */
static const struct card_variant *walk_version(struct card_walk *w)
{
	while (w->next_variant < w->card->variant_count) {
		const struct card_variant *v = &w->card->variants[w->next_variant];
		if (w->next_version == 0)
			return v;
		if (w->next_version <= v->superseded_count)
			return &v->superseded[w->next_version - 1];
		w->next_variant++;
		w->next_version = 0;
	}
	return NULL;
}

bool card_next_file(struct card_walk *w)
{
	const struct card_variant *v;
	for (; (v = walk_version(w)); w->next_version++, w->next_file = 0) {
		if (w->next_file == v->file_count)
			continue;
		w->variant = v;
		w->file = &v->files[w->next_file++];
		return true;
	}
	return false;
}

/* ---- a card by itself ---- */

const char *card_foreign_member(const json_t *card)
{
	static const char *const foreign[] = { "mirrors", "roles", "delegations", "keys" };
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		if (json_object_get(card, foreign[i]))
			return foreign[i];
	return NULL;
}

char *card_document(const char *id)
{
	return mem_printf(CARD_TARGETS "%s/%s%s", id, id, CARD_SUFFIX);
}

static int check_paths(const struct card *c, const char *folder, struct err *e)
{
	struct card_walk w = { .card = c };
	while (card_next_file(&w)) {
		const char *path = w.file->path;
		if (!str_starts(path, folder) || strchr(path + strlen(folder), '/'))
			return err_set(e, ERR_INTEGRITY,
				       "the card lists '%s', which is not in %s: a card can list "
				       "only files of its own model",
				       path, folder);
	}
	return 0;
}

int card_check_own(const struct card *c, const char *id, struct err *e)
{
	CLEANUP(mem_free_ptr) char *folder = card_target(id, "");
	const char *foreign = card_foreign_member(c->json);
	if (strcmp(c->id, id) != 0)
		return err_set(e, ERR_INTEGRITY, "this is the card of '%s', not of '%s'", c->id,
			       id);
	if (foreign)
		return err_set(e, ERR_INTEGRITY,
			       "the card names %s, which only the publisher of the repository may",
			       foreign);
	return check_paths(c, folder, e);
}

/* ---- a new one ---- */

/* "models/phi-2/phi-2.gguf" → "models/phi-2/phi-2.v2.gguf"; shard numbers stay at the end. */
static char *versioned_path(const char *path, uint64_t version)
{
	struct gguf_name name;
	size_t end = strlen(path);
	if (gguf_name_parse(path_base(path), &name))
		end -= strlen(".gguf") + (name.shards ? SHARD_TEXT : 0);
	return mem_printf("%.*s.v%llu%s", (int)end, path, (unsigned long long)version, path + end);
}

/* A file of an earlier version with the same bytes and name, which keeps its path. */
static const struct card_file *earlier_file(const struct card_variant *v, const struct card_file *f)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (digest_equal(&v->files[i].sha256, &f->sha256) &&
		    strcmp(v->files[i].name, f->name) == 0)
			return &v->files[i];
	for (size_t i = 0; i < v->superseded_count; i++) {
		const struct card_file *found = earlier_file(&v->superseded[i], f);
		if (found)
			return found;
	}
	return NULL;
}

bool card_same_files(const struct card_variant *a, const struct card_variant *b)
{
	if (a->file_count != b->file_count)
		return false;
	for (size_t i = 0; i < a->file_count; i++)
		if (strcmp(a->files[i].name, b->files[i].name) != 0 ||
		    !str_same(a->files[i].role, b->files[i].role) ||
		    !digest_equal(&a->files[i].sha256, &b->files[i].sha256))
			return false;
	return true;
}

static void set_paths(json_t *variant, const struct card_variant *old,
		      const struct card_variant *new, uint64_t version)
{
	json_t *files = json_object_get(variant, "files"), *object;
	size_t i;
	json_array_foreach (files, i, object) {
		const struct card_file *f = &new->files[i];
		const struct card_file *same = old ? earlier_file(old, f) : NULL;
		CLEANUP(mem_free_ptr) char *path = same ? mem_strdup(same->path)
							: versioned_path(f->path, version);
		json_put_string(object, "path", path);
		if (strcmp(path_base(path), f->name) != 0)
			json_put_string(object, "name", f->name);
	}
}

/* What stays of a version when there is a newer one. */
static json_t *superseded_entry(const struct card_variant *old)
{
	static const char *const gone[] = { "id",      "title",   "summary",         "tags",
					    "default", "min_ram", "recommended_ram", "superseded" };
	json_t *entry = json_deep_copy(old->json);
	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		json_object_del(entry, gone[i]);
	json_put_u64(entry, "version", old->version);
	return entry;
}

static void set_superseded(json_t *variant, const struct card_variant *old, size_t keep)
{
	json_t *list = json_array();
	if (keep)
		json_push(list, superseded_entry(old));
	for (size_t i = 0; i < old->superseded_count && json_array_size(list) < keep; i++)
		json_push(list, json_deep_copy(old->superseded[i].json));
	if (json_array_size(list))
		json_put(variant, "superseded", list);
	else
		json_decref(list);
}

static int check_label(const struct card_variant *old, const char *label, struct err *e)
{
	uint64_t number;
	if (!label)
		return 0;
	if (!path_is_id(label) || parse_u64(label, &number) || str_starts(label, DIGEST_PREFIX))
		return err_set(e, ERR_USAGE,
			       "'%s' cannot be the label of a version: use letters, digits, '.', "
			       "'_' and '-', and not only digits",
			       label);
	if (old && card_version(old, label))
		return err_set(e, ERR_USAGE, "%s: version %llu has the label '%s' already", old->id,
			       (unsigned long long)card_version(old, label)->version, label);
	return 0;
}

static void keep_version(json_t *variant, const struct card_variant *old)
{
	static const char *const kept[] = { "version",   "label",      "released", "changes",
					    "withdrawn", "superseded", "files" };
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		json_object_del(variant, kept[i]);
		json_put(variant, kept[i], json_deep_copy(json_object_get(old->json, kept[i])));
	}
}

/* A variant that was removed, or that an older card was restored of, goes on counting. */
static uint64_t next_version(const struct card_variant *old, const struct card_variant *new,
			     const struct card_versioning *how)
{
	uint64_t highest = how->highest ? how->highest(how->ctx, new->id) : 0;
	return MAX(old ? old->version : 0, highest) + 1;
}

static void new_version(json_t *variant, const struct card_variant *old,
			const struct card_variant *new, const char *label,
			const struct card_versioning *how)
{
	uint64_t version = next_version(old, new, how);
	json_object_del(variant, "changes");
	json_object_del(variant, "withdrawn");
	json_object_del(variant, "superseded");
	json_put_u64(variant, "version", version);
	json_put_string(variant, "label", label);
	json_put_time(variant, "released", how->now_s);
	if (version > 1)
		set_paths(variant, old, new, version);
	if (old)
		set_superseded(variant, old, how->keep);
}

/* The merged variant becomes version 1, stays as it was, or becomes the version after `old`. */
static int set_version(json_t *variant, const struct card_variant *old,
		       const struct card_variant *new, const struct card_versioning *how,
		       struct err *e)
{
	if (old && old->file_count == 0)
		old = NULL;
	bool same = old && card_same_files(old, new);
	const char *label = how->label || same ? how->label : new->label;
	if (same)
		keep_version(variant, old);
	if (same && old->label)
		return 0;
	int rc = check_label(old, label, e);
	if (rc == 0 && same)
		json_put_string(variant, "label", label);
	else if (rc == 0)
		new_version(variant, old, new, label, how);
	return rc;
}

int card_set_versions(json_t *merged, const struct card *before, const struct card *added,
		      const struct card_versioning *how, struct err *e)
{
	json_t *variants = json_object_get(merged, "variants"), *variant;
	size_t i;
	int rc = 0;
	json_array_foreach (variants, i, variant) {
		const char *id = json_string_value(json_object_get(variant, "id"));
		const struct card_variant *new = card_variant(added, id);
		const struct card_variant *old = before ? card_variant(before, id) : NULL;
		if (rc == 0 && new &&new->file_count)
			rc = set_version(variant, old, new, how, e);
	}
	return rc;
}
