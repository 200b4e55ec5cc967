#include "site/lists.h"

#include "site/commands.h"
#include "util/mem.h"
#include "util/text.h"

#include <ctype.h>
#include <string.h>

#define SUMMARY_MAX 200
#define TITLE_MAX 100
#define WORD_MAX 40
#define TOP_VALUES 10 /* on the first page */
#define INTRO_MAX ((size_t)8 * KIB)

/* ---- a model in a list ---- */

static void badge(struct page *p, const char *class, const char *text)
{
	CLEANUP(mem_free_ptr) char *cut = page_cut(text, WORD_MAX);
	if (!*text)
		return;
	markup_text(&p->m, " ");
	markup_element(&p->m, "span", class, cut);
}

static void add_sizes(struct page *p, const struct card *c)
{
	uint64_t least = UINT64_MAX, most = 0;
	char from[SIZE_TEXT], to[SIZE_TEXT];
	for (size_t i = 0; i < c->variant_count; i++) {
		least = MIN(least, c->variants[i].size);
		most = MAX(most, c->variants[i].size);
	}
	if (!most)
		return;
	markup_text(&p->m, " ");
	markup_open(&p->m, "span");
	markup_attr(&p->m, "class", "badge");
	format_size(from, least);
	format_size(to, most);
	if (c->variant_count > 1)
		markup_textf(&p->m, "%zu variants, ", c->variant_count);
	if (strcmp(from, to) != 0)
		markup_textf(&p->m, "%s to ", from);
	markup_text(&p->m, to);
	markup_close(&p->m, "span");
}

static void add_model(struct page *p, const char *heading, const struct card *c)
{
	struct markup *m = &p->m;
	char parameters[PAGE_COUNT_TEXT];
	CLEANUP(mem_free_ptr) char *path = page_model_path(c->id);
	CLEANUP(mem_free_ptr) char *title = page_cut(c->title, TITLE_MAX);
	CLEANUP(mem_free_ptr) char *summary = page_cut(c->summary, SUMMARY_MAX);
	markup_open(m, "li");
	markup_attr(m, "class", "card");
	markup_open(m, heading);
	page_link(p, NULL, path, title);
	markup_close(m, heading);
	if (*summary)
		markup_element(m, "p", NULL, summary);
	markup_open(m, "p");
	markup_attr(m, "class", "meta");
	markup_element(m, "code", NULL, c->id);
	if (c->withdrawn.reason)
		badge(p, "badge bad", "withdrawn");
	else if (c->deprecated)
		badge(p, "badge warn", "deprecated");
	badge(p, "badge", c->family);
	if (c->parameters)
		badge(p, "badge", page_parameters(parameters, c->parameters));
	badge(p, "badge", c->license ? c->license : "");
	add_sizes(p, c);
	markup_close(m, "p");
	markup_close(m, "li");
}

/* ---- a page of a list ---- */

/* A list in pages: the first is FOLDER/index.html, others FOLDER/<between><n>/index.html. */
struct paged {
	const char *folder, *between; /* folder "": the site */
	size_t items, per_page;
};

static size_t pages_of(const struct paged *l)
{
	return l->items ? (l->items - 1) / l->per_page + 1 : 1;
}

/* The caller frees it. */
static char *path_of(const struct paged *l, size_t page)
{
	const char *slash = *l->folder ? "/" : "";
	if (page == 1)
		return mem_printf("%s%sindex.html", l->folder, slash);
	return mem_printf("%s%s%s%zu/index.html", l->folder, slash, l->between, page);
}

static void neighbour(struct page *p, const struct paged *l, size_t page, const char *rel,
		      const char *text)
{
	CLEANUP(mem_free_ptr) char *path = path_of(l, page);
	markup_open(&p->m, "a");
	markup_attr(&p->m, "rel", rel);
	page_attr(p, "href", path);
	markup_text(&p->m, text);
	markup_close(&p->m, "a");
}

