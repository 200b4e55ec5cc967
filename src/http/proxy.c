/* Which proxy a request goes through. libcurl decides by these variables, and does not tell. */
#include "http/internal.h"

#include "util/mem.h"
#include "util/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- no_proxy ---------------------------------------------------------------------- */

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;
	return memcmp(a, b, bytes) == 0 && (!rest || (a[bytes] ^ b[bytes]) >> (8 - rest) == 0);
}

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32" */
static bool covers_address(const char *entry, int family, const uint8_t *address)
{
	char network[INET6_ADDRSTRLEN + 4];
	uint8_t raw[16];
	uint64_t bits = family == AF_INET ? 32 : 128;
	size_t len = strcspn(entry, "/");
	if (len >= sizeof network || (entry[len] && !parse_u64(entry + len + 1, &bits)))
		return false;
	snprintf(network, sizeof network, "%.*s", (int)len, entry);
	return inet_pton(family, network, raw) == 1 && bits <= (family == AF_INET ? 32 : 128) &&
	       same_bits(raw, address, (unsigned)bits);
}

/* "example.org" stands for itself and everything below it, as ".example.org" does. */
static bool covers_name(const char *entry, const char *host)
{
	entry += *entry == '.';
	size_t want = strlen(entry), have = strlen(host);
	if (!want || want > have || strcasecmp(host + have - want, entry) != 0)
		return false;
	return want == have || host[have - want - 1] == '.';
}

/* Is the host, in the form of struct url, in this list? */
static bool exempts(const char *list, const char *host)
{
	uint8_t raw[16];
	CLEANUP(mem_free_ptr) char *bare = host[0] == '['
						   ? mem_strndup(host + 1, strcspn(host + 1, "]"))
						   : mem_strdup(host);
	CLEANUP(mem_free_ptr) char *entries = mem_strdup(list);
	char *left = NULL;
	int family = inet_pton(AF_INET, bare, raw) == 1    ? AF_INET
		     : inet_pton(AF_INET6, bare, raw) == 1 ? AF_INET6
							   : 0;
	if (strcmp(list, "*") == 0)
		return true;
	for (char *entry = strtok_r(entries, ", ", &left); entry;
	     entry = strtok_r(NULL, ", ", &left))
		if (family ? covers_address(entry, family, raw) : covers_name(entry, bare))
			return true;
	return false;
}

/* -- the proxy --------------------------------------------------------------------- */

static const char *value_of(const char *variable)
{
	const char *value = getenv(variable);
	return value && *value ? value : NULL;
}

static const char *exceptions(void)
{
	const char *list = value_of("no_proxy");
	return list ? list : value_of("NO_PROXY");
}

/* HTTP_PROXY is not among them: a CGI program's caller can set that. */
static const char *variable_of(const char *scheme)
{
	static const char *const http[] = { "http_proxy", "all_proxy", "ALL_PROXY", NULL };
	static const char *const https[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
					     NULL };
	const char *const *v = strcmp(scheme, "https") == 0 ? https : http;
	while (*v && !value_of(*v))
		v++;
	return *v;
}

const char *http_proxy_variable(const struct url *url, bool direct)
{
	const char *list = exceptions();
	if (direct || (list && exempts(list, url->host)))
		return NULL;
	return variable_of(url->scheme);
}

bool http_proxy_is_socks(const char *variable)
{
	return str_starts_nocase(value_of(variable), "socks");
}

bool http_proxy_is_valid(const char *variable)
{
	static const char *const schemes[] = { "http",    "https",  "socks4",
					       "socks4a", "socks5", "socks5h" };
	bool known = false;
	char *scheme = NULL;
	CURLU *h = curl_url();
	if (h &&
	    curl_url_set(h, CURLUPART_URL, value_of(variable),
			 CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) == CURLUE_OK &&
	    curl_url_get(h, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK)
		for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
			known |= strcasecmp(scheme, schemes[i]) == 0;
	curl_free(scheme);
	curl_url_cleanup(h);
	return known;
}

/* The value need not be a valid URL, and often has no scheme. */
static char *redacted(const char *value)
{
	const char *scheme = strstr(value, "://");
	const char *host = scheme ? scheme + 3 : value, *at = strrchr(host, '@');
	return at ? mem_printf("%.*s***%s", (int)(host - value), value, at) : mem_strdup(value);
}

char *http_proxy_name(const char *variable)
{
	CLEANUP(mem_free_ptr) char *shown = redacted(value_of(variable));
	CLEANUP(mem_free_ptr) char *safe = text_escaped(shown);
	return mem_printf("the proxy %.200s (%s)", safe, variable);
}

char *http_proxy_redact(const char *text)
{
	static const char *const variables[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
						 "all_proxy", "ALL_PROXY" };
	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		const char *value = value_of(variables[i]);
		const char *at = value && strchr(value, '@') ? strstr(text, value) : NULL;
		if (!at)
			continue;
		CLEANUP(mem_free_ptr) char *shown = redacted(value);
		return mem_printf("%.*s%s%s", (int)(at - text), text, shown, at + strlen(value));
	}
	return url_redact_text(text);
}

/* -- whose answer is it? ------------------------------------------------------------- */

/* Does the proxy name itself as the author? (RFC 9209; the products' own headers) */
bool http_proxy_signed(const struct http_response *r)
{
	static const char *const headers[] = { "x-squid-error", "proxy-status", "proxy-agent",
					       "proxy-authenticate", "x-bluecoat-error" };
	static const char *const servers[] = { "squid",       "tinyproxy", "privoxy",  "zscaler",
					       "bigip-proxy", "bluecoat",  "mitmproxy" };
	const char *server = http_response_header(r, "server");
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		if (http_response_header(r, headers[i]))
			return true;
	for (size_t i = 0; server && i < ARRAY_LEN(servers); i++)
		if (str_starts_nocase(server, servers[i]))
			return true;
	return false;
}
