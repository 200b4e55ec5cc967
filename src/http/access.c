#include "http/access.h"

#include "http/internal.h"
#include "util/clock.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

static void wipe(char *secret)
{
	if (secret)
		mem_wipe(secret, strlen(secret));
	free(secret);
}

void http_access_list_release(struct http_access_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		struct http_access *a = &l->at[i];
		free(a->name);
		url_release(&a->url);
		wipe(a->token);
		free(a->token_from);
		free(a->header);
		free(a->ca);
		free(a->cert);
		free(a->key);
		wipe(a->key_phrase);
	}
	free(l->at);
	free(l->ca);
	*l = (struct http_access_list){ 0 };
}

void http_access_program(struct http_access_list *l, const char *name)
{
	snprintf(l->agent, sizeof l->agent, "ferry-%.32s/" FERRY_VERSION, name);
}

void http_access_fetch(struct http_access_list *l)
{
	uint64_t token = random_below(NULL, UINT64_MAX);
	snprintf(l->agent, sizeof l->agent, "ferry/" FERRY_VERSION " (fetch; t=%016llx)",
		 (unsigned long long)token);
}

struct http_access *http_access_add(struct http_access_list *l)
{
	l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
	struct http_access *a = &l->at[l->count++];
	*a = (struct http_access){ 0 };
	return a;
}

/* "/models" is above "/models", "/models/" and "/models/a", and not above "/models-2". A path that
 * could be read in another way is below none: servers resolve "..". */
static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);
	while (len && top[len - 1] == '/')
		len--;
	if (len && (strstr(path, "/..") || strcasestr(path, "%2e") || strcasestr(path, "%2f")))
		return false;
	return strncmp(path, top, len) == 0 && (!path[len] || path[len] == '/');
}

struct http_access *http_access_find(const struct http_access_list *l, const struct url *url)
{
	struct http_access *best = NULL;
	for (size_t i = 0; l && i < l->count; i++) {
		struct http_access *a = &l->at[i];
		if (a->url.host && url_same_origin(&a->url, url) &&
		    is_below(url->path, a->url.path) &&
		    (!best || strlen(a->url.path) > strlen(best->url.path)))
			best = a;
	}
	return best;
}

struct http_access *http_access_find_text(const struct http_access_list *l, const char *url)
{
	CLEANUP(url_release) struct url parsed = { 0 };
	struct err ignored = ERR_INIT;
	return url_parse(url, &parsed, &ignored) < 0 ? NULL : http_access_find(l, &parsed);
}

/* -- for a request --------------------------------------------------------------------------- */

static bool has_authorization(const struct transfer *t)
{
	for (const char *const *h = t->q->headers; h && *h; h++)
		if (strncasecmp(*h, "authorization:", strlen("authorization:")) == 0)
			return true;
	return false;
}

char *http_access_header(const struct transfer *t)
{
	const struct http_access *a = t->access;
	if (!a || !a->token || !t->with_secrets || t->url->user || has_authorization(t))
		return NULL;
	return mem_printf("Authorization: Bearer %s", a->token);
}

int http_access_check(const struct transfer *t, struct err *e)
{
	const struct http_access *a = t->access;
	if (!a || !a->fault.class)
		return 0;
	*e = a->fault;
	return -(int)e->class;
}

static void set_ca(CURL *easy, const char *file)
{
	curl_easy_setopt(easy, CURLOPT_CAINFO, file);
	/* Debian's libcurl has a folder of the system's authorities, too. */
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
}

static void set_client(CURL *easy, const struct http_access *a)
{
	curl_easy_setopt(easy, CURLOPT_SSLCERT, a->cert);
	curl_easy_setopt(easy, CURLOPT_SSLKEY, a->key ? a->key : a->cert);
	/* Without one, OpenSSL would ask for it on the terminal. */
	curl_easy_setopt(easy, CURLOPT_KEYPASSWD, a->key_phrase ? a->key_phrase : "");
}

void http_access_setup(const struct transfer *t)
{
	CURL *easy = t->client->easy;
	const struct http_access_list *l = t->client->options.access;
	const struct http_access *a = t->access;
	const char *ca = a && a->ca ? a->ca : l ? l->ca : NULL;
	int ip = a && a->ip ? a->ip : l ? l->ip : 0;
	uint64_t own = a ? rate_limit(&a->rate) : 0, all = rate_limit(t->client->options.rate);
	if (own)
		http_client_limit(t->client, all ? MIN(own, all) : own);
	if (ca)
		set_ca(easy, ca);
	if (l && l->ca) {
		curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, l->ca);
		curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
	}
	if (ip)
		curl_easy_setopt(easy, CURLOPT_IPRESOLVE,
				 (long)(ip == 4 ? CURL_IPRESOLVE_V4 : CURL_IPRESOLVE_V6));
	if (a && a->cert && t->with_secrets)
		set_client(easy, a);
}
