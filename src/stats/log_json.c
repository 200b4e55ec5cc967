#include "stats/log_internal.h"

enum member {
	MEMBER_MSEC,
	MEMBER_TIME,
	MEMBER_TIME_LOCAL,
	MEMBER_ADDRESS,
	MEMBER_METHOD,
	MEMBER_REQUEST,
	MEMBER_REQUEST_URI,
	MEMBER_URI,
	MEMBER_STATUS,
	MEMBER_BODY_BYTES,
	MEMBER_BYTES,
	MEMBER_CONTENT_RANGE,
	MEMBER_AGENT,
	MEMBER_FIRST_OF_CLOUDFLARE,
	MEMBER_CLIENT_IP = MEMBER_FIRST_OF_CLOUDFLARE,
	MEMBER_COUNTRY,
	MEMBER_CLIENT_METHOD,
	MEMBER_CLIENT_PATH,
	MEMBER_CLIENT_URI,
	MEMBER_CLIENT_AGENT,
	MEMBER_EDGE_STATUS,
	MEMBER_EDGE_BODY_BYTES,
	MEMBER_EDGE_BYTES,
	MEMBER_EDGE_START,
	MEMBER_EDGE_END,
	MEMBER_REQUEST_HEADERS,
	MEMBER_RESPONSE_HEADERS,
	MEMBER_ASKED_RANGE,
	MEMBER_ANSWERED_RANGE,
	MEMBER_COUNT,
};

static const char *const member_names[MEMBER_COUNT] = {
	[MEMBER_MSEC] = "msec",
	[MEMBER_TIME] = "time_iso8601",
	[MEMBER_TIME_LOCAL] = "time_local",
	[MEMBER_ADDRESS] = "remote_addr",
	[MEMBER_METHOD] = "request_method",
	[MEMBER_REQUEST] = "request",
	[MEMBER_REQUEST_URI] = "request_uri",
	[MEMBER_URI] = "uri",
	[MEMBER_STATUS] = "status",
	[MEMBER_BODY_BYTES] = "body_bytes_sent",
	[MEMBER_BYTES] = "bytes_sent",
	[MEMBER_CONTENT_RANGE] = "sent_http_content_range",
	[MEMBER_AGENT] = "http_user_agent",
	[MEMBER_CLIENT_IP] = "ClientIP",
	[MEMBER_COUNTRY] = "ClientCountry",
	[MEMBER_CLIENT_METHOD] = "ClientRequestMethod",
	[MEMBER_CLIENT_PATH] = "ClientRequestPath",
	[MEMBER_CLIENT_URI] = "ClientRequestURI",
	[MEMBER_CLIENT_AGENT] = "ClientRequestUserAgent",
	[MEMBER_EDGE_STATUS] = "EdgeResponseStatus",
	[MEMBER_EDGE_BODY_BYTES] = "EdgeResponseBodyBytes",
	[MEMBER_EDGE_BYTES] = "EdgeResponseBytes",
	[MEMBER_EDGE_START] = "EdgeStartTimestamp",
	[MEMBER_EDGE_END] = "EdgeEndTimestamp",
	[MEMBER_REQUEST_HEADERS] = "RequestHeaders",
	[MEMBER_RESPONSE_HEADERS] = "ResponseHeaders",
	[MEMBER_ASKED_RANGE] = "RequestHeaders.range",
	[MEMBER_ANSWERED_RANGE] = "ResponseHeaders.content-range",
};

/* Deeper nesting is not skipped, but malformed. */
#define MAX_DEPTH 32

struct scan {
	struct log_rest l;
	bool seen[MEMBER_COUNT];
	struct request_text at[MEMBER_COUNT]; /* of strings without quotes, still escaped */
};

static unsigned slot_of(const char *name, size_t len)
{
	return (unsigned)(len * 5 + (unsigned char)name[0] + 3u * (unsigned char)name[len - 1]) %
	       64;
}

void log_json_prepare(struct log_parser *p)
{
	memset(p->json_first, MEMBER_COUNT, sizeof p->json_first);
	for (unsigned char i = 0; i < MEMBER_COUNT; i++) {
		unsigned slot = slot_of(member_names[i], strlen(member_names[i]));
		p->json_next[i] = p->json_first[slot];
		p->json_first[slot] = i;
	}
}

static enum member member_of(const struct log_parser *p, struct request_text name)
{
	if (name.len == 0)
		return MEMBER_COUNT;
	unsigned char i = p->json_first[slot_of(name.at, name.len)];
	while (i < MEMBER_COUNT && !log_text_is(name, member_names[i]))
		i = p->json_next[i];
	return (enum member)i;
}

