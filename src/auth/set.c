#include "auth/set.h"

#include "auth/auth.h"
#include "http/http.h"
#include "http/url.h"
#include "util/file.h"
#include "util/mark.h"
#include "util/mem.h"
#include "util/text.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#define MISSING_PAUSE_US ((uint64_t)10 * 1000000) /* between two reads for missing keys */
#define RETRY_PAUSE_S 10                          /* after a failure */
#define DEFAULT_AGE_S 300
#define MIN_AGE_S 60
#define MAX_AGE_S 3600
#define STALE_S 86400
#define ANSWER_MS 5000
/* A worker each: more would leave none for other work while the URL does not answer. */
#define MAX_READERS 2

struct auth_set {
	char *place, *shown; /* shown: without credentials */
	bool is_url;
	const struct clock *clock;
	const struct cancel *cancel;

	pthread_mutex_t reading; /* held while it is read; what follows is of the reader */
	struct http_client *http;
	char etag[HEADER_ETAG];
	struct mark mark;

	pthread_mutex_t lock; /* of what follows; held for moments */
	struct auth_jwks *keys;
	uint64_t generation, failures;
	uint64_t tried_us, read_us, due_us; /* 0: never */
	unsigned readers;
};

/* -- handing out ----------------------------------------------------------------------------- */

void auth_set_put(struct auth_jwks *keys)
{
	if (!keys || --keys->references)
		return;
	auth_jwks_release(keys);
	free(keys);
}

static bool too_old(const struct auth_set *s, uint64_t now_us)
{
	return s->is_url && now_us >= s->read_us + STALE_S * (uint64_t)1000000;
}

struct auth_jwks *auth_set_get(struct auth_set *s, uint64_t *generation)
{
	uint64_t now_us = clock_now_us(s->clock);
	pthread_mutex_lock(&s->lock);
	struct auth_jwks *keys = s->keys && !too_old(s, now_us) ? s->keys : NULL;
	if (keys)
		keys->references++;
	*generation = s->generation;
	pthread_mutex_unlock(&s->lock);
	return keys;
}

void auth_set_stats(struct auth_set *s, struct auth_stats *out)
{
	uint64_t now_us = clock_now_us(s->clock);
	pthread_mutex_lock(&s->lock);
	out->set = true;
	out->set_read = s->keys && !too_old(s, now_us);
	out->set_keys = s->keys ? s->keys->count : 0;
	out->set_age_s = s->keys ? (int64_t)((now_us - s->read_us) / 1000000) : 0;
	out->set_failures = s->failures;
	pthread_mutex_unlock(&s->lock);
}

static void take(struct auth_set *s, struct auth_jwks *parsed)
{
	struct auth_jwks *keys = NEW(struct auth_jwks);
	keys->at = parsed->at;
	keys->count = parsed->count;
	keys->cap = parsed->cap;
	keys->references = 1;
	pthread_mutex_lock(&s->lock);
	struct auth_jwks *old = s->keys;
	s->keys = keys;
	s->generation++;
	pthread_mutex_unlock(&s->lock);
	auth_set_put(old);
}

/* -- a file ---------------------------------------------------------------------------------- */

static int check_private(const char *path, const struct auth_jwks *keys, struct err *e)
{
	struct stat st;
	if (!auth_jwks_has_secret(keys) || stat(path, &st) < 0 || !(st.st_mode & 077))
		return 0;
	err_set(e, ERR_USAGE, "%s: other users can read this file, which contains a secret", path);
	return err_hint(e, "chmod 600 %s", path);
}

static int read_file(struct auth_set *s, struct err *e)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(AUTH_JWK_MAX_BYTES);
	struct auth_jwks keys = { 0 };
	struct mark mark = { 0 };
	bool marked = mark_of(s->place, true, &mark);
	if (marked && s->keys && memcmp(&mark, &s->mark, sizeof mark) == 0)
		return 0;
	int rc = file_read_all(s->place, &text, e);
	if (rc == 0)
		rc = auth_jwks_parse(buf_str(&text), text.len, true, s->shown, &keys, e);
	if (rc == 0)
		rc = check_private(s->place, &keys, e);
	if (rc < 0) {
		auth_jwks_release(&keys);
		return rc;
	}
	s->mark = mark;
	take(s, &keys);
	return 0;
}

/* -- a URL ----------------------------------------------------------------------------------- */

/* RFC 9111, section 5.2.2.1; what cannot be read has the default. */
static uint64_t max_age_s(const char *cache_control)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	uint64_t s = DEFAULT_AGE_S;
	str_list_split(&words, cache_control ? cache_control : "", ", ");
	for (size_t i = 0; i < words.count; i++)
		if (str_starts_nocase(words.at[i], "max-age=") &&
		    !parse_u64(words.at[i] + strlen("max-age="), &s))
			s = DEFAULT_AGE_S;
	return MAX(MIN_AGE_S, MIN(MAX_AGE_S, s));
}

static int open_http(struct auth_set *s, struct err *e)
{
	struct http_options o = { .connect_timeout_s = ANSWER_MS / 1000,
				  .cancel = s->cancel,
				  .clock = s->clock };
	return s->http ? 0 : http_client_new(&o, &s->http, e);
}

static int ask(struct auth_set *s, struct buf *body, struct http_response *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *condition = mem_printf("If-None-Match: %s", s->etag);
	const char *headers[] = { "Accept: application/jwk-set+json, application/json",
				  s->etag[0] ? condition : NULL, NULL };
	struct http_request q = {
		.url = s->place,
		.headers = headers,
		.deadline_ms = ANSWER_MS,
		.into = body,
	};
	return http_perform(s->http, &q, r, e);
}

