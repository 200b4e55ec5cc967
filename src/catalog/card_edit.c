#include "catalog/card.h"

#include "catalog/card_members.h"
#include "catalog/license.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- merge ---- */

static json_t *variant_of(const json_t *card, const char *id, size_t *index)
{
	json_t *variant;
	size_t i;
	json_array_foreach (json_object_get(card, "variants"), i, variant) {
		const char *have = json_string_value(json_object_get(variant, "id"));
		if (have && strcmp(have, id) == 0) {
			*index = i;
			return variant;
		}
	}
	return NULL;
}

static bool has_default(const json_t *card, const char *but)
{
	json_t *variant;
	size_t i;
	json_array_foreach (json_object_get(card, "variants"), i, variant) {
		const char *id = json_string_value(json_object_get(variant, "id"));
		if (json_is_true(json_object_get(variant, "default")) && id && strcmp(id, but) != 0)
			return true;
	}
	return false;
}

/* Measured values are taken from the new variant; what a person wrote about it is kept. */
static json_t *merged_variant(const json_t *old, const json_t *new)
{
	static const char *const written[] = { "title",   "summary", "tags",
					       "default", "min_ram", "recommended_ram" };
	json_t *out = json_deep_copy(new);
	for (size_t i = 0; i < ARRAY_LEN(written); i++) {
		json_t *value = json_object_get(old, written[i]);
		if (value)
			json_put(out, written[i], json_deep_copy(value));
	}
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)old, key, value)
		if (!card_member(card_variant_members, key) && !json_object_get(out, key))
			json_put(out, key, json_deep_copy(value));
	return out;
}

static int merge_variant(json_t *into, const json_t *new, struct err *e)
{
	const char *id;
	size_t index = 0;
	int rc = json_get_string(new, "variants[]", "id", &id, e);
	if (rc < 0)
		return rc;
	json_t *old = variant_of(into, id, &index);
	if (old && json_array_size(json_object_get(new, "files")) == 0)
		return 0;
	json_t *out = merged_variant(old, new);
	if (has_default(into, id))
		json_object_del(out, "default");
	json_t *variants = json_object_get(into, "variants");
	if (old && json_array_set_new(variants, index, out) == 0)
		return 0;
	json_push(variants, out);
	return 0;
}

int card_merge(json_t *into, const json_t *from, struct err *e)
{
	const char *a, *b, *key;
	json_t *variants, *value;
	size_t i;
	int rc = json_get_string(into, "", "id", &a, e);
	if (rc < 0 || (rc = json_get_string(from, "", "id", &b, e)) < 0 ||
	    (rc = json_get_array(from, "", "variants", CARD_MAX_VARIANTS, &variants, e)) < 0)
		return rc;
	if (strcmp(a, b) != 0)
		return err_set(e, ERR_USAGE, "the cards are for different models, '%s' and '%s'", a,
			       b);
	if (!json_object_get(into, "variants"))
		json_put(into, "variants", json_array());
	json_array_foreach (variants, i, value)
		if ((rc = merge_variant(into, value, e)) < 0)
			return rc;
	json_object_foreach ((json_t *)from, key, value)
		if (!json_object_get(into, key))
			json_put(into, key, json_deep_copy(value));
	/* RFC 3339 in UTC sorts as text. */
	const char *was = json_string_value(json_object_get(into, "updated"));
	const char *is = json_string_value(json_object_get(from, "updated"));
	if (was && is && strcmp(is, was) > 0)
		json_put_string(into, "updated", is);
	return 0;
}

/* ---- set ---- */

/* "2.7B" is 2,700,000,000, as models are named. */
static bool parse_count(const char *text, uint64_t *out)
{
	static const char units[] = "KMBT";
	char digits[32];
	size_t len = strlen(text);
	const char *unit = len ? strchr(units, text[len - 1]) : NULL;
	if (!unit)
		return parse_u64(text, out);
	uint64_t scale = 1000;
	for (long i = 0; i < unit - units; i++)
		scale *= 1000;
	if (len - 1 >= sizeof digits)
		return false;
	memcpy(digits, text, len - 1);
	digits[len - 1] = '\0';
	char *dot = strchr(digits, '.');
	uint64_t whole, part = 0;
	if (dot)
		*dot++ = '\0';
	if (!parse_u64(digits, &whole) || !mul_u64(whole, scale, out))
		return false;
	for (; dot && *dot; dot++) {
		scale /= 10;
		if (*dot < '0' || *dot > '9' || scale == 0)
			return false;
		part += (uint64_t)(*dot - '0') * scale;
	}
	return add_u64(*out, part, out);
}