static void add_pages(struct page *p, const struct paged *l, size_t page)
{
	size_t last = pages_of(l);
	if (last == 1)
		return;
	markup_open(&p->m, "nav");
	markup_attr(&p->m, "class", "pages");
	markup_attr(&p->m, "aria-label", "Pages");
	if (page > 1)
		neighbour(p, l, page - 1, "prev", "Previous page");
	markup_open(&p->m, "span");
	markup_textf(&p->m, "Page %zu of %zu", page, last);
	markup_close(&p->m, "span");
	if (page < last)
		neighbour(p, l, page + 1, "next", "Next page");
	markup_close(&p->m, "nav");
}

/* The models from `first` on, of `count`. `by` are those of a facet, or NULL. */
static void add_models(struct page *p, const char *heading, const struct card *const *by,
		       size_t first, size_t count)
{
	const struct catalog *c = p->build->site->catalog;
	markup_open(&p->m, "ul");
	markup_attr(&p->m, "class", "cards");
	for (size_t i = first; i < MIN(first + LISTS_MODELS, count); i++)
		add_model(p, heading, by ? by[i] : &c->models[i]);
	markup_close(&p->m, "ul");
}

/* "1 model" */
static void add_count(struct page *p, size_t count)
{
	markup_open(&p->m, "p");
	markup_attr(&p->m, "class", "muted");
	markup_textf(&p->m, "%zu model%s", count, count == 1 ? "" : "s");
	markup_close(&p->m, "p");
}

/* "Models", "Models, page 2"; the caller frees it. */
static char *numbered(const char *title, size_t page)
{
	return page == 1 ? mem_strdup(title) : mem_printf("%s, page %zu", title, page);
}

/* ---- all models ---- */

static struct paged all_models(const struct site_build *b)
{
	return (struct paged){ "", "page/", b->site->catalog->model_count, LISTS_MODELS };
}

static int further_page(const struct site_build *b, const struct paged *l, size_t page,
			struct err *e)
{
	CLEANUP(page_release) struct page p;
	CLEANUP(mem_free_ptr) char *path = path_of(l, page);
	CLEANUP(mem_free_ptr) char *title = numbered("Models", page);
	page_open(&p, b, &(struct page_head){ .path = path, .title = title, .place = PAGE_MODELS });
	markup_element(&p.m, "h1", NULL, title);
	add_models(&p, "h2", NULL, (page - 1) * LISTS_MODELS, l->items);
	add_pages(&p, l, page);
	return page_close(&p, e);
}

int lists_pages(const struct site_build *b, struct err *e)
{
	struct paged l = all_models(b);
	int rc = 0;
	for (size_t i = 2; rc == 0 && i <= pages_of(&l); i++)
		rc = further_page(b, &l, i, e);
	return rc;
}

/* ---- facets ---- */

static void add_value(struct page *p, const struct facet_value *v)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/index.html", v->folder);
	CLEANUP(mem_free_ptr) char *text = page_cut(v->text, WORD_MAX);
	markup_open(&p->m, "li");
	markup_open(&p->m, "a");
	page_attr(p, "href", path);
	markup_textf(&p->m, "%s ", text);
	markup_open(&p->m, "span");
	markup_attr(&p->m, "class", "count");
	markup_textf(&p->m, "%zu", v->count);
	markup_close(&p->m, "span");
	markup_close(&p->m, "a");
	markup_close(&p->m, "li");
}

static int values_page(const struct site_build *b, const struct facet *k, const struct paged *l,
		       size_t page, struct err *e)
{
	CLEANUP(page_release) struct page p;
	CLEANUP(mem_free_ptr) char *path = path_of(l, page);
	CLEANUP(mem_free_ptr) char *title = numbered(k->plural, page);
	size_t first = (page - 1) * l->per_page;
	page_open(&p, b, &(struct page_head){ .path = path, .title = title, .place = PAGE_MODELS });
	markup_element(&p.m, "h1", NULL, title);
	markup_open(&p.m, "ul");
	markup_attr(&p.m, "class", "facets");
	for (size_t i = first; i < MIN(first + l->per_page, k->count); i++)
		add_value(&p, &k->values[i]);
	markup_close(&p.m, "ul");
	add_pages(&p, l, page);
	return page_close(&p, e);
}

