#include "http/internal.h"

#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNREAD_NETRC ", and ~/.netrc is not read: it has a byte order mark or is UTF-16"
static const char later[] = "try again later; another mirror may answer";

static const struct status_fault {
	long first, last;
	enum err_class class;
	enum err_cause cause;
	const char *text, *hint;
} status_faults[] = {
	{ 401, 401, ERR_AUTH, CAUSE_NONE, "needs credentials",
	  "give valid credentials for this server" },
	{ 402, 402, ERR_AUTH, CAUSE_NONE, "payment required", NULL },
	{ 403, 403, ERR_AUTH, CAUSE_NONE, "forbidden",
	  "the credentials do not allow this, or credentials are required" },
	{ 404, 404, ERR_NOT_FOUND, CAUSE_NONE, "not found", NULL },
	{ 405, 405, ERR_USAGE, CAUSE_NONE, "method not allowed", NULL },
	{ 408, 408, ERR_NETWORK, CAUSE_SERVER, "request timed out", later },
	{ 409, 409, ERR_CONFLICT, CAUSE_NONE, "conflict", NULL },
	{ 410, 410, ERR_NOT_FOUND, CAUSE_NONE, "gone", NULL },
	{ 412, 412, ERR_CONFLICT, CAUSE_NONE, "the precondition failed", NULL },
	{ 413, 413, ERR_USAGE, CAUSE_NONE, "too large for this server", NULL },
	{ 421, 421, ERR_NETWORK, CAUSE_SERVER, "misdirected request", later },
	{ 423, 423, ERR_CONFLICT, CAUSE_NONE, "locked", NULL },
	{ 425, 425, ERR_NETWORK, CAUSE_SERVER, "too early", later },
	{ 429, 429, ERR_NETWORK, CAUSE_THROTTLED, "too many requests", later },
	{ 451, 451, ERR_AUTH, CAUSE_NONE, "refused for legal reasons", NULL },
	{ 400, 499, ERR_USAGE, CAUSE_NONE, "refused", NULL },
	{ 501, 501, ERR_USAGE, CAUSE_NONE, "not implemented by this server", NULL },
	{ 511, 511, ERR_NETWORK, CAUSE_PORTAL, "this network requires a login",
	  "open any web page in a browser, log in to the network, then run the command again" },
	{ 505, 505, ERR_USAGE, CAUSE_NONE, "HTTP version refused", NULL },
	{ 500, 599, ERR_NETWORK, CAUSE_SERVER, "server error", later },
	{ 300, 399, ERR_INTEGRITY, CAUSE_NONE, "a redirect without a usable target", NULL },
	{ 0, 999, ERR_INTEGRITY, CAUSE_NONE, "not a valid answer to this request", NULL },
};

static const struct curl_fault {
	CURLcode code;
	enum err_class class;
	enum err_cause cause;
	const char *hint;
} curl_faults[] = {
	{ CURLE_COULDNT_RESOLVE_PROXY, ERR_NETWORK, CAUSE_PROXY,
	  "check http_proxy and https_proxy" },
	{ CURLE_COULDNT_RESOLVE_HOST, ERR_NETWORK, CAUSE_UNREACHABLE,
	  "check the name and the network connection" },
	{ CURLE_COULDNT_CONNECT, ERR_NETWORK, CAUSE_UNREACHABLE,
	  "check that the server runs and can be reached" },
	{ CURLE_PROXY, ERR_NETWORK, CAUSE_PROXY, "check http_proxy and https_proxy" },
	{ CURLE_UNSUPPORTED_PROTOCOL, ERR_USAGE, CAUSE_NONE, NULL },
	{ CURLE_URL_MALFORMAT, ERR_USAGE, CAUSE_NONE, NULL },
	/* curl also reports this for headers larger than its limit. */
	{ CURLE_OUT_OF_MEMORY, ERR_SYSTEM, CAUSE_NONE,
	  "the server's headers are too large, or memory ran out" },
	{ CURLE_FAILED_INIT, ERR_SYSTEM, CAUSE_NONE, NULL },
	{ CURLE_LOGIN_DENIED, ERR_AUTH, CAUSE_NONE, NULL },
	{ CURLE_WEIRD_SERVER_REPLY, ERR_INTEGRITY, CAUSE_NONE,
	  "this does not look like an HTTP server" },
	{ CURLE_SSL_ISSUER_ERROR, ERR_INTEGRITY, CAUSE_TLS, NULL },
	{ CURLE_SSL_INVALIDCERTSTATUS, ERR_INTEGRITY, CAUSE_TLS, NULL },
	{ CURLE_SSL_CACERT_BADFILE, ERR_USAGE, CAUSE_SETTINGS,
	  "check --cacert, ca in ferry.conf, CURL_CA_BUNDLE and SSL_CERT_FILE" },
	{ CURLE_SSL_CERTPROBLEM, ERR_USAGE, CAUSE_SETTINGS,
	  "check client-cert, client-key and client-key-passphrase-file in ferry.conf" },
};

