#include "serve/route.h"

#include "util/mem.h"
#include "util/text.h"

#include <string.h>

/* ---- paths ---- */

/* RFC 9112 3.2.2: servers accept the absolute form. */
static const char *without_origin(const char *target)
{
	if (*target == '/')
		return target;
	if (!str_starts_nocase(target, "http://") && !str_starts_nocase(target, "https://"))
		return NULL;
	const char *host = strchr(target, ':') + 3;
	const char *path = host + strcspn(host, "/?#");
	return *path == '/' ? path : NULL;
}

static bool decode(const char *s, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '%') {
			char digits[3] = { s[i + 1], i + 2 < len ? s[i + 2] : '\0', '\0' };
			if (i + 2 >= len || !hex_decode(&c, 1, digits, true) || c == '/')
				return false;
			i += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return false;
		buf_addc(out, (char)c);
	}
	return !out->overflow;
}

/* No part of it is "." or "..": what they mean depends on who reads them. */
static bool has_dots(const char *path)
{
	for (const char *at = path; at; at = strchr(at + 1, '/')) {
		size_t len = strcspn(at + 1, "/");
		if ((len == 1 && at[1] == '.') || (len == 2 && at[1] == '.' && at[2] == '.'))
			return true;
	}
	return false;
}

bool route_path(const char *target, char **path, const char **query)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT(64 * KIB);
	const char *from = without_origin(target);
	if (!from)
		return false;
	size_t len = strcspn(from, "?#");
	if (!decode(from, len, &out) || has_dots(buf_str(&out)))
		return false;
	*path = buf_steal(&out);
	*query = from[len] == '?' ? from + len + 1 : NULL;
	return true;
}

/* ---- services ---- */

bool route_allows(const char *methods, const char *method)
{
	size_t len = strlen(method);
	for (const char *at = methods; len && (at = strstr(at, method)); at += len)
		if ((at == methods || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}
