/*
 * Parsers of HTTP header values: pure functions on foreign bytes.
 *
 * What always holds here: a value that does not follow its grammar gives false and
 * leaves *out as it was; no function reads past the NUL or allocates.
 */
#ifndef FERRY_HTTP_HEADERS_H
#define FERRY_HTTP_HEADERS_H

#include "util/base.h"

#define HEADER_ETAG 256
#define HEADER_TYPE 128
#define HEADER_NAME 256

/* Splits "Name: value\r\n" into name and value, both NUL-ended and without blanks
 * around; the name in lower case. line is changed. */
bool header_split(char *line, char **name, char **value);

/* RFC 9110 14.4: "bytes 0-9/100", "bytes 0-9/ *", "bytes * /100" (without the blanks). */
struct content_range {
	bool has_range; /* first and last, both inclusive */
	uint64_t first, last;
	bool has_total;
	uint64_t total;
};
bool header_content_range(const char *value, struct content_range *out);

/* RFC 9110 5.6.7: all three date forms, to seconds since 1970 (never negative). */
bool header_date(const char *value, int64_t *out_s);

/* RFC 9110 10.2.3: seconds or a date; a date in the past is 0. */
bool header_retry_after(const char *value, int64_t now_s, uint64_t *out_s);

/* draft-ietf-httpapi-ratelimit-headers-09, as the Hugging Face Hub sends it: "api";r=0;t=55,
 * perhaps several with commas between. Of these the one with the fewest requests left: their
 * number, and the seconds until there are more. */
bool header_rate_limit(const char *value, uint64_t *left, uint64_t *reset_s);

/* RFC 9110 8.8.3, as sent: with its quotes and W/. */
bool header_etag(const char *value, char out[HEADER_ETAG]);
/* May it stand in If-Range and If-Match (not weak)? */
bool header_etag_is_strong(const char *etag);

/* "Text/HTML; charset=x" → "text/html". */
bool header_media_type(const char *value, char out[HEADER_TYPE]);

/* RFC 6266: the file name of Content-Disposition, filename* (UTF-8) before filename, folders cut
 * off. Only safe names (path_is_name, no leading dot). */
bool header_file_name(const char *value, char out[HEADER_NAME]);

/* Do the first bytes of a body look like an HTML page? */
bool header_body_is_html(const void *data, size_t len);

#endif
