#include "http/internal.h"

#include "util/buf.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* What is as long as this may be a token, whatever its name. */
#define TOKEN_BYTES 20

/* Parameters whose values grant access: signatures of AWS, Google, Azure and Akamai, and the usual
 * names of tokens and keys. */
static bool is_secret(const char *name, size_t len)
{
	static const char *const words[] = { "signature", "credential", "token",  "secret",
					     "password",  "passwd",     "apikey", "api_key",
					     "api-key",   "accesskey",  "jwt",    "auth",
					     "session",   "ticket",     "hmac",   "hdnts" };
	static const char *const exact[] = { "sig", "key", "code", "policy", "pass",
					     "pwd", "sid", "otp",  "md5" };
	char text[200];
	if (len >= sizeof text)
		return true;
	memcpy(text, name, len);
	text[len] = '\0';
	if (!path_percent_decode(text) || strlen(text) >= 64)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(exact); i++)
		if (str_eq_nocase(text, exact[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasestr(text, words[i]))
			return true;
	return false;
}

static void redact_query(struct buf *out, const char *query)
{
	while (*query) {
		size_t len = strcspn(query, "&;");
		size_t name = strcspn(query, "=&;");
		size_t value = name < len ? name + 1 : 0;
		bool hidden = len - value >= TOKEN_BYTES || (value && is_secret(query, name));
		buf_add(out, query, hidden ? value : len);
		if (hidden)
			buf_adds(out, "***");
		query += len;
		if (*query)
			buf_addc(out, *query++);
	}
}

/* Is what stands before the first '/', '?' or '#' a host with its port, and not a user with the
 * first part of a password that should have been percent-encoded? */
static bool is_host_port(const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);
	if (!colon || text[0] == '[')
		return true;
	size_t host = (size_t)(colon - text), port = len - host - 1;
	bool named = memchr(text, '.', host) || (host == 9 && !strncasecmp(text, "localhost", 9));
	return named && port <= 5 && strspn(colon + 1, "0123456789") >= port;
}

const char *url_userinfo_end(const char *authority)
{
	size_t len = strcspn(authority, "/?#");
	const char *at = NULL, *host = authority;
	for (size_t i = 0; i < len; i++)
		if (authority[i] == '@')
			host = (at = authority + i) + 1;
	bool plain = is_host_port(host, len - (size_t)(host - authority));
	if (!plain)
		return strrchr(authority, '@');
	/* After "user:a@b:12/x@host", too: what looks like the host may be of the password. */
	size_t path = at ? len + strcspn(authority + len, "?#") : len;
	for (size_t i = len; i < path; i++)
		if (authority[i] == '@')
			at = authority + i;
	return at;
}

/* A fragment is never sent, and some servers put tokens there: only names stay. */
static void redact_fragment(struct buf *out, const char *fragment)
{
	while (*fragment) {
		size_t len = strcspn(fragment, "&;");
		size_t name = strcspn(fragment, "=&;");
		if (name < len)
			buf_add(out, fragment, name + 1);
		buf_adds(out, "***");
		fragment += len;
		if (*fragment)
			buf_addc(out, *fragment++);
	}
}

/* The path may have another URL in it, as those of caching proxies have. */
static void redact_path(struct buf *out, const char *path)
{
	const char *mark;
	while ((mark = strstr(path, "://"))) {
		const char *host = mark + 3, *at = url_userinfo_end(host);
		buf_add(out, path, (size_t)(host - path));
		if (at)
			buf_adds(out, "***");
		path = at ? at : host;
	}
	buf_adds(out, path);
}

char *url_redact(const char *url)
{
	struct buf out = BUF_INIT(2 * URL_MAX);
	const char *host = strstr(url, "://");
	if (host) {
		host += 3;
		const char *at = url_userinfo_end(host);
		buf_add(&out, url, (size_t)(host - url));
		if (at) {
			buf_adds(&out, "***");
			host = at;
		}
		url = host;
	}
	size_t length = strcspn(url, host ? "?#" : "?"), end = length + strcspn(url + length, "#");
	CLEANUP(mem_free_ptr) char *path = mem_strndup(url, length);
	CLEANUP(mem_free_ptr) char *query = mem_strndup(url + length, end - length);
	redact_path(&out, path);
	if (query[0])
		buf_addc(&out, '?');
	redact_query(&out, query[0] ? query + 1 : query);
	if (url[end]) {
		buf_addc(&out, '#');
		redact_fragment(&out, url + end + 1);
	}
	if (out.overflow) {
		buf_release(&out);
		return mem_strdup("(a very long URL)");
	}
	return buf_steal(&out);
}

/* The first character of a URL's scheme that ends here, or `end` when it is none. */
static const char *scheme_start(const char *text, const char *end)
{
	const char *p = end;
	while (p > text && (isalnum((unsigned char)p[-1]) || strchr("+-.", p[-1])))
		p--;
	return p;
}

/* What may follow a URL in a sentence, and is no part of it. */
static size_t url_length(const char *url)
{
	size_t len = strcspn(url, " \t\r\n'\"<>");
	while (len && strchr(".,:;)", url[len - 1]))
		len--;
	return len;
}

char *url_redact_text(const char *text)
{
	struct buf out = BUF_INIT(64 * KIB);
	const char *mark;
	while ((mark = strstr(text, "://"))) {
		const char *start = scheme_start(text, mark);
		size_t len = url_length(start);
		CLEANUP(mem_free_ptr) char *url = mem_strndup(start, len);
		CLEANUP(mem_free_ptr) char *shown = url_redact(url);
		buf_add(&out, text, (size_t)(start - text));
		buf_adds(&out, shown);
		text = start + MAX(len, (size_t)(mark + 3 - start));
	}
	buf_adds(&out, text);
	return buf_steal(&out);
}
