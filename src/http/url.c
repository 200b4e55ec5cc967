#include "http/url.h"

#include "http/internal.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <ctype.h>
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

void url_release(struct url *u)
{
	free(u->scheme);
	if (u->password)
		mem_wipe(u->password, strlen(u->password));
	free(u->user);
	free(u->password);
	free(u->host);
	free(u->path);
	free(u->query);
	free(u->text);
	*u = (struct url){ 0 };
}

static int refuse(const char *text, const char *why, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(text);
	return err_set(e, ERR_USAGE, "%.512s: %s", shown, why);
}

/* A copy of a part; NULL when the URL does not have it. */
static char *part(CURLU *h, CURLUPart what, unsigned flags)
{
	char *text = NULL;
	if (curl_url_get(h, what, &text, flags) != CURLUE_OK)
		return NULL;
	char *copy = mem_strdup(text);
	curl_free(text);
	return copy;
}

static void lower(char *s)
{
	for (; s && *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

static int take_parts(CURLU *h, struct url *u)
{
	u->scheme = part(h, CURLUPART_SCHEME, 0);
	u->user = part(h, CURLUPART_USER, CURLU_URLDECODE);
	u->password = part(h, CURLUPART_PASSWORD, CURLU_URLDECODE);
	u->host = part(h, CURLUPART_HOST, 0);
	u->path = part(h, CURLUPART_PATH, 0);
	u->query = part(h, CURLUPART_QUERY, 0);
	CLEANUP(mem_free_ptr) char *port = part(h, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	uint64_t number;
	if (!u->scheme || !u->host || !u->path || !port || !parse_u64(port, &number))
		return -1;
	u->port = (unsigned)number;
	lower(u->scheme);
	lower(u->host);
	curl_url_set(h, CURLUPART_USER, NULL, 0);
	curl_url_set(h, CURLUPART_PASSWORD, NULL, 0);
	curl_url_set(h, CURLUPART_FRAGMENT, NULL, 0);
	u->text = part(h, CURLUPART_URL, 0);
	return u->text ? 0 : -1;
}

char *url_tidy(const char *text)
{
	static const char blanks[] = " \t\r\n\v\f";
	text += strspn(text, blanks);
	size_t len = strlen(text);
	while (len && strchr(blanks, text[len - 1]))
		len--;
	char *out = mem_strndup(text, len);
	size_t scheme = strcspn(out, ":/?#");
	for (size_t i = 0; out[scheme] == ':' && i < scheme; i++)
		out[i] = (char)tolower((unsigned char)out[i]);
	return out;
}

/* What the person should have written, if that is clear. */
static void hint_for(const char *text, struct err *e)
{
	const char *host = strstr(text, "://");
	host = host ? host + 3 : text;
	const char *end = host + strcspn(host, "/?#");
	const char *at = memchr(host, '@', (size_t)(end - host));
	if (at && memchr(at + 1, '@', (size_t)(end - at - 1)))
		err_hint(e, "write an '@' in a user name or password as %%40");
	else if (url_userinfo_end(host) > end)
		err_hint(e, "write '/' in a user name or password as %%2F, '?' as %%3F, '#' as "
			    "%%23");
	else if (strchr(text, ' '))
		err_hint(e, "write a blank in a URL as %%20");
}

int url_parse(const char *text, struct url *out, struct err *e)
{
	if (strlen(text) > URL_MAX)
		return err_set(e, ERR_USAGE, "the URL is longer than %d bytes", URL_MAX);
	CURLU *h = curl_url();
	if (!h)
		return err_set(e, ERR_SYSTEM, "out of memory for a URL");
	struct url u = { 0 };
	CURLUcode rc = curl_url_set(h, CURLUPART_URL, text, CURLU_PATH_AS_IS);
	int bad = rc != CURLUE_OK ? -1 : take_parts(h, &u);
	curl_url_cleanup(h);
	bool web = !bad && (strcmp(u.scheme, "http") == 0 || strcmp(u.scheme, "https") == 0);
	if (web) {
		*out = u;
		return 0;
	}
	url_release(&u);
	if (rc != CURLUE_OK && rc != CURLUE_UNSUPPORTED_SCHEME) {
		refuse(text, curl_url_strerror(rc), e);
		hint_for(text, e);
		return -ERR_USAGE;
	}
	return refuse(text, "only http and https URLs can be used here", e);
}

int url_resolve(const char *base, const char *reference, char **out, struct err *e)
{
	CURLU *h = strlen(reference) > URL_MAX ? NULL : curl_url();
	if (!h)
		return err_set(e, ERR_USAGE, "the URL is longer than %d bytes", URL_MAX);
	CURLUcode rc = curl_url_set(h, CURLUPART_URL, base, CURLU_PATH_AS_IS);
	if (rc == CURLUE_OK)
		rc = curl_url_set(h, CURLUPART_URL, reference, CURLU_PATH_AS_IS);
	char *text = rc == CURLUE_OK ? part(h, CURLUPART_URL, 0) : NULL;
	curl_url_cleanup(h);
	if (!text)
		return refuse(reference, "not a URL", e);
	*out = text;
	return 0;
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0 &&
	       a->port == b->port;
}

char *url_host_header(const struct url *u)
{
	unsigned usual = strcmp(u->scheme, "https") == 0 ? 443 : 80;
	return u->port == usual ? mem_strdup(u->host) : mem_printf("%s:%u", u->host, u->port);
}

char *url_join(const char *base, const char *key)
{
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(key, "/");
	return mem_printf("%s%s%s", base, str_ends(base, "/") ? "" : "/", encoded);
}

int url_file_path(const char *url, char **out, struct err *e)
{
	const char *p = url;
	if (strncasecmp(p, "file:", 5) != 0)
		return refuse(url, "not a file URL", e);
	p += 5;
	if (str_starts(p, "//")) {
		p += 2;
		size_t host = strcspn(p, "/");
		if (host != 0 && !(host == 9 && strncasecmp(p, "localhost", 9) == 0)) {
			refuse(url, "a file URL cannot name another host", e);
			return err_hint(e, "write file:///absolute/path");
		}
		p += host;
	}
	if (p[0] != '/' || strpbrk(p, "?#")) {
		refuse(url, "not an absolute file URL", e);
		return err_hint(e,
				"write file:///absolute/path, with %%3F for '?' and %%23 for '#'");
	}
	char *path = mem_strdup(p);
	if (!path_percent_decode(path)) {
		free(path);
		return refuse(url, "malformed percent-encoding", e);
	}
	*out = path;
	return 0;
}
