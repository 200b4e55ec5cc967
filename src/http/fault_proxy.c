/* Failures of a proxy, which say nothing about the server behind it. */
#include "http/internal.h"

#include "util/mem.h"

#include <string.h>

static int check_hint(const struct transfer *t, struct err *e)
{
	return err_hint(e, "check %s and whether the proxy runs; no_proxy=%s goes around it",
			t->proxy, t->url->host);
}

int http_fault_needs_login(const struct transfer *t, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = t->proxy ? http_proxy_name(t->proxy) : NULL;
	err_set(e, ERR_AUTH, "%s needs credentials (HTTP 407)", name ? name : "the proxy");
	err_cause(e, CAUSE_PROXY, 0);
	return err_hint(e, "set them in %s: http://user:password@proxy:port",
			t->proxy ? t->proxy : "the proxy variable");
}

/* The proxy answered instead of the server. */
int http_fault_of_proxy(const struct transfer *t, long status, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = http_proxy_name(t->proxy);
	if (status == 407)
		return http_fault_needs_login(t, e);
	if (status == 511) {
		err_set(e, ERR_NETWORK, "%s requires a login (HTTP 511)", name);
		err_cause(e, CAUSE_PORTAL, 0);
		return err_hint(e,
				"open any web page in a browser, log in to the network, then run "
				"the command again");
	}
	if (status >= 500) {
		err_set(e, ERR_NETWORK, "%s could not reach %s (HTTP %ld)", name, t->url->host,
			status);
		err_cause(e, CAUSE_PROXY, t->r->retry_after_s);
		return err_hint(e,
				"ask who runs the proxy, or try again later; no_proxy=%s goes "
				"around it",
				t->url->host);
	}
	err_set(e, ERR_AUTH, "%s does not allow %s (HTTP %ld)", name, t->url->host, status);
	err_cause(e, CAUSE_PROXY, 0);
	return err_hint(e,
			"ask who runs the proxy to allow it; if this machine may connect "
			"directly, no_proxy=%s goes around the proxy",
			t->url->host);
}

static bool is_tls_fault(CURLcode code)
{
	return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
	       code == CURLE_SSL_ISSUER_ERROR || code == CURLE_SSL_INVALIDCERTSTATUS;
}

/* Was there a connection to the server, or to a proxy that was about to answer in its place? */
static bool got_through(const struct transfer *t, CURLcode code, long tunnel)
{
	long made = 0;
	curl_off_t ready_us = 0;
	bool tls = strcmp(t->url->scheme, "https") == 0;
	curl_easy_getinfo(t->client->easy, CURLINFO_NUM_CONNECTS, &made);
	curl_easy_getinfo(t->client->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	if (t->answered || (!made && ready_us))
		return true;
	if (http_proxy_is_socks(t->proxy))
		return ready_us > 0 || is_tls_fault(code);
	/* A plain request is the proxy's to answer; a tunnel is the server's. */
	return tls ? tunnel >= 200 && tunnel <= 299 : ready_us > 0 && !is_tls_fault(code);
}

int http_fault_proxy(const struct transfer *t, CURLcode code, const char *why, struct err *e)
{
	long tunnel = 0;
	curl_easy_getinfo(t->client->easy, CURLINFO_HTTP_CONNECTCODE, &tunnel);
	if (!t->proxy)
		return 0;
	if (tunnel >= 300)
		return http_fault_of_proxy(t, tunnel, e);
	if (got_through(t, code, tunnel))
		return 0;
	CLEANUP(mem_free_ptr) char *name = http_proxy_name(t->proxy);
	if (!http_proxy_is_valid(t->proxy)) {
		err_set(e, ERR_USAGE, "%s: this is not the URL of a proxy", name);
		err_cause(e, CAUSE_PROXY, 0);
		return err_hint(e, "write %s=http://host:port", t->proxy);
	}
	err_set(e, is_tls_fault(code) ? ERR_INTEGRITY : ERR_NETWORK, "%s cannot be used: %s", name,
		why);
	err_cause(e, CAUSE_PROXY, 0);
	if (is_tls_fault(code))
		err_hint(e,
			 "if its certificate is from an authority of its own, give that with "
			 "--cacert or in SSL_CERT_FILE; no_proxy=%s goes around the proxy",
			 t->url->host);
	return check_hint(t, e);
}
