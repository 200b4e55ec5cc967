/* https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html and
 * …/API_AssumeRoleWithWebIdentity.html */
#include "s3/credentials_internal.h"

#include "hash/sha256.h"
#include "http/url.h"
#include "s3/sigv4.h"
#include "s3/xml.h"
#include "s3/region.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define WHAT "the STS server"
#define FORM "application/x-www-form-urlencoded; charset=utf-8"
#define MAX_BODY (64 * KIB)

static char *endpoint(const char *region)
{
	const char *given = credentials_env("AWS_ENDPOINT_URL_STS");
	if (!given)
		given = credentials_env("AWS_ENDPOINT_URL");
	if (given)
		return mem_strdup(given);
	if (!region)
		return mem_strdup("https://sts.amazonaws.com/");
	return mem_printf("https://sts.%s.%s/", region, region_domain(region));
}

static void add(struct buf *body, const char *name, const char *value)
{
	if (!value)
		return;
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(value, "");
	buf_addf(body, "%s%s=%s", body->len ? "&" : "", name, encoded);
	mem_wipe(encoded, strlen(encoded));
}

static void add_role(struct buf *body, const char *action, const struct credentials_search *s,
		     const struct credentials_role *role)
{
	CLEANUP(mem_free_ptr) char *session =
		role->session ? mem_strdup(role->session)
			      : mem_printf("model-ferry-%lld", (long long)clock_wall_s(s->clock));
	add(body, "Action", action);
	add(body, "Version", "2011-06-15");
	add(body, "RoleArn", role->arn);
	add(body, "RoleSessionName", session);
	add(body, "ExternalId", role->external_id);
	add(body, "DurationSeconds", role->duration_s);
}

/* -- answers ------------------------------------------------------------------------ */

struct answer {
	struct s3_keys keys;
	char *expires, *code, *message;
};

static void answer_release(struct answer *a)
{
	s3_keys_release(&a->keys);
	free(a->expires);
	free(a->code);
	free(a->message);
}

static int on_element(void *ctx, const char *path, const char *text, struct err *e)
{
	struct answer *a = ctx;
	const struct {
		const char *end;
		char **to;
	} wanted[] = {
		{ "Result/Credentials/AccessKeyId", &a->keys.id },
		{ "Result/Credentials/SecretAccessKey", &a->keys.secret },
		{ "Result/Credentials/SessionToken", &a->keys.token },
		{ "Result/Credentials/Expiration", &a->expires },
		{ "Error/Code", &a->code },
		{ "Error/Message", &a->message },
	};
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (str_ends(path, wanted[i].end) && !*wanted[i].to)
			*wanted[i].to = mem_strdup(text);
	(void)e;
	return 0;
}

int credentials_sts_answer(const struct buf *text, struct s3_keys *out, struct err *e)
{
	CLEANUP(answer_release) struct answer a = { 0 };
	int rc = s3_xml_parse(buf_str(text), text->len, on_element, &a, e);
	if (rc < 0)
		return err_context(e, WHAT);
	if (!a.keys.id || !a.keys.secret || !a.keys.token || !a.expires ||
	    !credentials_time(a.expires, &a.keys.expires_s))
		return err_set(e, ERR_AUTH, WHAT " answered without keys");
	*out = a.keys;
	a.keys = (struct s3_keys){ 0 };
	return 0;
}

/* STS refuses with status 400 or 403 and says why. Transient failures keep their class. */
static int refused(const struct buf *text, const char *arn, int rc, struct err *e)
{
	CLEANUP(answer_release) struct answer a = { 0 };
	struct err ignored = ERR_INIT;
	if (!text->len || s3_xml_parse(text->data, text->len, on_element, &a, &ignored) < 0 ||
	    !a.code)
		return err_is_transient(e) ? rc : err_class_set(e, ERR_AUTH);
	CLEANUP(mem_free_ptr) char *code = text_escaped(a.code);
	CLEANUP(mem_free_ptr) char *message = text_escaped(a.message ? a.message : "");
	bool busy = err_is_transient(e) || strstr(code, "Throttl") || strstr(code, "IDPComm");
	err_clear(e);
	return err_set(e, busy ? ERR_NETWORK : ERR_AUTH,
		       WHAT " gives no keys for the role %.200s: %.60s: %.300s", arn, code,
		       message);
}

