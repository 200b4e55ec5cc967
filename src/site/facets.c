#include "site/facets.h"

#include "hash/sha256.h"
#include "util/mem.h"
#include "util/text.h"

#include <ctype.h>
#include <string.h>

#define SLUG_MAX 40
#define MARK 16 /* hex digits */

/* ---- values ---- */

struct pair {
	const char *text;
	const struct card *model;
};
struct pairs {
	struct pair *at;
	size_t count, cap;
};

static void add(struct pairs *out, const char *text, const struct card *model)
{
	if (!text || !*text)
		return;
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count++] = (struct pair){ text, model };
}

const char *facets_model_kind(const struct card *c)
{
	const struct card_variant *v = card_variant(c, NULL);
	return v && v->kind ? v->kind : "model";
}

static void add_kind(struct pairs *out, const struct card *c)
{
	add(out, facets_model_kind(c), c);
}

static void add_family(struct pairs *out, const struct card *c)
{
	add(out, c->family, c);
}

static void add_license(struct pairs *out, const struct card *c)
{
	add(out, c->license, c);
}

/* In front of each, a letter by which they are sorted, which is not shown. */
static const struct {
	uint64_t most;
	const char *text;
} classes[] = { { GIB, "aup to 1 GiB" },       { 2 * GIB, "b1 to 2 GiB" },
		{ 4 * GIB, "c2 to 4 GiB" },    { 8 * GIB, "d4 to 8 GiB" },
		{ 16 * GIB, "e8 to 16 GiB" },  { 32 * GIB, "f16 to 32 GiB" },
		{ 64 * GIB, "g32 to 64 GiB" }, { UINT64_MAX, "hover 64 GiB" } };

/* A model has those of its variants, as the filter of the search does it. */
static void add_sizes(struct pairs *out, const struct card *c)
{
	bool has[ARRAY_LEN(classes)] = { 0 };
	for (size_t i = 0; i < c->variant_count; i++) {
		size_t k = 0;
		while (c->variants[i].size > classes[k].most)
			k++;
		if (!has[k])
			add(out, classes[k].text, c);
		has[k] = true;
	}
}

static const struct {
	const char *name, *title, *plural;
	void (*add)(struct pairs *out, const struct card *c);
	bool has_letter;
} table[FACETS_COUNT] = {
	[FACETS_FAMILY] = { "family", "Family", "Families", add_family, false },
	[FACETS_LICENSE] = { "license", "License", "Licenses", add_license, false },
	[FACETS_SIZE] = { "size", "Size", "Sizes", add_sizes, true },
	[FACETS_KIND] = { "kind", "Kind", "Kinds", add_kind, false },
};

/* ---- folders ---- */

static bool ends_with_mark(const char *s)
{
	size_t len = strlen(s);
	return len > MARK && s[len - MARK - 1] == '-' &&
	       strspn(s + len - MARK, "0123456789abcdef") == MARK;
}

/* Lower case letters, digits, '-' and '.'; what cannot be the start or end of a name everywhere is
 * cut off. The caller frees it. */
static char *slug_of(const char *text)
{
	char *s = mem_strndup(text, MIN(strlen(text), (size_t)SLUG_MAX));
	for (char *c = s; *c; c++) {
		*c = (char)tolower((unsigned char)*c);
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789.", *c))
			*c = '-';
	}
	size_t lead = strspn(s, "-."), len = strlen(s);
	while (len > lead && strchr("-.", s[len - 1]))
		s[--len] = '\0';
	memmove(s, s + lead, len - lead + 1);
	return s;
}

static bool is_shared(const struct str_list *sorted, const char *slug)
{
	size_t low = 0, high = sorted->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(sorted->at[middle], slug) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low + 1 < sorted->count && strcmp(sorted->at[low + 1], slug) == 0;
}

/* The digest tells values apart that look the same as a slug. */
static char *folder_of(const char *facet, const char *text, const char *slug, bool is_unique)
{
	struct digest d;
	char hex[DIGEST_HEX];
	if (is_unique && *slug && strlen(text) <= SLUG_MAX && !ends_with_mark(slug))
		return mem_printf("by/%s/%s", facet, slug);
	sha256_of(text, strlen(text), &d);
	return mem_printf("by/%s/%s%s%.*s", facet, slug, *slug ? "-" : "v-", MARK,
			  digest_hex(hex, &d));
}

static void set_folders(struct facet *k)
{
	CLEANUP(str_list_release) struct str_list slugs = { 0 }, sorted = { 0 };
	for (size_t i = 0; i < k->count; i++) {
		str_list_take(&slugs, slug_of(k->values[i].text));
		str_list_add(&sorted, slugs.at[i]);
	}
	if (sorted.count)
		qsort(sorted.at, sorted.count, sizeof *sorted.at, str_compare);
	for (size_t i = 0; i < k->count; i++)
		k->values[i].folder = folder_of(k->name, k->values[i].text, slugs.at[i],
						!is_shared(&sorted, slugs.at[i]));
}

/* ---- groups ---- */

static int compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int order = strcmp(x->text, y->text);
	return order ? order : x->model < y->model ? -1 : x->model > y->model;
}

static void clear(struct facet *k)
{
	for (size_t i = 0; i < k->count; i++) {
		free(k->values[i].text);
		free(k->values[i].folder);
	}
	free(k->values);
	free(k->models);
	k->values = NULL;
	k->models = NULL;
	k->count = 0;
}

static void group(struct facet *k, const struct pairs *pairs, bool has_letter)
{
	size_t cap = 0;
	k->models = mem_alloc((pairs->count + 1) * sizeof *k->models);
	for (size_t i = 0; i < pairs->count; i++) {
		k->models[i] = pairs->at[i].model;
		if (!i || strcmp(pairs->at[i].text, pairs->at[i - 1].text) != 0) {
			k->values = mem_grow(k->values, k->count, &cap, sizeof *k->values);
			k->values[k->count++] = (struct facet_value){
				.text = mem_strdup(pairs->at[i].text + has_letter),
				.first = i,
			};
		}
		k->values[k->count - 1].count++;
	}
}

static void make_facet(const struct catalog *c, size_t which, struct facet *k)
{
	struct pairs pairs = { 0 };
	*k = (struct facet){ .name = table[which].name,
			     .title = table[which].title,
			     .plural = table[which].plural };
	for (size_t i = 0; i < c->model_count; i++)
		table[which].add(&pairs, &c->models[i]);
	if (pairs.count)
		qsort(pairs.at, pairs.count, sizeof *pairs.at, compare_pairs);
	group(k, &pairs, table[which].has_letter);
	if (k->count == 1 && pairs.count == c->model_count)
		clear(k);
	set_folders(k);
	free(pairs.at);
}

void facets_make(const struct catalog *c, struct facets *out)
{
	for (size_t i = 0; i < FACETS_COUNT; i++)
		make_facet(c, i, &out->at[i]);
}

static int compare_text(const void *text, const void *value)
{
	return strcmp(text, ((const struct facet_value *)value)->text);
}

const struct facet_value *facets_find(const struct facet *k, const char *text)
{
	return k->count ? bsearch(text, k->values, k->count, sizeof *k->values, compare_text)
			: NULL;
}

void facets_release(struct facets *f)
{
	for (size_t i = 0; i < FACETS_COUNT; i++)
		clear(&f->at[i]);
}
