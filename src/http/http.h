/*
 * http: requests over HTTP(S), the only user of libcurl.
 *
 * What always holds here:
 *  - a request has no overall timeout unless it has a deadline (for small requests). Connecting
 *    has a timeout, and a transfer ends when it stalls (under 1 KiB/s for stall_s seconds). A
 *    cancellation ends a request within 200 ms;
 *  - redirects: at most 8, to http and https only, never from https to http; credentials
 *    (Authorization, Cookie, URL user, ~/.netrc) stay with the origin they were given for;
 *  - the answer to a range request is checked against the request; content encodings are never
 *    requested, and are refused;
 *  - server certificates are verified, always, those of proxies, too. http_proxy, https_proxy,
 *    all_proxy and no_proxy are used, and, where nothing else is set (access.h), so are
 *    CURL_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR;
 *  - texts show no credentials: URLs in them are redacted.
 *
 * Error classes, by status: 404, 410 ERR_NOT_FOUND · 401, 402, 403, 407, 451 ERR_AUTH · 409, 412,
 * 423 ERR_CONFLICT · 408, 421, 425, 429, 5xx ERR_NETWORK, but 501 and 505, like all other 4xx,
 * ERR_USAGE · 416 and malformed answers ERR_INTEGRITY. Below HTTP: a name that does not resolve,
 * a connection that fails, drops or stalls is ERR_NETWORK; a certificate that cannot be verified
 * is ERR_INTEGRITY: trying the same server again would not help. What this machine lacks for a
 * connection (file descriptors, memory, ports) is ERR_SYSTEM.
 *
 * What a proxy fails at or refuses has CAUSE_PROXY, and the text names the proxy and the variable
 * that it came from; a network that wants a login has CAUSE_PORTAL.
 */
#ifndef FERRY_HTTP_HTTP_H
#define FERRY_HTTP_HTTP_H

#include "http/access.h"
#include "http/headers.h"
#include "util/base.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/rate.h"
#include "util/text.h"

struct http_options {
	uint64_t connect_timeout_s;      /* 0: 30 */
	uint64_t stall_s;                /* 0: 30 */
	struct rate *rate;               /* the limit that it shares with others; NULL: none */
	bool netrc;                      /* user and password from ~/.netrc, for the origin */
	struct http_access_list *access; /* borrowed: what is set for servers; NULL: nothing */
	bool direct;                     /* never through a proxy: for servers of this machine */
	const struct cancel *cancel;     /* ends a transfer; NULL: nothing does */
	const struct clock *clock;       /* NULL: the real one. libcurl has its own */
};

/* Connections, kept open for the next request, and settings. One thread at a time. */
struct http_client;
WARN_UNUSED int http_client_new(const struct http_options *options, struct http_client **out,
				struct err *e);
void http_client_free(struct http_client *c);
DEFINE_CLEANUP(struct http_client, http_client_free);

/* What to do when a server answers a range request with the whole object. */
enum http_ignored_range {
	HTTP_IGNORED_SKIP,    /* drop the bytes in front, stop behind the range */
	HTTP_IGNORED_REFUSE,  /* ERR_USAGE */
	HTTP_IGNORED_RESTART, /* deliver it all, from response.offset 0 */
};

struct http_response;

struct http_request {
	const char *method; /* NULL: GET */
	const char *url;
	const char *what;           /* in front of error texts; NULL: the URL; "": nothing */
	const char *const *headers; /* "Name: value", NULL-ended; or NULL */

	/* A range: `length` bytes from `offset`, 0: to the end. Both 0: no range. */
	uint64_t offset, length;
	const char *if_range; /* a strong ETag, or NULL: the object must still have it,
				 else it has changed: ERR_CONFLICT, unless RESTART */
	enum http_ignored_range ignored_range;
	uint64_t deadline_ms;        /* for the whole exchange, redirects included; 0: none.
					Missed is ERR_NETWORK */
	const struct cancel *cancel; /* ends this request, beside the client's; NULL: nothing */
	uint64_t stall_s;            /* instead of the client's, if it is longer */
	uint64_t expect_total;       /* the whole object's size if known, else 0; another
					one is ERR_INTEGRITY */

	/* Sent on a new connection: on a kept one that turns out to be closed, libcurl may send
	 * the request twice. */
	bool once;

