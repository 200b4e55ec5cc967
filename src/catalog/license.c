#include "catalog/license.h"

#include "util/mem.h"
#include "util/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define REFERENCE_BYTES 100
#define NORMAL_BYTES 128
#define SEPARATORS ",;/|\n" /* of lists that are one text */

/* ---- Hugging Face's words ---- */

/* Those that are not SPDX identifiers. Without an id: LicenseRef-WORD. */
static const struct word {
	const char *word, *id, *name;
} words[] = {
	{ "apple-amlr", NULL, "Apple Model License for Research" },
	{ "apple-ascl", NULL, "Apple Sample Code License" },
	{ "bigcode-openrail-m", NULL, "BigCode Open RAIL-M v1" },
	{ "bigscience-bloom-rail-1.0", NULL, "BigScience BLOOM RAIL 1.0" },
	{ "bigscience-openrail-m", NULL, "BigScience OpenRAIL-M" },
	{ "bsd", NULL, "BSD license family" },
	{ "c-uda", "C-UDA-1.0", NULL },
	{ "cc", NULL, "Creative Commons license family" },
	{ "cc0", "CC0-1.0", NULL },
	{ "creativeml-openrail-m", NULL, "CreativeML OpenRAIL-M" },
	{ "deepfloyd-if-license", NULL, "DeepFloyd IF Research License Agreement" },
	{ "fair-noncommercial-research-license", NULL, "FAIR Noncommercial Research License" },
	{ "gemma", NULL, "Gemma Terms of Use" },
	{ "gfdl", NULL, "GNU Free Documentation License family" },
	{ "gpl", NULL, "GNU General Public License family" },
	{ "grok2-community", NULL, "Grok 2 Community License Agreement" },
	{ "h-research", NULL, "H Research License" },
	{ "intel-research", NULL, "Intel Research Use License Agreement" },
	{ "lgpl", NULL, "GNU Lesser General Public License family" },
	{ "lgpl-lr", "LGPLLR", NULL },
	{ "llama2", NULL, "Llama 2 Community License Agreement" },
	{ "llama3", NULL, "Llama 3 Community License Agreement" },
	{ "llama3.1", NULL, "Llama 3.1 Community License Agreement" },
	{ "llama3.2", NULL, "Llama 3.2 Community License Agreement" },
	{ "llama3.3", NULL, "Llama 3.3 Community License Agreement" },
	{ "llama4", NULL, "Llama 4 Community License Agreement" },
	{ "odbl", "ODbL-1.0", NULL },
	{ "odc-by", "ODC-By-1.0", NULL },
	{ "openmdw-1.1", NULL, "Open Model, Data & Weights License 1.1" },
	{ "openrail", NULL, "OpenRAIL license family" },
	{ "openrail++", SPDX_REFERENCE "openrail-plus-plus", "Open Rail++-M License" },
	{ "pddl", "PDDL-1.0", NULL },
};

/* They say that a license is not named. */
static bool says_nothing(const char *text)
{
	static const char *const nothing[] = { "",    "other", "unknown", "none", "noassertion",
					       "n/a", "null" };
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++)
		if (strcasecmp(text, nothing[i]) == 0)
			return true;
	return false;
}

/* "LicenseRef-my-own" of "my own!"; NULL if no letter is left. */
static char *reference_of(const char *text, const char *prefix)
{
	struct buf out = BUF_INIT(strlen(prefix) + REFERENCE_BYTES);
	size_t skip = strlen(prefix);
	if (str_starts_nocase(text, prefix))
		text += skip;
	for (; *text && out.len < REFERENCE_BYTES; text++) {
		bool plain = isalnum((unsigned char)*text) || *text == '.';
		if (!out.len)
			buf_adds(&out, prefix);
		if (plain)
			buf_addc(&out, *text);
		else if (out.data[out.len - 1] != '-')
			buf_addc(&out, '-');
	}
	while (out.len && strchr("-.", out.data[out.len - 1]))
		out.data[--out.len] = '\0';
	if (out.len > skip)
		return buf_steal(&out);
	buf_release(&out);
	return NULL;
}

static char *id_of(const struct word *w)
{
	return w->id ? mem_strdup(w->id) : mem_printf(SPDX_REFERENCE "%s", w->word);
}

static char *word_of(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasecmp(words[i].word, text) == 0)
			return id_of(&words[i]);
	return NULL;
}

static const char *name_of(const char *id)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		CLEANUP(mem_free_ptr) char *own = id_of(&words[i]);
		if (strcmp(own, id) == 0)
			return words[i].name;
	}
	return NULL;
}

/* ---- names as people write them ---- */

/* What tells licenses apart, in lower case: "apache2.0" of "Apache License, Version 2.0", "gpl3"
 * of "GPLv3". False if it is too long. */
