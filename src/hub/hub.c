#include "hub/hub.h"

#include "hub/account.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/retry.h"

#include <stdlib.h>
#include <string.h>

/* Of small answers; without one, a stalled connection ends much later. */
#define DEADLINE_MS (60 * 1000)
#define PAGES_MAX 1000
/* A window of requests at the Hub. */
#define PAUSE_MAX_S 300

struct hub {
	struct hub_account account;
	const char *headers[2];
	struct http_client *client;
	struct report *report;
	const struct cancel *cancel;
	uint64_t pause_s; /* before the next request of the API */
};

int hub_open(const struct hub_options *options, struct hub **out, struct err *e)
{
	CLEANUP_PTR(hub_close) struct hub *h = NEW(struct hub);
	const struct http_options http = { .cancel = options->cancel };
	h->report = options->report;
	h->cancel = options->cancel;
	int rc = hub_account_find(&h->account, e);
	if (rc == 0)
		rc = http_client_new(&http, &h->client, e);
	if (rc < 0)
		return rc;
	h->headers[0] = h->account.authorization;
	*out = STEAL(h);
	return 0;
}

void hub_close(struct hub *h)
{
	if (!h)
		return;
	http_client_free(h->client);
	hub_account_release(&h->account);
	free(h);
}

const char *const *hub_headers(const struct hub *h)
{
	return h->headers;
}

void hub_repo_release(struct hub_repo *r)
{
	hub_model_release(&r->model);
	hub_files_release(&r->files);
	free(r->renamed);
	*r = (struct hub_repo){ 0 };
}

/* ---- errors ------------------------------------------------------------------------- */

static int again(struct err *e, enum err_class class, char *text)
{
	CLEANUP(mem_free_ptr) char *owned = text;
	err_clear(e);
	return err_set(e, class, "%s", owned);
}

static int gated(const struct hub *h, const char *repo, struct err *e)
{
	CLEANUP(mem_free_ptr) char *page = hub_page_url(h, repo);
	again(e, ERR_AUTH,
	      mem_printf("hf:%s is gated: its owner gives access to people who %s", repo,
			 h->account.token_from
				 ? "accept its terms, and the token's account has none"
				 : "log in and accept its terms"));
	return h->account.token_from
		       ? err_hint(e,
				  "accept the terms at %s with the account of the token in %s, "
				  "and give the token the right to read gated repositories",
				  page, h->account.token_from)
		       : err_hint(e,
				  "accept the terms at %s, make a token for reading at "
				  "%s/settings/tokens, and put it into the environment as HF_TOKEN",
				  page, h->account.endpoint);
}

static int no_repo(const struct hub *h, const char *repo, struct err *e)
{
	again(e, ERR_NOT_FOUND,
	      mem_printf("hf:%s: %s has no such repository of a model, or it is private", repo,
			 h->account.endpoint));
	return h->account.token_from
		       ? err_hint(e, "check the name; the account of the token in %s cannot see it",
				  h->account.token_from)
		       : err_hint(e,
				  "check the name; for a private repository put a token into the "
				  "environment as HF_TOKEN");
}

static int bad_token(const struct hub *h, const char *repo, struct err *e)
{
	again(e, ERR_AUTH,
	      mem_printf("hf:%s: the Hub refuses the token in %s", repo, h->account.token_from));
	return err_hint(e,
			"it may be revoked or expired, or lack the right to read this "
			"repository: make a new one at %s/settings/tokens",
			h->account.endpoint);
}

int hub_explain(const struct hub *h, const char *repo, const struct http_response *r, struct err *e)
{
	const char *code = http_response_header(r, "x-error-code");
	bool told = code != NULL, refused = r->status == 401 || r->status == 403;
	if (told && strcmp(code, "GatedRepo") == 0)
		return gated(h, repo, e);
	if (told && strcmp(code, "RepoNotFound") == 0)
		return no_repo(h, repo, e);
	if (told && strcmp(code, "RevisionNotFound") == 0) {
		again(e, ERR_NOT_FOUND, mem_printf("hf:%s has no such revision", repo));
		return err_hint(e, "after the @ comes a branch, a tag or a commit");
	}
	/* Not what the host of a large file says, to which no token was sent. */
	if (refused && !r->redirects && h->account.token_from)
		return bad_token(h, repo, e);
	if (r->status == 401 && !r->redirects)
		return no_repo(h, repo, e);
	return -(int)e->class;
}

/* ---- requests ----------------------------------------------------------------------- */

static void note_limit(struct hub *h, const struct http_response *r)
{
	const char *value = http_response_header(r, "ratelimit");
	uint64_t left, reset_s;
	h->pause_s = value && header_rate_limit(value, &left, &reset_s) && !left ? reset_s : 0;
}

