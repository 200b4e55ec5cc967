#include "catalog/select.h"

#include "catalog/fit.h"
#include "catalog/license.h"
#include "util/mem.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

enum { RANK_ID, RANK_ID_START, RANK_TITLE_WORD, RANK_TAG, RANK_PART, RANK_NONE };

void select_release(struct select *s)
{
	str_list_release(&s->words);
	str_list_release(&s->license);
}

void select_add_words(struct select *s, const char *text)
{
	str_list_split(&s->words, text, " \t\n");
}

/* ---- texts ---- */

static bool contains(const char *text, const char *part)
{
	return text && strcasestr(text, part);
}

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || (c & 0x80);
}

/* As a whole word: "2" is one of "Phi-2", and so is "phi-2". */
static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);
	for (const char *at = text; (at = strcasestr(at, word)); at++)
		if ((at == text || !is_word_char(at[-1])) && !is_word_char(at[len]))
			return true;
	return false;
}

static bool has_tag(const struct index_model *m, const char *wanted, bool part)
{
	const json_t *tag;
	size_t i;
	json_array_foreach ((json_t *)m->tags, i, tag) {
		const char *text = json_string_value(tag);
		if (part ? contains(text, wanted) : text && str_eq_nocase(text, wanted))
			return true;
	}
	return false;
}

/* ---- words ---- */

static bool has_part(const struct index_model *m, const char *word)
{
	if (contains(m->id, word) || contains(m->title, word) || contains(m->family, word) ||
	    contains(m->license, word) || has_tag(m, word, true))
		return true;
	for (size_t i = 0; i < m->variant_count; i++)
		if (contains(m->variants[i].quantization, word))
			return true;
	return false;
}

static unsigned rank_of(const struct index_model *m, const char *word)
{
	if (str_eq_nocase(m->id, word))
		return RANK_ID;
	if (str_starts_nocase(m->id, word))
		return RANK_ID_START;
	if (has_word(m->title, word))
		return RANK_TITLE_WORD;
	if (has_tag(m, word, false))
		return RANK_TAG;
	return has_part(m, word) ? RANK_PART : RANK_NONE;
}

static bool match_words(const struct select *s, const struct index_model *m, unsigned *rank)
{
	*rank = 0;
	for (size_t i = 0; i < s->words.count; i++) {
		unsigned one = rank_of(m, s->words.at[i]);
		if (one == RANK_NONE)
			return false;
		*rank += one;
	}
	return true;
}

/* ---- licenses ---- */

/* The identifiers of an expression, each with its exception. */
static void add_identifiers(struct str_list *out, const char *expression)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	str_list_split(&words, expression, " ()");
	for (size_t i = 0; i < words.count; i++) {
		const char *word = words.at[i];
		bool with = i + 2 < words.count && strcmp(words.at[i + 1], "WITH") == 0;
		if (strcmp(word, "AND") == 0 || strcmp(word, "OR") == 0)
			continue;
		str_list_add(out, word);
		if (with) {
			str_list_take(out, mem_printf("%s WITH %s", word, words.at[i + 2]));
			i += 2;
		}
	}
}

int select_set_license(struct select *s, const char *text, struct err *e)
{
	CLEANUP(mem_free_ptr) char *spelled = NULL;
	int rc = license_spell(text, &spelled, e);
	if (rc == 0)
		add_identifiers(&s->license, spelled);
	return rc;
}

static bool has_identifier(const struct str_list *list, const char *wanted)
{
	for (size_t i = 0; i < list->count; i++)
		if (str_eq_nocase(list->at[i], wanted))
			return true;
	return false;
}

static bool match_license(const struct select *s, const struct index_model *m)
{
	CLEANUP(mem_free_ptr) char *spelled = NULL;
	CLEANUP(str_list_release) struct str_list has = { 0 };
	struct err odd = ERR_INIT;
	if (s->license.count == 0)
		return true;
	if (!m->license)
		return false;
	/* What is no expression is compared as it is. */
	int rc = license_spell(m->license, &spelled, &odd);
	add_identifiers(&has, rc < 0 ? m->license : spelled);
	for (size_t i = 0; i < s->license.count; i++)
		if (!has_identifier(&has, s->license.at[i]))
			return false;
	return true;
}

/* ---- models and variants ---- */

static bool match_pattern(const struct index_model *m, const char *pattern)
{
	return !pattern || fnmatch(pattern, m->id, 0) == 0 || contains(m->id, pattern) ||
	       contains(m->title, pattern) || contains(m->family, pattern) ||
	       has_tag(m, pattern, false);
}

static bool match_tags(const struct select *s, const struct index_model *m)
{
	for (size_t i = 0; i < s->tag_count; i++)
		if (!has_tag(m, s->tags[i], false))
			return false;
	return true;
}

bool select_model(const struct select *s, const struct index_model *m, unsigned *rank)
{
	if (s->family && !(m->family && str_eq_nocase(m->family, s->family)))
		return false;
	return match_pattern(m, s->pattern) && match_tags(s, m) && match_words(s, m, rank) &&
	       match_license(s, m);
}

uint64_t select_memory(const struct index_variant *v)
{
	return fit_memory(v->size, v->ram);
}

bool select_variant(const struct select *s, const struct index_variant *v)
{
	if (s->kind && !str_eq_nocase(v->kind ? v->kind : "model", s->kind))
		return false;
	return (!s->max_size || v->size <= s->max_size) &&
	       (!s->fits || select_memory(v) <= s->fits);
}