static int ask(const struct credentials_search *s, const char *url, const char *const *headers,
	       const struct buf *body, const char *arn, struct s3_keys *out, struct err *e)
{
	CLEANUP(buf_wipe) struct buf answer = BUF_INIT(MAX_BODY);
	CLEANUP(buf_release) struct buf fault = BUF_INIT(8 * KIB);
	const struct credentials_request q = {
		.what = WHAT, .method = "POST", .url = url, .headers = headers, .body = body
	};
	long status = 0;
	int rc = credentials_ask(s, &q, &answer, &status, &fault, e);
	if (rc == 0)
		return credentials_sts_answer(&answer, out, e);
	return status >= 400 ? refused(&fault, arn, rc, e) : rc;
}

/* -- the two requests ----------------------------------------------------------------- */

/* The lines of the request's headers, ended by NULL. */
static void sign(const struct credentials_search *s, const struct url *u, const struct buf *body,
		 const struct s3_keys *with, struct str_list *lines)
{
	CLEANUP(mem_free_ptr) char *host = url_host_header(u);
	CLEANUP(buf_release) struct buf authorization = BUF_INIT(16 * KIB);
	struct digest digest;
	char date[SIGV4_DATE], payload[DIGEST_HEX];
	const struct sigv4_pair headers[] = {
		{ "host", host },
		{ "content-type", FORM },
		{ "x-amz-date", sigv4_date(date, clock_wall_s(s->clock)) },
		{ "x-amz-security-token", with->token },
	};
	sha256_of(body->data, body->len, &digest);
	const struct sigv4_request r = { .method = "POST",
					 .path = u->path,
					 .headers = headers,
					 .header_count = with->token ? 4 : 3,
					 .payload = digest_hex(payload, &digest) };
	const struct sigv4_scope scope = { s->region ? s->region : REGION_DEFAULT, "sts",
					   clock_wall_s(s->clock) };
	sigv4_sign(&authorization, &r, &scope,
		   &(struct sigv4_keys){ with->id, with->secret, with->token });
	for (size_t i = 0; i < r.header_count; i++)
		str_list_take(lines, mem_printf("%s: %s", headers[i].name, headers[i].value));
	str_list_take(lines, mem_printf("Authorization: %s", buf_str(&authorization)));
	str_list_take(lines, NULL);
}

int credentials_assume_role(struct credentials_search *s, const struct credentials_role *role,
			    const struct s3_keys *with, struct s3_keys *out, struct err *e)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT(MAX_BODY);
	CLEANUP(mem_free_ptr) char *url = endpoint(s->region);
	CLEANUP(url_release) struct url u = { 0 };
	CLEANUP(str_list_wipe) struct str_list lines = { 0 };
	add_role(&body, "AssumeRole", s, role);
	int rc = url_parse(url, &u, e);
	if (rc == 0)
		rc = buf_ok(&body, "the request to STS", e);
	if (rc < 0)
		return err_class_set(e, ERR_USAGE);
	sign(s, &u, &body, with, &lines);
	rc = ask(s, url, (const char *const *)lines.at, &body, role->arn, out, e);
	if (rc == 0)
		credentials_came_from(s, "the role %s", role->arn);
	return rc;
}

int credentials_web_identity(struct credentials_search *s, const struct credentials_role *role,
			     const char *token_file, struct s3_keys *out, struct err *e)
{
	static const char *const headers[] = { "Content-Type: " FORM, NULL };
	CLEANUP(buf_wipe) struct buf body = BUF_INIT(MAX_BODY);
	CLEANUP(buf_wipe) struct buf token = { 0 };
	CLEANUP(mem_free_ptr) char *url = endpoint(s->region);
	int rc = credentials_token_file(token_file, &token, e);
	if (rc < 0)
		return err_context(e, "the token of a web identity");
	add_role(&body, "AssumeRoleWithWebIdentity", s, role);
	add(&body, "WebIdentityToken", buf_str(&token));
	rc = buf_ok(&body, "the request to STS", e);
	if (rc == 0)
		rc = ask(s, url, headers, &body, role->arn, out, e);
	if (rc == 0)
		credentials_came_from(s, "the role %s, by web identity", role->arn);
	return rc;
}
