#include "site/model.h"

#include "catalog/fit.h"
#include "catalog/spdx.h"
#include "site/commands.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define DESCRIPTION_MAX ((size_t)20 * KIB)
#define VARIANTS_MAX 64 /* of which the details are shown */
#define DETAILS_MAX ((size_t)4 * MIB)
#define FILES_MAX 64 /* of a version */
#define CHANGES_MAX 16
#define WORD_MAX 80

/* ---- withdrawals and deprecations ---- */

/* "phi-3:q4" leads to the page of phi-3, if there is one. */
static void add_replacement(struct page *p, const char *reference)
{
	CLEANUP(mem_free_ptr) char *id = mem_strndup(reference, strcspn(reference, ":@"));
	CLEANUP(mem_free_ptr) char *path = page_model_path(id);
	if (catalog_model(p->build->site->catalog, id))
		page_link(p, NULL, path, reference);
	else
		markup_text(&p->m, reference);
}

static bool ends_sentence(const char *text)
{
	return *text && strchr(".!?", text[strlen(text) - 1]);
}

/* "Withdrawn: REASON. Use REPLACEMENT." */
static void add_notice(struct page *p, const char *class, const char *what, const char *reason,
		       const char *replacement)
{
	markup_open(&p->m, "p");
	markup_attr(&p->m, "class", class);
	markup_element(&p->m, "strong", NULL, what);
	if (reason)
		markup_textf(&p->m, ": %s%s", reason, ends_sentence(reason) ? "" : ".");
	if (replacement) {
		markup_text(&p->m, reason ? " Use " : ": use ");
		add_replacement(p, replacement);
		markup_text(&p->m, ".");
	}
	markup_close(&p->m, "p");
}

static void add_withdrawal(struct page *p, const struct card_withdrawal *w)
{
	if (w->reason)
		add_notice(p, "notice bad", "Withdrawn", w->reason, w->replacement);
}

/* ---- what it is ---- */

static void fact_open(struct page *p, const char *name)
{
	markup_element(&p->m, "dt", NULL, name);
	markup_open(&p->m, "dd");
}

static void fact(struct page *p, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	fact_open(p, name);
	markup_text(&p->m, text);
	markup_close(&p->m, "dd");
}

static void fact_date(struct page *p, const char *name, const char *time)
{
	if (!time)
		return;
	fact_open(p, name);
	page_date(p, time);
	markup_close(&p->m, "dd");
}

static void fact_words(struct page *p, const char *name, const json_t *words)
{
	const json_t *word;
	size_t i;
	if (!json_array_size(words))
		return;
	fact_open(p, name);
	markup_open(&p->m, "ul");
	markup_attr(&p->m, "class", "tags");
	json_array_foreach (words, i, word)
		markup_element(&p->m, "li", NULL, json_string_value(word));
	markup_close(&p->m, "ul");
	markup_close(&p->m, "dd");
}

/* The publisher's link; else that of the SPDX list, https://spdx.org/licenses/. */
static void fact_license(struct page *p, const struct card *c)
{
	const json_t *license = json_object_get(c->json, "license");
	const char *url = json_text(license, "url"), *name = json_text(license, "name");
	const char *text = c->license ? c->license : name;
	const struct spdx_entry *known = c->license ? spdx_find(c->license, strlen(c->license))
						    : NULL;
	CLEANUP(mem_free_ptr)
	char *list = known ? mem_printf("https://spdx.org/licenses/%s.html", known->id) : NULL;
	if (!text)
		return;
	fact_open(p, "License");
	page_link_out(p, url ? url : list, text);
	if (name && name != text)
		markup_textf(&p->m, " (%s)", name);
	markup_close(&p->m, "dd");
}

static void fact_source(struct page *p, const json_t *source)
{
	const char *url = json_text(source, "url");
	if (url) {
		fact_open(p, "Source");
		page_link_out(p, url, url);
		markup_close(&p->m, "dd");
	}
	fact(p, "Revision", json_text(source, "revision"));
	fact(p, "Author", json_text(source, "author"));
	fact(p, "Based on", json_text(source, "base_model"));
}

