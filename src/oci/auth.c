#include "oci/auth.h"

#include "http/url.h"
#include "json/json.h"
#include "oci/challenge.h"
#include "oci/credentials.h"
#include "util/base64.h"
#include "util/clock.h"
#include "util/mem.h"
#include "util/path.h"

#include <pthread.h>
#include <string.h>

#define MAX_ANSWER (256 * KIB)
#define MAX_HEADER (64 * KIB)
#define MAX_SCOPES 8
#define DEADLINE_MS 60000
#define EXPIRES_S 60 /* when the answer does not say: the specification's default */

struct oci_auth {
	struct oci_auth_options o;
	struct str_list scopes;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	bool busy; /* one thread changes it, without the lock */
	struct oci_challenge challenge;
	bool searched; /* the credentials were looked for */
	struct oci_credentials credentials;
	char *header;      /* "Authorization: …", or NULL */
	uint64_t until_ms; /* it is good; 0: always */
	unsigned turn;     /* counts the headers */
};

static void wipe(char **text)
{
	if (*text)
		mem_wipe(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

struct oci_auth *oci_auth_new(const struct oci_auth_options *o)
{
	struct oci_auth *a = NEW(struct oci_auth);
	a->o = *o;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	str_list_take(&a->scopes,
		      mem_printf("repository:%s:pull%s", o->place->name, o->push ? ",push" : ""));
	for (size_t i = 0; o->also && i < o->also->count; i++)
		str_list_take(&a->scopes, mem_printf("repository:%s:pull", o->also->at[i]));
	return a;
}

void oci_auth_free(struct oci_auth *a)
{
	if (!a)
		return;
	oci_challenge_release(&a->challenge);
	oci_credentials_release(&a->credentials);
	str_list_release(&a->scopes);
	wipe(&a->header);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* -- headers ------------------------------------------------------------------------ */

static char *basic_header(const char *user, const char *password)
{
	CLEANUP(buf_wipe) struct buf plain = BUF_INIT(MAX_HEADER);
	CLEANUP(buf_wipe) struct buf line = BUF_INIT(2 * MAX_HEADER);
	buf_addf(&plain, "%s:%s", user, password);
	buf_adds(&line, "Authorization: Basic ");
	base64_add(&line, buf_str(&plain), plain.len);
	return mem_strdup(buf_str(&line));
}

/* RFC 6750 2.1: what a header can hold. */
static bool is_token(const char *token)
{
	size_t len = strlen(token);
	return len && len <= MAX_HEADER &&
	       strspn(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			     "-._~+/=:") == len;
}

/* -- the token server ---------------------------------------------------------------- */

static void add_query(struct buf *out, const char *name, const char *value)
{
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(value, ":/,");
	buf_addf(out, "%c%s=%s", strchr(buf_str(out), '?') ? '&' : '?', name, encoded);
}

static void add_form(struct buf *out, const char *name, const char *value)
{
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(value, "");
	buf_addf(out, "%s%s=%s", out->len ? "&" : "", name, encoded);
	mem_wipe(encoded, strlen(encoded));
}

static char *all_scopes(const struct oci_auth *a)
{
	CLEANUP(buf_release) struct buf all = BUF_INIT(16 * KIB);
	for (size_t i = 0; i < a->scopes.count; i++)
		buf_addf(&all, "%s%s", i ? " " : "", a->scopes.at[i]);
	return mem_strdup(buf_str(&all));
}

/* A password must not go to a server without TLS that a registry with TLS names. */
static int check_realm(const struct oci_auth *a, const char *realm, struct err *e)
{
	CLEANUP(url_release) struct url url = { 0 };
	struct err bad = ERR_INIT;
	if (url_parse(realm, &url, &bad) < 0)
		return err_set(e, ERR_INTEGRITY, "the token server that it names is no valid URL");
	bool plain = strcmp(url.scheme, "http") == 0;
	if (plain && str_starts(a->o.place->origin, "https:"))
		return err_set(e, ERR_INTEGRITY,
			       "the token server that it names, %.200s, has no TLS", url.host);
	return 0;
}

static int read_token(struct oci_auth *a, const struct buf *answer, struct err *e)
{
	static const char what[] = "the answer of the token server";
	CLEANUP(json_release) json_t *root = NULL;
	struct err bad = ERR_INIT;
	bool ok = json_lenient(buf_str(answer), answer->len, MAX_ANSWER, what, &root, &bad) == 0;
	const char *token = json_string_value(json_object_get(root, "token"));
	if (!token || !*token)
		token = json_string_value(json_object_get(root, "access_token"));
	if (!ok || !token || !is_token(token))
		return err_set(e, ERR_AUTH, "%s has no token", what);
	const json_t *expires = json_object_get(root, "expires_in");
	uint64_t life_s = json_is_integer(expires) && json_integer_value(expires) > 0
				  ? (uint64_t)json_integer_value(expires)
				  : EXPIRES_S;
	life_s = MIN(life_s, 86400u);
	/* It must outlast the way to the registry. */
	uint64_t margin_ms = MIN(life_s * 1000 / 10, 30000u);
	wipe(&a->header);
	a->header = mem_printf("Authorization: Bearer %s", token);
	a->until_ms = clock_now_ms(a->o.clock) + life_s * 1000 - margin_ms;
	return 0;
}

static int read_form(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct buf *form = ctx;
	(void)e;
	memcpy(data, form->data + offset, len);
	return 0;
}

static int refused_by_server(const struct oci_auth *a, const struct http_response *r, struct err *e)
{
	if (r->status != 401 && r->status != 403 && r->status != 400)
		return -(int)e->class;
	err_clear(e);
	err_set(e, ERR_AUTH, "the token server refused %s (HTTP %ld)",
		oci_credentials_any(&a->credentials) ? a->credentials.source
						     : "a request without credentials",
		r->status);
	return err_hint(e, "man ferry-oci says where user and password come from");
}

/* Sends q, with the user's name and password if there are any. */
static int ask(struct oci_auth *a, struct http_client *client, struct http_request *q,
	       struct err *e)
{
	CLEANUP(buf_wipe) struct buf answer = BUF_INIT(MAX_ANSWER);
	CLEANUP(http_response_release) struct http_response r = { 0 };
	char *basic = a->credentials.user
			      ? basic_header(a->credentials.user, a->credentials.password)
			      : NULL;
	const char *headers[] = { "Accept: application/json",
				  basic ? basic : "Content-Type: application/x-www-form-urlencoded",
				  NULL };
	if (!basic && !q->read_at)
		headers[1] = NULL;
	q->what = "token server";
	q->headers = headers;
	q->deadline_ms = DEADLINE_MS;
	q->into = &answer;
	int rc = http_perform(client, q, &r, e);
	wipe(&basic);
	return rc < 0 ? refused_by_server(a, &r, e) : read_token(a, &answer, e);
}

static int ask_by_get(struct oci_auth *a, struct http_client *client, struct err *e)
{
	CLEANUP(buf_release) struct buf url = BUF_INIT(URL_MAX);
	buf_adds(&url, a->challenge.realm);
	if (a->challenge.service)
		add_query(&url, "service", a->challenge.service);
	for (size_t i = 0; i < a->scopes.count; i++)
		add_query(&url, "scope", a->scopes.at[i]);
	int rc = buf_ok(&url, "the URL of the token server", e);
	struct http_request q = { .url = buf_str(&url) };
	return rc < 0 ? rc : ask(a, client, &q, e);
}

/* https://distribution.github.io/distribution/spec/auth/oauth/ */
static int ask_by_refresh_token(struct oci_auth *a, struct http_client *client, struct err *e)
{
	CLEANUP(buf_wipe) struct buf form = BUF_INIT(MAX_HEADER);
	CLEANUP(mem_free_ptr) char *scopes = all_scopes(a);
	add_form(&form, "grant_type", "refresh_token");
	add_form(&form, "client_id", "model-ferry");
	if (a->challenge.service)
		add_form(&form, "service", a->challenge.service);
	add_form(&form, "scope", scopes);
	add_form(&form, "refresh_token", a->credentials.identity);
	int rc = buf_ok(&form, "the identity token", e);
	struct http_request q = { .method = "POST",
				  .url = a->challenge.realm,
				  .read_at = read_form,
				  .body_ctx = &form,
				  .body_size = form.len };
	return rc < 0 ? rc : ask(a, client, &q, e);
}

/* -- the current header -------------------------------------------------------------- */

static int search(struct oci_auth *a, struct err *e)
{
	if (a->searched || a->o.anonymous)
		return 0;
	int rc = oci_credentials_find(a->o.place->host, a->o.environment, a->o.cancel,
				      &a->credentials, e);
	a->searched = rc == 0;
	return rc;
}

/* What is public can be read without those that were refused, such as a token for other things. */
static void forget_credentials(struct oci_auth *a)
{
	char *source = mem_printf("%s, refused by the token server", a->credentials.source);
	oci_credentials_release(&a->credentials);
	a->credentials.source = source;
}

/* By the one thread that has set busy, without the lock. */
static int renew(struct oci_auth *a, struct http_client *client, struct err *e)
{
	int rc = search(a, e);
	const struct oci_credentials *c = &a->credentials;
	if (rc < 0)
		return rc;
	if (a->challenge.scheme == OCI_SCHEME_BASIC) {
		wipe(&a->header);
		a->header = c->user ? basic_header(c->user, c->password) : NULL;
		a->until_ms = 0;
		return 0;
	}
	if (c->token) {
		wipe(&a->header);
		a->header = mem_printf("Authorization: Bearer %s", c->token);
		a->until_ms = 0;
		return 0;
	}
	rc = check_realm(a, a->challenge.realm, e);
	if (rc == 0)
		rc = c->identity ? ask_by_refresh_token(a, client, e) : ask_by_get(a, client, e);
	if (rc == -ERR_AUTH && !a->o.push && oci_credentials_any(c)) {
		forget_credentials(a);
		err_clear(e);
		rc = ask_by_get(a, client, e);
	}
	return rc;
}

/* With the lock; it is released meanwhile. */
static int renew_for_all(struct oci_auth *a, struct http_client *client, struct err *e)
{
	a->busy = true;
	pthread_mutex_unlock(&a->lock);
	int rc = renew(a, client, e);
	pthread_mutex_lock(&a->lock);
	a->busy = false;
	a->turn += rc == 0;
	pthread_cond_broadcast(&a->changed);
	return rc;
}

static void wait_for_others(struct oci_auth *a)
{
	while (a->busy)
		pthread_cond_wait(&a->changed, &a->lock);
}

int oci_auth_header(struct oci_auth *a, struct http_client *client, char **out, unsigned *turn,
		    struct err *e)
{
	pthread_mutex_lock(&a->lock);
	wait_for_others(a);
	bool old = a->header && a->until_ms && clock_now_ms(a->o.clock) >= a->until_ms;
	int rc = old ? renew_for_all(a, client, e) : 0;
	*turn = a->turn;
	*out = rc == 0 && a->header ? mem_strdup(a->header) : NULL;
	pthread_mutex_unlock(&a->lock);
	return rc;
}

/* What a request needs beyond what all need, for example the right to delete. */
static void add_scope(struct oci_auth *a, const char *scope)
{
	CLEANUP(str_list_release) struct str_list each = { 0 };
	if (!scope)
		return;
	str_list_split(&each, scope, " ");
	for (size_t i = 0; i < each.count && a->scopes.count < MAX_SCOPES; i++)
		if (*each.at[i] && !str_list_has(&a->scopes, each.at[i]))
			str_list_add(&a->scopes, each.at[i]);
}

static void read_challenges(const struct http_response *r, struct oci_challenge *out)
{
	static const char name[] = "www-authenticate: ";
	for (size_t i = 0; i < r->headers.count; i++)
		if (str_starts(r->headers.at[i], name))
			oci_challenge_add(out, r->headers.at[i] + sizeof name - 1);
}

/* With the lock. The second refusal of the same kind of header means that the credentials were
 * changed, or are not allowed to do this. */
static int take_challenge(struct oci_auth *a, struct http_client *client,
			  const struct http_response *r, struct err *e)
{
	struct oci_challenge asked = { 0 };
	read_challenges(r, &asked);
	if (asked.scheme == OCI_SCHEME_NONE) {
		oci_challenge_release(&asked);
		return 1;
	}
	bool repeated = a->header && asked.scheme == a->challenge.scheme;
	oci_challenge_release(&a->challenge);
	a->challenge = asked;
	add_scope(a, asked.scope);
	if (repeated) {
		oci_credentials_release(&a->credentials);
		a->searched = false;
	}
	int rc = renew_for_all(a, client, e);
	return rc == 0 && !a->header ? 1 : rc;
}

int oci_auth_refused(struct oci_auth *a, struct http_client *client, const struct http_response *r,
		     unsigned turn, struct err *e)
{
	pthread_mutex_lock(&a->lock);
	wait_for_others(a);
	/* Another thread has a new header already. */
	int rc = a->turn != turn ? 0 : take_challenge(a, client, r, e);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

char *oci_auth_source(struct oci_auth *a)
{
	pthread_mutex_lock(&a->lock);
	wait_for_others(a);
	char *source = mem_strdup(a->credentials.source ? a->credentials.source : "");
	pthread_mutex_unlock(&a->lock);
	return source;
}

bool oci_auth_has_credentials(struct oci_auth *a)
{
	pthread_mutex_lock(&a->lock);
	wait_for_others(a);
	bool any = oci_credentials_any(&a->credentials);
	pthread_mutex_unlock(&a->lock);
	return any;
}

bool oci_auth_find_credentials(struct oci_auth *a)
{
	struct err ignored = ERR_INIT;
	pthread_mutex_lock(&a->lock);
	wait_for_others(a);
	bool any = search(a, &ignored) < 0 || oci_credentials_any(&a->credentials);
	pthread_mutex_unlock(&a->lock);
	return any;
}
