#include "catalog/lint.h"

#include "catalog/card_members.h"
#include "catalog/link.h"
#include "catalog/manifest.h"
#include "util/mem.h"

#include <string.h>

static const json_t *member(const json_t *object, const char *a, const char *b)
{
	const json_t *value = json_object_get(object, a);
	return b ? json_object_get(value, b) : value;
}

/* ---- one card ---- */

static void lint_unknown(const json_t *object, const struct card_member *table, const char *where,
			 const char *prefix, struct lint_findings *f)
{
	const char *key, *names[32];
	json_t *value;
	size_t count = 0;
	for (const struct card_member *m = table; m->key && count < ARRAY_LEN(names); m++)
		names[count++] = m->key;
	json_object_foreach ((json_t *)object, key, value) {
		if (card_member(table, key) || str_starts(key, "x-"))
			continue;
		const char *near = text_nearest(key, names, count);
		lint_add(f, LINT_WARNING, where, "%s%s: not a member of a card%s%s%s", prefix, key,
			 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	}
}

static void lint_text(const struct card *c, struct lint_findings *f)
{
	static const struct {
		const char *a, *b, *why;
	} wanted[] = {
		{ "title", NULL, "missing: the id is shown instead" },
		{ "summary", NULL, "missing: describe in one sentence what the model is good for" },
		{ "source", "url", "missing: say where the model comes from" },
		{ "parameters", NULL, "missing" },
		{ "context_length", NULL, "missing" },
		{ "family", NULL, "missing" },
	};
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (!member(c->json, wanted[i].a, wanted[i].b))
			lint_add(f, LINT_WARNING, c->id, "%s%s%s: %s", wanted[i].a,
				 wanted[i].b ? "." : "", wanted[i].b ? wanted[i].b : "",
				 wanted[i].why);
	const char *created = json_string_value(member(c->json, "created", NULL));
	const char *updated = json_string_value(member(c->json, "updated", NULL));
	if (created && updated && strcmp(created, updated) > 0)
		lint_add(f, LINT_WARNING, c->id, "updated: earlier than created");
}

static void lint_deprecation(const struct card *c, struct lint_findings *f)
{
	if (!c->deprecated)
		return;
	if (!c->deprecation_reason)
		lint_add(f, LINT_WARNING, c->id, "deprecated.reason: missing");
	if (!c->replacement)
		lint_add(f, LINT_WARNING, c->id,
			 "deprecated.replacement: missing: say what readers should use instead");
	else if (strcmp(c->replacement, c->id) == 0)
		lint_add(f, LINT_ERROR, c->id, "deprecated.replacement: is the model itself");
}

static void lint_ram(const struct card_variant *v, const char *where, struct lint_findings *f)
{
	const json_t *min = json_object_get(v->json, "min_ram");
	const json_t *more = json_object_get(v->json, "recommended_ram");
	const char *reason = json_string_value(member(v->json, "ram", "unknown"));
	if (reason)
		lint_add(f, LINT_NOTE, where, "ram: unknown: %s", reason);
	else if (!v->ram_known)
		lint_add(f, LINT_WARNING, where, "ram: missing: say how much memory it needs");
	else if (v->ram_bytes < v->size)
		lint_add(f, LINT_WARNING, where, "ram.bytes: less than the size of the files");
	if (min && more && json_integer_value(min) > json_integer_value(more))
		lint_add(f, LINT_WARNING, where, "recommended_ram: less than min_ram");
}

static void lint_files(const struct card_variant *v, const char *where, const char *folder,
		       struct lint_findings *f)
{
	for (size_t i = 0; i < v->file_count; i++) {
		const char *path = v->files[i].path;
		if (!str_starts(path, folder) || strchr(path + strlen(folder), '/'))
			lint_add(f, LINT_ERROR, where, "files: '%s' is not directly in %s", path,
				 folder);
		if (str_ends(path, MANIFEST_SUFFIX) || str_ends(path, CARD_SUFFIX))
			lint_add(f, LINT_ERROR, where,
				 "files: '%s' has the name of a manifest or a card", path);
	}
}

static void lint_variant(const struct card *c, const struct card_variant *v,
			 struct lint_findings *f)
{
	CLEANUP(mem_free_ptr) char *where = mem_printf("%s:%s", c->id, v->id);
	CLEANUP(mem_free_ptr) char *folder = card_target(c->id, "");
	lint_unknown(v->json, card_variant_members, where, "", f);
	if (strcmp(v->id, REFERENCE_AUTO) == 0)
		lint_add(f, LINT_ERROR, where,
			 "id: '%s' stands for the largest variant that fits: choose another id",
			 v->id);
	if (v->file_count == 0) {
		lint_add(f, LINT_NOTE, where, "planned: no files yet; not in the signed catalog");
		return;
	}
	lint_ram(v, where, f);
	if (!v->quantization && !(v->kind && strcmp(v->kind, "vocabulary") == 0))
		lint_add(f, LINT_WARNING, where, "quantization: missing");
	lint_files(v, where, folder, f);
	lint_roles(v, where, f);
	for (size_t i = 0; i < v->superseded_count; i++)
		lint_files(&v->superseded[i], where, folder, f);
}

void lint_card(const struct card *c, struct lint_findings *f)
{
	lint_unknown(c->json, card_members, c->id, "", f);
	lint_unknown(member(c->json, "license", NULL), card_license_members, c->id, "license.", f);
	lint_unknown(member(c->json, "source", NULL), card_source_members, c->id, "source.", f);
	lint_unknown(member(c->json, "deprecated", NULL), card_deprecated_members, c->id,
		     "deprecated.", f);
	const char *foreign = card_foreign_member(c->json);
	if (foreign)
		lint_add(f, LINT_ERROR, c->id,
			 "%s: a card cannot have them: only the repository itself names mirrors "
			 "and roles",
			 foreign);
	lint_text(c, f);
	lint_license(c, f);
	lint_deprecation(c, f);
	if (c->variant_count == 0)
		lint_add(f, LINT_NOTE, c->id,
			 "planned: no variants yet; not in the signed catalog");
	for (size_t i = 0; i < c->variant_count; i++)
		lint_variant(c, &c->variants[i], f);
	lint_variants(c, f);
}

/* ---- several cards ---- */

struct claim {
	const struct card *card;
	const struct card_file *file;
};

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	return strcmp(x->file->path, y->file->path);
}

