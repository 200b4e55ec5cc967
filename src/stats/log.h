/*
 * Lines of access logs become requests. The format is recognised by content, line by line, so
 * that a log whose format was changed is read on.
 *
 * The formats, and where each is described (ferry-logs(7) has what each can tell):
 *  - LOG_COMBINED: combined of nginx and Apache, also with further fields behind it, without the
 *    last two ("common"), and with Apache's host in front ("vhost_combined").
 *   https://nginx.org/en/docs/http/ngx_http_log_module.html
 *   https://httpd.apache.org/docs/2.4/logs.html
 *  - LOG_JSON: an object on each line, whose members have the names of nginx's variables.
 *  - LOG_S3: server access logs of S3.
 *   https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
 *  - LOG_CLOUDFRONT: standard logs of CloudFront, whose "#Fields:" names the columns.
 *   https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html
 *  - LOG_CLOUDFLARE: Logpush of the data set http_requests, as JSON lines.
 *   https://developers.cloudflare.com/logs/logpush/logpush-job/datasets/zone/http_requests/
 *
 * Any bytes are safe to give. Nothing is allocated for a line.
 */
#ifndef FERRY_STATS_LOG_H
#define FERRY_STATS_LOG_H

#include "stats/request.h"

enum log_format {
	LOG_UNKNOWN,
	LOG_COMBINED,
	LOG_JSON,
	LOG_S3,
	LOG_CLOUDFRONT,
	LOG_CLOUDFLARE,
};

/* "combined", "json", "s3", "cloudfront", "cloudflare"; of LOG_UNKNOWN "unknown". */
const char *log_format_name(enum log_format f);
/* The five names; false for any other. */
bool log_format_parse(const char *name, enum log_format *out);
/* "combined, json, …", for messages. */
extern const char log_format_names[];

/* Longer lines are malformed. */
#define LOG_LINE_MAX (64 * KIB)

enum log_line {
	LOG_REQUEST,
	LOG_NOTHING,   /* an empty line, a comment, or of an event that was no request */
	LOG_MALFORMED, /* in none of the formats */
};

struct log_parser;

/* only: the format that all lines have; LOG_UNKNOWN: by content. */
struct log_parser *log_parser_new(enum log_format only);
void log_parser_free(struct log_parser *p);
DEFINE_CLEANUP(struct log_parser, log_parser_free);

/* A line without its line feed; a carriage return before it does not matter, nor do bytes of zero
 * in front of it (a log that was emptied while a server writes to it begins with them). *out is set
 * for LOG_REQUEST only; its texts are borrowed from the line, or from p until the next call.
 *
 * What holds for *out:
 *  - path is unknown where the client sent no request that has one (HTTP 400, "OPTIONS *");
 *  - range: the bytes that were sent of it, so first + bytes - 1 at most. has_range is false if no
 *    byte was sent, and for several ranges in one answer;
 *  - time_s is that of the log, whatever it says: it may be in the future. */
enum log_line log_parse(struct log_parser *p, const char *line, size_t len, struct request *out);

/* That of the last line that was a request, or that is known by a "#Fields:". */
enum log_format log_parser_format(const struct log_parser *p);

/* Is it a line of a log of errors, of nginx or Apache? */
bool log_is_error_log(const char *line, size_t len);

#endif
