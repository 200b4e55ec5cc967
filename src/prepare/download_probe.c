#include "prepare/download_probe.h"

#include "http/url.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

bool download_probe_is_file(const char *url)
{
	return str_starts_nocase(url, "file:");
}

char *download_probe_name(const char *url)
{
	const char *end = url + strcspn(url, "?#");
	const char *slash = end;
	while (slash > url && slash[-1] != '/')
		slash--;
	CLEANUP(mem_free_ptr) char *name = mem_alloc((size_t)(end - slash) + 1);
	size_t n = 0;
	for (const char *p = slash; p < end; p++) {
		unsigned char byte;
		char hex[3] = { 0 };
		if (*p == '%' && end - p >= 3)
			memcpy(hex, p + 1, 2);
		if (hex[0] && hex_decode(&byte, 1, hex, true)) {
			name[n++] = (char)byte;
			p += 2;
		} else {
			name[n++] = *p;
		}
	}
	if (memchr(name, '\0', n) || !path_is_name(name) || name[0] == '.' || n > 150)
		return mem_strdup("download");
	return STEAL(name);
}

char *download_probe_public_url(const char *url)
{
	struct err ignored = ERR_INIT;
	CLEANUP(url_release) struct url u = { 0 };
	if (url_parse(url, &u, &ignored) < 0)
		return NULL;
	CLEANUP(mem_free_ptr) char *shown = url_redact(u.text);
	if (strcmp(shown, u.text) == 0)
		return mem_strdup(u.text);
	return mem_strndup(u.text, strcspn(u.text, "?"));
}

bool download_probe(const char *const *urls, size_t count, const struct cancel *cancel,
		    struct download_probe *out)
{
	const struct http_options options = { .cancel = cancel };
	CLEANUP_PTR(http_client_free) struct http_client *client = NULL;
	struct err ignored = ERR_INIT;
	if (http_client_new(&options, &client, &ignored) < 0)
		return false;
	for (size_t i = 0; i < count && !cancel_signal(cancel); i++) {
		struct err e = ERR_INIT;
		CLEANUP(http_response_release) struct http_response r = { 0 };
		struct http_request q = { .method = "HEAD", .url = urls[i] };
		if (download_probe_is_file(urls[i]) || http_perform(client, &q, &r, &e) < 0 ||
		    r.html)
			continue;
		*out = (struct download_probe){
			.modified_s = r.modified_s,
			.size = r.has_total ? r.total : 0,
		};
		if (header_etag_is_strong(r.etag))
			snprintf(out->etag, sizeof out->etag, "%s", r.etag);
		return true;
	}
	return false;
}

bool download_probe_version(const char *const *urls, size_t count, const struct cancel *cancel,
			    char **out)
{
	struct download_probe v;
	if (!download_probe(urls, count, cancel, &v) || !v.size || (!v.etag[0] && !v.modified_s))
		return false;
	*out = mem_printf("%s %lld %llu", v.etag, (long long)v.modified_s,
			  (unsigned long long)v.size);
	return true;
}
