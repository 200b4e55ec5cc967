/* A server that refuses: which setting of ferry.conf would help. */
#include "http/internal.h"

#include "util/mem.h"

#include <string.h>

static int hint_for_new(const struct transfer *t, struct err *e)
{
	CLEANUP(mem_free_ptr) char *host = url_host_header(t->url);
	return err_hint(e,
			"check the URL and your access rights; if the server wants a token or a "
			"login, write a section [access.NAME] with url = %s://%s/ and token-file = "
			"FILE or netrc = yes into ferry.conf, see ferry.conf(5)",
			t->url->scheme, host);
}

static int hint_for_known(const struct http_access *a, const struct url *url, struct err *e)
{
	if (a->token)
		return err_hint(e,
				"the server does not accept the token of [access.%s], from %s: is "
				"it right, and may it read this?",
				a->name, a->token_from);
	if (a->netrc)
		return err_hint(e,
				"[access.%s] has netrc = yes: check user and password of the "
				"machine %s in ~/.netrc",
				a->name, url->host);
	return err_hint(e,
			"[access.%s] has no token-file and no netrc = yes: the server may want one",
			a->name);
}

int http_fault_access(const struct transfer *t, struct err *e)
{
	/* A redirect to another server, which was to get nothing. */
	if (!t->client->options.access || !t->with_secrets || t->url->user)
		return -(int)e->class;
	return t->access ? hint_for_known(t->access, t->url, e) : hint_for_new(t, e);
}

/* A server with TLS 1.3 says so with an alert (RFC 8446 6.2, certificate_required), nginx with a
 * page (ngx_http_special_response.c: "No required SSL certificate was sent", "The SSL certificate
 * error"). */
int http_fault_client(const struct transfer *t, const char *why, struct err *e)
{
	bool sent = t->access && t->access->cert && t->with_secrets;
	bool page = strcmp(t->url->scheme, "https") == 0 && strstr(t->refusal, "SSL certificate");
	if (!page && !strstr(why, "alert certificate required"))
		return 0;
	err_set(e, ERR_AUTH,
		sent ? "the server does not accept the certificate of the client"
		     : "the server wants a certificate of the client");
	return err_hint(e,
			sent ? "is the certificate of [access.%s] the right one, and is it valid?"
			     : "set client-cert and client-key for this server, see [access.NAME] "
			       "in ferry.conf(5)",
			sent ? t->access->name : "");
}
