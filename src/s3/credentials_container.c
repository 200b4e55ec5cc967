/* https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html */
#include "s3/credentials_internal.h"

#include "http/url.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define WHAT "the container's credentials server"
#define ECS_HOST "169.254.170.2"

/* Plain HTTP is used only for the addresses of ECS and EKS, and loopback. */
static bool may_be_plain(const char *host)
{
	static const char *const known[] = { ECS_HOST, "169.254.170.23", "[fd00:ec2::23]",
					     "localhost", "[::1]" };
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(host, known[i]) == 0)
			return true;
	return str_starts(host, "127.") && strspn(host, "0123456789.") == strlen(host);
}

static int check_url(const char *text, bool *nearby, struct err *e)
{
	CLEANUP(url_release) struct url u = { 0 };
	int rc = url_parse(text, &u, e);
	if (rc < 0)
		return err_context(e, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	*nearby = may_be_plain(u.host);
	if (!*nearby && strcmp(u.scheme, "https") != 0)
		return err_set(e, ERR_USAGE,
			       "AWS_CONTAINER_CREDENTIALS_FULL_URI: %s is neither this machine nor "
			       "reached over https",
			       u.host);
	return 0;
}

/* The file is read each time, because the token in it changes. */
static int authorization(struct buf *line, struct err *e)
{
	CLEANUP(buf_wipe) struct buf content = { 0 };
	const char *file = credentials_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = credentials_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	int rc = file ? credentials_token_file(file, &content, e) : 0;
	if (rc < 0)
		return err_context(e, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	if (file)
		token = buf_str(&content);
	if (token && strpbrk(token, "\r\n"))
		return err_set(e, ERR_USAGE,
			       "AWS_CONTAINER_AUTHORIZATION_TOKEN has more than one line");
	if (token)
		buf_addf(line, "Authorization: %s", token);
	return buf_ok(line, "the container's token", e);
}

static int ask(struct credentials_search *s, const char *url, bool nearby, struct s3_keys *out,
	       struct err *e)
{
	CLEANUP(buf_wipe) struct buf line = BUF_INIT(32 * KIB);
	CLEANUP(buf_wipe) struct buf answer = BUF_INIT(64 * KIB);
	CLEANUP(credentials_json_wipe) json_t *json = NULL;
	long status = 0;
	int rc = authorization(&line, e);
	const char *const headers[] = { "Accept: application/json", line.len ? line.data : NULL,
					NULL };
	const struct credentials_request q = {
		.what = WHAT, .url = url, .headers = headers, .nearby = nearby
	};
	if (rc == 0)
		rc = credentials_ask(s, &q, &answer, &status, NULL, e);
	if (rc < 0)
		return status >= 400 && status < 500 ? err_class_set(e, ERR_AUTH) : rc;
	rc = credentials_json(&answer, "the answer of " WHAT, &json, e);
	if (rc == 0)
		rc = credentials_from_json(json, "Token", "the answer of " WHAT, out, e);
	return rc;
}

int credentials_container(struct credentials_search *s, struct s3_keys *out, struct err *e)
{
	const char *relative = credentials_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = credentials_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	bool nearby = true;
	if (!relative && !full) {
		credentials_tried(s, "the container");
		return 0;
	}
	CLEANUP(mem_free_ptr) char *url = relative ? mem_printf("http://" ECS_HOST "%s%s",
								*relative == '/' ? "" : "/",
								relative)
						   : mem_strdup(full);
	int rc = relative ? 0 : check_url(url, &nearby, e);
	if (rc == 0)
		rc = ask(s, url, nearby, out, e);
	if (rc == 0)
		credentials_came_from(s, "the container");
	return rc;
}
