#include "http/internal.h"

#include "util/mem.h"

#include <stdio.h>

static const char later[] = "try again later; another mirror may answer";

static const struct status_fault {
	long first, last;
	enum err_class class;
	const char *text, *hint;
} status_faults[] = {
	{ 401, 401, ERR_AUTH, "wants credentials", "give valid credentials for this server" },
	{ 402, 402, ERR_AUTH, "payment required", NULL },
	{ 403, 403, ERR_AUTH, "forbidden", "the credentials in use may not do this, or access "
					   "without any is not allowed" },
	{ 404, 404, ERR_NOT_FOUND, "not found", NULL },
	{ 405, 405, ERR_USAGE, "method not allowed", NULL },
	{ 407, 407, ERR_AUTH, "the proxy wants credentials",
	  "put them into the proxy variable: http://user:password@proxy:port" },
	{ 408, 408, ERR_NETWORK, "request timed out", later },
	{ 409, 409, ERR_CONFLICT, "conflict", NULL },
	{ 410, 410, ERR_NOT_FOUND, "gone", NULL },
	{ 412, 412, ERR_CONFLICT, "the condition does not hold", NULL },
	{ 413, 413, ERR_USAGE, "too large for this server", NULL },
	{ 421, 421, ERR_NETWORK, "misdirected request", later },
	{ 423, 423, ERR_CONFLICT, "locked", NULL },
	{ 425, 425, ERR_NETWORK, "too early", later },
	{ 429, 429, ERR_NETWORK, "too many requests", later },
	{ 451, 451, ERR_AUTH, "refused for legal reasons", NULL },
	{ 400, 499, ERR_USAGE, "refused", NULL },
	{ 501, 501, ERR_USAGE, "not implemented by this server", NULL },
	{ 505, 505, ERR_USAGE, "HTTP version refused", NULL },
	{ 500, 599, ERR_NETWORK, "server error", later },
	{ 300, 399, ERR_INTEGRITY, "a redirect that leads nowhere", NULL },
	{ 0, 999, ERR_INTEGRITY, "not an answer to this request", NULL },
};

static const struct curl_fault {
	CURLcode code;
	enum err_class class;
	const char *hint;
} curl_faults[] = {
	{ CURLE_COULDNT_RESOLVE_PROXY, ERR_NETWORK, "check http_proxy and https_proxy" },
	{ CURLE_COULDNT_RESOLVE_HOST, ERR_NETWORK, "check the name and the network connection" },
	{ CURLE_COULDNT_CONNECT, ERR_NETWORK, "check that the server runs and can be reached" },
	{ CURLE_PROXY, ERR_NETWORK, "check http_proxy and https_proxy" },
	{ CURLE_UNSUPPORTED_PROTOCOL, ERR_USAGE, NULL },
	{ CURLE_URL_MALFORMAT, ERR_USAGE, NULL },
	/* What curl also says of a header that is larger than it will keep. */
	{ CURLE_OUT_OF_MEMORY, ERR_SYSTEM, "the server's headers are too large, or memory is out" },
	{ CURLE_FAILED_INIT, ERR_SYSTEM, NULL },
	{ CURLE_LOGIN_DENIED, ERR_AUTH, NULL },
	{ CURLE_WEIRD_SERVER_REPLY, ERR_INTEGRITY, "this does not look like an HTTP server" },
	{ CURLE_UNSUPPORTED_PROTOCOL, ERR_USAGE, NULL },
	{ CURLE_PEER_FAILED_VERIFICATION, ERR_INTEGRITY,
	  "the server's certificate cannot be trusted; for a certificate authority of your own "
	  "set SSL_CERT_FILE" },
	{ CURLE_SSL_ISSUER_ERROR, ERR_INTEGRITY, NULL },
	{ CURLE_SSL_INVALIDCERTSTATUS, ERR_INTEGRITY, NULL },
	{ CURLE_SSL_CACERT_BADFILE, ERR_USAGE, "check CURL_CA_BUNDLE and SSL_CERT_FILE" },
	{ CURLE_SSL_CERTPROBLEM, ERR_USAGE, NULL },
};

int http_fault_status(const struct transfer *t, struct err *e)
{
	long status = t->r->status;
	if (status == 416) {
		if (t->r->has_total)
			return err_set(e, ERR_INTEGRITY, "is only %llu bytes there: nothing at %llu",
				       (unsigned long long)t->r->total,
				       (unsigned long long)t->q->offset);
		return err_set(e, ERR_INTEGRITY, "HTTP 416: the range is past the end");
	}
	const struct status_fault *f = status_faults;
	while (status < f->first || status > f->last)
		f++;
	err_set(e, f->class, "HTTP %ld: %s", status, f->text);
	if (f->class == ERR_NETWORK && t->r->retry_after_s)
		err_hint(e, "the server asks to come back in %llu seconds",
			 (unsigned long long)t->r->retry_after_s);
	if (f->hint)
		err_hint(e, "%s", f->hint);
	return -(int)e->class;
}

static int dropped(const struct transfer *t, const char *why, struct err *e)
{
	unsigned long long got = t->r->received;
	if (t->want != UINT64_MAX)
		return err_set(e, ERR_NETWORK, "connection dropped after %llu of %llu bytes%s%s",
			       got, (unsigned long long)t->want, *why ? ": " : "", why);
	return err_set(e, ERR_NETWORK, "connection dropped after %llu bytes%s%s", got,
		       *why ? ": " : "", why);
}

int http_fault_curl(const struct transfer *t, CURLcode code, struct err *e)
{
	const char *why = t->client->message[0] ? t->client->message : curl_easy_strerror(code);
	long connect_status = 0;
	curl_easy_getinfo(t->client->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
	if (connect_status == 407) {
		err_set(e, ERR_AUTH, "the proxy wants credentials (HTTP 407)");
		return err_hint(e, "put them into the proxy variable: "
				   "http://user:password@proxy:port");
	}
	if (code == CURLE_OPERATION_TIMEDOUT) {
		curl_off_t ready_us = 0;
		curl_easy_getinfo(t->client->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
		if (t->end_ms && http_now_ms() + 1 >= t->end_ms)
			return err_set(e, ERR_NETWORK, ready_us > 0
				       ? "stalled: no whole answer within %llu ms"
				       : "no connection within %llu ms",
				       (unsigned long long)t->q->deadline_ms);
		if (ready_us > 0)
			return err_set(e, ERR_NETWORK, "stalled for %llu seconds after %llu bytes",
				       (unsigned long long)t->client->options.stall_s,
				       (unsigned long long)(t->r->received ? t->r->received :
									     t->sent));
	}
	if (code == CURLE_PARTIAL_FILE || (t->answered && (code == CURLE_RECV_ERROR ||
	    code == CURLE_HTTP2_STREAM || code == CURLE_HTTP2 || code == CURLE_GOT_NOTHING)))
		return dropped(t, code == CURLE_PARTIAL_FILE ? "" : why, e);
	const struct curl_fault *f = NULL;
	for (size_t i = 0; i < ARRAY_LEN(curl_faults) && !f; i++)
		if (curl_faults[i].code == code)
			f = &curl_faults[i];
	err_set(e, f ? f->class : ERR_NETWORK, "%s", why);
	if (f && f->hint)
		err_hint(e, "%s", f->hint);
	return -(int)e->class;
}