static void fact_family(struct page *p, const struct card *c, const struct facets *f)
{
	const struct facet_value *v = facets_find(&f->at[FACETS_FAMILY], c->family);
	if (!v)
		return;
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/index.html", v->folder);
	fact_open(p, "Family");
	page_link(p, NULL, path, c->family);
	markup_close(&p->m, "dd");
}

static void add_facts(struct page *p, const struct card *c, const struct facets *f)
{
	char parameters[PAGE_COUNT_TEXT], tokens[32];
	snprintf(tokens, sizeof tokens, "%llu tokens", (unsigned long long)c->context_length);
	markup_open(&p->m, "dl");
	markup_attr(&p->m, "class", "facts");
	fact(p, "Model", c->id);
	fact_family(p, c, f);
	if (c->parameters)
		fact(p, "Parameters", page_parameters(parameters, c->parameters));
	if (c->context_length)
		fact(p, "Context", tokens);
	fact_license(p, c);
	fact_source(p, json_object_get(c->json, "source"));
	fact_words(p, "Tags", json_object_get(c->json, "tags"));
	fact_words(p, "Languages", json_object_get(c->json, "languages"));
	fact_date(p, "Created", json_text(c->json, "created"));
	fact_date(p, "Updated", json_text(c->json, "updated"));
	markup_close(&p->m, "dl");
}

/* ---- the table of variants ---- */

static void cell(struct page *p, const char *class, const char *text)
{
	markup_element(&p->m, "td", class, text ? text : "");
}

static void cell_size(struct page *p, uint64_t bytes, bool known)
{
	char size[SIZE_TEXT];
	markup_open(&p->m, "td");
	markup_attr(&p->m, "class", "num");
	markup_attrf(&p->m, "data-sort", "%llu", (unsigned long long)bytes);
	markup_text(&p->m, known ? format_size(size, bytes) : "");
	markup_close(&p->m, "td");
}

static void columns(struct page *p, const char *const *names, const char *numeric)
{
	markup_open(&p->m, "thead");
	markup_open(&p->m, "tr");
	for (size_t i = 0; names[i]; i++) {
		markup_open(&p->m, "th");
		markup_attr(&p->m, "scope", "col");
		if (numeric[i] == 'n')
			markup_attr(&p->m, "class", "num");
		markup_text(&p->m, names[i]);
		markup_close(&p->m, "th");
	}
	markup_close(&p->m, "tr");
	markup_close(&p->m, "thead");
}

static void add_row(struct page *p, const struct card *c, const struct card_variant *v,
		    bool has_details)
{
	struct markup *m = &p->m;
	markup_open(m, "tr");
	markup_open(m, "th");
	markup_attr(m, "scope", "row");
	markup_open(m, has_details ? "a" : "span");
	if (has_details)
		markup_attrf(m, "href", "#v-%s", v->id);
	markup_text(m, v->id);
	markup_close(m, has_details ? "a" : "span");
	if (v == card_variant(c, NULL)) {
		markup_text(m, " ");
		markup_element(m, "span", "badge good", "default");
	}
	if (card_withdrawn(c, v).reason) {
		markup_text(m, " ");
		markup_element(m, "span", "badge bad", "withdrawn");
	}
	markup_close(m, "th");
	cell(p, NULL, v->quantization ? v->quantization : v->kind);
	cell_size(p, v->size, true);
	cell_size(p, v->ram_known ? v->ram_bytes : 0, v->ram_known);
	markup_open(m, "td");
	markup_attr(m, "class", "num");
	markup_textf(m, "%llu", (unsigned long long)v->version);
	markup_close(m, "td");
	markup_open(m, "td");
	if (v->released)
		page_date(p, v->released);
	markup_close(m, "td");
	markup_close(m, "tr");
}

/* At most as many bytes as the details of a variant take. A byte of a name can become a quoted and
 * escaped one in three commands, and is in two URLs. */
