#include "serve/range.h"

#include "http/headers.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void serve_date(char out[SERVE_DATE], int64_t time_s)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm t = { 0 };
	time_t time = (time_t)time_s;
	gmtime_r(&time, &t);
	snprintf(out, SERVE_DATE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday % 7],
		 t.tm_mday % 100, months[t.tm_mon % 12], (t.tm_year + 1900) % 10000,
		 t.tm_hour % 100, t.tm_min % 100, t.tm_sec % 100);
}

/* ---- conditions ---- */

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* The end of an entity tag, or NULL where none begins. */
static const char *end_of_tag(const char *s)
{
	if (s[0] == 'W' && s[1] == '/')
		s += 2;
	if (*s != '"')
		return NULL;
	const char *end = strchr(s + 1, '"');
	return end ? end + 1 : NULL;
}

/* Is the tag in the list? Ours are strong; `weakly`, one that is marked weak is the same. */
static bool has_tag(const char *list, const char *etag, bool weakly)
{
	list = skip_blanks(list);
	if (strcmp(list, "*") == 0)
		return true;
	while (*list) {
		const char *end = end_of_tag(list);
		if (!end)
			return false;
		bool weak = list[0] == 'W';
		const char *tag = weak ? list + 2 : list;
		size_t len = (size_t)(end - tag);
		if (etag && (weakly || !weak) && strlen(etag) == len && memcmp(tag, etag, len) == 0)
			return true;
		list = end + strspn(end, " \t,");
		if (list == end && *list)
			return false;
	}
	return false;
}

static bool is_newer(const struct serve_entity *n, const char *date)
{
	int64_t than;
	return header_date(date, &than) && n->modified_s > than;
}

static bool is_older_or_same(const struct serve_entity *n, const char *date)
{
	int64_t than;
	return n->modified_s && header_date(date, &than) && n->modified_s <= than;
}

static unsigned judge(const struct serve_conditions *c, const struct serve_entity *n)
{
	if (c->if_match) {
		if (!has_tag(c->if_match, n->etag, false))
			return 412;
	} else if (c->if_unmodified_since && n->modified_s && is_newer(n, c->if_unmodified_since))
		return 412;
	if (c->if_none_match)
		return has_tag(c->if_none_match, n->etag, true) ? 304 : 200;
	if (c->if_modified_since && is_older_or_same(n, c->if_modified_since))
		return 304;
	return 200;
}

/* 13.1.5: only what is the same for certain may be continued. */
static bool may_continue(const char *if_range, const struct serve_entity *n)
{
	int64_t date;
	if (!if_range)
		return true;
	if_range = skip_blanks(if_range);
	if (*if_range == '"' || *if_range == 'W')
		return n->etag && strcmp(if_range, n->etag) == 0;
	return n->modified_s && header_date(if_range, &date) && date == n->modified_s;
}

/* ---- ranges ---- */

/* Digits to a number, at most UINT64_MAX: whatever is larger is beyond every file. */
static const char *read_number(const char *s, uint64_t *out)
{
	*out = 0;
	for (; *s >= '0' && *s <= '9'; s++)
		if (!mul_u64(*out, 10, out) || !add_u64(*out, (uint64_t)(*s - '0'), out))
			*out = UINT64_MAX;
	return s;
}

struct spec {
	bool suffix;
	uint64_t first, last; /* of a suffix, first is its length */
};

/* "0-9", "5-", "-3"; the end of it, or NULL. */
static const char *read_spec(const char *s, struct spec *out)
{
	const char *at = read_number(s, &out->first);
	out->suffix = at == s;
	if (*at++ != '-')
		return NULL;
	if (out->suffix) {
		s = read_number(at, &out->first);
		return s == at ? NULL : s;
	}
	s = read_number(at, &out->last);
	if (s == at)
		out->last = UINT64_MAX;
	return out->last < out->first ? NULL : s;
}

/* Exactly one range; false for several, for another unit, and for what is malformed: RFC 9110 14.2
 * has all of these ignored. */
static bool read_range(const char *s, struct spec *out)
{
	size_t found = 0;
	if (!str_starts_nocase(s, "bytes="))
		return false;
	for (s += strlen("bytes="); *s;) {
		s += strspn(s, " \t,");
		if (!*s)
			break;
		s = read_spec(s, out);
		if (!s || ++found > 1)
			return false;
		s = skip_blanks(s);
		if (*s && *s != ',')
			return false;
	}
	return found == 1;
}

static struct serve_part cut(const struct spec *s, uint64_t size)
{
	struct serve_part p = { .status = 206 };
	if (s->suffix ? s->first == 0 : s->first >= size)
		return (struct serve_part){ .status = 416 };
	if (s->suffix) {
		p.length = MIN(s->first, size);
		p.first = size - p.length;
	} else {
		p.first = s->first;
		p.length = MIN(s->last, size - 1) - s->first + 1;
	}
	return p;
}

struct serve_part serve_range(const struct serve_conditions *c, const struct serve_entity *n)
{
	struct serve_part p = { .status = judge(c, n) };
	struct spec s;
	if (p.status != 200)
		return p;
	p.length = n->size;
	if (!c->get || !c->range || !may_continue(c->if_range, n) || !read_range(c->range, &s))
		return p;
	/* Of nothing, the last bytes are nothing. */
	if (s.suffix && n->size == 0)
		return p;
	return cut(&s, n->size);
}
