/* The readers of HTTP headers and URLs: any line, any body, any text. */
#include "http/headers.h"
#include "http/url.h"
#include "util/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_value(const char *value)
{
	struct content_range range = { 0 };
	int64_t when;
	uint64_t seconds, left;
	char etag[HEADER_ETAG], type[HEADER_TYPE], name[HEADER_NAME];
	if (header_content_range(value, &range) &&
	    ((range.has_range && range.last < range.first) ||
	     (range.has_range && range.has_total && range.last >= range.total)))
		abort();
	if (header_date(value, &when) && when < 0)
		abort();
	header_retry_after(value, 1000000000, &seconds);
	header_rate_limit(value, &left, &seconds);
	if (header_etag(value, etag) && strlen(etag) >= sizeof etag)
		abort();
	header_media_type(value, type);
	if (header_file_name(value, name) && (strchr(name, '/') || name[0] == '.' || !name[0]))
		abort();
}

static void try_url(const char *text)
{
	struct err e = ERR_INIT;
	struct url u = { 0 };
	char *path;
	free(url_redact(text));
	free(url_redact_text(text));
	free(url_tidy(text));
	if (url_parse(text, &u, &e) == 0) {
		if (!u.host[0] || u.path[0] != '/')
			abort();
		url_release(&u);
	}
	err_clear(&e);
	if (url_file_path(text, &path, &e) == 0) {
		if (path[0] != '/')
			abort();
		free(path);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name, *value;
	if (size > 16384)
		return 0;
	CLEANUP(mem_free_ptr) char *text = mem_strndup((const char *)data, size);
	CLEANUP(mem_free_ptr) char *line = mem_strdup(text);
	header_body_is_html(data, size);
	try_url(text);
	try_value(text);
	if (header_split(line, &name, &value))
		try_value(value);
	return 0;
}