static int value_page(const struct site_build *b, const struct facet *k,
		      const struct facet_value *v, const struct paged *l, size_t page,
		      struct err *e)
{
	CLEANUP(page_release) struct page p;
	CLEANUP(mem_free_ptr) char *path = path_of(l, page);
	CLEANUP(mem_free_ptr) char *text = page_cut(v->text, TITLE_MAX);
	CLEANUP(mem_free_ptr) char *value = mem_printf("%s: %s", k->title, text);
	CLEANUP(mem_free_ptr) char *title = numbered(value, page);
	CLEANUP(mem_free_ptr) char *up = mem_printf("by/%s/index.html", k->name);
	page_open(&p, b, &(struct page_head){ .path = path, .title = title, .place = PAGE_MODELS });
	markup_element(&p.m, "h1", NULL, title);
	add_count(&p, v->count);
	add_models(&p, "h2", k->models + v->first, (page - 1) * LISTS_MODELS, v->count);
	add_pages(&p, l, page);
	markup_open(&p.m, "p");
	CLEANUP(mem_free_ptr)
	char *all = mem_printf("All %c%s", tolower((unsigned char)*k->plural), k->plural + 1);
	page_link(&p, NULL, up, all);
	markup_close(&p.m, "p");
	return page_close(&p, e);
}

static int facet_pages(const struct site_build *b, const struct facet *k, struct err *e)
{
	CLEANUP(mem_free_ptr) char *folder = mem_printf("by/%s", k->name);
	struct paged values = { folder, "page_", k->count, LISTS_VALUES };
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < k->count; i++) {
		const struct facet_value *v = &k->values[i];
		struct paged l = { v->folder, "page_", v->count, LISTS_MODELS };
		for (size_t page = 1; rc == 0 && page <= pages_of(&l); page++)
			rc = value_page(b, k, v, &l, page, e);
	}
	for (size_t page = 1; rc == 0 && k->count && page <= pages_of(&values); page++)
		rc = values_page(b, k, &values, page, e);
	return rc;
}

int lists_facets(const struct site_build *b, const struct facets *f, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < FACETS_COUNT; i++)
		rc = facet_pages(b, &f->at[i], e);
	return rc;
}

/* ---- the first page ---- */

/* Of a <div>, which the caller closes: the field follows. */
static void field_open(struct page *p, const char *id, const char *label)
{
	markup_open(&p->m, "div");
	markup_attr(&p->m, "class", "field");
	markup_open(&p->m, "label");
	markup_attr(&p->m, "for", id);
	markup_text(&p->m, label);
	markup_close(&p->m, "label");
}

/* A filter of the search, whose values the script fills in. */
static void add_filter(struct page *p, const struct facet *k)
{
	struct markup *m = &p->m;
	CLEANUP(mem_free_ptr) char *id = mem_printf("filter-%s", k->name);
	if (!k->count)
		return;
	field_open(p, id, k->title);
	markup_open(m, "select");
	markup_attr(m, "id", id);
	markup_attr(m, "name", k->name);
	markup_open(m, "option");
	markup_attr(m, "value", "");
	markup_text(m, "any");
	markup_close(m, "option");
	markup_close(m, "select");
	markup_close(m, "div");
}

static void add_field(struct page *p)
{
	struct markup *m = &p->m;
	field_open(p, "q", "Search");
	markup_void(m, "input");
	markup_attr(m, "id", "q");
	markup_attr(m, "name", "q");
	markup_attr(m, "type", "search");
	markup_attr(m, "autocomplete", "off");
	markup_attr(m, "spellcheck", "false");
	markup_close(m, "div");
}