	/* The request body; no body if read_at is NULL. read_at may be called for the same bytes
	 * again. body_sent, if set, gets progress; negative when bytes are sent again. */
	int (*read_at)(void *ctx, uint64_t offset, void *data, size_t len, struct err *e);
	void (*body_sent)(void *ctx, int64_t bytes);
	void *body_ctx;
	uint64_t body_size;

	/* Where the body of a successful answer goes: into a buffer (up to its maximum size), or
	 * to a function whose negative return stops the transfer and is returned, with e as it
	 * was set. `begin`, if set, is called with the response before the first byte (also if
	 * there is none). */
	struct buf *into;
	int (*begin)(void *ctx, const struct http_response *r, struct err *e);
	int (*write)(void *ctx, const void *data, size_t len, struct err *e);
	void *ctx;

	/* A redirect that has this header is not followed: it is an error answer. NULL: all are
	 * followed. */
	const char *answer_header;

	/* The body of an error answer, cut at the buffer's maximum size; may be NULL. */
	struct buf *error_body;

	/* The response tells when the server's certificate expires. On a new connection only: a
	 * kept one has shown its certificate before. See `once`. */
	bool certificate;
};

/* How long the steps of a request took, in microseconds, redirects included; 0: not needed, as on a
 * kept connection, or not reached. */
struct http_times {
	uint64_t resolve, connect, tls;
	uint64_t first_byte; /* from the complete request to the first byte of the answer */
	uint64_t total;      /* all of it, the body included */
};

/* Why a server's certificate does not verify. */
enum http_certificate {
	HTTP_CERTIFICATE_OK, /* or there is none */
	HTTP_CERTIFICATE_EXPIRED,
	HTTP_CERTIFICATE_NOT_YET_VALID,
	HTTP_CERTIFICATE_REVOKED,
	HTTP_CERTIFICATE_OTHER_NAME,
	HTTP_CERTIFICATE_SELF_SIGNED,
	HTTP_CERTIFICATE_UNKNOWN_AUTHORITY, /* a chain that ends at a root that is not trusted */
	HTTP_CERTIFICATE_INCOMPLETE, /* the issuer is not known: often an intermediate certificate
					that the server does not send */
	HTTP_CERTIFICATE_OTHER,
};

struct http_response {
	long status;             /* of the last answer; 0: there was none */
	char *url;               /* where it came from, after redirects; without user and
				    password, but url_redact() it before showing it */
	struct str_list headers; /* of the last answer: "name: value", names lower-case */
	bool has_length;
	uint64_t length; /* Content-Length: of this body, not of the object */
	bool has_total;
	uint64_t total;          /* of the whole object: Content-Range, or a 200's length */
	uint64_t offset;         /* in the object, of the first byte delivered */
	uint64_t received;       /* bytes delivered */
	bool range_ignored;      /* asked for a range, got the whole */
	bool html;               /* an HTML page, by its type or its first bytes */
	unsigned redirects;      /* that were followed */
	char *proxy;             /* that may have answered itself: "the proxy … (http_proxy)";
				    or NULL */
	uint64_t retry_after_s;  /* 0: nothing was asked for */
	struct http_times times; /* also of a request that failed */
	enum http_certificate certificate;
	int64_t certificate_expires_s; /* the server's own; 0: not known, or not asked for */
	int64_t modified_s;            /* 0: not known */
	char etag[HEADER_ETAG];        /* as sent, or "" */
	char type[HEADER_TYPE];        /* "application/json", or "" */
	char file_name[HEADER_NAME];   /* of Content-Disposition, or "" */
};
void http_response_release(struct http_response *r);
/* The value of a header (name in lower case), or NULL; borrowed. */
const char *http_response_header(const struct http_response *r, const char *name);

/* For callers to whom a web page (response.html) is no answer: ERR_INTEGRITY with CAUSE_PAGE; after
 * a redirect, as to a login page, ERR_NETWORK with CAUSE_PORTAL. */
int http_fault_page(const struct http_response *r, struct err *e);

/* Performs one request. *out is filled as far as it got in case of an error, too; the caller
 * initialises it with { 0 } and releases it. out may be NULL. 2xx and 304 are a success. */
WARN_UNUSED int http_perform(struct http_client *c, const struct http_request *q,
			     struct http_response *out, struct err *e);

#endif
