#include "stats/log_internal.h"

/* "[10/Oct/2000:13:55:36 -0700] ": a name in front of it may contain brackets, too. */
static bool find_time(struct log_parser *p, struct log_rest *l, struct request_text *before,
		      int64_t *time_s)
{
	const char *start = l->at, *s = start;
	while ((s = memchr(s, '[', (size_t)(l->end - s)))) {
		if (l->end - s < LOG_TIME_CLF + 3)
			return false;
		if (s[LOG_TIME_CLF + 1] == ']' && s[LOG_TIME_CLF + 2] == ' ' &&
		    log_value_clf_time(p, s + 1, time_s)) {
			*before = (struct request_text){ start, (size_t)(s - start) };
			l->at = s + LOG_TIME_CLF + 3;
			return true;
		}
		s++;
	}
	return false;
}

/* "example.org:80" */
static bool is_host_with_port(struct request_text t)
{
	size_t digits = 0;
	while (digits < t.len && t.at[t.len - 1 - digits] >= '0' && t.at[t.len - 1 - digits] <= '9')
		digits++;
	return digits > 0 && digits < t.len && t.at[t.len - 1 - digits] == ':';
}

/* "ADDRESS IDENT USER ", or Apache's "HOST:PORT ADDRESS IDENT USER ". The user may contain blanks;
 * what ident gave is always "-". */
static bool find_address(struct request_text before, struct request_text *out)
{
	struct log_rest l = { before.at, before.at + before.len };
	struct request_text first, second, third, user;
	if (!log_text_until(&l, ' ', &first) || !log_text_until(&l, ' ', &second) ||
	    !log_text_until(&l, ' ', &third) || first.len == 0)
		return false;
	bool has_host = log_text_until(&l, ' ', &user) && log_text_is(third, "-") &&
			is_host_with_port(first);
	*out = has_host ? second : first;
	return out->len > 0;
}

/* Referer and agent, and what an operator has put behind them: of that, only a Content-Range can be
 * recognised. */
static bool read_tail(struct log_parser *p, struct log_rest *l, struct request *r)
{
	struct request_text referer, agent, more;
	if (l->at >= l->end)
		return true;
	if (!log_text_quoted(l, &referer) || l->at >= l->end || *l->at++ != ' ' ||
	    !log_text_quoted(l, &agent))
		return false;
	if (!log_text_is(agent, "-"))
		r->agent = log_text_unescape(p, agent);
	while (l->at < l->end) {
		const char *quote = memchr(l->at, '"', (size_t)(l->end - l->at));
		if (!quote)
			break;
		l->at = quote;
		if (!log_text_quoted(l, &more))
			break;
		if (log_text_starts(more, "bytes ") && !r->has_range)
			log_value_content_range(more, r);
	}
	return true;
}

enum log_line log_combined(struct log_parser *p, struct request_text line, struct request *r)
{
	struct log_rest l = { line.at, line.at + line.len };
	struct request_text before, request, status, bytes;
	if (!find_time(p, &l, &before, &r->time_s) || !find_address(before, &r->address) ||
	    !log_text_quoted(&l, &request) || l.at >= l.end || *l.at++ != ' ' ||
	    !log_text_until(&l, ' ', &status) || !log_text_until(&l, ' ', &bytes))
		return LOG_MALFORMED;
	if (!log_value_u64(bytes, &r->bytes) && !log_text_is(bytes, "-"))
		return LOG_MALFORMED;
	enum log_line what = log_value_status(status, &r->status);
	if (what == LOG_MALFORMED || !read_tail(p, &l, r))
		return LOG_MALFORMED;
	log_value_request(log_text_unescape(p, request), r);
	return what;
}