static void skip_blanks(struct log_rest *l)
{
	while (l->at < l->end && (*l->at == ' ' || *l->at == '\t'))
		l->at++;
}

static bool take(struct log_rest *l, char c)
{
	skip_blanks(l);
	if (l->at >= l->end || *l->at != c)
		return false;
	l->at++;
	return true;
}

/* To the end of an object or a list, which begins here. */
static bool skip_nested(struct log_rest *l)
{
	unsigned depth = 0;
	struct request_text ignored;
	while (l->at < l->end) {
		char c = *l->at;
		if (c == '"') {
			if (!log_text_quoted(l, &ignored))
				return false;
			continue;
		}
		l->at++;
		if ((c == '{' || c == '[') && ++depth > MAX_DEPTH)
			return false;
		if ((c == '}' || c == ']') && --depth == 0)
			return true;
	}
	return false;
}

/* A string, a number, true, false or null; an object or a list is skipped, and has no text. */
static bool read_value(struct log_rest *l, struct request_text *out)
{
	skip_blanks(l);
	*out = (struct request_text){ 0 };
	if (l->at >= l->end)
		return false;
	if (*l->at == '"')
		return log_text_quoted(l, out);
	if (*l->at == '{' || *l->at == '[')
		return skip_nested(l);
	const char *start = l->at;
	while (l->at < l->end && !memchr(",}] \t", *l->at, 5))
		l->at++;
	*out = (struct request_text){ start, (size_t)(l->at - start) };
	if (log_text_is(*out, "null"))
		*out = (struct request_text){ 0 };
	return l->at > start;
}

/* {"range": "…"} or {"content-range": "…"}, whose names are of HTTP headers in small letters. */
static bool read_headers(struct scan *s, const char *name, enum member member)
{
	struct request_text key, value;
	if (!take(&s->l, '{'))
		return read_value(&s->l, &value);
	if (take(&s->l, '}'))
		return true;
	do {
		skip_blanks(&s->l);
		if (!log_text_quoted(&s->l, &key) || !take(&s->l, ':') ||
		    !read_value(&s->l, &value))
			return false;
		if (log_text_is(key, name))
			s->at[member] = value;
	} while (take(&s->l, ','));
	return take(&s->l, '}');
}

static bool read_member(const struct log_parser *p, struct scan *s)
{
	struct request_text key, value;
	skip_blanks(&s->l);
	if (!log_text_quoted(&s->l, &key) || !take(&s->l, ':'))
		return false;
	enum member m = member_of(p, key);
	if (m == MEMBER_REQUEST_HEADERS || m == MEMBER_RESPONSE_HEADERS) {
		s->seen[m] = true;
		return m == MEMBER_REQUEST_HEADERS
			       ? read_headers(s, "range", MEMBER_ASKED_RANGE)
			       : read_headers(s, "content-range", MEMBER_ANSWERED_RANGE);
	}
	if (!read_value(&s->l, &value))
		return false;
	if (m < MEMBER_COUNT) {
		s->seen[m] = true;
		s->at[m] = value;
	}
	return true;
}

static bool read_object(const struct log_parser *p, struct scan *s)
{
	if (!take(&s->l, '{'))
		return false;
	do {
		if (!read_member(p, s))
			return false;
	} while (take(&s->l, ','));
	if (!take(&s->l, '}'))
		return false;
	skip_blanks(&s->l);
	return s->l.at == s->l.end;
}

static struct request_text text_of(struct log_parser *p, const struct scan *s, enum member m)
{
	struct request_text t = s->at[m];
	if (t.len == 0 || log_text_is(t, "-"))
		return (struct request_text){ 0 };
	return log_text_unescape_json(p, t);
}

static bool number_of(const struct scan *s, enum member m, uint64_t *out)
{
	return log_value_u64(s->at[m], out);
}

static bool any_time(struct request_text t, int64_t *out)
{
	return log_value_unix_time(t, out) || log_value_time(t, out);
}

/* "bytes=0-99": the answer of a 206 begins there. Of several ranges, and of one that counts from
 * the end, nothing is known. */
static void use_asked_range(struct request_text t, struct request *r)
{
	struct request_text first, last;
	if (r->status != 206 || !log_text_starts(t, "bytes=") || r->bytes == 0)
		return;
	struct log_rest l = { t.at + 6, t.at + t.len };
	if (!log_text_until(&l, '-', &first) || !log_value_u64(first, &r->first))
		return;
	last = (struct request_text){ l.at, (size_t)(l.end - l.at) };
	if (last.len == 0)
		r->last = r->first + r->bytes - 1;
	else if (!log_value_u64(last, &r->last))
		return;
	r->has_range = r->first <= r->last;
}

