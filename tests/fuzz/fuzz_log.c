/* Lines of access logs, in each format and by content: what is told of a request lies in the line
 * or is decoded from it, and makes sense. */
#include "stats/log.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static volatile unsigned char sum;

/* Reads each byte, so that a sanitizer sees texts that are not there. */
static void check_text(struct request_text t)
{
	if (!t.at && t.len)
		abort();
	for (size_t i = 0; i < t.len; i++)
		sum ^= (unsigned char)t.at[i];
}

static void check_request(const struct request *r)
{
	check_text(r->path);
	check_text(r->address);
	check_text(r->agent);
	check_text(r->country);
	if (r->status < 100 || r->status > 599 || (r->path.at && r->path.at[0] != '/'))
		abort();
	if (r->country.at &&
	    (r->country.len != 2 || r->country.at[0] < 'A' || r->country.at[0] > 'Z' ||
	     r->country.at[1] < 'A' || r->country.at[1] > 'Z'))
		abort();
	if (r->has_range && (r->first > r->last || r->last - r->first >= r->bytes))
		abort();
}

static void parse_line(struct log_parser *p, const uint8_t *line, size_t len)
{
	struct request r;
	char *copy = malloc(len ? len : 1);
	if (!copy)
		abort();
	if (len)
		memcpy(copy, line, len);
	if (log_parse(p, copy, len, &r) == LOG_REQUEST)
		check_request(&r);
	log_is_error_log(copy, len);
	free(copy);
}

/* The first byte chooses the format. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	struct log_parser *p = log_parser_new((enum log_format)(data[0] % (LOG_CLOUDFLARE + 1)));
	for (size_t at = 1; at < len;) {
		const uint8_t *feed = memchr(data + at, '\n', len - at);
		size_t end = feed ? (size_t)(feed - data) : len;
		parse_line(p, data + at, end - at);
		at = end + 1;
	}
	log_parser_free(p);
	return 0;
}
