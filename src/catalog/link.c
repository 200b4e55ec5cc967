#include "catalog/link.h"

#include "util/text.h"

#include <string.h>

static bool has_bad_port(const char *host, size_t len)
{
	const char *bracket = memchr(host, ']', len), *from = bracket ? bracket : host;
	const char *colon = memchr(from, ':', len - (size_t)(from - host));
	if (!colon)
		return false;
	size_t digits = strspn(colon + 1, "0123456789");
	return digits > 5 || colon + 1 + digits != host + len;
}

const char *link_shown(const char *url)
{
	return strchr(url, '@') ? "(a URL with '@')" : url;
}

const char *link_fault(const char *url, bool file_too)
{
	if (strlen(url) > LINK_MAX)
		return "longer than 2048 bytes";
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f ||
		    strchr("\"<>\\^`{|}", *p))
			return "it contains a character that is not allowed in a URL";
	if (file_too && str_starts_nocase(url, "file://"))
		return str_starts_nocase(url, "file:///") ||
				       str_starts_nocase(url, "file://localhost/")
			       ? NULL
			       : "a file URL must be file:// and an absolute path";
	const char *host = str_starts_nocase(url, "https://")  ? url + 8
			   : str_starts_nocase(url, "http://") ? url + 7
							       : NULL;
	if (!host)
		return file_too ? "it does not start with https://, http:// or file://"
				: "it does not start with https:// or http://";
	size_t len = strcspn(host, "/?#");
	if (memchr(host, '@', len))
		return "it contains a user name or password, which every reader would see";
	if (len == 0 || host[0] == ':')
		return "it has no host";
	if (has_bad_port(host, len))
		return "its port is not a number";
	return strchr(url, '#') ? "it has a fragment (#…)" : NULL;
}

bool link_is_plain_http(const char *url)
{
	static const char *const here[] = { "localhost", "127.0.0.1", "[::1]" };
	if (!str_starts_nocase(url, "http://"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(here); i++) {
		size_t len = strlen(here[i]);
		if (str_starts(url + 7, here[i]) && strchr("/:?", url[7 + len]))
			return false;
	}
	return true;
}
