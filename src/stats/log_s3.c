#include "stats/log_internal.h"

/* The request is in quotes, but S3 does not escape quotes in it. It ends where a status follows. */
static bool read_uri(struct log_rest *l, struct request_text *out)
{
	if (l->at < l->end && *l->at != '"')
		return log_text_until(l, ' ', out);
	const char *start = l->at + 1, *s = start;
	while (l->end - s > 5 && (s = memchr(s, '"', (size_t)(l->end - s)))) {
		bool status = l->end - s > 5 && s[1] == ' ' && (s[5] == ' ' || s[3] == ' ') &&
			      (s[2] == '-' || (s[2] >= '1' && s[2] <= '5'));
		if (status) {
			*out = (struct request_text){ start, (size_t)(s - start) };
			l->at = s + 2;
			return true;
		}
		s++;
	}
	return false;
}

/* `"REFERER" "AGENT" …`: neither is escaped; behind them come no more quotes. */
static bool read_agent(struct log_rest *l, struct request *r)
{
	struct request_text none;
	if (l->at < l->end && *l->at == '-' && !log_text_until(l, ' ', &none))
		return false;
	const char *start = l->at, *last = l->end;
	while (last > start && last[-1] != '"')
		last--;
	if (last - start < 2)
		return l->at < l->end && *l->at == '-';
	if (*start != '"')
		return false;
	start++;
	last--;
	for (const char *s = start; last - s >= 3; s++)
		if (memcmp(s, "\" \"", 3) == 0) {
			start = s + 3;
			break;
		}
	r->agent = (struct request_text){ start, (size_t)(last - start) };
	if (log_text_is(r->agent, "-"))
		r->agent = (struct request_text){ 0 };
	return true;
}

/* Paths begin with a slash, keys do not. */
static void set_key(struct log_parser *p, struct request_text key, struct request *r)
{
	if (log_text_is(key, "-"))
		return;
	char *path = p->scratch + p->used;
	path[0] = '/';
	memcpy(path + 1, key.at, key.len);
	p->used += key.len + 1;
	r->path = (struct request_text){ path, key.len + 1 };
}

static bool number_or_none(struct request_text t, uint64_t *out, bool *known)
{
	*known = log_value_u64(t, out);
	return *known || log_text_is(t, "-");
}

/* OWNER BUCKET [TIME] ADDRESS REQUESTER REQUEST-ID OPERATION KEY "URI" */
static bool read_head(struct log_parser *p, struct log_rest *l, struct request_text *key,
		      struct request_text *uri, struct request *r)
{
	struct request_text t;
	if (!log_text_until(l, ' ', &t) || t.len == 0 || !log_text_until(l, ' ', &t) ||
	    l->end - l->at < LOG_TIME_CLF + 3 || l->at[0] != '[' ||
	    l->at[LOG_TIME_CLF + 1] != ']' || l->at[LOG_TIME_CLF + 2] != ' ' ||
	    !log_value_clf_time(p, l->at + 1, &r->time_s))
		return false;
	l->at += LOG_TIME_CLF + 3;
	if (!log_text_until(l, ' ', &r->address) || r->address.len == 0 || *r->address.at == '"')
		return false;
	return log_text_until(l, ' ', &t) && log_text_until(l, ' ', &t) &&
	       log_text_until(l, ' ', &t) && t.len > 0 && log_text_until(l, ' ', key) &&
	       key->len > 0 && read_uri(l, uri);
}

enum log_line log_s3(struct log_parser *p, struct request_text line, struct request *r)
{
	struct log_rest l = { line.at, line.at + line.len };
	struct request_text key, uri, status, t;
	bool known;
	if (!read_head(p, &l, &key, &uri, r) || !log_text_until(&l, ' ', &status) ||
	    !log_text_until(&l, ' ', &t) || !log_text_until(&l, ' ', &t) ||
	    !number_or_none(t, &r->bytes, &known) || !log_text_until(&l, ' ', &t) ||
	    !number_or_none(t, &r->total, &r->has_total) || !log_text_until(&l, ' ', &t) ||
	    !log_text_until(&l, ' ', &t) || !read_agent(&l, r))
		return LOG_MALFORMED;
	enum log_line what = log_value_status(status, &r->status);
	/* What the bucket did by itself, such as S3.EXPIRE.OBJECT, has no request. */
	if (what != LOG_REQUEST || log_text_is(uri, "-"))
		return what == LOG_MALFORMED ? what : LOG_NOTHING;
	if (log_text_is(r->address, "-"))
		r->address = (struct request_text){ 0 };
	log_value_request(uri, r);
	r->path = (struct request_text){ 0 };
	set_key(p, key, r);
	return LOG_REQUEST;
}