static enum log_line use_cloudflare(struct log_parser *p, const struct scan *s, struct request *r)
{
	enum log_line what = log_value_status(s->at[MEMBER_EDGE_STATUS], &r->status);
	if (what != LOG_REQUEST || (!any_time(s->at[MEMBER_EDGE_END], &r->time_s) &&
				    !any_time(s->at[MEMBER_EDGE_START], &r->time_s)))
		return what == LOG_NOTHING ? what : LOG_MALFORMED;
	r->method = log_value_method(text_of(p, s, MEMBER_CLIENT_METHOD));
	log_value_target(text_of(p, s, MEMBER_CLIENT_PATH), r);
	if (!r->path.at)
		log_value_target(text_of(p, s, MEMBER_CLIENT_URI), r);
	r->address = text_of(p, s, MEMBER_CLIENT_IP);
	r->agent = text_of(p, s, MEMBER_CLIENT_AGENT);
	struct request_text country = text_of(p, s, MEMBER_COUNTRY);
	if (country.len == 2) {
		char *upper = p->scratch + p->used;
		upper[0] = (char)(country.at[0] & ~0x20);
		upper[1] = (char)(country.at[1] & ~0x20);
		p->used += 2;
		bool letters = upper[0] >= 'A' && upper[0] <= 'Z' && upper[1] >= 'A' &&
			       upper[1] <= 'Z' && memcmp(upper, "XX", 2) != 0;
		if (letters)
			r->country = (struct request_text){ upper, 2 };
	}
	if (!number_of(s, MEMBER_EDGE_BODY_BYTES, &r->bytes) &&
	    !number_of(s, MEMBER_EDGE_BYTES, &r->bytes))
		r->bytes = 0;
	log_value_content_range(text_of(p, s, MEMBER_ANSWERED_RANGE), r);
	if (!r->has_range)
		use_asked_range(text_of(p, s, MEMBER_ASKED_RANGE), r);
	return LOG_REQUEST;
}

static bool nginx_time(struct log_parser *p, const struct scan *s, int64_t *out)
{
	struct request_text local = s->at[MEMBER_TIME_LOCAL];
	return any_time(s->at[MEMBER_MSEC], out) || any_time(s->at[MEMBER_TIME], out) ||
	       (local.len == LOG_TIME_CLF && log_value_clf_time(p, local.at, out));
}

static enum log_line use_nginx(struct log_parser *p, const struct scan *s, struct request *r)
{
	enum log_line what = log_value_status(s->at[MEMBER_STATUS], &r->status);
	bool has_request = s->seen[MEMBER_REQUEST] || s->seen[MEMBER_REQUEST_URI] ||
			   s->seen[MEMBER_URI];
	if (what != LOG_REQUEST || !has_request || !nginx_time(p, s, &r->time_s))
		return what == LOG_NOTHING ? what : LOG_MALFORMED;
	r->method = REQUEST_OTHER;
	if (s->seen[MEMBER_REQUEST])
		log_value_request(text_of(p, s, MEMBER_REQUEST), r);
	if (s->seen[MEMBER_METHOD])
		r->method = log_value_method(text_of(p, s, MEMBER_METHOD));
	/* $uri is decoded: only what nothing else tells. */
	if (!r->path.at)
		log_value_target(text_of(p, s, MEMBER_REQUEST_URI), r);
	if (!r->path.at)
		log_value_target(text_of(p, s, MEMBER_URI), r);
	r->address = text_of(p, s, MEMBER_ADDRESS);
	r->agent = text_of(p, s, MEMBER_AGENT);
	if (!number_of(s, MEMBER_BODY_BYTES, &r->bytes) && !number_of(s, MEMBER_BYTES, &r->bytes))
		r->bytes = 0;
	log_value_content_range(text_of(p, s, MEMBER_CONTENT_RANGE), r);
	return LOG_REQUEST;
}

enum log_line log_json(struct log_parser *p, struct request_text line, struct request *r)
{
	struct scan s = { .l = { line.at, line.at + line.len } };
	if (!read_object(p, &s))
		return LOG_MALFORMED;
	enum log_format f = LOG_JSON;
	for (int i = MEMBER_FIRST_OF_CLOUDFLARE; i < MEMBER_COUNT; i++)
		if (s.seen[i])
			f = LOG_CLOUDFLARE;
	if (p->only != LOG_UNKNOWN && p->only != f)
		return LOG_MALFORMED;
	enum log_line what = f == LOG_CLOUDFLARE ? use_cloudflare(p, &s, r) : use_nginx(p, &s, r);
	if (what != LOG_MALFORMED)
		p->format = f;
	return what;
}
