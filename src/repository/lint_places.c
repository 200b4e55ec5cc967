#include "repository/lint_places.h"

#include "catalog/link.h"
#include "http/url.h"
#include "repository/internal.h"
#include "repository/located.h"
#include "util/mem.h"

#include <string.h>

#define WHERE "places"
#define MODELS "targets/models/"

/* The keys of all files of the cards, sorted. */
static void find_keys(const struct repository_cards *cards, struct str_list *out)
{
	for (size_t i = 0; i < cards->count; i++) {
		struct card_walk w = { .card = &cards->at[i] };
		while (card_next_file(&w)) {
			CLEANUP(mem_free_ptr) char *name = repository_object_name(w.file->path,
										  &w.file->sha256);
			str_list_take(out, mem_printf("targets/%s", name));
		}
	}
	if (out->count)
		qsort(out->at, out->count, sizeof *out->at, str_compare);
}

static bool is_in(const struct str_list *keys, const char *key)
{
	return keys->count && bsearch(&key, keys->at, keys->count, sizeof *keys->at, str_compare);
}

static bool has_card(const struct repository_cards *cards, const char *id)
{
	for (size_t i = 0; i < cards->count; i++)
		if (strcmp(cards->at[i].id, id) == 0)
			return true;
	return false;
}

static void lint_key(const struct located_file *l, const struct repository_cards *cards,
		     const struct str_list *keys, struct lint_findings *f)
{
	const char *model = l->key + strlen(MODELS);
	CLEANUP(mem_free_ptr) char *id = mem_strndup(model, strcspn(model, "/"));
	if (is_in(keys, l->key))
		return;
	if (has_card(cards, id))
		lint_add(f, LINT_WARNING, WHERE,
			 "mirror %s: the card of %s has no file %s any more, so its URL is not "
			 "signed; `ferry catalog gc` removes it",
			 l->mirror, id, l->key);
	else
		lint_add(f, LINT_NOTE, WHERE,
			 "mirror %s: there is no card of %s, so the URL of %s is not signed; "
			 "`ferry catalog gc` removes it",
			 l->mirror, id, l->key);
}

static void lint_url(const char *mirror, const char *url, struct lint_findings *f)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(url);
	if (link_is_plain_http(url))
		lint_add(f, LINT_WARNING, WHERE,
			 "mirror %s: %s is not https: others on the network can see what is "
			 "downloaded",
			 mirror, shown);
}

/* Is it one of files under their own names? */
static bool has_names(const json_t *mirrors, const char *id)
{
	const json_t *m;
	size_t i;
	json_array_foreach ((json_t *)mirrors, i, m) {
		const char *is = json_text(m, "id"), *kind = json_text(m, "kind");
		if (is && kind && strcmp(is, id) == 0)
			return strcmp(kind, "names") == 0;
	}
	return false;
}

/* Once for each mirror. */
static void lint_mirror(const struct located_file *l, const json_t *mirrors, struct str_list *told,
			struct lint_findings *f)
{
	if (!mirrors || str_list_has(told, l->mirror) || has_names(mirrors, l->mirror))
		return;
	str_list_add(told, l->mirror);
	lint_add(f, LINT_WARNING, WHERE,
		 "ferry.conf has no mirror %s with `layout = names`, so what is there is not "
		 "signed",
		 l->mirror);
}

static void lint_templates(const json_t *mirrors, struct lint_findings *f)
{
	const json_t *m;
	size_t i;
	json_array_foreach ((json_t *)mirrors, i, m)
		if (json_text(m, "template"))
			lint_url(json_text(m, "id"), json_text(m, "template"), f);
}

void lint_places(const char *dir, const struct repository_cards *cards, const json_t *mirrors,
		 struct lint_findings *f)
{
	CLEANUP(located_release) struct located record = { 0 };
	CLEANUP(str_list_release) struct str_list keys = { 0 }, told = { 0 };
	struct err why = ERR_INIT;
	lint_templates(mirrors, f);
	if (located_read(dir, &record, &why) < 0) {
		lint_add(f, LINT_ERROR, WHERE, "%s", why.text);
		return;
	}
	if (record.count)
		find_keys(cards, &keys);
	for (size_t i = 0; i < record.count; i++) {
		lint_mirror(&record.at[i], mirrors, &told, f);
		lint_key(&record.at[i], cards, &keys, f);
		lint_url(record.at[i].mirror, record.at[i].url, f);
	}
}