static size_t weight(const struct card_variant *v)
{
	size_t bytes = 8 * KIB + v->superseded_count * 8 * KIB;
	for (size_t i = 0; i < v->file_count; i++)
		bytes += KIB + 48 * (strlen(v->files[i].name) + strlen(v->files[i].path));
	return bytes;
}

/* How many variants can have details on a page that can be read. */
static size_t detailed(const struct card *c)
{
	size_t bytes = 0, count = 0;
	for (; count < MIN(c->variant_count, (size_t)VARIANTS_MAX); count++) {
		bytes += weight(&c->variants[count]);
		if (count && bytes > DETAILS_MAX)
			break;
	}
	return count;
}

static void add_table(struct page *p, const struct card *c)
{
	static const char *const names[] = { "Variant", "Quantization", "Size", "Memory",
					     "Version", "Released",     NULL };
	size_t details = detailed(c);
	page_table_open(p, "sortable", "Variants");
	columns(p, names, "--nnn-");
	markup_open(&p->m, "tbody");
	for (size_t i = 0; i < c->variant_count; i++)
		add_row(p, c, &c->variants[i], i < details);
	markup_close(&p->m, "tbody");
	page_table_close(p);
}

/* ---- details of a variant ---- */

/* "Version 2 (2026-11), released 2026-11-28" */
static void add_version(struct page *p, const struct card_variant *v)
{
	markup_textf(&p->m, "Version %llu", (unsigned long long)v->version);
	if (v->label)
		markup_textf(&p->m, " (%s)", v->label);
	if (v->released) {
		markup_text(&p->m, ", released ");
		page_date(p, v->released);
	}
}

static void add_changes(struct page *p, const struct card_variant *v)
{
	const json_t *changes = json_object_get(v->json, "changes"), *change;
	size_t i;
	if (!json_array_size(changes))
		return;
	markup_element(&p->m, "p", NULL, "Changes since the version before:");
	markup_open(&p->m, "ul");
	json_array_foreach (changes, i, change)
		if (i < CHANGES_MAX)
			markup_element(&p->m, "li", NULL, json_string_value(change));
	markup_close(&p->m, "ul");
}

static void add_file(struct page *p, const struct card_file *f)
{
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *url = commands_url(p->build->site->catalog, f);
	markup_open(&p->m, "tr");
	markup_open(&p->m, "th");
	markup_attr(&p->m, "scope", "row");
	page_link_out(p, url, f->name);
	if (f->role)
		markup_textf(&p->m, " (%s)", f->role);
	markup_close(&p->m, "th");
	cell_size(p, f->size, true);
	markup_open(&p->m, "td");
	markup_element(&p->m, "code", "digest", digest_hex(hex, &f->sha256));
	markup_close(&p->m, "td");
	markup_close(&p->m, "tr");
}

static void add_more(struct page *p, size_t count, size_t max, const char *what)
{
	if (count <= max)
		return;
	markup_open(&p->m, "p");
	markup_textf(&p->m, "and %zu more %s: ", count - max, what);
	markup_element(&p->m, "code", NULL, "ferry show");
	markup_text(&p->m, " shows all.");
	markup_close(&p->m, "p");
}

static void add_files(struct page *p, const struct card_variant *v)
{
	static const char *const names[] = { "File", "Size", "SHA-256", NULL };
	CLEANUP(mem_free_ptr) char *label = mem_printf("Files of %s", v->id);
	page_table_open(p, NULL, label);
	columns(p, names, "-n-");
	markup_open(&p->m, "tbody");
	for (size_t i = 0; i < MIN(v->file_count, (size_t)FILES_MAX); i++)
		add_file(p, &v->files[i]);
	markup_close(&p->m, "tbody");
	page_table_close(p);
	add_more(p, v->file_count, FILES_MAX, "files");
}