int http_fault_status(const struct transfer *t, struct err *e)
{
	long status = t->r->status;
	if (status == 416) {
		if (t->r->has_total)
			return err_set(e, ERR_INTEGRITY,
				       "has only %llu bytes there, nothing at byte %llu",
				       (unsigned long long)t->r->total,
				       (unsigned long long)t->q->offset);
		return err_set(e, ERR_INTEGRITY,
			       "HTTP 416: the range is beyond the end of the file");
	}
	bool by_proxy = t->proxy && strcmp(t->url->scheme, "http") == 0;
	if (status == 407)
		return http_fault_needs_login(t, e);
	if (by_proxy && status != 511 && status >= 400 && status != 404 && http_proxy_signed(t->r))
		return http_fault_of_proxy(t, status, e);
	if (status == 400 && http_fault_client(t, "", e) < 0)
		return -(int)e->class;
	const struct status_fault *f = status_faults;
	while (status < f->first || status > f->last)
		f++;
	uint64_t after_s = f->class == ERR_NETWORK ? t->r->retry_after_s : 0;
	/* An HTML page is more likely to be the proxy's than the answer of a mirror. */
	CLEANUP(mem_free_ptr) char *proxy = by_proxy && t->r->html ? http_proxy_name(t->proxy)
								   : NULL;
	bool netrc = status == 401 && t->with_secrets &&
		     (t->client->options.netrc || (t->access && t->access->netrc));
	err_set(e, f->class, "HTTP %ld: %s%s%s%s", status, f->text, proxy ? ", through " : "",
		proxy ? proxy : "", netrc && !http_netrc_is_plain() ? UNREAD_NETRC : "");
	err_cause(e, status == 503 && after_s ? CAUSE_THROTTLED : f->cause, after_s);
	if (after_s)
		err_hint(e, "the server asks for a pause of %llu seconds: try again later",
			 (unsigned long long)after_s);
	if (proxy)
		err_hint(e, "the proxy may have answered in place of the server: ask who runs it");
	if (status == 401 || status == 403)
		http_fault_access(t, e);
	if (f->hint)
		err_hint(e, "%s", f->hint);
	return -(int)e->class;
}

static int dropped(const struct transfer *t, const char *why, struct err *e)
{
	char of[40] = "";
	if (t->want != UINT64_MAX)
		snprintf(of, sizeof of, " of %llu", (unsigned long long)t->want);
	err_set(e, ERR_NETWORK, "connection dropped after %llu%s bytes%s%s",
		(unsigned long long)t->r->received, of, *why ? ": " : "", why);
	return err_cause(e, CAUSE_DROPPED, 0);
}

/* Too slow, or past the deadline. Without a connection and a deadline, it is an ordinary failure
 * to connect: 0. */
