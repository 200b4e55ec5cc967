#include "github/github.h"

#include "http/url.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

#define MAX_ERROR (64 * KIB)
#define MAX_BODY MIB
#define MAX_PAGES 1000
#define VERSION "X-GitHub-Api-Version: 2022-11-28"

struct attempt {
	struct github_place *place;
	const struct github_request *q;
	char *url;
	struct buf body;   /* of the request, if it is JSON */
	struct buf answer; /* JSON */
	struct buf error;
};

static void attempt_release(struct attempt *a)
{
	free(a->url);
	buf_release(&a->body);
	buf_release(&a->answer);
	buf_release(&a->error);
}

/* -- where to ------------------------------------------------------------------------ */

/* The API's host, or the one beside it for uploads: uploads.github.com of api.github.com. */
static bool is_own_host(const struct url *api, const struct url *url)
{
	if (strcmp(api->scheme, url->scheme) != 0)
		return false;
	if (strcmp(api->host, url->host) == 0)
		return true;
	return str_starts(api->host, "api.") && str_starts(url->host, "uploads.") &&
	       strcmp(api->host + strlen("api."), url->host + strlen("uploads.")) == 0;
}

/* The token would go there. */
static int check_own(const struct github_place *p, const char *text, struct err *e)
{
	CLEANUP(url_release) struct url api = { 0 };
	CLEANUP(url_release) struct url url = { 0 };
	int rc = url_parse(p->api, &api, e);
	if (rc == 0)
		rc = url_parse(text, &url, e);
	if (rc == 0 && (url.user || !is_own_host(&api, &url)))
		rc = err_set(e, ERR_INTEGRITY, "the API names a URL on another host: %.200s",
			     url.host);
	return rc;
}

static int set_url(struct attempt *a, struct err *e)
{
	const struct github_place *p = a->place;
	if (!a->q->url)
		a->url = mem_printf("%s/repos/%s/%s%s", p->api, p->owner, p->repo, a->q->path);
	else
		a->url = mem_strdup(a->q->url);
	return a->q->url ? check_own(p, a->url, e) : 0;
}

/* -- pace ------------------------------------------------------------------------- */

/* A short wait is taken here; a long one is the caller's, who may have other things to do. */
#define SHORT_MS (60 * 1000)

static int keep_pace(struct github_place *p, struct err *e)
{
	int rc = 0;
	while (rc == 0 && p->paced) {
		pthread_mutex_lock(&p->lock);
		uint64_t wait_ms = github_pace_take(&p->pace, clock_now_ms(p->clock));
		pthread_mutex_unlock(&p->lock);
		if (!wait_ms)
			break;
		if (wait_ms > SHORT_MS) {
			char wait[DURATION_TEXT];
			err_set(e, ERR_NETWORK, "GitHub accepts %d new assets in an hour",
				GITHUB_PACE_HOUR);
			err_cause(e, CAUSE_THROTTLED, wait_ms / 1000 + 1);
			return err_hint(e, "run the command again in %s: it continues",
					format_duration(wait, wait_ms / 1000 + 1));
		}
		rc = clock_sleep_ms(p->clock, wait_ms, p->cancel, e);
	}
	return rc;
}

/* -- performing ------------------------------------------------------------------- */

static int read_body(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct attempt *a = ctx;
	(void)e;
	memcpy(data, buf_str(&a->body) + offset, len);
	return 0;
}

static void add_headers(const struct attempt *a, struct str_list *lines)
{
	const struct github_request *q = a->q;
	str_list_add(lines, q->download ? "Accept: application/octet-stream"
					: "Accept: application/vnd.github+json");
	str_list_add(lines, VERSION);
	if (a->place->token)
		str_list_take(lines, mem_printf("Authorization: Bearer %s", a->place->token));
	if (q->json)
		str_list_add(lines, "Content-Type: application/json");
	else if (q->body)
		str_list_take(lines, mem_printf("Content-Type: %s", q->content_type));
	str_list_take(lines, NULL);
}

