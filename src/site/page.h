/*
 * page: the frame of every page of the site: head, header, navigation, footer; and texts that pages
 * share.
 *
 * Links within the site name the file ("models/phi-2.html"), since buckets and folders do not
 * show a folder's index. Only pages that change with each build anyway say which release they are
 * of (page_head.dated), so that a new release changes few files.
 *
 * Prefixes: site_ (of a build), page_.
 */
#ifndef FERRY_SITE_PAGE_H
#define FERRY_SITE_PAGE_H

#include "site/markup.h"
#include "site/site.h"

#define PAGE_MAX_BYTES (16 * MIB)

/* A build: what pages have in common. Everything is borrowed. The paths are below the site. */
struct site_build {
	const struct site *site;
	site_file_fn *fn;
	void *ctx;
	const char *style, *script, *icon, *search;
};
/* Hands a file on. `out` must not have overflowed: ERR_INTEGRITY. */
WARN_UNUSED int site_build_file(const struct site_build *b, const char *path, const struct buf *out,
				struct err *e);

/* The entry of the navigation that a page belongs to. */
enum page_place { PAGE_ELSEWHERE, PAGE_MODELS, PAGE_MIRRORS, PAGE_STATISTICS };

struct page_head {
	const char *path;    /* of the file below the site */
	const char *title;   /* of the page; NULL: that of the site */
	const char *summary; /* a sentence for search engines and previews; or NULL */
	enum page_place place;
	bool dated;
};

struct page {
	const struct site_build *build;
	struct page_head head; /* its texts are borrowed */
	char *root;            /* from the page to the site: "", "../../"; owned */
	struct buf html;
	struct markup m; /* within <main> between open and close */
};
void page_open(struct page *p, const struct site_build *b, const struct page_head *head);
/* Ends the page and hands it on. */
WARN_UNUSED int page_close(struct page *p, struct err *e);
void page_release(struct page *p);

/* The attribute, for the element that was just opened: a path below the site. */
void page_attr(struct page *p, const char *attribute, const char *path);
/* <a href=…>text</a>; class may be NULL. */
void page_link(struct page *p, const char *class, const char *path, const char *text);
/* The same for a URL; only the text if it is not one. */
void page_link_out(struct page *p, const char *url, const char *text);
/* <h2 id=…>text</h2> */
void page_heading(struct page *p, const char *element, const char *id, const char *text);
/* "2026-11-29", in <time>; what is not a time of RFC 3339 as it is. */
void page_date(struct page *p, const char *time);
/* Paragraphs, which empty lines separate; at most max bytes. */
void page_paragraphs(struct page *p, const char *text, size_t max);

/* A table that scrolls if it is wide (div.scroll, assets.h); class may be NULL, label is its name
 * for screen readers. */
void page_table_open(struct page *p, const char *class, const char *label);
void page_table_close(struct page *p);

const char *page_site_title(const struct site *s);
/* The first bytes of a text, at most max, and "…" if there are more. The caller frees it. */
char *page_cut(const char *text, size_t max);
/* "models/ID.html"; the caller frees it. */
char *page_model_path(const char *id);
/* "2.7 B" */
#define PAGE_COUNT_TEXT 16
const char *page_parameters(char out[PAGE_COUNT_TEXT], uint64_t n);

#endif