static int timed_out(const struct transfer *t, struct err *e)
{
	curl_off_t ready_us = 0;
	curl_easy_getinfo(t->client->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	bool late = t->end_ms && clock_now_ms(t->client->options.clock) + 1 >= t->end_ms;
	if (!late && ready_us == 0)
		return 0;
	if (late)
		err_set(e, ERR_NETWORK,
			ready_us > 0 ? "stalled: no complete answer within %llu ms"
				     : "no connection within %llu ms",
			(unsigned long long)t->q->deadline_ms);
	else
		err_set(e, ERR_NETWORK, "stalled for %llu seconds after %llu bytes",
			(unsigned long long)t->stall_s,
			(unsigned long long)(t->r->received ? t->r->received : t->sent));
	return err_cause(e, ready_us > 0 ? CAUSE_STALLED : CAUSE_UNREACHABLE, 0);
}

/* A trap of libcurl's: of the variables, this one is not read in upper case. */
static const char *trap(const struct transfer *t, CURLcode code)
{
	bool plain = strcmp(t->url->scheme, "http") == 0;
	return code == CURLE_COULDNT_RESOLVE_HOST && plain && !t->proxy && getenv("HTTP_PROXY")
		       ? " (for http:// URLs, only http_proxy is read, not HTTP_PROXY)"
		       : "";
}

/* libcurl leaves out why the system refused a connection. */
static char *explained(const struct transfer *t, CURLcode code, const char *why)
{
	long sys = 0;
	if (code == CURLE_COULDNT_CONNECT)
		curl_easy_getinfo(t->client->easy, CURLINFO_OS_ERRNO, &sys);
	CLEANUP(mem_free_ptr) char *shown = http_proxy_redact(why);
	return sys ? mem_printf("%s (%s)", shown, strerror((int)sys)) : STEAL(shown);
}

int http_fault_curl(const struct transfer *t, CURLcode code, struct err *e)
{
	CLEANUP(mem_free_ptr) char *why =
		explained(t, code,
			  t->client->message[0] ? t->client->message : curl_easy_strerror(code));
	if (http_fault_local(t, code, e) < 0 || http_fault_proxy(t, code, why, e) < 0 ||
	    http_fault_tls(t, code, why, e) < 0 || http_fault_client(t, why, e) < 0)
		return -(int)e->class;
	if (code == CURLE_OPERATION_TIMEDOUT && timed_out(t, e) < 0)
		return -(int)e->class;
	if (code == CURLE_PARTIAL_FILE ||
	    (t->answered && (code == CURLE_RECV_ERROR || code == CURLE_HTTP2_STREAM ||
			     code == CURLE_HTTP2 || code == CURLE_GOT_NOTHING)))
		return dropped(t, code == CURLE_PARTIAL_FILE ? "" : why, e);
	const struct curl_fault *f = NULL;
	for (size_t i = 0; i < ARRAY_LEN(curl_faults) && !f; i++)
		if (curl_faults[i].code == code)
			f = &curl_faults[i];
	err_set(e, f ? f->class : ERR_NETWORK, "%s%s", why, trap(t, code));
	err_cause(e, f ? f->cause : CAUSE_UNREACHABLE, 0);
	return f && f->hint ? err_hint(e, "%s", f->hint) : -(int)e->class;
}

/* ---- web pages in the place of files --------------------------------------------- */

int http_fault_page(const struct http_response *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = r->url ? url_redact(r->url) : mem_strdup("");
	if (r->redirects) {
		err_set(e, ERR_NETWORK, "redirected to a web page: %.300s", shown);
		err_cause(e, CAUSE_PORTAL, 0);
		return err_hint(e, "this is probably a login page, of the network or of the "
				   "server: open the page in a browser, then run the command "
				   "again");
	}
	err_set(e, ERR_INTEGRITY, "answered with an HTML page instead of the file%s%s",
		r->proxy ? ", through " : "", r->proxy ? r->proxy : "");
	err_cause(e, CAUSE_PAGE, 0);
	return err_hint(e, "this is probably a login page, an error page or a network portal: open "
			   "the mirror's URL in a browser");
}
