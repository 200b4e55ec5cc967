/*
 * markup: writes HTML (WHATWG), and XML 1.0 for SVG and Atom, so that no text can become markup.
 *
 * What always holds here:
 *  - names of elements and attributes are constants of the program; texts and values are escaped;
 *  - a text is one of readers: of invalid UTF-8, control characters and those that change the
 *    direction of what follows (Unicode 9, UAX #9), each is replaced by U+FFFD;
 *  - a link is http, https or relative; any other is left out, so "javascript:" can lead nowhere;
 *  - elements are closed in order. What is not is a fault of the program, which then aborts.
 *
 * Nothing is written into <script> or <style>: pages have none of their own (site.h).
 */
#ifndef FERRY_SITE_MARKUP_H
#define FERRY_SITE_MARKUP_H

#include "util/buf.h"

#define MARKUP_DEPTH 32

struct markup {
	struct buf *out; /* borrowed */
	bool in_tag;     /* an element was opened, and still takes attributes */
	bool is_void;    /* it has no content */
	size_t depth;
	const char *open[MARKUP_DEPTH];
};

/* Writes "<!doctype html>" or "<?xml …?>". An SVG within a page is begun by neither. */
void markup_html(struct markup *m, struct buf *out);
void markup_xml(struct markup *m, struct buf *out);

void markup_open(struct markup *m, const char *element);
void markup_close(struct markup *m, const char *element); /* the innermost */
/* For the element that was just opened. */
void markup_attr(struct markup *m, const char *name, const char *value);
void markup_attrf(struct markup *m, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
void markup_flag(struct markup *m, const char *name); /* "hidden" */
/* The same for href and the like. False if it was left out. */
bool markup_link(struct markup *m, const char *name, const char *url);
bool markup_is_link(const char *url);

void markup_text(struct markup *m, const char *text);
void markup_textf(struct markup *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* <element>text</element>; class may be NULL. */
void markup_element(struct markup *m, const char *element, const char *class, const char *text);
/* An element that has no content: <meta>, <br>, <path/>. Attributes follow, then anything else. */
void markup_void(struct markup *m, const char *element);

#endif