static void set_body(struct attempt *a, struct http_request *h)
{
	const struct http_request *body = a->q->body;
	if (a->q->json) {
		h->read_at = read_body;
		h->body_ctx = a;
		h->body_size = a->body.len;
	} else if (body) {
		h->read_at = body->read_at;
		h->body_sent = body->body_sent;
		h->body_ctx = body->body_ctx;
		h->body_size = body->body_size;
	}
}

static int perform(struct attempt *a, struct http_client *c, struct http_response *r, struct err *e)
{
	const struct github_request *q = a->q;
	CLEANUP(str_list_wipe) struct str_list lines = { 0 };
	add_headers(a, &lines);
	struct http_request h = {
		.method = q->method,
		.url = a->url,
		.what = "",
		.headers = (const char *const *)lines.at,
		.offset = q->offset,
		.length = q->length,
		.deadline_ms = q->deadline_ms,
		.cancel = q->cancel,
		.once = q->once,
		.into = q->download ? NULL : &a->answer,
		.begin = q->begin,
		.write = q->write,
		.ctx = q->ctx,
		/* A redirect of the API is a repository that was renamed. */
		.answer_header = q->download ? NULL : "location",
		.error_body = &a->error,
	};
	set_body(a, &h);
	return http_perform(c, &h, r, e);
}

static void note_number(const struct http_response *r, const char *name, uint64_t *out)
{
	const char *value = http_response_header(r, name);
	if (value)
		(void)parse_u64(value, out);
}

static void note_limits(struct github_place *p, const struct http_response *r)
{
	const char *expires = http_response_header(r, "github-authentication-token-expiration");
	uint64_t reset_s = 0;
	if (!http_response_header(r, "x-ratelimit-limit"))
		return;
	pthread_mutex_lock(&p->lock);
	p->limits.known = true;
	note_number(r, "x-ratelimit-limit", &p->limits.limit);
	note_number(r, "x-ratelimit-remaining", &p->limits.remaining);
	note_number(r, "x-ratelimit-reset", &reset_s);
	p->limits.reset_s = reset_s > INT64_MAX ? 0 : (int64_t)reset_s;
	if (expires)
		(void)github_parse_expiry(expires, &p->limits.token_expires_s);
	pthread_mutex_unlock(&p->lock);
}

static int take_answer(const struct attempt *a, const struct http_response *r, struct err *e)
{
	if (a->q->download || !a->q->answer)
		return 0;
	if (json_lenient(buf_str(&a->answer), a->answer.len, GITHUB_MAX_ANSWER, "the answer",
			 a->q->answer, e) == 0)
		return 0;
	if (r->html)
		return http_fault_page(r, e);
	return err_hint(e, "check that 'api' is the URL of GitHub's API");
}

static bool is_moved(const struct http_response *r)
{
	return r->status == 301 || r->status == 302 || r->status == 307 || r->status == 308;
}

static int fault(const struct attempt *a, const struct http_response *r, const struct err *http,
		 char code[GITHUB_CODE], struct err *e)
{
	struct github_failure f = { .answer = r,
				    .body = buf_str(&a->error),
				    .len = a->error.len,
				    .now_s = clock_wall_s(a->place->clock),
				    .token_from = a->place->token_from,
				    .http = http };
	return github_fault(&f, code, e);
}

static int call(struct attempt *a, struct http_client *c, struct http_response *r,
		char code[GITHUB_CODE], struct err *e)
{
	struct err http = ERR_INIT;
	buf_init(&a->body, MAX_BODY);
	buf_init(&a->answer, GITHUB_MAX_ANSWER);
	buf_init(&a->error, MAX_ERROR);
	int rc = set_url(a, e);
	if (rc == 0 && a->q->json)
		rc = json_compact(a->q->json, &a->body, e);
	if (rc == 0 && a->q->creates)
		rc = keep_pace(a->place, e);
	if (rc < 0)
		return rc;
	rc = perform(a, c, r, &http);
	note_limits(a->place, r);
	if (rc == 0)
		return take_answer(a, r, e);
	/* What a callback of the caller says, or this machine, is not GitHub's word. */
	if (r->status < 300) {
		*e = http;
		return rc;
	}
	return fault(a, r, &http, code, e);
}

/* -- renamed repositories ------------------------------------------------------------ */

