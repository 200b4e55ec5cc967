/*
 * What the parsers of the formats share. Each gets a line that is not empty and has no NUL, and
 * fills what it knows of *r, which is zeroed before.
 */
#ifndef FERRY_STATS_LOG_INTERNAL_H
#define FERRY_STATS_LOG_INTERNAL_H

#include "stats/log.h"

#include <string.h>

/* The columns of CloudFront's logs that are used. */
enum log_column {
	COLUMN_DATE,
	COLUMN_TIME,
	COLUMN_ADDRESS,
	COLUMN_METHOD,
	COLUMN_STEM,
	COLUMN_STATUS,
	COLUMN_AGENT,
	COLUMN_BYTES,
	COLUMN_CONTENT_LEN,
	COLUMN_RANGE_START,
	COLUMN_RANGE_END,
	COLUMN_COUNT,
};

/* Of a line of LOG_CLOUDFRONT; there are some 33 today. */
#define LOG_COLUMNS_MAX 64

struct log_parser {
	enum log_format only, format;
	char day[16]; /* the date whose start is day_s */
	int64_t day_s;
	size_t columns;                         /* 0: no "#Fields:" was seen */
	signed char column_of[LOG_COLUMNS_MAX]; /* enum log_column, or -1 */
	unsigned char json_first[64], json_next[32];
	size_t used; /* bytes of scratch: what was decoded is never longer than its line */
	char scratch[LOG_LINE_MAX + 8];
};

typedef enum log_line log_parse_fn(struct log_parser *p, struct request_text line,
				   struct request *r);
log_parse_fn log_combined, log_s3, log_cloudfront, log_json;

/* "#Fields: date time …" */
void log_cloudfront_fields(struct log_parser *p, struct request_text line);
void log_json_prepare(struct log_parser *p);

/* -- texts ------------------------------------------------------------------------- */

/* What is left of a line. */
struct log_rest {
	const char *at, *end;
};

static inline bool log_text_is(struct request_text t, const char *s)
{
	return t.len == strlen(s) && memcmp(t.at, s, t.len) == 0;
}

static inline bool log_text_starts(struct request_text t, const char *s)
{
	size_t len = strlen(s);
	return t.len >= len && memcmp(t.at, s, len) == 0;
}

/* Up to the separator, which is left behind, or the end. False if nothing is left. */
static inline bool log_text_until(struct log_rest *l, char separator, struct request_text *out)
{
	if (l->at >= l->end)
		return false;
	const char *end = memchr(l->at, separator, (size_t)(l->end - l->at));
	*out = (struct request_text){ l->at, (size_t)((end ? end : l->end) - l->at) };
	l->at = end ? end + 1 : l->end;
	return true;
}

/* A text in quotes, in which a backslash takes the meaning from the next character; without the
 * quotes, still escaped. False if there is none at this place. */
bool log_text_quoted(struct log_rest *l, struct request_text *out);
/* The same of a JSON string. Decoded: \xHH (nginx), \" \\ \n \t … (Apache); JSON's escapes; %HH. */
struct request_text log_text_unescape(struct log_parser *p, struct request_text t);
struct request_text log_text_unescape_json(struct log_parser *p, struct request_text t);
struct request_text log_text_percent(struct log_parser *p, struct request_text t);

/* -- values ------------------------------------------------------------------------ */

/* Decimal digits only, at least one, and no overflow. */
static inline bool log_value_u64(struct request_text t, uint64_t *out)
{
	uint64_t v = 0;
	if (t.len == 0 || t.len > 19)
		return false;
	for (size_t i = 0; i < t.len; i++) {
		unsigned digit = (unsigned char)t.at[i] - '0';
		if (digit > 9)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

/* "10/Oct/2000:13:55:36 -0700", 26 bytes, as nginx, Apache and S3 write it. */
#define LOG_TIME_CLF 26
bool log_value_clf_time(struct log_parser *p, const char *s, int64_t *out);
/* "2026-11-29T00:38:12.345+01:00" (RFC 3339, also with ±hhmm), or with `utc` "2026-11-29
 * 00:38:12" in UTC. */
bool log_value_time(struct request_text t, int64_t *out);
/* "1764376692.123": seconds; without a point: seconds, or by its size milli-, micro- or
 * nanoseconds. */
bool log_value_unix_time(struct request_text t, int64_t *out);

/* 100 … 599: LOG_REQUEST. "-" and "000", of a connection without an answer: LOG_NOTHING. */
enum log_line log_value_status(struct request_text t, unsigned *out);

enum request_method log_value_method(struct request_text t);
/* A path with or without query, or an absolute URL; anything else leaves the path unknown. */
void log_value_target(struct request_text t, struct request *r);
/* "GET /path HTTP/1.1"; anything else is LOG_REQUEST with method OTHER and no path. */
void log_value_request(struct request_text t, struct request *r);
/* The value of Content-Range: "bytes 0-9/100", "bytes 0-9/?", "bytes ?/100" with '*' for '?' */
void log_value_content_range(struct request_text t, struct request *r);

#endif
