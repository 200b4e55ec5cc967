#include "stats/log_internal.h"

static const char *const column_names[COLUMN_COUNT] = {
	[COLUMN_DATE] = "date",
	[COLUMN_TIME] = "time",
	[COLUMN_ADDRESS] = "c-ip",
	[COLUMN_METHOD] = "cs-method",
	[COLUMN_STEM] = "cs-uri-stem",
	[COLUMN_STATUS] = "sc-status",
	[COLUMN_AGENT] = "cs(User-Agent)",
	[COLUMN_BYTES] = "sc-bytes",
	[COLUMN_CONTENT_LEN] = "sc-content-len",
	[COLUMN_RANGE_START] = "sc-range-start",
	[COLUMN_RANGE_END] = "sc-range-end",
};

void log_cloudfront_fields(struct log_parser *p, struct request_text line)
{
	struct log_rest l = { line.at + strlen("#Fields:"), line.at + line.len };
	struct request_text name;
	p->columns = 0;
	while (p->columns < LOG_COLUMNS_MAX && log_text_until(&l, ' ', &name)) {
		if (name.len == 0)
			continue;
		signed char column = -1;
		for (int i = 0; i < COLUMN_COUNT; i++)
			if (log_text_is(name, column_names[i]))
				column = (signed char)i;
		p->column_of[p->columns++] = column;
	}
	if (p->columns)
		p->format = LOG_CLOUDFRONT;
}

static bool read_time(const struct request_text *v, int64_t *out)
{
	char text[19];
	if (v[COLUMN_DATE].len != 10 || v[COLUMN_TIME].len != 8)
		return false;
	memcpy(text, v[COLUMN_DATE].at, 10);
	text[10] = ' ';
	memcpy(text + 11, v[COLUMN_TIME].at, 8);
	return log_value_time((struct request_text){ text, sizeof text }, out);
}

/* sc-bytes has the headers in it, sc-content-len is what the server announced. */
static uint64_t body_bytes(const struct request_text *v)
{
	uint64_t sent = 0, announced = 0;
	if (!log_value_u64(v[COLUMN_BYTES], &sent))
		return 0;
	return log_value_u64(v[COLUMN_CONTENT_LEN], &announced) ? MIN(sent, announced) : sent;
}

enum log_line log_cloudfront(struct log_parser *p, struct request_text line, struct request *r)
{
	struct log_rest l = { line.at, line.at + line.len };
	struct request_text v[COLUMN_COUNT] = { 0 }, t;
	size_t count = 0;
	while (count < p->columns && log_text_until(&l, '\t', &t)) {
		if (p->column_of[count] >= 0)
			v[p->column_of[count]] = t;
		count++;
	}
	if (p->columns == 0 || count < p->columns || !read_time(v, &r->time_s) ||
	    v[COLUMN_STEM].len == 0)
		return LOG_MALFORMED;
	enum log_line what = log_value_status(v[COLUMN_STATUS], &r->status);
	if (what != LOG_REQUEST)
		return what;
	r->method = log_value_method(v[COLUMN_METHOD]);
	log_value_target(v[COLUMN_STEM], r);
	if (!log_text_is(v[COLUMN_ADDRESS], "-"))
		r->address = v[COLUMN_ADDRESS];
	if (!log_text_is(v[COLUMN_AGENT], "-"))
		r->agent = log_text_percent(p, v[COLUMN_AGENT]);
	r->bytes = body_bytes(v);
	r->has_range = log_value_u64(v[COLUMN_RANGE_START], &r->first) &&
		       log_value_u64(v[COLUMN_RANGE_END], &r->last) && r->first <= r->last;
	return LOG_REQUEST;
}