static bool normal(const char *text, char out[NORMAL_BYTES])
{
	static const char *const idle[] = {
		"the", "license", "licence", "version", "v", "agreement"
	};
	size_t len = 0;
	for (;;) {
		text += strcspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789");
		size_t n = 0, start = len;
		for (; isalnum((unsigned char)text[n]) ||
		       (text[n] == '.' && isdigit((unsigned char)text[n + 1]));
		     n++) {
			bool v = tolower((unsigned char)text[n]) == 'v' &&
				 isdigit((unsigned char)text[n + 1]);
			if (len + 4 > NORMAL_BYTES)
				return false;
			if (!v)
				out[len++] = (char)tolower((unsigned char)text[n]);
		}
		out[len] = '\0';
		for (size_t i = 0; i < ARRAY_LEN(idle); i++)
			if (strcmp(out + start, idle[i]) == 0)
				out[len = start] = '\0';
		if (!n)
			return true;
		text += n;
	}
}

/* Are both normal forms the same, but for a ".0" that a person left out? Those with a plus are
 * never meant: "openrail++" is not "openrail". */
static bool is_meant(const char *id, const char *normal_text)
{
	char own[NORMAL_BYTES];
	size_t len = strlen(normal_text);
	/* No id begins with a word that the normal form leaves out. */
	return tolower((unsigned char)*id) == *normal_text && !strchr(id, '+') && normal(id, own) &&
	       strncmp(own, normal_text, len) == 0 && (!own[len] || strcmp(own + len, ".0") == 0);
}

static char *guess_plain(const char *text)
{
	char form[NORMAL_BYTES];
	if (!normal(text, form))
		return NULL;
	for (size_t i = 0; i < spdx_list_count; i++)
		if (!(spdx_list[i].flags & SPDX_EXCEPTION) && is_meant(spdx_list[i].id, form))
			return mem_strdup(spdx_list[i].id);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (is_meant(words[i].word, form) ||
		    (words[i].name && is_meant(words[i].name, form)))
			return id_of(&words[i]);
	return NULL;
}

/* "The MIT License (MIT)": what is in parentheses, unless the name in front is another license. */
static char *guess_named(const char *text)
{
	const char *open = strrchr(text, '('), *end = text + strlen(text);
	if (!open || open == text || end[-1] != ')')
		return NULL;
	const struct spdx_entry *entry = spdx_find(open + 1, (size_t)(end - open - 2));
	CLEANUP(mem_free_ptr) char *name = mem_strndup(text, (size_t)(open - text));
	CLEANUP(mem_free_ptr) char *other = guess_plain(name);
	if (!entry || (entry->flags & SPDX_EXCEPTION) || (other && strcmp(other, entry->id) != 0))
		return NULL;
	return mem_strdup(entry->id);
}

/* "GPL v3 or later", "GPLv3+", "LGPL 2.1 only". */
static char *guess(const char *text)
{
	static const struct {
		const char *end, *becomes;
	} ends[] = { { " or later", "-or-later" }, { " only", "-only" }, { "+", "-or-later" } };
	size_t len = strlen(text);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t n = strlen(ends[i].end);
		if (len <= n || strcasecmp(text + len - n, ends[i].end) != 0)
			continue;
		CLEANUP(mem_free_ptr) char *start = mem_strndup(text, len - n);
		CLEANUP(mem_free_ptr) char *base = strchr(start, '+') ? NULL : guess_plain(start);
		CLEANUP(mem_free_ptr) char *id = mem_printf("%s%s", base ? base : "",
							    ends[i].becomes);
		return base && spdx_find(id, strlen(id)) ? STEAL(id) : NULL;
	}
	char *named = guess_named(text);
	return named || strchr(text, '+') ? named : guess_plain(text);
}

/* ---- one text ---- */

static char *known_word(const char *id, bool exception)
{
	return exception ? NULL : word_of(id);
}

static char *word_or_reference(const char *id, bool exception)
{
	if (exception)
		return reference_of(id, SPDX_ADDITION);
	char *known = word_of(id);
	if (!known)
		known = guess(id);
	return known ? known : reference_of(id, SPDX_REFERENCE);
}

/* The expression, if it is one, with words of Hugging Face. */
static char *expression_of(const char *text, char *(*other)(const char *id, bool exception),
			   bool all_known)
{
	struct err e = ERR_INIT;
	CLEANUP(spdx_release) struct spdx s = { 0 };
	if (spdx_parse(text, other, &s, &e) < 0 || (all_known && s.unknown))
		return NULL;
	return STEAL(s.text);
}

static bool is_compound(const char *id)
{
	return strstr(id, " OR ") != NULL;
}

/* All of them; NULL without any. */
static char *all_of(const struct str_list *ids)
{
	struct buf out = BUF_INIT(SPDX_MAX_BYTES);
	for (size_t i = 0; i < ids->count; i++) {
		bool wrap = ids->count > 1 && is_compound(ids->at[i]);
		buf_addf(&out, "%s%s%s%s", i ? " AND " : "", wrap ? "(" : "", ids->at[i],
			 wrap ? ")" : "");
	}
	if (ids->count && !out.overflow)
		return buf_steal(&out);
	buf_release(&out);
	return NULL;
}

