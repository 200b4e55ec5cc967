#include "stats/log_internal.h"

/* ---- times ------------------------------------------------------------------------- */

/* Days since 1970-01-01 in the Gregorian calendar, which is taken to have been always in use; the
 * year begins in March, so that the leap day is its last one. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2);
	int64_t era = y / 400, in_era = y - era * 400;
	int64_t in_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static bool digits(const char *s, size_t count, unsigned most, unsigned *out)
{
	uint64_t v;
	if (!log_value_u64((struct request_text){ s, count }, &v) || v > most)
		return false;
	*out = (unsigned)v;
	return true;
}

static bool date_start(unsigned year, unsigned month, unsigned day, int64_t *out)
{
	static const unsigned char last[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	if (month < 1 || month > 12 || day < 1 || day > last[month - 1])
		return false;
	*out = days_of(year, month, day) * 86400;
	return true;
}

/* "00:38:12"; a leap second is allowed. */
static bool time_of_day(const char *s, int64_t *out)
{
	unsigned h, m, sec;
	if (s[2] != ':' || s[5] != ':' || !digits(s, 2, 23, &h) || !digits(s + 3, 2, 59, &m) ||
	    !digits(s + 6, 2, 60, &sec))
		return false;
	*out = (int64_t)h * 3600 + m * 60 + sec;
	return true;
}

/* "+0200", "-07:00": what it is ahead of UTC. */
static bool zone(const char *s, size_t len, int64_t *out)
{
	unsigned h, m;
	bool colon = len == 6 && s[3] == ':';
	if ((len != 5 && !colon) || (s[0] != '+' && s[0] != '-') || !digits(s + 1, 2, 23, &h) ||
	    !digits(s + (colon ? 4 : 3), 2, 59, &m))
		return false;
	int64_t v = (int64_t)h * 3600 + m * 60;
	*out = s[0] == '-' ? -v : v;
	return true;
}

static bool clf_date(const char *s, int64_t *out)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	unsigned day, year, month = 0;
	if (s[2] != '/' || s[6] != '/' || !digits(s, 2, 31, &day) || !digits(s + 7, 4, 9999, &year))
		return false;
	while (month < 12 && memcmp(months + 3 * month, s + 3, 3) != 0)
		month++;
	return date_start(year, month + 1, day, out);
}

bool log_value_clf_time(struct log_parser *p, const char *s, int64_t *out)
{
	int64_t in_day, ahead;
	if (memcmp(p->day, s, 11) != 0) {
		int64_t start;
		if (!clf_date(s, &start))
			return false;
		memcpy(p->day, s, 11);
		p->day_s = start;
	}
	if (s[11] != ':' || s[20] != ' ' || !time_of_day(s + 12, &in_day) ||
	    !zone(s + 21, 5, &ahead))
		return false;
	*out = p->day_s + in_day - ahead;
	return true;
}

bool log_value_time(struct request_text t, int64_t *out)
{
	unsigned year, month, day;
	int64_t start, in_day, ahead = 0;
	const char *s = t.at;
	if (t.len < 19 || s[4] != '-' || s[7] != '-' || (s[10] != 'T' && s[10] != ' ') ||
	    !digits(s, 4, 9999, &year) || !digits(s + 5, 2, 12, &month) ||
	    !digits(s + 8, 2, 31, &day) || !date_start(year, month, day, &start) ||
	    !time_of_day(s + 11, &in_day))
		return false;
	size_t at = 19;
	if (at < t.len && s[at] == '.')
		for (at++; at < t.len && s[at] >= '0' && s[at] <= '9';)
			at++;
	bool utc = at == t.len || (at + 1 == t.len && s[at] == 'Z');
	if (!utc && !zone(s + at, t.len - at, &ahead))
		return false;
	*out = start + in_day - ahead;
	return true;
}