static int read_url(struct auth_set *s, struct err *e)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	CLEANUP(buf_release) struct buf body = BUF_INIT(AUTH_JWK_MAX_BYTES);
	struct auth_jwks keys = { 0 };
	int rc = open_http(s, e);
	if (rc == 0)
		rc = ask(s, &body, &r, e);
	if (rc == 0 && r.status != 304) {
		rc = auth_jwks_parse(buf_str(&body), body.len, false, s->shown, &keys, e);
		if (rc == 0)
			take(s, &keys);
	}
	if (rc < 0)
		return rc;
	if (r.etag[0] || r.status != 304)
		memcpy(s->etag, r.etag, sizeof s->etag);
	uint64_t age_s = max_age_s(http_response_header(&r, "cache-control"));
	uint64_t now_us = clock_now_us(s->clock);
	pthread_mutex_lock(&s->lock);
	s->due_us = now_us + age_s * 1000000;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* -- when ------------------------------------------------------------------------------------ */

static void note(struct auth_set *s, bool good)
{
	uint64_t now_us = clock_now_us(s->clock);
	pthread_mutex_lock(&s->lock);
	s->tried_us = now_us;
	if (good)
		s->read_us = now_us;
	else
		s->due_us = now_us + RETRY_PAUSE_S * (uint64_t)1000000;
	s->failures = good ? 0 : s->failures + 1;
	pthread_mutex_unlock(&s->lock);
}

/* With `reading` held. */
static int read_now(struct auth_set *s, struct err *e)
{
	int rc = s->is_url ? read_url(s, e) : read_file(s, e);
	note(s, rc == 0);
	return rc;
}

static bool rested(const struct auth_set *s, uint64_t now_us)
{
	return !s->tried_us || now_us >= s->tried_us + MISSING_PAUSE_US;
}

bool auth_set_may_read(struct auth_set *s)
{
	uint64_t now_us = clock_now_us(s->clock);
	pthread_mutex_lock(&s->lock);
	bool may = rested(s, now_us) && s->readers < MAX_READERS;
	pthread_mutex_unlock(&s->lock);
	return may;
}

bool auth_set_is_read(struct auth_set *s)
{
	pthread_mutex_lock(&s->lock);
	bool is = s->readers > 0;
	pthread_mutex_unlock(&s->lock);
	return is;
}

/* Many may have asked for it before the first of them began. */
static bool begin_reading(struct auth_set *s)
{
	pthread_mutex_lock(&s->lock);
	bool may = s->readers < MAX_READERS;
	s->readers += may;
	pthread_mutex_unlock(&s->lock);
	return may;
}

static void end_reading(struct auth_set *s)
{
	pthread_mutex_lock(&s->lock);
	s->readers--;
	pthread_mutex_unlock(&s->lock);
}

void auth_set_read_missing(struct auth_set *s)
{
	struct err unread = ERR_INIT; /* auth_stats() has the number of failures */
	if (!begin_reading(s))
		return;
	pthread_mutex_lock(&s->reading);
	pthread_mutex_lock(&s->lock);
	bool again = rested(s, clock_now_us(s->clock)); /* nobody has read it meanwhile */
	pthread_mutex_unlock(&s->lock);
	if (again && read_now(s, &unread) < 0)
		err_clear(&unread);
	pthread_mutex_unlock(&s->reading);
	end_reading(s);
}

int auth_set_keep(struct auth_set *s, struct err *e)
{
	uint64_t now_us = clock_now_us(s->clock);
	pthread_mutex_lock(&s->lock);
	bool due = !s->is_url || now_us >= s->due_us;
	pthread_mutex_unlock(&s->lock);
	if (!due)
		return 0;
	pthread_mutex_lock(&s->reading);
	int rc = read_now(s, e);
	pthread_mutex_unlock(&s->reading);
	return rc;
}

/* -- opening --------------------------------------------------------------------------------- */

static int check_url(struct auth_set *s, struct err *e)
{
	static const char *const here[] = { "localhost", "127.0.0.1", "[::1]" };
	CLEANUP(url_release) struct url u = { 0 };
	int rc = url_parse(s->place, &u, e);
	if (rc < 0)
		return err_context(e, "jwks");
	for (size_t i = 0; i < ARRAY_LEN(here); i++)
		if (strcmp(u.host, here[i]) == 0)
			return 0;
	if (strcmp(u.scheme, "https") == 0)
		return 0;
	return err_set(e, ERR_USAGE, "jwks: %s: keys that tokens are verified with need https",
		       s->shown);
}

int auth_set_new(const char *place, const struct clock *clock, const struct cancel *cancel,
		 struct auth_set **out, struct err *e)
{
	struct err unread = ERR_INIT;
	struct auth_set *s = NEW(struct auth_set);
	s->place = mem_strdup(place);
	s->is_url = str_starts_nocase(place, "https://") || str_starts_nocase(place, "http://");
	s->shown = s->is_url ? url_redact(place) : mem_strdup(place);
	s->clock = clock;
	s->cancel = cancel;
	pthread_mutex_init(&s->reading, NULL);
	pthread_mutex_init(&s->lock, NULL);
	int rc = s->is_url ? check_url(s, e) : 0;
	if (rc == 0 && s->is_url && auth_set_keep(s, &unread) < 0)
		err_clear(&unread); /* it is asked again soon */
	else if (rc == 0 && !s->is_url)
		rc = auth_set_keep(s, e);
	if (rc < 0)
		auth_set_free(s);
	else
		*out = s;
	return rc < 0 ? err_class_set(e, ERR_USAGE) : 0;
}

void auth_set_free(struct auth_set *s)
{
	if (!s)
		return;
	auth_set_put(s->keys);
	http_client_free(s->http);
	pthread_mutex_destroy(&s->reading);
	pthread_mutex_destroy(&s->lock);
	free(s->place);
	free(s->shown);
	free(s);
}
