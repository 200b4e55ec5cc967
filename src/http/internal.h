/* Shared by the files of this folder alone. */
#ifndef FERRY_HTTP_INTERNAL_H
#define FERRY_HTTP_INTERNAL_H

#include "http/http.h"
#include "http/url.h"

#include <curl/curl.h>

struct http_client {
	CURLM *multi;
	CURL *easy;
	struct http_options options;
	char message[CURL_ERROR_SIZE];
};

/* One hop: a request to one URL and its answer. */
struct transfer {
	struct http_client *client;
	const struct http_request *q;
	struct http_response *r;
	struct err *e;
	const struct url *url;
	const char *method;
	bool with_body, with_secrets;
	struct http_access *access; /* for this URL, or NULL */
	const char *proxy;          /* the variable that it is taken from; NULL: there is none */
	int family, sys;  /* of the last address; what kept this machine from connecting to it */
	uint64_t end_ms;  /* of the monotonic clock; 0: no deadline */
	uint64_t stall_s; /* without data */

	size_t header_bytes;
	bool answered;      /* the final answer's headers are complete */
	bool redirected;    /* and point elsewhere */
	bool began;         /* begin() was called */
	bool enough;        /* we ended the transfer: all that was wanted is there */
	uint64_t skip;      /* bytes still to drop in front of the range */
	uint64_t want;      /* bytes to deliver; UINT64_MAX: what comes */
	uint64_t discarded; /* of a body nobody wants */
	char refusal[400];  /* how that begins, if the status is 400 */
	uint64_t sent;
	int rc; /* what a callback failed with */
};

/* Puts the request's fixed settings on the client's handle (client.c). */
void http_client_setup(struct http_client *c);

/* Its options for a limit of all that it shares it with; 0: none. */
void http_client_limit(struct http_client *c, uint64_t bytes_per_s);
/* What is set for the URL (access.c): its fault; libcurl's options; the header with the token,
 * which the caller wipes, or NULL. */
WARN_UNUSED int http_access_check(const struct transfer *t, struct err *e);
void http_access_setup(const struct transfer *t);
char *http_access_header(const struct transfer *t);
/* Says in the hint which setting would help against a 401 or 403 (fault_access.c). */
int http_fault_access(const struct transfer *t, struct err *e);
/* Does the server want a certificate of the client? From its answer, or libcurl's text. Then the
 * error, else 0. */
int http_fault_client(const struct transfer *t, const char *why, struct err *e);

/* Judges the complete headers of a 2xx answer against what was asked (range.c). */
WARN_UNUSED int http_range_judge(struct transfer *t);

/* Fills e from an HTTP status of 300 or more, or from libcurl's code (fault.c). */
int http_fault_status(const struct transfer *t, struct err *e);
int http_fault_curl(const struct transfer *t, CURLcode code, struct err *e);
/* The same for failures of this machine, of a proxy and of a certificate; 0 when it is none. */
int http_fault_local(const struct transfer *t, CURLcode code, struct err *e);
int http_fault_proxy(const struct transfer *t, CURLcode code, const char *why, struct err *e);
int http_fault_tls(const struct transfer *t, CURLcode code, const char *why, struct err *e);
/* Notes in the response what libcurl measured, and the server's certificate (observe.c). */
void http_observe_setup(const struct transfer *t);
void http_observe(const struct transfer *t);
/* From the status with which the proxy answered. */
int http_fault_of_proxy(const struct transfer *t, long status, struct err *e);
int http_fault_needs_login(const struct transfer *t, struct err *e);
/* libcurl's callback; ctx: the struct transfer. */
curl_socket_t http_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to);

/* False: an editor put a byte order mark in front of ~/.netrc or saved it as UTF-16, so libcurl
 * cannot read its first entry (netrc.c). */
bool http_netrc_is_plain(void);

/* The variable that names the proxy for this URL, by libcurl's rules (CURLOPT_PROXY,
 * CURLOPT_NOPROXY); NULL: none does (proxy.c). */
const char *http_proxy_variable(const struct url *url, bool direct);
bool http_proxy_is_socks(const char *variable);
/* Is its value a URL that libcurl can use? */
bool http_proxy_is_valid(const char *variable);
/* "the proxy http://host:3128 (https_proxy)", without user and password. Caller frees. */
char *http_proxy_name(const char *variable);
/* The text without the passwords of proxies and of URLs. Caller frees. */
char *http_proxy_redact(const char *text);
/* Does the answer say that a proxy wrote it? */
bool http_proxy_signed(const struct http_response *r);

/* The '@' that ends user and password at the start of what follows "://", or NULL. It may come
 * later than a URL's grammar has it: in a password that should have been encoded
 * (url_redact.c). */
const char *url_userinfo_end(const char *authority);

/* Performs the hop; *next is set to the URL of a redirect (transfer.c). */
WARN_UNUSED int http_transfer(struct transfer *t, char **next);

#endif
