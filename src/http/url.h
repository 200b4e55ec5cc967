/*
 * URLs: parsing, joining, and redacting. Parsing is libcurl's (RFC 3986), so that a URL is
 * accepted exactly if a request would accept it.
 */
#ifndef FERRY_HTTP_URL_H
#define FERRY_HTTP_URL_H

#include "util/base.h"
#include "util/err.h"

#define URL_MAX 8192

struct url {
	char *scheme;          /* lower case */
	char *user, *password; /* decoded, or NULL */
	char *host;            /* lower case; "[::1]" for IPv6 */
	unsigned port;         /* the scheme's default when none is given */
	char *path;            /* as given, at least "/" */
	char *query;           /* without '?', or NULL */
	char *text;            /* the whole without user, password and fragment */
};
void url_release(struct url *u);

/* What a person wrote, without the blanks around it and with the scheme in lower case (RFC 3986
 * 3.1), so that "https://" can be looked for. Caller frees. */
char *url_tidy(const char *text);

/* ERR_USAGE for what is no URL, has another scheme than http and https, or is longer than
 * URL_MAX. The error text is redacted,
 * and has a hint where the cause is known. */
WARN_UNUSED int url_parse(const char *text, struct url *out, struct err *e);

/* The URL that a reference means in an answer from `base` (RFC 3986 5.2). ERR_USAGE when either is
 * none. The caller frees it. */
WARN_UNUSED int url_resolve(const char *base, const char *reference, char **out, struct err *e);

/* Same scheme, host and port, so that credentials may be sent? */
bool url_same_origin(const struct url *a, const struct url *b);

/* "host", or "host:8080" if the port is not the scheme's: the value of a Host header. Caller frees.
 */
char *url_host_header(const struct url *u);

/* base + "/" + key, the key's parts percent-encoded. Caller frees. */
char *url_join(const char *base, const char *key);

/* The local path of file:///path, file://localhost/path or file:/path (RFC 8089),
 * percent-decoded; ERR_USAGE otherwise. Caller frees. */
WARN_UNUSED int url_file_path(const char *url, char **out, struct err *e);

/* For messages and logs: user and password, the values of query parameters that carry a
 * signature, a token or a key, and the fragment become "***". Works on any text that should be
 * a URL: a password with an unencoded '/', '?', '#' or '@' is redacted, too. Caller frees. */
char *url_redact(const char *url);
/* The same for each URL in a sentence. Caller frees. */
char *url_redact_text(const char *text);

#endif
