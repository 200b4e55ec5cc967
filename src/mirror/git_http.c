/* The git protocol over HTTP (https://git-scm.com/docs/gitprotocol-http), version 0: each service
 * is one request, whose body and answer go through files. */
#include "mirror/git.h"

#include "http/url.h"
#include "util/base64.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* A server may check and unpack all that was pushed before its first byte. */
#define STALL_S 600
#define MAX_ANSWER (4 * GIB)
/* Some hosts answer other programs with web pages. */
#define USER_AGENT "User-Agent: git/2.0 (model-ferry/" FERRY_VERSION ")"

struct exchange {
	struct http_client *client;
	int body, answer;
	uint64_t body_size, answer_size, taken;
	bool list, done;
	char *authorization;    /* the header, or NULL: secret */
	const char *token_name; /* where it came from: the name of a variable */
	char variable[96];
};

/* ---- credentials ----------------------------------------------------------------- */

static const char *value_of(const char *variable)
{
	const char *value = getenv(variable);
	return value && *value ? value : NULL;
}

/* FERRY_NAME_TOKEN for [mirror.NAME] is of one mirror, so of one host; the others are GitHub's. */
static const char *find_token(const struct mirror_git_line *w, struct exchange *x)
{
	static const char *const github[] = { "GH_TOKEN", "GITHUB_TOKEN" };
	CLEANUP(mem_free_ptr) char *own = mirror_variable_name(w->call->m, "FERRY_", "_TOKEN");
	snprintf(x->variable, sizeof x->variable, "%s", own);
	x->token_name = x->variable;
	const char *token = value_of(x->variable);
	bool is_github = strcmp(w->call->g->remote.host, "github.com") == 0;
	for (size_t i = 0; !token && is_github && i < ARRAY_LEN(github); i++) {
		token = value_of(github[i]);
		x->token_name = github[i];
	}
	if (!token)
		x->token_name = NULL;
	return token;
}

static int authorize(const struct mirror_git_line *w, struct exchange *x, struct err *e)
{
	const struct mirror_git_remote *r = &w->call->g->remote;
	CLEANUP(buf_wipe) struct buf pair = BUF_INIT(16 * KIB);
	CLEANUP(buf_wipe) struct buf code = BUF_INIT(32 * KIB);
	const char *token = find_token(w, x);
	if (!token)
		return 0;
	if (!r->https && !mirror_git_remote_is_loopback(r)) {
		err_set(e, ERR_USAGE, "the token of %s is not sent to %s without TLS",
			x->token_name, r->host);
		return err_hint(e, "use an https:// remote");
	}
	/* GitHub's name for tokens of any kind; many hosts ignore it. */
	buf_addf(&pair, "%s:%s", r->user ? r->user : "x-access-token", token);
	base64_add(&code, pair.data, pair.len);
	if (pair.overflow || code.overflow || strpbrk(token, "\r\n"))
		return err_set(e, ERR_USAGE, "%s: is not a token", x->token_name);
	x->authorization = mem_printf("Authorization: Basic %s", buf_str(&code));
	return 0;
}

/* ---- opening and closing --------------------------------------------------------- */

static void close_files(struct exchange *x)
{
	file_close(&x->body);
	file_close(&x->answer);
	x->body_size = x->answer_size = x->taken = 0;
	x->done = false;
}

static void http_end(struct mirror_git_line *w)
{
	struct exchange *x = w->state;
	if (!x)
		return;
	close_files(x);
	http_client_free(x->client);
	if (x->authorization)
		mem_wipe(x->authorization, strlen(x->authorization));
	free(x->authorization);
	free(x);
	w->state = NULL;
}

static int start(struct mirror_git_line *w, struct err *e)
{
	struct exchange *x = NEW(struct exchange);
	x->body = x->answer = -1;
	w->state = x;
	int rc = authorize(w, x, e);
	struct http_options o = w->call->g->http;
	o.netrc = !x->authorization;
	return rc < 0 ? rc : http_client_new(&o, &x->client, e);
}

static int http_begin(struct mirror_git_line *w, bool list, struct err *e)
{
	int rc = w->state ? 0 : start(w, e);
	struct exchange *x = w->state;
	if (rc < 0)
		return rc;
	close_files(x);
	x->list = list;
	x->body = os_nameless_file(w->call->g->dir);
	x->answer = os_nameless_file(w->call->g->dir);
	if (x->body < 0 || x->answer < 0)
		return err_set(e, ERR_SYSTEM, "cannot write to %s", w->call->g->dir);
	return 0;
}

/* ---- the request ----------------------------------------------------------------- */

static int http_write(struct mirror_git_line *w, const char *data, size_t len, struct err *e)
{
	struct exchange *x = w->state;
	int rc = file_write(x->body, data, len, "the request", e);
	if (rc == 0)
		x->body_size += len;
	return rc;
}

static int read_body(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct exchange *x = ctx;
	return file_pread(x->body, data, len, offset, "the request", e);
}

static int keep(void *ctx, const void *data, size_t len, struct err *e)
{
	struct exchange *x = ctx;
	if (x->answer_size + len > MAX_ANSWER) {
		err_set(e, ERR_USAGE, "the branch has more than 4 GiB");
		return err_hint(e, "use a repository, or a branch, for the metadata alone");
	}
	int rc = file_write(x->answer, data, len, "the answer", e);
	if (rc == 0)
		x->answer_size += len;
	return rc;
}