static void add_search(struct page *p, const struct facets *f)
{
	struct markup *m = &p->m;
	markup_open(m, "form");
	markup_attr(m, "class", "search");
	markup_attr(m, "role", "search");
	page_attr(p, "data-search", p->build->search);
	markup_attr(m, "data-root", "./");
	markup_flag(m, "hidden");
	add_field(p);
	for (size_t i = 0; i < FACETS_COUNT; i++)
		add_filter(p, &f->at[i]);
	markup_close(m, "form");
	markup_open(m, "p");
	markup_attr(m, "id", "found");
	markup_attr(m, "role", "status");
	markup_close(m, "p");
	markup_open(m, "div");
	markup_attr(m, "id", "results");
	markup_close(m, "div");
}

static int compare_counts(const void *a, const void *b)
{
	const struct facet_value *const *x = a, *const *y = b;
	if ((*x)->count != (*y)->count)
		return (*x)->count > (*y)->count ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

/* The values with most models. */
static void add_top(struct page *p, const struct facet *k)
{
	if (!k->count)
		return;
	const struct facet_value **top = mem_alloc(k->count * sizeof *top);
	CLEANUP(mem_free_ptr) char *up = mem_printf("by/%s/index.html", k->name);
	for (size_t i = 0; i < k->count; i++)
		top[i] = &k->values[i];
	if (k->count > TOP_VALUES)
		qsort(top, k->count, sizeof *top, compare_counts);
	markup_open(&p->m, "h3");
	page_link(p, NULL, up, k->title);
	markup_close(&p->m, "h3");
	markup_open(&p->m, "ul");
	markup_attr(&p->m, "class", "facets");
	for (size_t i = 0; i < MIN(k->count, (size_t)TOP_VALUES); i++)
		add_value(p, top[i]);
	markup_close(&p->m, "ul");
	free(top);
}

static void add_browse(struct page *p, const struct facets *f)
{
	bool has_choice = false;
	for (size_t i = 0; i < FACETS_COUNT; i++)
		has_choice = has_choice || f->at[i].count;
	if (!has_choice)
		return;
	markup_open(&p->m, "nav");
	markup_attr(&p->m, "class", "browse");
	markup_attr(&p->m, "aria-labelledby", "browse");
	page_heading(p, "h2", "browse", "Browse");
	for (size_t i = 0; i < FACETS_COUNT; i++)
		add_top(p, &f->at[i]);
	markup_close(&p->m, "nav");
}

static void add_start(struct page *p)
{
	const struct site *s = p->build->site;
	if (!s->invite && !s->root_sha256)
		return;
	markup_open(&p->m, "section");
	markup_attr(&p->m, "aria-labelledby", "start");
	page_heading(p, "h2", "start", "Get started");
	commands_repository(p);
	markup_close(&p->m, "section");
}

static void add_first(struct page *p, const struct facets *f)
{
	const struct site *s = p->build->site;
	struct paged l = all_models(p->build);
	if (s->intro) {
		markup_open(&p->m, "div");
		page_paragraphs(p, s->intro, INTRO_MAX);
		markup_close(&p->m, "div");
	}
	if (!l.items) {
		markup_element(&p->m, "p", "notice", "This repository has no models yet.");
		return;
	}
	if (p->build->search)
		add_search(p, f);
	markup_open(&p->m, "section");
	markup_attr(&p->m, "id", "list");
	markup_attr(&p->m, "aria-labelledby", "models");
	page_heading(p, "h2", "models", "Models");
	add_count(p, l.items);
	add_models(p, "h3", NULL, 0, l.items);
	add_pages(p, &l, 1);
	markup_close(&p->m, "section");
	add_start(p);
	add_browse(p, f);
}

int lists_first(const struct site_build *b, const struct facets *f, struct err *e)
{
	const struct site *s = b->site;
	CLEANUP(page_release) struct page p;
	page_open(&p, b,
		  &(struct page_head){ .path = "index.html",
				       .summary = s->intro,
				       .place = PAGE_MODELS,
				       .dated = true });
	markup_element(&p.m, "h1", NULL, page_site_title(s));
	add_first(&p, f);
	return page_close(&p, e);
}