static void add_superseded(struct page *p, const struct card *c, const struct card_variant *v)
{
	char size[SIZE_TEXT];
	if (!v->superseded_count)
		return;
	markup_element(&p->m, "p", NULL, "Earlier versions:");
	markup_open(&p->m, "ul");
	for (size_t i = 0; i < v->superseded_count; i++) {
		const struct card_variant *old = &v->superseded[i];
		markup_open(&p->m, "li");
		add_version(p, old);
		markup_textf(&p->m, ", %s: ", format_size(size, old->size));
		markup_open(&p->m, "code");
		markup_textf(&p->m, "%s:%s@%llu", c->id, v->id, (unsigned long long)old->version);
		markup_close(&p->m, "code");
		add_withdrawal(p, &old->withdrawn);
		markup_close(&p->m, "li");
	}
	markup_close(&p->m, "ul");
}

static void add_use(struct page *p, const struct card_variant *v)
{
	char ram[SIZE_TEXT];
	if (v->kind) {
		markup_open(&p->m, "p");
		markup_textf(&p->m, "Kind: %s. It is used together with a model.", v->kind);
		markup_close(&p->m, "p");
	}
	if (v->engine) {
		markup_open(&p->m, "p");
		markup_textf(&p->m, "Of all engines, only %s can load it.", v->engine);
		markup_close(&p->m, "p");
	}
	if (!v->ram_known)
		return;
	markup_open(&p->m, "p");
	markup_textf(&p->m, "About %s of memory with %llu tokens of context.",
		     format_size(ram, fit_needs(v, 0)), (unsigned long long)fit_context(v, 0));
	markup_close(&p->m, "p");
}

static void add_commands(struct page *p, const struct card *c, const struct card_variant *v)
{
	if (card_withdrawn(c, v).reason)
		return;
	markup_open(&p->m, "details");
	if (v == card_variant(c, NULL))
		markup_flag(&p->m, "open");
	markup_open(&p->m, "summary");
	markup_textf(&p->m, "Get %s", v->id);
	markup_close(&p->m, "summary");
	commands_variant(p, c, v);
	markup_close(&p->m, "details");
}

static void add_variant(struct page *p, const struct card *c, const struct card_variant *v)
{
	CLEANUP(mem_free_ptr) char *id = mem_printf("v-%s", v->id);
	const char *title = json_text(v->json, "title"), *summary = json_text(v->json, "summary");
	markup_open(&p->m, "section");
	markup_attr(&p->m, "class", "variant");
	markup_attr(&p->m, "aria-labelledby", id);
	page_heading(p, "h3", id, v->id);
	if (title)
		markup_element(&p->m, "p", NULL, title);
	if (summary)
		markup_element(&p->m, "p", NULL, summary);
	markup_open(&p->m, "p");
	add_version(p, v);
	markup_close(&p->m, "p");
	add_withdrawal(p, &v->withdrawn);
	add_use(p, v);
	add_changes(p, v);
	add_commands(p, c, v);
	add_files(p, v);
	add_superseded(p, c, v);
	markup_close(&p->m, "section");
}

static void add_variants(struct page *p, const struct card *c)
{
	page_heading(p, "h2", "variants", "Variants");
	add_table(p, c);
	page_heading(p, "h2", "get", "Get it");
	commands_repository(p);
	size_t details = detailed(c);
	for (size_t i = 0; i < details; i++)
		add_variant(p, c, &c->variants[i]);
	add_more(p, c->variant_count, details, "variants");
}

int site_model_page(const struct site_build *b, const struct card *c, const struct facets *f,
		    struct err *e)
{
	CLEANUP(page_release) struct page p;
	CLEANUP(mem_free_ptr) char *path = page_model_path(c->id);
	const char *description = json_text(c->json, "description");
	page_open(&p, b,
		  &(struct page_head){ .path = path,
				       .title = c->title,
				       .summary = *c->summary ? c->summary : NULL,
				       .place = PAGE_MODELS });
	markup_element(&p.m, "h1", NULL, c->title);
	if (*c->summary)
		markup_element(&p.m, "p", "lead", c->summary);
	add_withdrawal(&p, &c->withdrawn);
	if (c->deprecated)
		add_notice(&p, "notice warn", "Deprecated", c->deprecation_reason, c->replacement);
	add_facts(&p, c, f);
	if (description)
		page_paragraphs(&p, description, DESCRIPTION_MAX);
	add_variants(&p, c);
	return page_close(&p, e);
}
