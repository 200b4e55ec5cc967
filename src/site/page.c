#include "site/page.h"

#include "util/mem.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define POLICY \
	"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " \
	"connect-src 'self'; base-uri 'none'; form-action 'self'"
#define SUMMARY_MAX 200

int site_build_file(const struct site_build *b, const char *path, const struct buf *out,
		    struct err *e)
{
	int rc = buf_ok(out, path, e);
	return rc < 0 ? rc : b->fn(b->ctx, path, buf_str(out), out->len, e);
}

/* ---- texts ---- */

char *page_cut(const char *text, size_t max)
{
	size_t len = strlen(text);
	if (len <= max)
		return mem_strdup(text);
	for (len = max; len && ((unsigned char)text[len] & 0xC0) == 0x80; len--)
		;
	return mem_printf("%.*s…", (int)len, text);
}

char *page_model_path(const char *id)
{
	return mem_printf("models/%s.html", id);
}

const char *page_parameters(char out[PAGE_COUNT_TEXT], uint64_t n)
{
	static const char *const units[] = { "", " K", " M", " B", " T" };
	double value = (double)n;
	size_t unit = 0;
	while (value >= 999.5 && unit + 1 < ARRAY_LEN(units)) {
		value /= 1000;
		unit++;
	}
	snprintf(out, PAGE_COUNT_TEXT, "%.3g%s", value, units[unit]);
	return out;
}

const char *page_site_title(const struct site *s)
{
	return s->title ? s->title : s->name;
}

/* ---- links ---- */

/* From the page to the site. The page of errors is shown at any path, so it needs the path of the
 * site on its host. */
static char *root_of(const struct site_build *b, const char *path)
{
	struct buf root = BUF_INIT(KIB);
	if (strcmp(path, "404.html") == 0 && b->site->url) {
		const char *host = strstr(b->site->url, "://");
		const char *slash = host ? strchr(host + 3, '/') : NULL;
		return mem_strdup(slash ? slash : "/");
	}
	for (const char *c = path; *c; c++)
		if (*c == '/')
			buf_adds(&root, "../");
	buf_adds(&root, "");
	return buf_steal(&root);
}

void page_attr(struct page *p, const char *attribute, const char *path)
{
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s%s", p->root, path);
	markup_link(&p->m, attribute, url);
}

void page_link(struct page *p, const char *class, const char *path, const char *text)
{
	markup_open(&p->m, "a");
	if (class)
		markup_attr(&p->m, "class", class);
	page_attr(p, "href", path);
	markup_text(&p->m, text);
	markup_close(&p->m, "a");
}

void page_link_out(struct page *p, const char *url, const char *text)
{
	bool is_link = url && markup_is_link(url);
	markup_open(&p->m, is_link ? "a" : "span");
	if (is_link) {
		markup_link(&p->m, "href", url);
		markup_attr(&p->m, "rel", "noopener noreferrer external");
	}
	markup_text(&p->m, text);
	markup_close(&p->m, is_link ? "a" : "span");
}

/* ---- parts ---- */

void page_heading(struct page *p, const char *element, const char *id, const char *text)
{
	markup_open(&p->m, element);
	markup_attr(&p->m, "id", id);
	markup_text(&p->m, text);
	markup_close(&p->m, element);
}

void page_date(struct page *p, const char *time)
{
	int64_t seconds;
	if (!parse_time(time, &seconds)) {
		markup_text(&p->m, time);
		return;
	}
	markup_open(&p->m, "time");
	markup_attr(&p->m, "datetime", time);
	markup_textf(&p->m, "%.10s", time);
	markup_close(&p->m, "time");
}

void page_paragraphs(struct page *p, const char *text, size_t max)
{
	CLEANUP(mem_free_ptr) char *cut = page_cut(text, max);
	for (char *at = cut, *end; *at; at = end) {
		at += strspn(at, "\n");
		end = strstr(at, "\n\n");
		if (end)
			*end++ = '\0';
		else
			end = at + strlen(at);
		if (*at)
			markup_element(&p->m, "p", NULL, at);
	}
}

void page_table_open(struct page *p, const char *class, const char *label)
{
	markup_open(&p->m, "div");
	markup_attr(&p->m, "class", "scroll");
	markup_attr(&p->m, "role", "group");
	markup_attr(&p->m, "aria-label", label);
	markup_open(&p->m, "table");
	if (class)
		markup_attr(&p->m, "class", class);
}

void page_table_close(struct page *p)
{
	markup_close(&p->m, "table");
	markup_close(&p->m, "div");
}

/* ---- head ---- */

static void meta(struct markup *m, const char *key, const char *name, const char *content)
{
	markup_void(m, "meta");
	markup_attr(m, key, name);
	markup_attr(m, "content", content);
}

static void link_rel(struct page *p, const char *rel, const char *type, const char *path)
{
	if (!path)
		return;
	markup_void(&p->m, "link");
	markup_attr(&p->m, "rel", rel);
	if (type)
		markup_attr(&p->m, "type", type);
	page_attr(p, "href", path);
}