static json_t *words_of(const char *text)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	str_list_split(&words, text, ",");
	json_t *array = json_array();
	for (size_t i = 0; i < words.count; i++) {
		const char *word = words.at[i] + strspn(words.at[i], " ");
		size_t len = strlen(word);
		while (len && word[len - 1] == ' ')
			len--;
		if (len)
			json_push(array, json_string_lossy(word, len));
	}
	return array;
}

/* A card is read with any text, but what a person sets now can be put right now. */
static int license_of(const char *key, const char *text, json_t **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *spelled = NULL;
	int rc = license_spell(text, &spelled, e);
	if (rc < 0)
		return err_context(e, "%s", key);
	*out = json_string(spelled);
	return 0;
}

static int value_of(const struct card_member *m, const char *key, const char *text, json_t **out,
		    struct err *e)
{
	CLEANUP(json_release) json_t *value = NULL;
	uint64_t count;
	bool flag;
	int rc = 0;
	bool bytes = str_ends(m->key, "_ram");
	switch (m->kind) {
	case CARD_COUNT:
		if (!(bytes ? parse_size(text, &count) : parse_count(text, &count)) ||
		    count > INT64_MAX)
			return err_set(e, ERR_USAGE, "%s: '%s' is not a %s", key, text,
				       bytes ? "size (4GiB)" : "number (2048, 2.7B)");
		value = json_integer((json_int_t)count);
		break;
	case CARD_FLAG:
		if (!parse_bool(text, &flag))
			return err_set(e, ERR_USAGE, "%s: '%s' is neither yes nor no", key, text);
		value = json_boolean(flag);
		break;
	case CARD_WORDS:
		value = words_of(text);
		break;
	case CARD_LICENSE:
		rc = license_of(key, text, &value, e);
		break;
	default:
		value = json_string(text);
		if (!value)
			return err_set(e, ERR_USAGE, "%s: the value is not UTF-8", key);
	}
	if (rc == 0)
		rc = card_check_value(m, value, key, e);
	if (rc < 0)
		return err_class_set(e, ERR_USAGE);
	*out = STEAL(value);
	return 0;
}

static const struct {
	const char *name;
	const struct card_member *table;
} nested[] = {
	{ "license", card_license_members },
	{ "source", card_source_members },
	{ "deprecated", card_deprecated_members },
};

static const struct card_member *nested_table(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(nested); i++)
		if (strcmp(nested[i].name, name) == 0)
			return nested[i].table;
	return NULL;
}

/* "title", "license.id", …; with a prefix only those of the table, "variants.q8_0.title". */
static void settable(const struct card_member *table, const char *prefix, struct str_list *out)
{
	for (; table->key; table++) {
		const struct card_member *inner = *prefix ? NULL : nested_table(table->key);
		CLEANUP(mem_free_ptr) char *deeper = mem_printf("%s.", table->key);
		if (table->settable)
			str_list_take(out, mem_printf("%s%s", prefix, table->key));
		else if (inner)
			settable(inner, deeper, out);
	}
}

/* Of a name in two parts one may be right, or almost: "licence", "author". */
static const char *nearest_part(const char *key, const struct str_list *names)
{
	static const char *const words[][2] = {
		{ "name", "title" },
		{ "url", "source.url" },
		{ "homepage", "source.url" },
	};
	CLEANUP(str_list_release) struct str_list parts = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i][0], key) == 0)
			return words[i][1];
	CLEANUP(mem_free_ptr) size_t *whole = mem_alloc((2 * names->count + 1) * sizeof *whole);
	for (size_t i = 0; i < names->count; i++) {
		const char *dot = strchr(names->at[i], '.');
		if (!dot)
			continue;
		whole[parts.count] = i;
		str_list_take(&parts, mem_strndup(names->at[i], (size_t)(dot - names->at[i])));
		whole[parts.count] = i;
		str_list_add(&parts, dot + 1);
	}
	const char *near = text_nearest(key, (const char *const *)parts.at, parts.count);
	for (size_t i = 0; near && i < parts.count; i++)
		if (parts.at[i] == near)
			return names->at[whole[i]];
	return NULL;
}

static int unknown_key(const char *key, const char *prefix, const struct card_member *table,
		       struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *given = mem_printf("%s%s", prefix, key);
	bool inside = table != card_members && table != card_variant_members;
	settable(inside ? card_members : table, inside ? "" : prefix, &names);
	const char *near = text_nearest(given, (const char *const *)names.at, names.count);
	if (!near)
		near = nearest_part(given, &names);
	err_set(e, ERR_USAGE, "'%s' is not a member of a card that can be set", given);
	if (near)
		return err_hint(e, "did you mean '%s'?", near);
	CLEANUP(buf_release) struct buf list = BUF_INIT(4 * KIB);
	for (size_t i = 0; i < names.count; i++)
		buf_addf(&list, "%s%s", i ? ", " : "", names.at[i]);
	return err_hint(e, "possible members: %s%s", buf_str(&list),
			*prefix ? "" : ", and variants.ID.title and others of a variant");
}