static void add_once(struct str_list *ids, const char *id)
{
	if (!str_list_has(ids, id))
		str_list_add(ids, id);
}

static char *trimmed(const char *text)
{
	text += strspn(text, " \t\r\n");
	size_t len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	return mem_strndup(text, len);
}

/* A license that is surely known, or NULL. */
static char *known_of(const char *text)
{
	char *id = expression_of(text, known_word, true);
	return id ? id : guess(text);
}

/* "MIT or Apache 2.0", "MIT & Apache License 2.0"; NULL if a part is not known. */
static char *pair_of(const char *text)
{
	static const struct {
		const char *said, *means;
	} joints[] = { { " or ", "OR" }, { " and ", "AND" }, { " & ", "AND" } };
	for (size_t i = 0; i < ARRAY_LEN(joints); i++) {
		const char *joint = strcasestr(text, joints[i].said);
		if (!joint)
			continue;
		CLEANUP(mem_free_ptr) char *first = mem_strndup(text, (size_t)(joint - text));
		CLEANUP(mem_free_ptr) char *a = known_of(first);
		CLEANUP(mem_free_ptr) char *b = known_of(joint + strlen(joints[i].said));
		bool plain = a && b && !strpbrk(a, " ") && !strpbrk(b, " ");
		return plain ? mem_printf("%s %s %s", a, joints[i].means, b) : NULL;
	}
	return NULL;
}

/* "mit,apache-2.0", as some converters write a list; NULL if a part is not known. */
static char *list_of(const char *text, bool *list)
{
	CLEANUP(str_list_release) struct str_list parts = { 0 }, ids = { 0 };
	str_list_split(&parts, text, SEPARATORS);
	for (size_t i = 0; i < parts.count; i++) {
		CLEANUP(mem_free_ptr) char *part = trimmed(parts.at[i]);
		CLEANUP(mem_free_ptr) char *id = known_of(part);
		if (!id || i >= LICENSE_MAX)
			return NULL;
		add_once(&ids, id);
	}
	*list = *list || ids.count > 1;
	return all_of(&ids);
}

static char *read_one(const char *said, bool *list)
{
	CLEANUP(mem_free_ptr) char *text = trimmed(said);
	char *id = NULL;
	if (says_nothing(text) || strstr(text, "://"))
		return NULL;
	if (strchr(text, ' '))
		id = guess(text);
	if (!id && strpbrk(text, SEPARATORS))
		id = list_of(text, list);
	if (!id)
		id = expression_of(text, word_or_reference, false);
	if (!id)
		id = guess(text);
	if (!id)
		id = pair_of(text);
	return id ? id : reference_of(text, SPDX_REFERENCE);
}

/* ---- all of it ---- */

void license_read(const char *const *texts, size_t count, const char *name, struct license *out)
{
	CLEANUP(str_list_release) struct str_list ids = { 0 };
	bool list = false;
	for (size_t i = 0; i < count && i < LICENSE_MAX; i++) {
		CLEANUP(mem_free_ptr) char *id = read_one(texts[i], &list);
		if (!id && count > 1)
			id = mem_strdup(SPDX_REFERENCE "other");
		if (id)
			add_once(&ids, id);
	}
	if (count > LICENSE_MAX)
		add_once(&ids, SPDX_REFERENCE "other");
	CLEANUP(mem_free_ptr) char *named = ids.count || !name ? NULL : read_one(name, &list);
	if (named)
		str_list_add(&ids, named);
	*out = (struct license){ .id = all_of(&ids), .list = list || ids.count > 1 };
	out->name = out->id ? name_of(out->id) : NULL;
}

void license_release(struct license *l)
{
	free(l->id);
	*l = (struct license){ 0 };
}

int license_spell(const char *text, char **out, struct err *e)
{
	CLEANUP(spdx_release) struct spdx s = { 0 };
	if (says_nothing(text)) {
		err_set(e, ERR_USAGE, "'%s' names no license", text);
		return err_hint(e, "write LicenseRef-NAME for a license that is not in the SPDX "
				   "list, and where its text is, in license.url");
	}
	int rc = spdx_parse(text, known_word, &s, e);
	if (rc == 0) {
		*out = STEAL(s.text);
		return 0;
	}
	CLEANUP(mem_free_ptr) char *meant = guess(text);
	return meant ? err_hint(e, "did you mean '%s'?", meant)
		     : err_hint(e,
				"write MIT, or Apache-2.0 OR MIT, or, for a license that is not in "
				"the SPDX list, LicenseRef-NAME");
}

char *license_suggest(const char *unknown)
{
	char *meant = word_of(unknown);
	if (!meant)
		meant = guess(unknown);
	if (meant)
		return meant;
	const char **names = mem_alloc(spdx_list_count * sizeof *names);
	size_t count = 0;
	for (size_t i = 0; i < spdx_list_count; i++)
		if (!(spdx_list[i].flags & SPDX_EXCEPTION))
			names[count++] = spdx_list[i].id;
	const char *near = text_nearest(unknown, names, count);
	free(names);
	return near ? mem_strdup(near) : NULL;
}
