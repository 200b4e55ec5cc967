#include "json/internal.h"

#include "util/encoding.h"
#include "util/file.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

/* Fewer than jansson's own limit. */
#define LENIENT_DEPTH 1000
#define REPLACEMENT "\xef\xbf\xbd"
#define ESCAPED_REPLACEMENT "\\ufffd"

/* ---- strings ---- */

/* The value of "\uXXXX" at s, or -1. */
static long escaped_unit(const char *s, const char *end)
{
	long value = 0;
	if (end - s < 6 || s[0] != '\\' || s[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		if (!isxdigit((unsigned char)s[i]))
			return -1;
		value = value * 16 +
			(isdigit((unsigned char)s[i]) ? s[i] - '0' : (s[i] | 0x20) - 'a' + 10);
	}
	return value;
}

/* A backslash and what it escapes; jansson has neither NULs nor unpaired surrogates. */
static const char *copy_escape(const char *s, const char *end, struct buf *out)
{
	long unit = escaped_unit(s, end), low = unit < 0 ? -1 : escaped_unit(s + 6, end);
	size_t len = unit >= 0 ? 6 : (size_t)MIN(end - s, (ptrdiff_t)2);
	bool high = unit >= 0xd800 && unit < 0xdc00;
	if (high && low >= 0xdc00 && low < 0xe000)
		len = 12;
	else if (unit == 0 || (unit >= 0xd800 && unit < 0xe000))
		return buf_adds(out, ESCAPED_REPLACEMENT), s + 6;
	buf_add(out, s, len);
	return s + len;
}

/* The bytes of one character; 0 if it is not valid. */
static size_t character(const char *s, const char *end)
{
	size_t most = MIN((size_t)(end - s), (size_t)4);
	for (size_t n = 1; n <= most; n++)
		if (utf8_valid(s, n))
			return n;
	return 0;
}

/* From the opening quote to behind the closing one. */
static const char *copy_string(const char *s, const char *end, struct buf *out)
{
	buf_addc(out, *s++);
	while (s < end && *s != '"') {
		size_t n = *s == '\\' ? 0 : character(s, end);
		if (*s == '\\') {
			s = copy_escape(s, end, out);
			continue;
		}
		n ? buf_add(out, s, n) : buf_adds(out, REPLACEMENT);
		s += n ? n : 1;
	}
	if (s < end)
		buf_addc(out, *s++);
	return s;
}

/* ---- numbers and words ---- */

/* Longer numbers do not fit in the types below, whatever their digits. */
#define NUMBER_MAX 400

static size_t digits(const char *s, const char *end)
{
	size_t n = 0;
	while (s + n < end && isdigit((unsigned char)s[n]))
		n++;
	return n;
}

/* All of it, as RFC 8259 writes numbers, but for zeros in front; *real: it is no integer. */
static bool is_number(const char *s, const char *end, bool *real)
{
	size_t n;
	*real = false;
	s += s < end && *s == '-';
	if (!(n = digits(s, end)))
		return false;
	s += n;
	if (s < end && *s == '.') {
		*real = true;
		if (!(n = digits(++s, end)))
			return false;
		s += n;
	}
	if (s < end && (*s == 'e' || *s == 'E')) {
		*real = true;
		s++;
		s += s < end && (*s == '-' || *s == '+');
		if (!(n = digits(s, end)))
			return false;
		s += n;
	}
	return s == end;
}

/* jansson's integers have 64 bits, its reals are doubles. */
static bool is_too_large(const char *s, size_t len, bool real)
{
	char text[NUMBER_MAX + 1];
	if (len > NUMBER_MAX)
		return true;
	memcpy(text, s, len);
	text[len] = '\0';
	errno = 0;
	if (real)
		return isinf(strtod(text, NULL));
	return strtoll(text, NULL, 10) != 0 && errno == ERANGE;
}

static bool is_word(const char *s, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(s, word, len) == 0;
}

static const char *copy_word(const char *s, const char *end, struct buf *out)
{
	size_t len = 0;
	bool real;
	while (s + len < end && (isalnum((unsigned char)s[len]) || memchr("+-.", s[len], 3)))
		len++;
	if (is_word(s, len, "NaN") || is_word(s, len, "Infinity") || is_word(s, len, "-Infinity") ||
	    (is_number(s, s + len, &real) && is_too_large(s, len, real)))
		buf_adds(out, "null");
	else
		buf_add(out, s, len);
	return s + len;
}

/* ---- the text ---- */

static void make_strict(const char *s, size_t len, struct buf *out)
{
	const char *end = s + len;
	while (s < end) {
		if (*s == '"')
			s = copy_string(s, end, out);
		else if (isalnum((unsigned char)*s) || *s == '-' || *s == '+')
			s = copy_word(s, end, out);
		else
			buf_addc(out, *s++);
	}
}

/* Also of NULs, as a crash leaves files. */
static bool is_blank(const char *s, size_t len)
{
	while (len && (!s[len - 1] || isspace((unsigned char)s[len - 1])))
		len--;
	return len == 0;
}

/* Makes room for all that may come, so that no copy of a secret stays behind when it grows. */
static void make_room(struct buf *b)
{
	(void)!buf_reserve(b, b->max);
}

int json_lenient(const void *data, size_t len, size_t max_bytes, const char *what, json_t **out,
		 struct err *e)
{
	if (len > max_bytes)
		return err_set(e, ERR_INTEGRITY, "%s: larger than %zu bytes", what, max_bytes);
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(len / 2 * 3 + 3);
	make_room(&text);
	encoding_add_utf8(&text, data, len);
	if (is_blank(buf_str(&text), text.len))
		return err_set(e, ERR_INTEGRITY, "%s: it is empty", what);
	CLEANUP(buf_wipe) struct buf strict = BUF_INIT(3 * text.len);
	make_room(&strict);
	make_strict(text.data, text.len, &strict);
	int rc = json_parse_text(buf_str(&strict), strict.len, LENIENT_DEPTH, JSON_DECODE_ANY, out,
				 e);
	return rc < 0 ? err_context(e, "%s", what) : 0;
}

int json_lenient_file(const char *path, size_t max_bytes, json_t **out, struct err *e)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(max_bytes);
	int rc = file_read_all(path, &text, e);
	return rc < 0 ? rc : json_lenient(buf_str(&text), text.len, max_bytes, path, out, e);
}