struct claims {
	struct claim *at;
	size_t count, cap;
};

static void collect_claims(const struct card *cards, size_t count, struct claims *out)
{
	for (size_t i = 0; i < count; i++) {
		struct card_walk w = { .card = &cards[i] };
		while (card_next_file(&w)) {
			out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
			out->at[out->count++] = (struct claim){ w.card, w.file };
		}
	}
	if (out->count)
		qsort(out->at, out->count, sizeof *out->at, compare_claims);
}

/* Variants and versions may share a file if its size and digest are the same in both. */
static void lint_paths(const struct card *cards, size_t count, struct lint_findings *f)
{
	struct claims claims = { 0 };
	collect_claims(cards, count, &claims);
	for (size_t i = 1; i < claims.count; i++) {
		const struct card_file *a = claims.at[i - 1].file, *b = claims.at[i].file;
		if (strcmp(a->path, b->path) == 0 &&
		    (a->size != b->size || !digest_equal(&a->sha256, &b->sha256)))
			lint_add(f, LINT_ERROR, claims.at[i].card->id,
				 "files: '%s' appears twice with different contents", b->path);
	}
	free(claims.at);
}

void lint_cards(const struct card *cards, size_t count, struct lint_findings *f)
{
	for (size_t i = 0; i < count; i++) {
		const char *wanted = cards[i].replacement;
		const struct card *found = NULL;
		for (size_t j = 0; wanted && j < count && !found; j++)
			if (strcmp(cards[j].id, wanted) == 0)
				found = &cards[j];
		if (wanted && !found)
			lint_add(f, LINT_WARNING, cards[i].id,
				 "deprecated.replacement: there is no model '%s'", wanted);
		else if (found && found->deprecated && found != &cards[i])
			lint_add(f, LINT_WARNING, cards[i].id,
				 "deprecated.replacement: '%s' is deprecated itself", wanted);
	}
	lint_withdrawn(cards, count, f);
	lint_paths(cards, count, f);
}

/* ---- mirrors ---- */

void lint_mirrors(const json_t *mirrors, struct lint_findings *f)
{
	size_t i, j, objects = 0, metadata = 0;
	json_t *mirror;
	json_array_foreach ((json_t *)mirrors, i, mirror) {
		const char *url = json_string_value(json_object_get(mirror, "url"));
		enum mirror_holds holds = MIRROR_HOLDS_ALL;
		CLEANUP(mem_free_ptr) char *where =
			mem_printf("mirror %s", json_string_value(json_object_get(mirror, "id")));
		(void)!holds_parse(json_string_value(json_object_get(mirror, "holds")), &holds);
		objects += holds != MIRROR_HOLDS_METADATA;
		metadata += holds != MIRROR_HOLDS_OBJECTS;
		if (link_is_plain_http(url))
			lint_add(f, LINT_WARNING, where,
				 "url: %s is not https: others on the network can see what is "
				 "downloaded",
				 url);
		for (j = 0; j < i; j++)
			if (strcmp(json_string_value(json_object_get(json_array_get(mirrors, j),
								     "url")),
				   url) == 0)
				lint_add(f, LINT_WARNING, where,
					 "url: another mirror has the same URL, %s", url);
	}
	if (json_array_size(mirrors) == 0)
		lint_add(f, LINT_WARNING, "mirrors", "readers can use none of them");
	else if (objects == 0)
		lint_add(f, LINT_WARNING, "mirrors", "none holds model files");
	else if (metadata == 0)
		lint_add(f, LINT_WARNING, "mirrors", "none holds the metadata");
}