bool log_value_unix_time(struct request_text t, int64_t *out)
{
	const char *point = t.len ? memchr(t.at, '.', t.len) : NULL;
	uint64_t v;
	if (!log_value_u64((struct request_text){ t.at, point ? (size_t)(point - t.at) : t.len },
			   &v))
		return false;
	/* 1e11 seconds are in the year 5138, as milliseconds in 1973. */
	while (!point && v >= 100000000000)
		v /= 1000;
	*out = (int64_t)v;
	return true;
}

/* ---- requests ---------------------------------------------------------------------- */

enum log_line log_value_status(struct request_text t, unsigned *out)
{
	if (log_text_is(t, "-") || log_text_is(t, "0") || log_text_is(t, "000"))
		return LOG_NOTHING;
	if (t.len != 3 || !digits(t.at, 3, 599, out) || *out < 100)
		return LOG_MALFORMED;
	return LOG_REQUEST;
}

enum request_method log_value_method(struct request_text t)
{
	if (log_text_is(t, "GET"))
		return REQUEST_GET;
	if (log_text_is(t, "HEAD"))
		return REQUEST_HEAD;
	if (log_text_is(t, "OPTIONS"))
		return REQUEST_OPTIONS;
	return REQUEST_OTHER;
}

/* "http://host/path": behind the host. */
static struct request_text without_host(struct request_text t)
{
	const char *end = t.at + t.len, *s = memchr(t.at, ':', MIN(t.len, (size_t)8));
	if (!s || end - s < 3 || s[1] != '/' || s[2] != '/')
		return (struct request_text){ 0 };
	const char *path = memchr(s + 3, '/', (size_t)(end - s - 3));
	if (!path)
		return (struct request_text){ 0 };
	return (struct request_text){ path, (size_t)(end - path) };
}

void log_value_target(struct request_text t, struct request *r)
{
	if (t.len && t.at[0] != '/')
		t = without_host(t);
	if (t.len == 0)
		return;
	const char *query = memchr(t.at, '?', t.len);
	if (query)
		t.len = (size_t)(query - t.at);
	r->path = t;
}

void log_value_request(struct request_text t, struct request *r)
{
	r->method = REQUEST_OTHER;
	if (t.len == 0)
		return;
	struct log_rest l = { t.at, t.at + t.len };
	struct request_text method;
	if (!log_text_until(&l, ' ', &method) || method.len == 0 || l.at >= l.end)
		return;
	for (size_t i = 0; i < method.len; i++)
		if (method.at[i] < 'A' || method.at[i] > 'Z')
			return;
	struct request_text target = { l.at, (size_t)(l.end - l.at) };
	/* Without a version, it is HTTP/0.9. Some clients send blanks in a path. */
	for (size_t i = target.len; i > 0; i--)
		if (target.at[i - 1] == ' ') {
			struct request_text version = { target.at + i, target.len - i };
			if (log_text_starts(version, "HTTP/"))
				target.len = i - 1;
			break;
		}
	r->method = log_value_method(method);
	log_value_target(target, r);
}

void log_value_content_range(struct request_text t, struct request *r)
{
	struct request_text range, total, first;
	uint64_t a, b, all = 0;
	if (!log_text_starts(t, "bytes "))
		return;
	struct log_rest l = { t.at + 6, t.at + t.len };
	if (!log_text_until(&l, '/', &range) || l.at >= l.end)
		return;
	total = (struct request_text){ l.at, (size_t)(l.end - l.at) };
	bool known = log_value_u64(total, &all);
	if (!known && !log_text_is(total, "*"))
		return;
	struct log_rest ends = { range.at, range.at + range.len };
	if (log_text_until(&ends, '-', &first) && log_value_u64(first, &a) &&
	    log_value_u64((struct request_text){ ends.at, (size_t)(ends.end - ends.at) }, &b)) {
		if (a > b || (known && b >= all))
			return;
		r->has_range = true;
		r->first = a;
		r->last = b;
	} else if (!log_text_is(range, "*")) {
		return;
	}
	r->has_total = known;
	r->total = known ? all : 0;
}
