#include "http/headers.h"

#include "util/path.h"
#include "util/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 9110 5.6.2: a token. */
static bool is_token(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

bool header_split(char *line, char **name, char **value)
{
	char *p = line;
	while (is_token(*p))
		p++;
	if (p == line || *p != ':')
		return false;
	*p++ = '\0';
	for (char *c = line; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	while (is_blank(*p))
		p++;
	char *end = p + strlen(p);
	while (end > p && (is_blank(end[-1]) || end[-1] == '\r' || end[-1] == '\n'))
		end--;
	*end = '\0';
	*name = line;
	*value = p;
	return true;
}

/* Digits at *p up to the first other character; moves *p past them. */
static bool take_u64(const char **p, uint64_t *out)
{
	uint64_t v = 0;
	const char *start = *p;
	for (; **p >= '0' && **p <= '9'; (*p)++)
		if (!mul_u64(v, 10, &v) || !add_u64(v, (uint64_t)(**p - '0'), &v))
			return false;
	*out = v;
	return *p > start;
}

bool header_content_range(const char *value, struct content_range *out)
{
	struct content_range r = { 0 };
	const char *p = value;
	if (strncasecmp(p, "bytes", 5) != 0 || !is_blank(p[5]))
		return false;
	for (p += 5; is_blank(*p); p++)
		;
	if (*p == '*') {
		p++;
	} else {
		if (!take_u64(&p, &r.first) || *p++ != '-' || !take_u64(&p, &r.last) ||
		    r.last < r.first)
			return false;
		r.has_range = true;
	}
	if (*p++ != '/')
		return false;
	if (*p == '*') {
		p++;
	} else {
		if (!take_u64(&p, &r.total))
			return false;
		r.has_total = true;
	}
	if (*p || (!r.has_range && !r.has_total) ||
	    (r.has_range && r.has_total && r.last >= r.total))
		return false;
	*out = r;
	return true;
}

static bool month_number(const char *name, int *out)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	for (int i = 0; i < 12; i++)
		if (memcmp(names + 3 * i, name, 3) == 0) {
			*out = i;
			return true;
		}
	return false;
}

/* The shape of a date: D is a digit, A a letter, W any number of letters, _ a digit or a blank;
 * the rest stands for itself. The parts are returned in order of appearance. */
static bool has_shape(const char *s, const char *shape)
{
	for (; *shape; shape++) {
		if (*shape == 'W') {
			while (isalpha((unsigned char)*s))
				s++;
			continue;
		}
		bool ok = *shape == 'D'   ? isdigit((unsigned char)*s)
			  : *shape == 'A' ? isalpha((unsigned char)*s)
			  : *shape == '_' ? isdigit((unsigned char)*s) || *s == ' '
					  : *s == *shape;
		if (!ok)
			return false;
		s++;
	}
	return *s == '\0';
}

static int two_digits(const char *s)
{
	return (s[0] == ' ' ? 0 : s[0] - '0') * 10 + s[1] - '0';
}

static bool clock_of(struct tm *t, const char *hms)
{
	t->tm_hour = two_digits(hms);
	t->tm_min = two_digits(hms + 3);
	t->tm_sec = two_digits(hms + 6);
	return t->tm_hour < 24 && t->tm_min < 60 && t->tm_sec <= 60;
}

bool header_date(const char *value, int64_t *out_s)
{
	struct tm t = { 0 };
	const char *comma = strchr(value, ',');
	bool ok = false;
	if (has_shape(value, "AAA, DD AAA DDDD DD:DD:DD GMT")) {
		const char *p = comma + 2;
		t.tm_mday = two_digits(p);
		t.tm_year = two_digits(p + 7) * 100 + two_digits(p + 9) - 1900;
		ok = month_number(p + 3, &t.tm_mon) && clock_of(&t, p + 12);
	} else if (has_shape(value, "W, DD-AAA-DD DD:DD:DD GMT")) {
		const char *p = comma + 2;
		t.tm_mday = two_digits(p);
		t.tm_year = two_digits(p + 7);
		t.tm_year += t.tm_year < 70 ? 100 : 0;
		ok = month_number(p + 3, &t.tm_mon) && clock_of(&t, p + 10);
	} else if (has_shape(value, "AAA AAA _D DD:DD:DD DDDD")) {
		t.tm_mday = two_digits(value + 8);
		t.tm_year = two_digits(value + 20) * 100 + two_digits(value + 22) - 1900;
		ok = month_number(value + 4, &t.tm_mon) && clock_of(&t, value + 11);
	}
	if (!ok || t.tm_mday < 1 || t.tm_mday > 31 || t.tm_year < 70)
		return false;
	*out_s = (int64_t)timegm(&t);
	return true;
}

bool header_retry_after(const char *value, int64_t now_s, uint64_t *out_s)
{
	int64_t at;
	if (parse_u64(value, out_s))
		return true;
	if (!header_date(value, &at))
		return false;
	*out_s = at > now_s ? (uint64_t)(at - now_s) : 0;
	return true;
}

/* ";r=12" among the parameters of an item, which ends at a comma. */
static bool parameter(const char *item, size_t len, char name, uint64_t *out)
{
	for (size_t i = 0; i + 3 < len; i++) {
		char digits[21];
		if (item[i] != ';')
			continue;
		size_t at = i + 1 + strspn(item + i + 1, " ");
		if (at + 2 >= len || item[at] != name || item[at + 1] != '=')
			continue;
		size_t n = strspn(item + at + 2, "0123456789");
		if (n >= sizeof digits || at + 2 + n > len)
			return false;
		memcpy(digits, item + at + 2, n);
		digits[n] = '\0';
		return parse_u64(digits, out);
	}
	return false;
}

bool header_rate_limit(const char *value, uint64_t *left, uint64_t *reset_s)
{
	bool any = false;
	for (const char *p = value; *p; p += *p == ',') {
		size_t len = strcspn(p, ",");
		uint64_t r, t;
		if (parameter(p, len, 'r', &r) && parameter(p, len, 't', &t) &&
		    (!any || r < *left || (r == *left && t > *reset_s))) {
			*left = r;
			*reset_s = t;
			any = true;
		}
		p += len;
	}
	return any;
}

bool header_etag(const char *value, char out[HEADER_ETAG])
{
	size_t len = strlen(value);
	const char *p = str_starts(value, "W/") ? value + 2 : value;
	if (len >= HEADER_ETAG || p[0] != '"')
		return false;
	for (p++; *p && *p != '"'; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			return false;
	if (p[0] != '"' || p[1])
		return false;
	memcpy(out, value, len + 1);
	return true;
}

bool header_etag_is_strong(const char *etag)
{
	return etag[0] == '"';
}

bool header_media_type(const char *value, char out[HEADER_TYPE])
{
	size_t len = 0, slashes = 0;
	for (; is_token(value[len]) || value[len] == '/'; len++)
		slashes += value[len] == '/';
	if (len == 0 || len >= HEADER_TYPE || slashes != 1 || value[0] == '/' ||
	    value[len - 1] == '/')
		return false;
	if (value[len] && value[len] != ';' && !is_blank(value[len]))
		return false;
	for (size_t i = 0; i < len; i++)
		out[i] = (char)tolower((unsigned char)value[i]);
	out[len] = '\0';
	return true;
}

/* Removes folders and checks the rest. */
static bool accept_name(const char *raw, char out[HEADER_NAME])
{
	const char *base = raw;
	for (const char *p = raw; *p; p++)
		if (*p == '/' || *p == '\\')
			base = p + 1;
	if (base[0] == '.' || !path_is_name(base))
		return false;
	memcpy(out, base, strlen(base) + 1);
	return true;
}

/* The value of a parameter at p (a token or a quoted string) into out; returns the place
 * behind it, or NULL when it is malformed or too long. */
static const char *take_value(const char *p, char *out, size_t max)
{
	size_t len = 0;
	bool quoted = *p == '"';
	p += quoted;
	for (; *p && (quoted ? *p != '"' : is_token(*p)); p++) {
		if (quoted && *p == '\\' && !*++p)
			return NULL;
		if (len + 1 >= max)
			return NULL;
		out[len++] = *p;
	}
	out[len] = '\0';
	if (quoted && *p != '"')
		return NULL;
	return p + quoted;
}

/* RFC 8187: UTF-8'language'percent-encoded; decoded in place. NULL when it is not that. */
static const char *decode_extended(char *s)
{
	char *text = strncasecmp(s, "utf-8'", 6) == 0 ? strchr(s + 6, '\'') : NULL;
	return text && path_percent_decode(text + 1) ? text + 1 : NULL;
}

bool header_file_name(const char *value, char out[HEADER_NAME])
{
	char name[32], text[3 * HEADER_NAME + 32], plain[HEADER_NAME] = "";
	const char *p = strchr(value, ';');
	while (p && *p == ';') {
		for (p++; is_blank(*p); p++)
			;
		size_t len = 0;
		while (is_token(p[len]))
			len++;
		if (len == 0 || len >= sizeof name || p[len] != '=')
			break;
		memcpy(name, p, len);
		name[len] = '\0';
		p = take_value(p + len + 1, text, sizeof text);
		if (!p)
			break;
		const char *extended = str_eq_nocase(name, "filename*") ? decode_extended(text)
									: NULL;
		if (extended && accept_name(extended, out))
			return true;
		if (str_eq_nocase(name, "filename") && !plain[0] && !accept_name(text, plain))
			plain[0] = '\0';
		while (is_blank(*p))
			p++;
	}
	if (!plain[0])
		return false;
	memcpy(out, plain, sizeof plain);
	return true;
}

bool header_body_is_html(const void *data, size_t len)
{
	static const char *const starts[] = { "<!doctype html", "<html",   "<head",
					      "<body",          "<script", "<title" };
	const char *p = data;
	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3, len -= 3;
	while (len && isspace((unsigned char)*p))
		p++, len--;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		size_t n = strlen(starts[i]);
		if (len >= n && strncasecmp(p, starts[i], n) == 0)
			return true;
	}
	return false;
}
