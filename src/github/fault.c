#include "github/github.h"

#include "util/mem.h"

#include <stdio.h>
#include <string.h>

#define MAX_BODY (64 * KIB)
/* Without a number, GitHub wants at least a minute. */
#define PAUSE_S 60

/* What the body of an error says:
 * https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api */
struct said {
	char message[200], detail[200], code[GITHUB_CODE], page[200];
};

static void keep(char *out, size_t size, const char *text)
{
	CLEANUP(mem_free_ptr) char *safe = text_escaped(text ? text : "");
	snprintf(out, size, "%s", safe);
}

/* "tag_name: already_exists", or the message of the error. */
static void take_detail(struct said *s, const json_t *error)
{
	if (json_is_string(error)) {
		keep(s->detail, sizeof s->detail, json_string_value(error));
		return;
	}
	const char *code = json_text(error, "code"), *field = json_text(error, "field");
	const char *message = json_text(error, "message");
	CLEANUP(mem_free_ptr)
	char *plain = mem_printf("%s%s%s", field ? field : "", field && code ? ": " : "",
				 code ? code : "");
	bool custom = code && field && strcmp(code, "custom") == 0;
	snprintf(s->code, sizeof s->code, "%s", custom ? field : code ? code : "");
	keep(s->detail, sizeof s->detail, message ? message : plain);
}

static void listen(const struct github_failure *f, struct said *s)
{
	CLEANUP(json_release) json_t *body = NULL;
	struct err ignored = ERR_INIT;
	*s = (struct said){ 0 };
	if (!f->len || json_lenient(f->body, f->len, MAX_BODY, "the answer", &body, &ignored) < 0)
		return;
	keep(s->message, sizeof s->message, json_text(body, "message"));
	keep(s->page, sizeof s->page, json_text(body, "documentation_url"));
	const json_t *errors = json_object_get(body, "errors");
	if (json_array_size(errors))
		take_detail(s, json_array_get(errors, 0));
}

/* -- limits ----------------------------------------------------------------------- */

static bool header_number(const struct http_response *r, const char *name, uint64_t *out)
{
	const char *value = http_response_header(r, name);
	return value && parse_u64(value, out);
}

/* False: it is not a limit of requests that was reached. */
static bool is_limit(const struct github_failure *f, const struct said *s, uint64_t *pause_s)
{
	const struct http_response *r = f->answer;
	uint64_t left = 1, reset_s = 0;
	if (r->status != 403 && r->status != 429)
		return false;
	header_number(r, "x-ratelimit-remaining", &left);
	header_number(r, "x-ratelimit-reset", &reset_s);
	*pause_s = PAUSE_S;
	if (r->retry_after_s)
		*pause_s = r->retry_after_s;
	else if (left == 0 && reset_s)
		*pause_s = reset_s > (uint64_t)f->now_s ? reset_s - (uint64_t)f->now_s + 1 : 1;
	return r->retry_after_s || left == 0 || r->status == 429 || strstr(s->page, "rate-limit");
}

static int limited(const struct github_failure *f, const struct said *s, uint64_t pause_s,
		   struct err *e)
{
	char pause[DURATION_TEXT];
	format_duration(pause, pause_s);
	err_set(e, ERR_NETWORK, "GitHub asks for fewer requests: HTTP %ld %s", f->answer->status,
		s->message);
	err_cause(e, CAUSE_THROTTLED, pause_s);
	if (!f->token_from)
		return err_hint(e,
				"with a token (GH_TOKEN) more requests are allowed; else try "
				"again in %s",
				pause);
	return err_hint(e, "try again in %s; what is there already is not sent again", pause);
}

/* -- the token -------------------------------------------------------------------- */

static int refused(const struct github_failure *f, const struct said *s, struct err *e)
{
	const char *sso = http_response_header(f->answer, "x-github-sso");
	const char *needs = http_response_header(f->answer, "x-accepted-github-permissions");
	err_set(e, ERR_AUTH, "HTTP %ld %s%s%s", f->answer->status, s->message,
		f->token_from ? ", with the token from " : "", f->token_from ? f->token_from : "");
	if (!f->token_from)
		return err_hint(e, "set GH_TOKEN to a token that may do this (man ferry-github)");
	if (f->answer->status == 401)
		return err_hint(e, "the token is wrong, or it has expired or was revoked: make a "
				   "new one (man ferry-github)");
	if (sso)
		return err_hint(e, "authorize the token for the organization's single sign-on, in "
				   "its settings on GitHub");
	CLEANUP(mem_free_ptr) char *safe = text_escaped(needs ? needs : "contents=write");
	return err_hint(e, "the token needs the permission %.100s for this repository", safe);
}

/* -- all of them ------------------------------------------------------------------ */

int github_fault(const struct github_failure *f, char code[GITHUB_CODE], struct err *e)
{
	struct said s;
	uint64_t pause_s;
	long status = f->answer->status;
	listen(f, &s);
	snprintf(code, GITHUB_CODE, "%s", s.code);
	if (is_limit(f, &s, &pause_s))
		return limited(f, &s, pause_s, e);
	if (!s.message[0]) {
		*e = *f->http;
		return -(int)e->class;
	}
	if (status == 401 || status == 403)
		return refused(f, &s, e);
	bool taken = strcmp(s.code, "already_exists") == 0;
	err_set(e, taken ? ERR_CONFLICT : f->http->class, "HTTP %ld %s%s%s", status, s.message,
		s.detail[0] ? ": " : "", s.detail);
	err_cause(e, f->http->cause, f->http->retry_after_s);
	if (status == 404 && !f->token_from)
		return err_hint(e, "a private repository, and drafts, need a token: set GH_TOKEN");
	return -(int)e->class;
}
