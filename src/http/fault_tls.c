/* A certificate that does not verify: why, and what to do. */
#include "http/internal.h"

#include "util/mem.h"
#include "util/text.h"

/* What libcurl passes on from OpenSSL: X509_V_ERR_… of <openssl/x509_vfy.h>. */
enum verify_result {
	VERIFY_OK = 0,
	VERIFY_UNSPECIFIED = 1, /* libcurl's name for: the chain is right, the name is not */
	VERIFY_NO_ISSUER = 2,
	VERIFY_NOT_YET_VALID = 9,
	VERIFY_EXPIRED = 10,
	VERIFY_SELF_SIGNED = 18,
	VERIFY_UNKNOWN_ROOT = 19,
	VERIFY_NO_LOCAL_ISSUER = 20,
	VERIFY_NO_LEAF = 21,
	VERIFY_REVOKED = 23,
};

static enum http_certificate certificate_for(long result)
{
	switch (result) {
	case VERIFY_EXPIRED:
		return HTTP_CERTIFICATE_EXPIRED;
	case VERIFY_NOT_YET_VALID:
		return HTTP_CERTIFICATE_NOT_YET_VALID;
	case VERIFY_REVOKED:
		return HTTP_CERTIFICATE_REVOKED;
	case VERIFY_SELF_SIGNED:
		return HTTP_CERTIFICATE_SELF_SIGNED;
	case VERIFY_UNKNOWN_ROOT:
		return HTTP_CERTIFICATE_UNKNOWN_AUTHORITY;
	case VERIFY_NO_ISSUER:
	case VERIFY_NO_LOCAL_ISSUER:
	case VERIFY_NO_LEAF:
		return HTTP_CERTIFICATE_INCOMPLETE;
	case VERIFY_OK:
	case VERIFY_UNSPECIFIED:
		return HTTP_CERTIFICATE_OTHER_NAME;
	}
	return HTTP_CERTIFICATE_OTHER;
}

static const char *text_for(enum http_certificate c)
{
	switch (c) {
	case HTTP_CERTIFICATE_EXPIRED:
		return "the server's certificate has expired";
	case HTTP_CERTIFICATE_NOT_YET_VALID:
		return "the server's certificate is not valid yet";
	case HTTP_CERTIFICATE_REVOKED:
		return "the server's certificate was revoked";
	case HTTP_CERTIFICATE_SELF_SIGNED:
	case HTTP_CERTIFICATE_UNKNOWN_AUTHORITY:
	case HTTP_CERTIFICATE_INCOMPLETE:
		return "the server's certificate is from an authority that this machine does not "
		       "know";
	case HTTP_CERTIFICATE_OTHER_NAME:
		return "the server's certificate is for another name";
	case HTTP_CERTIFICATE_OK:
	case HTTP_CERTIFICATE_OTHER:
		break;
	}
	return "the server's certificate cannot be verified";
}

static int hint_for(const struct transfer *t, long result, struct err *e)
{
	char now[TIME_TEXT];
	format_time(now, clock_wall_s(t->client->options.clock));
	switch (result) {
	case VERIFY_EXPIRED:
	case VERIFY_NOT_YET_VALID:
		return err_hint(e,
				"the clock of this machine says %s: set it if that is wrong; "
				"otherwise tell the operator of the server",
				now);
	case VERIFY_REVOKED:
		return err_hint(e, "tell the operator of the server");
	case VERIFY_OK:
	case VERIFY_UNSPECIFIED:
		return err_hint(e, "check the URL: another server may be answering for %s",
				t->url->host);
	}
	if (t->proxy)
		return err_hint(e,
				"a proxy may be intercepting TLS (%s is set): if that is intended, "
				"give its CA certificate with --cacert or in SSL_CERT_FILE",
				t->proxy);
	return err_hint(e, "for your own certificate authority, set SSL_CERT_FILE, or 'ca' in "
			   "ferry.conf; only the operator of the server can replace a self-signed "
			   "certificate or add a missing intermediate one");
}

int http_fault_tls(const struct transfer *t, CURLcode code, const char *why, struct err *e)
{
	long result = 0;
	if (code != CURLE_PEER_FAILED_VERIFICATION)
		return 0;
	curl_easy_getinfo(t->client->easy, CURLINFO_SSL_VERIFYRESULT, &result);
	t->r->certificate = certificate_for(result);
	err_set(e, ERR_INTEGRITY, "%s (%s)", text_for(t->r->certificate), why);
	err_cause(e, CAUSE_TLS, 0);
	return hint_for(t, result, e);
}
