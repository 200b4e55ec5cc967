#include "site/markup.h"

#include "catalog/link.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"

void markup_html(struct markup *m, struct buf *out)
{
	*m = (struct markup){ .out = out };
	buf_adds(out, "<!doctype html>\n");
}

void markup_xml(struct markup *m, struct buf *out)
{
	*m = (struct markup){ .out = out };
	buf_adds(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
}

/* ---- escaping ---- */

/* The bytes of the character at s, of which `len` are there; 0: it is not valid. */
static size_t character(const char *s, size_t len)
{
	unsigned char first = (unsigned char)*s;
	size_t n = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
	return n <= len && utf8_valid(s, n) ? n : 0;
}

static bool is_three(const char *s, unsigned char second, unsigned char low, unsigned char high)
{
	unsigned char third = (unsigned char)s[2];
	return (unsigned char)s[1] == second && third >= low && third <= high;
}

/* Controls of C0 (but for tab and line feed) and C1, U+061C, U+200E to U+200F, U+2028 to U+202E,
 * U+2066 to U+2069, U+FEFF, and what XML 1.0 forbids. */
static bool is_unwanted(const char *s, size_t n)
{
	unsigned char first = (unsigned char)*s;
	if (n == 1)
		return first == 0x7F || (first < 0x20 && first != '\t' && first != '\n');
	if (n == 2)
		return (first == 0xC2 && (unsigned char)s[1] < 0xA0) || !memcmp(s, "\xD8\x9C", 2);
	if (n == 3 && first == 0xE2)
		return is_three(s, 0x80, 0x8E, 0x8F) || is_three(s, 0x80, 0xA8, 0xAE) ||
		       is_three(s, 0x81, 0xA6, 0xA9);
	return n == 3 && first == 0xEF &&
	       (is_three(s, 0xBB, 0xBF, 0xBF) || is_three(s, 0xBF, 0xBE, 0xBF));
}

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

static void escape(struct buf *out, const char *s)
{
	size_t left = strlen(s);
	while (left) {
		size_t n = character(s, left);
		const char *named = entity(*s);
		if (named)
			buf_adds(out, named);
		else if (!n || is_unwanted(s, n))
			buf_adds(out, REPLACEMENT);
		else
			buf_add(out, s, n);
		n = n ? n : 1;
		s += n;
		left -= n;
	}
}

/* ---- elements ---- */

static void end_tag(struct markup *m)
{
	if (m->in_tag)
		buf_adds(m->out, m->is_void ? "/>" : ">");
	m->in_tag = m->is_void = false;
}

void markup_open(struct markup *m, const char *element)
{
	if (m->depth == MARKUP_DEPTH)
		abort();
	end_tag(m);
	buf_addf(m->out, "<%s", element);
	m->in_tag = true;
	m->open[m->depth++] = element;
}

void markup_close(struct markup *m, const char *element)
{
	if (!m->depth || strcmp(m->open[--m->depth], element) != 0)
		abort();
	end_tag(m);
	buf_addf(m->out, "</%s>", element);
}

void markup_void(struct markup *m, const char *element)
{
	end_tag(m);
	buf_addf(m->out, "<%s", element);
	m->in_tag = m->is_void = true;
}

void markup_element(struct markup *m, const char *element, const char *class, const char *text)
{
	markup_open(m, element);
	if (class)
		markup_attr(m, "class", class);
	markup_text(m, text);
	markup_close(m, element);
}

/* ---- attributes ---- */

void markup_attr(struct markup *m, const char *name, const char *value)
{
	if (!m->in_tag)
		abort();
	buf_addf(m->out, " %s=\"", name);
	escape(m->out, value);
	buf_addc(m->out, '"');
}

void markup_attrf(struct markup *m, const char *name, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	CLEANUP(mem_free_ptr) char *value = mem_vprintf(fmt, args);
	va_end(args);
	markup_attr(m, name, value);
}

void markup_flag(struct markup *m, const char *name)
{
	markup_attr(m, name, "");
}

/* A relative one has no ':' in its first segment (RFC 3986, 4.2), and does not begin with "//",
 * which would name another host. */
bool markup_is_link(const char *url)
{
	if (str_starts_nocase(url, "http://") || str_starts_nocase(url, "https://"))
		return !link_fault(url, false);
	size_t first = strcspn(url, "/?#");
	for (const char *c = url; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == '\\' || (unsigned char)*c >= 0x7F)
			return false;
	return !memchr(url, ':', first) && !str_starts(url, "//");
}

bool markup_link(struct markup *m, const char *name, const char *url)
{
	if (!markup_is_link(url))
		return false;
	markup_attr(m, name, url);
	return true;
}

/* ---- texts ---- */

void markup_text(struct markup *m, const char *text)
{
	end_tag(m);
	escape(m->out, text);
}

void markup_textf(struct markup *m, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	CLEANUP(mem_free_ptr) char *text = mem_vprintf(fmt, args);
	va_end(args);
	markup_text(m, text);
}