static const char *service_of(const struct mirror_git_line *w)
{
	return w->call->write ? "git-receive-pack" : "git-upload-pack";
}

static void add_headers(const struct mirror_git_line *w, struct str_list *out)
{
	const struct exchange *x = w->state;
	const char *service = service_of(w);
	str_list_add(out, USER_AGENT);
	str_list_take(out, mem_printf("Accept: application/x-%s-%s", service,
				      x->list ? "advertisement" : "result"));
	if (!x->list)
		str_list_take(out, mem_printf("Content-Type: application/x-%s-request", service));
	if (x->authorization)
		str_list_add(out, x->authorization);
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count] = NULL;
}

/* ---- the answer ------------------------------------------------------------------ */

/* Following would send the metadata to whoever has the name now. */
static int moved(const struct mirror_git_line *w, const struct http_response *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(r->url);
	char *end = strstr(shown, "/info/refs");
	if (end)
		*end = '\0';
	err_clear(e);
	err_set(e, ERR_USAGE, "%s: the repository has moved to %.300s", w->call->g->remote.url,
		shown);
	return err_hint(e, "if that is right, set remote = %.300s in ferry.conf, and correct url",
			shown);
}

static void advise(const struct mirror_git_line *w, const struct exchange *x,
		   const struct buf *body, struct err *e)
{
	CLEANUP(mem_free_ptr) char *said = text_escaped(buf_str(body));
	bool github = strcmp(w->call->g->remote.host, "github.com") == 0;
	if (err_is(e, ERR_AUTH) || err_is(e, ERR_NOT_FOUND))
		e->hint[0] = '\0'; /* ours say more */
	if (err_is(e, ERR_AUTH) && x->token_name)
		err_hint(e,
			 "the token in %s was refused: it may have expired, have been revoked, or "
			 "lack the right to write to this repository",
			 x->token_name);
	else if (err_is(e, ERR_AUTH))
		err_hint(e,
			 "set %s%s to a token with the right to write, or put the host into "
			 "~/.netrc",
			 x->variable, github ? " or GH_TOKEN" : "");
	else if (err_is(e, ERR_NOT_FOUND))
		err_hint(e, "create the repository, empty, or correct remote in ferry.conf; some "
			    "hosts say this as well when the credentials may not read it");
	if (err_is(e, ERR_AUTH) && *said && !strpbrk(said, "<\n") && strlen(said) < 200)
		err_context(e, "the server says '%s'", said);
}

static int check_answer(const struct mirror_git_line *w, const struct http_response *r,
			struct err *e)
{
	const struct exchange *x = w->state;
	CLEANUP(mem_free_ptr) char *want = mem_printf("application/x-%s-%s", service_of(w),
						      x->list ? "advertisement" : "result");
	if (strcmp(r->type, want) == 0)
		return 0;
	err_set(e, ERR_NOT_FOUND, "%s: this is no git repository: the server answers with %s",
		w->call->g->remote.url, *r->type ? r->type : "something else");
	return err_hint(e, "correct remote in ferry.conf: it is what `git clone` takes");
}

static int perform(struct mirror_git_line *w, struct err *e)
{
	struct exchange *x = w->state;
	const char *base = w->call->g->remote.url;
	CLEANUP(mem_free_ptr) char *url = x->list ? mem_printf("%s/info/refs?service=%s", base,
							       service_of(w))
						  : mem_printf("%s/%s", base, service_of(w));
	CLEANUP(str_list_wipe) struct str_list headers = { 0 };
	CLEANUP(buf_release) struct buf body = BUF_INIT(KIB);
	CLEANUP(http_response_release) struct http_response r = { 0 };
	add_headers(w, &headers);
	struct http_request q = {
		.method = x->list ? "GET" : "POST",
		.url = url,
		.what = base,
		.headers = (const char *const *)headers.at,
		.stall_s = STALL_S,
		.once = w->call->write && !x->list,
		.write = keep,
		.ctx = x,
		.error_body = &body,
	};
	if (!x->list) {
		q.read_at = read_body;
		q.body_ctx = x;
		q.body_size = x->body_size;
	}
	int rc = http_perform(x->client, &q, &r, e);
	if (r.redirects)
		return moved(w, &r, e);
	if (rc < 0)
		advise(w, x, &body, e);
	return rc < 0 ? -(int)e->class : check_answer(w, &r, e);
}

static int http_read(struct mirror_git_line *w, char *data, size_t size, size_t *len, struct err *e)
{
	struct exchange *x = w->state;
	int rc = x->done ? 0 : perform(w, e);
	if (rc < 0)
		return rc;
	x->done = true;
	*len = (size_t)MIN(size, x->answer_size - x->taken);
	rc = *len ? file_pread(x->answer, data, *len, x->taken, "the answer", e) : 0;
	x->taken += rc == 0 ? *len : 0;
	return rc;
}

const struct mirror_git_line_ops mirror_git_http = {
	.begin = http_begin,
	.write = http_write,
	.read = http_read,
	.end = http_end,
};