/* Sets or, with an empty text, removes `key` of the object. */
static int set_member(json_t *object, const char *prefix, const char *key, const char *text,
		      const struct card_member *table, struct err *e)
{
	const struct card_member *m = card_member(table, key);
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s%s", prefix, key);
	json_t *value = NULL;
	if (!m || !m->settable)
		return unknown_key(key, prefix, table, e);
	if (!*text) {
		json_object_del(object, key);
		return 0;
	}
	int rc = value_of(m, name, text, &value, e);
	if (rc == 0)
		json_put(object, key, value);
	return rc;
}

static int set_nested(json_t *card, const char *name, const char *key, const char *text,
		      const struct card_member *table, struct err *e)
{
	CLEANUP(mem_free_ptr) char *prefix = mem_printf("%s.", name);
	json_t *have = json_object_get(card, name);
	json_t *object = json_is_object(have) ? json_incref(have) : json_object();
	int rc = set_member(object, prefix, key, text, table, e);
	if (rc == 0 && json_object_size(object) == 0)
		json_object_del(card, name);
	else if (rc == 0)
		json_put(card, name, json_incref(object));
	json_decref(object);
	return rc;
}

static int no_variant(const json_t *card, const char *id, struct err *e)
{
	CLEANUP(str_list_release) struct str_list ids = { 0 };
	const json_t *variant;
	size_t i;
	json_array_foreach (json_object_get(card, "variants"), i, variant)
		str_list_add(&ids, json_text(variant, "id") ? json_text(variant, "id") : "");
	err_set(e, ERR_USAGE, "the card has no variant '%s'", id);
	return text_hint_nearest(id, (const char *const *)ids.at, ids.count, NULL, e);
}

/* Of "ID.MEMBER"; an id may hold dots. */
static int split_variant(const char *key, char **id, const char **member, struct err *e)
{
	const char *dot = strrchr(key, '.');
	if (!dot)
		return err_set(e, ERR_USAGE,
			       "'variants.%s' names no member; write, for example, "
			       "variants.ID.title=…",
			       key);
	*id = mem_strndup(key, (size_t)(dot - key));
	*member = dot + 1;
	return 0;
}

static int set_variant(json_t *card, const char *key, const char *text, struct err *e)
{
	CLEANUP(mem_free_ptr) char *id = NULL;
	const char *member = NULL;
	size_t index;
	int rc = split_variant(key, &id, &member, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *prefix = mem_printf("variants.%s.", id);
	json_t *variant = variant_of(card, id, &index);
	return variant ? set_member(variant, prefix, member, text, card_variant_members, e)
		       : no_variant(card, id, e);
}

int card_set_check(const char *assignment, struct err *e)
{
	CLEANUP(json_release) json_t *trial = json_object();
	CLEANUP(mem_free_ptr) char *key = mem_strndup(assignment, strcspn(assignment, "="));
	CLEANUP(mem_free_ptr) char *id = NULL;
	const char *member = NULL;
	if (str_starts(key, "variants.")) {
		int rc = split_variant(key + strlen("variants."), &id, &member, e);
		if (rc < 0)
			return rc;
		json_put_string(json_push_object(json_put_array(trial, "variants")), "id", id);
	}
	return card_set(trial, assignment, e);
}

int card_set(json_t *card, const char *assignment, struct err *e)
{
	const char *equals = strchr(assignment, '=');
	if (!equals || equals == assignment) {
		err_set(e, ERR_USAGE, "'%s' is not of the form key=value", assignment);
		return err_hint(e, "for example title='Phi 2', license.id=MIT, tags=chat,small");
	}
	CLEANUP(mem_free_ptr) char *key = mem_strndup(assignment, (size_t)(equals - assignment));
	const char *text = equals + 1;
	if (str_starts(key, "variants."))
		return set_variant(card, key + strlen("variants."), text, e);
	for (size_t i = 0; i < ARRAY_LEN(nested); i++) {
		size_t len = strlen(nested[i].name);
		if (strncmp(key, nested[i].name, len) == 0 && key[len] == '.')
			return set_nested(card, nested[i].name, key + len + 1, text,
					  nested[i].table, e);
	}
	return set_member(card, "", key, text, card_members, e);
}
