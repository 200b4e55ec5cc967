#include "catalog/card_members.h"
#include "catalog/license.h"
#include "catalog/link.h"
#include "prepare/describe.h"
#include "prepare/from_hub.h"
#include "prepare/model.h"
#include "util/mem.h"

#include <string.h>

#define LISTED_MAX 64 /* entries of a list that are looked at */

/* ---- members of the repository's card ----------------------------------------------- */

/* One text, or a list of them: YAML allows both. */
static void texts_of(const json_t *value, struct str_list *out)
{
	const json_t *entry;
	size_t i;
	if (json_is_string(value))
		str_list_add(out, json_string_value(value));
	json_array_foreach (value, i, entry)
		if (i < LISTED_MAX && json_is_string(entry))
			str_list_add(out, json_string_value(entry));
}

static void put_words(json_t *card, const char *key, const json_t *value)
{
	CLEANUP(str_list_release) struct str_list texts = { 0 }, words = { 0 };
	if (json_object_get(card, key))
		return;
	texts_of(value, &texts);
	for (size_t i = 0; i < texts.count && words.count < CARD_MAX_WORDS; i++) {
		CLEANUP(mem_free_ptr) char *word = describe_text(texts.at[i], CARD_MAX_WORD_BYTES);
		if (word && strlen(word) == strlen(texts.at[i]) && !str_list_has(&words, word))
			str_list_take(&words, STEAL(word));
	}
	if (words.count)
		json_put(card, key, json_strings(&words));
}

static json_t *license_of(const json_t *said)
{
	CLEANUP(str_list_release) struct str_list texts = { 0 };
	CLEANUP(license_release) struct license license = { 0 };
	CLEANUP(json_release) json_t *o = json_object();
	const char *name = json_text(said, "license_name"), *link = json_text(said, "license_link");
	texts_of(json_object_get(said, "license"), &texts);
	license_read((const char *const *)texts.at, MIN(texts.count, (size_t)LICENSE_MAX), name,
		     &license);
	CLEANUP(mem_free_ptr) char *shown =
		describe_text(name ? name : license.name,
			      (size_t)card_member(card_license_members, "name")->max);
	json_put_string(o, "id", license.id);
	json_put_string(o, "name", shown);
	json_put_string(o, "url", link && !link_fault(link, false) ? link : NULL);
	return json_object_size(o) ? STEAL(o) : NULL;
}

static void put_license(json_t *card, const json_t *said)
{
	json_t *own = json_object_get(card, "license");
	CLEANUP(json_release) json_t *theirs = license_of(said);
	if (theirs && !json_object_get(own, "id"))
		json_put(card, "license", STEAL(theirs));
}

static char *base_model(const json_t *said)
{
	CLEANUP(str_list_release) struct str_list texts = { 0 };
	CLEANUP(buf_release) struct buf list = BUF_INIT(16 * KIB);
	texts_of(json_object_get(said, "base_model"), &texts);
	for (size_t i = 0; i < texts.count; i++)
		buf_addf(&list, "%s%s", list.len ? ", " : "", texts.at[i]);
	return describe_text(buf_str(&list),
			     (size_t)card_member(card_source_members, "base_model")->max);
}

/* ---- our card ----------------------------------------------------------------------- */

static json_t *source_of(const struct from_hub *s, const json_t *before)
{
	CLEANUP(mem_free_ptr) char *page = hub_page_url(s->hub, s->repo.model.repo);
	CLEANUP(mem_free_ptr) char *owner = mem_strndup(s->repo.model.repo,
							strcspn(s->repo.model.repo, "/"));
	CLEANUP(mem_free_ptr) char *base = base_model(s->repo.model.card);
	const char *author = json_text(before, "author");
	json_t *o = json_object();
	json_put_string(o, "url", link_fault(page, false) ? NULL : page);
	json_put_string(o, "author", author ? author : owner);
	json_put_string(o, "revision", s->repo.model.commit);
	json_put_string(o, "base_model", base);
	return o;
}

void from_hub_describe(const struct from_hub *s, json_t *card)
{
	const json_t *said = s->repo.model.card;
	json_t *variants = json_incref(json_object_get(card, "variants"));
	json_put(card, "source", source_of(s, json_object_get(card, "source")));
	put_license(card, said);
	put_words(card, "tags", json_object_get(said, "tags"));
	put_words(card, "languages", json_object_get(said, "language"));
	/* Last, because people want to read the rest first. */
	json_object_del(card, "variants");
	json_put(card, "variants", variants);
}

/* ---- the card that is there --------------------------------------------------------- */

static void tell(const struct from_hub *s, struct prepare_result *result, const char *code,
		 char *text)
{
	CLEANUP(mem_free_ptr) char *owned = text;
	CLEANUP(mem_free_ptr) char *what = mem_printf("hf:%s", s->repo.model.repo);
	model_warn(s->report, result, what, code, owned);
}

/* Of this repository, under its present or its earlier name? */
static bool is_ours(const struct from_hub *s, const char *url)
{
	CLEANUP(mem_free_ptr) char *page = hub_page_url(s->hub, s->repo.model.repo);
	CLEANUP(mem_free_ptr) char *old = s->repo.renamed ? hub_page_url(s->hub, s->repo.renamed)
							  : NULL;
	return url && (strcmp(url, page) == 0 || (old && strcmp(url, old) == 0));
}

void from_hub_update(const struct from_hub *s, const json_t *before, json_t *card,
		     struct prepare_result *result)
{
	json_t *source = json_object_get(card, "source");
	const char *was = json_text(json_object_get(before, "source"), "revision");
	const char *is = s->repo.model.commit;
	if (!is_ours(s, json_text(source, "url")))
		return;
	if (was && strcmp(was, is) != 0 && !hub_name_is_commit(s->name.revision)) {
		CLEANUP(mem_free_ptr) char *text =
			mem_printf("%s is now %s; the card was made from %.12s", s->name.revision,
				   is, was);
		CLEANUP(mem_free_ptr) char *what = mem_printf("hf:%s", s->repo.model.repo);
		model_warn(s->report, result, what, "moved", text);
	}
	CLEANUP(json_release) json_t *now = source_of(s, source);
	json_put_string(source, "url", json_text(now, "url"));
	json_put_string(source, "revision", is);
}

void from_hub_contradict(const struct from_hub *s, const json_t *card,
			 struct prepare_result *result)
{
	CLEANUP(json_release) json_t *theirs = license_of(s->repo.model.card);
	const char *says = json_text(theirs, "id");
	const char *own = json_text(json_object_get(card, "license"), "id");
	if (says && own && strcmp(says, own) != 0)
		tell(s, result, "license-differs",
		     mem_printf("the license of the repository is %s, that of the card %s, as "
				"the model or a person says: --set license.id=… changes it",
				says, own));
}