/* The part of the URL that names the repository: "https://api.github.com/repositories/123". NULL:
 * it does not. The caller frees it. */
static char *renamed_url(const struct github_place *p, const char *location)
{
	CLEANUP(mem_free_ptr) char *start = mem_printf("%s/repositories/", p->api);
	if (!str_starts(location, start))
		return NULL;
	size_t digits = strspn(location + strlen(start), "0123456789");
	return digits ? mem_strndup(location, strlen(start) + digits) : NULL;
}

static int renamed(struct github_place *p, struct http_client *c, const char *location,
		   struct err *e)
{
	CLEANUP(json_release) json_t *repository = NULL;
	CLEANUP(mem_free_ptr) char *url = renamed_url(p, location);
	struct err ignored = ERR_INIT;
	struct github_request q = { .url = url, .answer = &repository };
	CLEANUP(attempt_release) struct attempt a = { .place = p, .q = &q };
	CLEANUP(http_response_release) struct http_response r = { 0 };
	char code[GITHUB_CODE];
	const char *name = NULL;
	if (url && call(&a, c, &r, code, &ignored) == 0)
		name = json_text(repository, "full_name");
	CLEANUP(mem_free_ptr) char *shown = text_escaped(name ? name : "");
	if (name)
		err_set(e, ERR_USAGE, "the repository %s/%s is now %.200s", p->owner, p->repo,
			shown);
	else
		err_set(e, ERR_USAGE,
			"the API redirects for %s/%s, as it does when a repository was renamed",
			p->owner, p->repo);
	return err_hint(e, "write the new owner and repo into ferry.conf, and sign the catalog");
}

int github_call(struct http_client *c, struct github_place *p, const struct github_request *q,
		struct http_response *out, struct err *e)
{
	CLEANUP(http_response_release) struct http_response own = { 0 };
	CLEANUP(attempt_release) struct attempt a = { .place = p, .q = q };
	struct http_response *r = out ? out : &own;
	struct err why = ERR_INIT;
	char code[GITHUB_CODE] = "";
	int rc = call(&a, c, r, code, &why);
	const char *location = http_response_header(r, "location");
	if (rc < 0 && !q->download && is_moved(r) && location)
		rc = renamed(p, c, location, e);
	else if (rc < 0)
		*e = why;
	if (q->code)
		memcpy(q->code, code, sizeof code);
	return rc;
}

/* -- pages ------------------------------------------------------------------------ */

char *github_next_page(const char *link)
{
	for (const char *at = link; (at = strchr(at, '<'));) {
		const char *end = strchr(++at, '>');
		if (!end)
			return NULL;
		size_t rest = strcspn(end, ",");
		CLEANUP(mem_free_ptr) char *parameters = mem_strndup(end, rest);
		if (strstr(parameters, "rel=\"next\""))
			return mem_strndup(at, (size_t)(end - at));
		at = end;
	}
	return NULL;
}

static int page(struct http_client *c, struct github_place *p, const struct github_request *how,
		github_item_fn *fn, void *ctx, char **next, struct err *e)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	CLEANUP(json_release) json_t *items = NULL;
	struct github_request q = *how;
	q.answer = &items;
	int rc = github_call(c, p, &q, &r, e);
	if (rc == 0 && !json_is_array(items))
		rc = err_set(e, ERR_INTEGRITY, "the answer is not a list");
	for (size_t i = 0; rc == 0 && i < json_array_size(items); i++)
		rc = fn(ctx, json_array_get(items, i), e);
	const char *link = http_response_header(&r, "link");
	if (rc == 0)
		*next = link ? github_next_page(link) : NULL;
	return rc;
}

int github_pages(struct http_client *c, struct github_place *p, const char *path,
		 github_item_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = NULL;
	bool more = true;
	int rc = 0;
	for (unsigned n = 0; rc == 0 && more; n++) {
		struct github_request q = { .path = path, .url = url };
		char *next = NULL;
		if (n == MAX_PAGES)
			return err_set(e, ERR_INTEGRITY, "the list has more than %d pages",
				       MAX_PAGES);
		rc = page(c, p, &q, fn, ctx, &next, e);
		free(url);
		url = next;
		more = url;
	}
	return rc;
}
