#include "stats/log_internal.h"

#include "util/mem.h"

const char log_format_names[] = "combined, json, s3, cloudfront, cloudflare";

static const char *const names[] = {
	[LOG_UNKNOWN] = "unknown", [LOG_COMBINED] = "combined",     [LOG_JSON] = "json",
	[LOG_S3] = "s3",           [LOG_CLOUDFRONT] = "cloudfront", [LOG_CLOUDFLARE] = "cloudflare",
};

const char *log_format_name(enum log_format f)
{
	return names[f];
}

bool log_format_parse(const char *name, enum log_format *out)
{
	for (size_t i = LOG_COMBINED; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0) {
			*out = (enum log_format)i;
			return true;
		}
	return false;
}

struct log_parser *log_parser_new(enum log_format only)
{
	struct log_parser *p = NEW(struct log_parser);
	p->only = only;
	p->format = only;
	log_json_prepare(p);
	return p;
}

void log_parser_free(struct log_parser *p)
{
	free(p);
}

enum log_format log_parser_format(const struct log_parser *p)
{
	return p->format;
}

/* Both are read by one parser, which says which of the two it was. */
static bool is_json(enum log_format f)
{
	return f == LOG_JSON || f == LOG_CLOUDFLARE;
}

static enum log_line parse_as(struct log_parser *p, enum log_format f, struct request_text line,
			      struct request *r)
{
	static log_parse_fn *const parsers[] = {
		[LOG_COMBINED] = log_combined,     [LOG_JSON] = log_json,       [LOG_S3] = log_s3,
		[LOG_CLOUDFRONT] = log_cloudfront, [LOG_CLOUDFLARE] = log_json,
	};
	*r = (struct request){ 0 };
	p->used = 0;
	return parsers[f](p, line, r);
}

static enum log_line parse_as_any(struct log_parser *p, struct request_text line, struct request *r)
{
	static const enum log_format all[] = { LOG_COMBINED, LOG_S3, LOG_CLOUDFRONT };
	if (line.at[0] == '{')
		return parse_as(p, LOG_JSON, line, r);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		enum log_line what = all[i] == p->format ? LOG_MALFORMED
							 : parse_as(p, all[i], line, r);
		if (what != LOG_MALFORMED) {
			p->format = all[i];
			return what;
		}
	}
	return LOG_MALFORMED;
}

/* The range is of what was promised, the bytes of what was sent. */
static void limit_range(struct request *r)
{
	if (!r->has_range)
		return;
	if (r->bytes == 0)
		r->has_range = false;
	else if (r->bytes < r->last - r->first + 1)
		r->last = r->first + r->bytes - 1;
}

static enum log_line comment(struct log_parser *p, struct request_text line)
{
	if (p->only != LOG_UNKNOWN && p->only != LOG_CLOUDFRONT)
		return LOG_NOTHING;
	if (log_text_starts(line, "#Fields:"))
		log_cloudfront_fields(p, line);
	return LOG_NOTHING;
}

enum log_line log_parse(struct log_parser *p, const char *line, size_t len, struct request *out)
{
	if (len && line[len - 1] == '\r')
		len--;
	for (; len && !*line; len--)
		line++;
	struct request_text l = { line, len };
	if (len == 0)
		return LOG_NOTHING;
	if (len > LOG_LINE_MAX || memchr(line, '\0', len))
		return LOG_MALFORMED;
	if (line[0] == '#')
		return comment(p, l);
	struct request r;
	enum log_line what = LOG_MALFORMED;
	if (p->format != LOG_UNKNOWN && is_json(p->format) == (line[0] == '{'))
		what = parse_as(p, p->format, l, &r);
	if (what == LOG_MALFORMED && p->only == LOG_UNKNOWN)
		what = parse_as_any(p, l, &r);
	if (what != LOG_REQUEST)
		return what;
	limit_range(&r);
	*out = r;
	return LOG_REQUEST;
}

/* "2026/11/29 00:38:12 [error] 7#7: …" of nginx, "[Sun Nov 29 00:38:12.123 2026] [core:error] …" of
 * Apache. */
bool log_is_error_log(const char *line, size_t len)
{
	static const char *const shapes[] = { "0000/00/00 00:00:00 [", "[Aaa Aaa 00 00:00:00" };
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		size_t want = strlen(shapes[i]), k = 0;
		for (; k < want && k < len; k++) {
			char c = line[k], s = shapes[i][k];
			bool fits = s == '0'   ? (c >= '0' && c <= '9')
				    : s == 'A' ? (c >= 'A' && c <= 'Z')
				    : s == 'a' ? (c >= 'a' && c <= 'z')
					       : c == s;
			if (!fits)
				break;
		}
		if (k == want)
			return true;
	}
	return false;
}