/* https://ogp.me: what a link to the page looks like elsewhere. */
static void add_preview(struct page *p)
{
	const struct site *s = p->build->site;
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s%s", s->url ? s->url : "", p->head.path);
	CLEANUP(mem_free_ptr)
	char *summary = p->head.summary ? page_cut(p->head.summary, SUMMARY_MAX) : NULL;
	meta(&p->m, "property", "og:type", "website");
	meta(&p->m, "property", "og:title",
	     p->head.title ? p->head.title : page_site_title(p->build->site));
	meta(&p->m, "property", "og:site_name", page_site_title(p->build->site));
	if (summary) {
		meta(&p->m, "name", "description", summary);
		meta(&p->m, "property", "og:description", summary);
	}
	if (!s->url || strcmp(p->head.path, "404.html") == 0)
		return;
	meta(&p->m, "property", "og:url", url);
	markup_void(&p->m, "link");
	markup_attr(&p->m, "rel", "canonical");
	markup_link(&p->m, "href", url);
}

static void add_head(struct page *p)
{
	const struct site_build *b = p->build;
	struct markup *m = &p->m;
	markup_open(m, "head");
	markup_void(m, "meta");
	markup_attr(m, "charset", "utf-8");
	meta(m, "http-equiv", "Content-Security-Policy", POLICY);
	meta(m, "name", "viewport", "width=device-width, initial-scale=1");
	meta(m, "name", "color-scheme", "light dark");
	meta(m, "name", "referrer", "no-referrer");
	markup_open(m, "title");
	if (p->head.title)
		markup_textf(m, "%s · ", p->head.title);
	markup_text(m, page_site_title(p->build->site));
	markup_close(m, "title");
	add_preview(p);
	link_rel(p, "icon", "image/svg+xml", b->icon);
	link_rel(p, "stylesheet", NULL, b->style);
	link_rel(p, "alternate", "application/atom+xml", b->site->url ? "feed.xml" : NULL);
	if (b->script) {
		markup_open(m, "script");
		page_attr(p, "src", b->script);
		markup_flag(m, "defer");
		markup_close(m, "script");
	}
	markup_close(m, "head");
}

/* ---- header and footer ---- */

static void add_place(struct page *p, enum page_place place, const char *path, const char *text)
{
	markup_open(&p->m, "li");
	markup_open(&p->m, "a");
	page_attr(p, "href", path);
	if (p->head.place == place)
		markup_attr(&p->m, "aria-current",
			    strcmp(p->head.path, path) == 0 ? "page" : "true");
	markup_text(&p->m, text);
	markup_close(&p->m, "a");
	markup_close(&p->m, "li");
}

static void add_header(struct page *p)
{
	struct markup *m = &p->m;
	markup_open(m, "a");
	markup_attr(m, "class", "skip");
	markup_attr(m, "href", "#main");
	markup_text(m, "Skip to the content");
	markup_close(m, "a");
	markup_open(m, "header");
	markup_attr(m, "class", "top");
	page_link(p, "brand", "index.html", page_site_title(p->build->site));
	markup_open(m, "nav");
	markup_attr(m, "aria-label", "Site");
	markup_open(m, "ul");
	add_place(p, PAGE_MODELS, "index.html", "Models");
	add_place(p, PAGE_MIRRORS, "mirrors/index.html", "Mirrors");
	if (p->build->site->statistics)
		add_place(p, PAGE_STATISTICS, "statistics/index.html", "Statistics");
	markup_close(m, "ul");
	markup_close(m, "nav");
	markup_close(m, "header");
}

static void add_release(struct page *p)
{
	const struct site *s = p->build->site;
	char now[TIME_TEXT];
	if (!p->head.dated)
		return;
	format_time(now, s->time_s);
	markup_open(&p->m, "p");
	markup_textf(&p->m, "Release %llu, ", (unsigned long long)s->release);
	page_date(p, now);
	markup_close(&p->m, "p");
}

static void add_footer(struct page *p)
{
	struct markup *m = &p->m;
	markup_open(m, "footer");
	markup_attr(m, "class", "bottom");
	add_release(p);
	markup_open(m, "p");
	page_link(p, NULL, "models.json", "models.json");
	if (p->build->site->url) {
		markup_text(m, " · ");
		page_link(p, NULL, "feed.xml", "Feed");
	}
	markup_close(m, "p");
	markup_close(m, "footer");
}

void page_open(struct page *p, const struct site_build *b, const struct page_head *head)
{
	*p = (struct page){ .build = b, .head = *head, .root = root_of(b, head->path) };
	buf_init(&p->html, PAGE_MAX_BYTES);
	markup_html(&p->m, &p->html);
	markup_open(&p->m, "html");
	markup_attr(&p->m, "lang", "en");
	add_head(p);
	markup_open(&p->m, "body");
	add_header(p);
	markup_open(&p->m, "main");
	markup_attr(&p->m, "id", "main");
	markup_attr(&p->m, "tabindex", "-1");
}

int page_close(struct page *p, struct err *e)
{
	markup_close(&p->m, "main");
	add_footer(p);
	markup_close(&p->m, "body");
	markup_close(&p->m, "html");
	buf_addc(&p->html, '\n');
	return site_build_file(p->build, p->head.path, &p->html, e);
}

void page_release(struct page *p)
{
	free(p->root);
	p->root = NULL;
	buf_release(&p->html);
}
