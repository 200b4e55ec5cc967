#include "stats/log_internal.h"

bool log_text_quoted(struct log_rest *l, struct request_text *out)
{
	if (l->at >= l->end || *l->at != '"')
		return false;
	const char *start = l->at + 1, *s = start;
	while (s < l->end && (s = memchr(s, '"', (size_t)(l->end - s)))) {
		const char *slash = s;
		while (slash > start && slash[-1] == '\\')
			slash--;
		if ((s - slash) % 2 == 0) {
			*out = (struct request_text){ start, (size_t)(s - start) };
			l->at = s + 1;
			return true;
		}
		s++;
	}
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* count digits; -1 if they are not. */
static int hex_value(const char *s, const char *end, int count)
{
	int v = 0;
	if (end - s < count)
		return -1;
	for (int i = 0; i < count; i++) {
		int d = hex_digit(s[i]);
		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

static void put(struct log_parser *p, int c)
{
	p->scratch[p->used++] = (char)c;
}

/* Of "n", "t", …: what both Apache and JSON write behind a backslash. */
static int control(char c)
{
	static const char from[] = "bfnrtv", to[] = "\b\f\n\r\t\v";
	const char *at = c ? strchr(from, c) : NULL;
	return at ? to[at - from] : c;
}

/* What is behind the backslash; returns where the text goes on. */
typedef const char *escape_fn(struct log_parser *p, const char *s, const char *end);

static struct request_text decode(struct log_parser *p, struct request_text t, char mark,
				  escape_fn *escape)
{
	const char *s = t.len ? memchr(t.at, mark, t.len) : NULL;
	if (!s)
		return t;
	const char *end = t.at + t.len;
	char *start = p->scratch + p->used;
	memcpy(start, t.at, (size_t)(s - t.at));
	p->used += (size_t)(s - t.at);
	while (s < end) {
		if (*s == mark && s + 1 < end)
			s = escape(p, s + 1, end);
		else
			put(p, *s++);
	}
	return (struct request_text){ start, (size_t)(p->scratch + p->used - start) };
}

static const char *escape_of_server(struct log_parser *p, const char *s, const char *end)
{
	int v = *s == 'x' ? hex_value(s + 1, end, 2) : -1;
	if (v < 0) {
		put(p, control(*s));
		return s + 1;
	}
	put(p, v);
	return s + 3;
}

static void put_utf8(struct log_parser *p, int v)
{
	if (v < 0x80) {
		put(p, v);
	} else if (v < 0x800) {
		put(p, 0xc0 | v >> 6);
		put(p, 0x80 | (v & 0x3f));
	} else {
		put(p, 0xe0 | v >> 12);
		put(p, 0x80 | (v >> 6 & 0x3f));
		put(p, 0x80 | (v & 0x3f));
	}
}

/* The halves of a surrogate pair are decoded one by one: nothing that is counted contains any. */
static const char *escape_of_json(struct log_parser *p, const char *s, const char *end)
{
	int v = *s == 'u' ? hex_value(s + 1, end, 4) : -1;
	if (v < 0) {
		put(p, control(*s));
		return s + 1;
	}
	put_utf8(p, v);
	return s + 5;
}

static const char *escape_of_url(struct log_parser *p, const char *s, const char *end)
{
	int v = hex_value(s, end, 2);
	put(p, v < 0 ? '%' : v);
	return v < 0 ? s : s + 2;
}

struct request_text log_text_unescape(struct log_parser *p, struct request_text t)
{
	return decode(p, t, '\\', escape_of_server);
}

struct request_text log_text_unescape_json(struct log_parser *p, struct request_text t)
{
	return decode(p, t, '\\', escape_of_json);
}

struct request_text log_text_percent(struct log_parser *p, struct request_text t)
{
	return decode(p, t, '%', escape_of_url);
}