/* The window of requests is used up: the next one would only be refused. */
static int pause(struct hub *h, struct err *e)
{
	uint64_t s = MIN(h->pause_s, (uint64_t)PAUSE_MAX_S);
	h->pause_s = 0;
	if (!s)
		return 0;
	report_note(h->report, "the Hub allows no more requests for %llu seconds: waiting",
		    (unsigned long long)s);
	return clock_sleep_ms(NULL, s * 1000, h->cancel, e);
}

static int get_once(struct hub *h, const char *repo, const char *url, struct buf *out, char **next,
		    struct err *e)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	CLEANUP(mem_free_ptr) char *what = mem_printf("hf:%s", repo);
	const struct http_request q = {
		.url = url,
		.what = what,
		.headers = h->headers,
		.deadline_ms = DEADLINE_MS,
		.into = out,
	};
	int rc = pause(h, e);
	if (rc < 0)
		return rc;
	rc = http_perform(h->client, &q, &r, e);
	if (rc < 0)
		return r.status >= 400 ? hub_explain(h, repo, &r, e) : rc;
	if (r.html)
		return http_fault_page(&r, e);
	note_limit(h, &r);
	const char *link = http_response_header(&r, "link");
	*next = link ? hub_answer_next(link) : NULL;
	return 0;
}

/* *next: the query of the next page, or NULL. */
static int get(struct hub *h, const char *repo, const char *url, struct buf *out, char **next,
	       struct err *e)
{
	struct retry retry = RETRY_DEFAULT;
	int rc;
	retry.cancel = h->cancel;
	do {
		buf_clear(out);
		rc = get_once(h, repo, url, out, next, e);
		if (rc < 0 && e->cause == CAUSE_THROTTLED && e->retry_after_s)
			report_note(h->report, "the Hub asks for a pause of %llu seconds",
				    (unsigned long long)e->retry_after_s);
	} while (rc < 0 && retry_again(&retry, e));
	return rc;
}

static int read_model(struct hub *h, const struct hub_name *name, struct hub_repo *out,
		      struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(HUB_ANSWER_MAX);
	CLEANUP(mem_free_ptr) char *revision = path_percent_encode(name->revision, "");
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/api/models/%s/revision/%s",
						     h->account.endpoint, name->repo, revision);
	CLEANUP(mem_free_ptr) char *next = NULL;
	int rc = get(h, name->repo, url, &text, &next, e);
	if (rc == 0)
		rc = hub_answer_model(buf_str(&text), text.len, url, &out->model, e);
	if (rc < 0)
		return rc;
	if (strcmp(out->model.repo, name->repo) != 0)
		out->renamed = mem_strdup(name->repo);
	bool pinned = hub_name_is_commit(name->revision);
	if (pinned && strcmp(out->model.commit, name->revision) != 0)
		return err_set(e, ERR_INTEGRITY, "%s: the answer is for another commit, %s", url,
			       out->model.commit);
	return 0;
}

static int read_page(struct hub *h, struct hub_repo *r, const char *query, char **next,
		     struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(HUB_ANSWER_MAX);
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/api/models/%s/tree/%s?%s",
						     h->account.endpoint, r->model.repo,
						     r->model.commit, query);
	int rc = get(h, r->model.repo, url, &text, next, e);
	return rc < 0 ? rc : hub_answer_files(buf_str(&text), text.len, url, &r->files, e);
}

static int read_files(struct hub *h, struct hub_repo *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *query = mem_strdup("recursive=true");
	for (int page = 0; query; page++) {
		char *next = NULL;
		if (page == PAGES_MAX)
			return err_set(e, ERR_INTEGRITY, "hf:%s: the list of files does not end",
				       r->model.repo);
		int rc = read_page(h, r, query, &next, e);
		free(query);
		query = next;
		if (rc < 0)
			return rc;
	}
	return 0;
}

int hub_read(struct hub *h, const struct hub_name *name, struct hub_repo *out, struct err *e)
{
	CLEANUP(hub_repo_release) struct hub_repo r = { 0 };
	int rc = read_model(h, name, &r, e);
	if (rc == 0)
		rc = read_files(h, &r, e);
	if (rc < 0)
		return rc;
	if (r.renamed)
		report_warn(h->report, "hf:%s is now called hf:%s", r.renamed, r.model.repo);
	*out = r;
	r = (struct hub_repo){ 0 };
	return 0;
}

/* ---- URLs --------------------------------------------------------------------------- */

char *hub_page_url(const struct hub *h, const char *repo)
{
	return mem_printf("%s/%s", h->account.endpoint, repo);
}

char *hub_file_url(const struct hub *h, const struct hub_repo *r, const struct hub_file *f)
{
	CLEANUP(mem_free_ptr) char *path = path_percent_encode(f->path, "/");
	return mem_printf("%s/%s/resolve/%s/%s", h->account.endpoint, r->model.repo,
			  r->model.commit, path);
}
