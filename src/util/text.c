#include "util/text.h"

#include "util/mem.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_starts_nocase(const char *s, const char *prefix)
{
	return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t len = strlen(s), tail = strlen(suffix);
	return len >= tail && memcmp(s + len - tail, suffix, tail) == 0;
}

bool str_eq_nocase(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

bool str_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

int str_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void str_list_take(struct str_list *l, char *s)
{
	l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
	l->at[l->count++] = s;
}

void str_list_add(struct str_list *l, const char *s)
{
	str_list_take(l, mem_strdup(s));
}

bool str_list_has(const struct str_list *l, const char *s)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->at[i], s) == 0)
			return true;
	return false;
}

void str_list_split(struct str_list *l, const char *s, const char *separators)
{
	while (*(s += strspn(s, separators))) {
		size_t len = strcspn(s, separators);
		str_list_take(l, mem_strndup(s, len));
		s += len;
	}
}

void str_list_release(struct str_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->at[i]);
	free(l->at);
	*l = (struct str_list){ 0 };
}

void str_list_wipe(struct str_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->at[i])
			mem_wipe(l->at[i], strlen(l->at[i]));
	str_list_release(l);
}

void hex_encode(char *out, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;
	for (size_t i = 0; i < len; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = '\0';
}

static int hex_digit(char c, bool any_case)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (any_case && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_decode(void *out, size_t len, const char *hex, bool any_case)
{
	if (strlen(hex) != 2 * len)
		return false;
	for (size_t i = 0; i < 2 * len; i++)
		if (hex_digit(hex[i], any_case) < 0)
			return false;
	uint8_t *p = out;
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(hex_digit(hex[2 * i], true) << 4 |
				 hex_digit(hex[2 * i + 1], true));
	return true;
}

/* Length of the valid sequence at s, 0 if there is none; *code is its point. */
static size_t utf8_next(const uint8_t *s, size_t len, uint32_t *code)
{
	uint8_t c = s[0];
	if (c < 0x80) {
		*code = c;
		return 1;
	}
	size_t n = c >= 0xc2 && c <= 0xdf   ? 2
		   : (c & 0xf0) == 0xe0     ? 3
		   : c >= 0xf0 && c <= 0xf4 ? 4
					    : 0;
	if (n == 0 || n > len)
		return 0;
	uint32_t v = c & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (s[i] & 0x3f);
	}
	if ((n == 3 && v < 0x800) || (n == 4 && v < 0x10000) || v > 0x10ffff ||
	    (v >= 0xd800 && v <= 0xdfff))
		return 0;
	*code = v;
	return n;
}

bool utf8_valid(const void *data, size_t len)
{
	const uint8_t *s = data;
	uint32_t code;
	while (len) {
		size_t n = utf8_next(s, len, &code);
		if (n == 0)
			return false;
		s += n;
		len -= n;
	}
	return true;
}

bool parse_u64(const char *s, uint64_t *out)
{
	uint64_t v = 0;
	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || !mul_u64(v, 10, &v) ||
		    !add_u64(v, (uint64_t)(*s - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

/* A number with up to three decimals: the value times 1000, and what follows. */
static const char *parse_milli(const char *s, uint64_t *out)
{
	uint64_t v = 0, scale = 1000;
	if (!isdigit((unsigned char)*s))
		return NULL;
	for (; isdigit((unsigned char)*s); s++)
		if (!mul_u64(v, 10, &v) || !add_u64(v, (uint64_t)(*s - '0'), &v))
			return NULL;
	if (!mul_u64(v, 1000, &v))
		return NULL;
	if (*s == '.') {
		if (!isdigit((unsigned char)s[1]))
			return NULL;
		for (s++; isdigit((unsigned char)*s); s++) {
			scale /= 10;
			if (scale && !add_u64(v, (uint64_t)(*s - '0') * scale, &v))
				return NULL;
		}
	}
	*out = v;
	return s;
}

bool parse_size(const char *s, uint64_t *out)
{
	static const char prefixes[] = "kmgtp";
	uint64_t milli, unit = 1;
	const char *rest = parse_milli(s, &milli);
	if (!rest)
		return false;
	if (*rest == ' ' && rest[1])
		rest++;
	const char *p = *rest ? strchr(prefixes, tolower((unsigned char)*rest)) : NULL;
	if (p && *p) {
		rest++;
		uint64_t base = str_eq_nocase(rest, "b") ? 1000 : 1024;
		for (long i = 0; i <= p - prefixes; i++)
			unit *= base;
		if (str_eq_nocase(rest, "ib") || str_eq_nocase(rest, "b"))
			rest = "";
	} else if (str_eq_nocase(rest, "b")) {
		rest = "";
	}
	if (*rest)
		return false;
	/* Whole part and thousandths apart, so that large sizes do not overflow. */
	uint64_t whole;
	if (!mul_u64(milli / 1000, unit, &whole))
		return false;
	return add_u64(whole,
		       milli % 1000 * (unit / 1000 ? unit / 1000 : 0) +
			       milli % 1000 * (unit % 1000) / 1000,
		       out);
}

bool parse_duration(const char *s, uint64_t *out_s)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {
		{ 's', 1 },     { 'm', 60 },        { 'h', 3600 },
		{ 'd', 86400 }, { 'w', 7 * 86400 }, { 'y', 365 * 86400 },
	};
	uint64_t count, unit = 1, value;
	CLEANUP(mem_free_ptr) char *digits = mem_strndup(s, strspn(s, "0123456789"));
	const char *rest = s + strlen(digits);
	if (!parse_u64(digits, &count))
		return false;
	if (*rest) {
		unit = 0;
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (rest[0] == units[i].unit && !rest[1])
				unit = units[i].seconds;
	}
	if (unit == 0 || !mul_u64(count, unit, &value) || value > INT64_MAX)
		return false;
	*out_s = value;
	return true;
}

bool parse_bool(const char *s, bool *out)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (str_eq_nocase(s, yes[i]) || str_eq_nocase(s, no[i])) {
			*out = str_eq_nocase(s, yes[i]);
			return true;
		}
	}
	return false;
}

static bool digits_at(const char *s, int count, int *out)
{
	int v = 0;
	for (int i = 0; i < count; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (s[i] - '0');
	}
	*out = v;
	return true;
}

bool parse_time(const char *s, int64_t *out_s)
{
	struct tm tm = { 0 };
	if (strlen(s) != 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' ||
	    s[16] != ':' || s[19] != 'Z')
		return false;
	if (!digits_at(s, 4, &tm.tm_year) || !digits_at(s + 5, 2, &tm.tm_mon) ||
	    !digits_at(s + 8, 2, &tm.tm_mday) || !digits_at(s + 11, 2, &tm.tm_hour) ||
	    !digits_at(s + 14, 2, &tm.tm_min) || !digits_at(s + 17, 2, &tm.tm_sec))
		return false;
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int y = tm.tm_year;
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_mday > days[tm.tm_mon - 1] + (tm.tm_mon == 2 && leap) || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*out_s = timegm(&tm);
	return true;
}

void format_time(char out[TIME_TEXT], int64_t time_s)
{
	static const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
	time_t t = (time_t)MAX(0, MIN(time_s, last));
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(out, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

const char *format_size(char out[SIZE_TEXT], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	size_t i = 0;
	/* From 1023.5 on, what is shown would be rounded up to 1024. */
	while (v >= (i ? 1023.5 : 1024) && i + 1 < ARRAY_LEN(units)) {
		v /= 1024;
		i++;
	}
	if (i == 0)
		snprintf(out, SIZE_TEXT, "%u B", (unsigned)bytes);
	else
		snprintf(out, SIZE_TEXT, v < 99.95 ? "%.1f %s" : "%.0f %s", v, units[i]);
	return out;
}

const char *format_duration(char out[DURATION_TEXT], uint64_t s)
{
	uint64_t cap = MIN(s, (uint64_t)9999 * 86400);
	unsigned d = (unsigned)(cap / 86400), h = (unsigned)(cap / 3600 % 24);
	unsigned m = (unsigned)(cap / 60 % 60), sec = (unsigned)(cap % 60);
	if (d)
		snprintf(out, DURATION_TEXT, "%ud %02uh", d, h);
	else if (h)
		snprintf(out, DURATION_TEXT, "%uh %02um", h, m);
	else if (m)
		snprintf(out, DURATION_TEXT, "%um %02us", m, sec);
	else
		snprintf(out, DURATION_TEXT, "%us", sec);
	return out;
}

static bool unprintable(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

bool text_is_name(const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	for (size_t n; len; p += n, len -= n) {
		uint32_t code = 0;
		n = utf8_next(p, len, &code);
		bool joiner = code == 0x200c || code == 0x200d;
		if (n == 0 || (unprintable(code) && !joiner))
			return false;
	}
	return true;
}

void text_escape(struct buf *out, const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	while (len) {
		uint32_t code = 0;
		size_t n = utf8_next(p, len, &code);
		if (n == 0) {
			buf_addf(out, "\\x%02x", *p);
			n = 1;
		} else if (unprintable(code)) {
			buf_addf(out, code < 0x80 ? "\\x%02x" : "\\u{%x}", code);
		} else {
			buf_add(out, p, n);
		}
		p += n;
		len -= n;
	}
}

void text_escape_json(struct buf *out, const char *json, size_t len)
{
	const uint8_t *p = (const uint8_t *)json, *plain = p;
	for (const uint8_t *end = p + len; p < end;) {
		uint32_t code = 0;
		size_t n = utf8_next(p, (size_t)(end - p), &code);
		/* Those below are not in strings of JSON, and blanks between its words. */
		if (n && code >= 0x7f && unprintable(code)) {
			buf_add(out, plain, (size_t)(p - plain));
			buf_addf(out, "\\u%04x", code);
			plain = p + n;
		}
		p += n ? n : 1;
	}
	buf_add(out, plain, (size_t)(p - plain));
}

char *text_escaped(const char *s)
{
	struct buf b = BUF_INIT(16 * MIB);
	text_escape(&b, s, strlen(s));
	return buf_steal(&b);
}

char *text_shell_quoted(const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789%+,-./:=@_";
	if (*s && s[strspn(s, plain)] == '\0')
		return mem_strdup(s);
	struct buf b = BUF_INIT(16 * MIB);
	buf_adds(&b, "'");
	for (; *s; s++)
		*s == '\'' ? buf_adds(&b, "'\\''") : buf_add(&b, s, 1);
	buf_adds(&b, "'");
	return buf_steal(&b);
}

#define NEAREST_MAX 64

/* Levenshtein distance with adjacent swaps, for names up to NEAREST_MAX. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t rows[3][NEAREST_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	for (size_t j = 0; j <= lb; j++)
		last[j] = j;
	for (size_t i = 1; i <= la; i++) {
		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t change = last[j - 1] + (a[i - 1] != b[j - 1]);
			now[j] = MIN(change, MIN(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = MIN(now[j], before[j - 2] + 1);
		}
		size_t *spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[lb];
}

/* Without what people leave out of names or write otherwise: "Q4KM" is q4_k_m. */
static void squeeze(char *out, const char *s)
{
	for (; *s; s++)
		if (!strchr("-_. ", *s))
			*out++ = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;
	*out = '\0';
}

static bool same_letters(const char *a, const char *b)
{
	int counts[256] = { 0 };
	for (; *a; a++)
		counts[(unsigned char)*a]++;
	for (; *b; b++)
		counts[(unsigned char)*b]--;
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		if (counts[i])
			return false;
	return true;
}

static size_t distance(const char *s, const char *name)
{
	char a[NEAREST_MAX + 1], b[NEAREST_MAX + 1];
	size_t d = edit_distance(s, name);
	squeeze(a, s);
	squeeze(b, name);
	d = MIN(d, edit_distance(a, b));
	if ((strlen(a) >= 2 && str_starts(b, a)) || same_letters(a, b))
		d = MIN(d, 1);
	return d;
}

const char *text_nearest(const char *s, const char *const *names, size_t count)
{
	size_t len = strlen(s), best = SIZE_MAX;
	const char *nearest = NULL;
	if (len > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (strlen(names[i]) > NEAREST_MAX)
			continue;
		size_t d = distance(s, names[i]);
		if (d < best) {
			best = d;
			nearest = names[i];
		}
	}
	/* Two letters of four would make another word of it. */
	size_t typos = len < 6 ? 1 : len < 12 ? 2 : 3;
	return nearest && best <= typos ? nearest : NULL;
}

int text_hint_nearest(const char *s, const char *const *names, size_t count, const char *otherwise,
		      struct err *e)
{
	const char *near = text_nearest(s, names, count);
	return near ? err_hint(e, "did you mean '%s'?", near)
		    : err_hint(e, "%s", otherwise ? otherwise : "");
}
