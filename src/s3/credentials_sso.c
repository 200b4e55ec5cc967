/* https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html and
 * https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html */
#include "s3/credentials_internal.h"
#include "s3/region.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define WHAT "the server of IAM Identity Center"
#define MAX_FILE (64 * KIB)

/* "~/.aws/sso/cache/<SHA-1 of the name>.json"; NULL when there is no home. */
static char *cache_path(const char *name)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1];
	unsigned len = 0;
	const char *home = credentials_env("HOME");
	if (!home || !EVP_Digest(name, strlen(name), digest, &len, EVP_sha1(), NULL))
		return NULL;
	hex_encode(hex, digest, len);
	return mem_printf("%s/.aws/sso/cache/%s.json", home, hex);
}

static int must_log_in(const struct credentials_sso *o, const char *why, struct err *e)
{
	CLEANUP(mem_free_ptr) char *quoted = text_shell_quoted(o->profile);
	err_set(e, ERR_AUTH, "profile %s: %s", o->profile, why);
	return err_hint(e, "aws sso login --profile %s", quoted);
}

/* The token that `aws sso login` has left, while it is valid. */
static int read_token(const struct credentials_search *s, const struct credentials_sso *o,
		      struct buf *header, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = cache_path(o->cache);
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(MAX_FILE);
	CLEANUP(credentials_json_wipe) json_t *json = NULL;
	int64_t expires_s = 0;
	if (!path || !file_exists(path))
		return must_log_in(o, "nobody has logged in to IAM Identity Center", e);
	int rc = file_read_all(path, &text, e);
	if (rc == 0)
		rc = credentials_json(&text, path, &json, e);
	if (rc < 0)
		return rc;
	const char *token = json_text(json, "accessToken"), *expires = json_text(json, "expiresAt");
	if (!token || !*token || strpbrk(token, "\r\n") || !expires ||
	    !credentials_time(expires, &expires_s))
		return err_set(e, ERR_AUTH, "%s has no token with an expiry", path);
	if (expires_s <= clock_wall_s(s->clock))
		return must_log_in(o, "the login to IAM Identity Center has expired", e);
	buf_addf(header, "x-amz-sso_bearer_token: %s", token);
	return buf_ok(header, "the token", e);
}

static char *url_of(const struct credentials_sso *o)
{
	CLEANUP(mem_free_ptr) char *account = path_percent_encode(o->account, "");
	CLEANUP(mem_free_ptr) char *role = path_percent_encode(o->role, "");
	CLEANUP(mem_free_ptr) char *usual = mem_printf("https://portal.sso.%s.%s", o->region,
						       region_domain(o->region));
	const char *base = credentials_env("AWS_ENDPOINT_URL_SSO");
	if (!base)
		base = credentials_env("AWS_ENDPOINT_URL");
	if (!base)
		base = usual;
	return mem_printf("%s%sfederation/credentials?role_name=%s&account_id=%s", base,
			  str_ends(base, "/") ? "" : "/", role, account);
}

/* {"roleCredentials": {"accessKeyId": …, "expiration": milliseconds}} */
static int take_keys(const struct buf *text, struct s3_keys *out, struct err *e)
{
	static const char what[] = "the answer of " WHAT;
	CLEANUP(json_release) json_t *json = NULL;
	int rc = credentials_json(text, what, &json, e);
	if (rc < 0)
		return rc;
	CLEANUP(credentials_json_wipe) json_t *k =
		json_incref(json_object_get(json, "roleCredentials"));
	const char *id = json_text(k, "accessKeyId"), *secret = json_text(k, "secretAccessKey");
	const char *token = json_text(k, "sessionToken");
	if (!id || !secret || !token)
		return err_set(e, ERR_AUTH, "%s has no keys", what);
	credentials_set(out, id, secret, token);
	out->expires_s = (int64_t)(json_number(k, "expiration") / 1000);
	return 0;
}

static int refused(const struct credentials_sso *o, long status, int rc, struct err *e)
{
	if (status == 401) {
		err_clear(e);
		return must_log_in(o, "IAM Identity Center does not accept the login", e);
	}
	if (status >= 400 && status < 500 && !err_is_transient(e)) {
		err_clear(e);
		return err_set(e, ERR_AUTH,
			       "profile %s: IAM Identity Center gives no keys for the role %s in "
			       "the account %s (status %ld)",
			       o->profile, o->role, o->account, status);
	}
	return rc;
}

int credentials_from_sso(struct credentials_search *s, const struct credentials_sso *o,
			 struct s3_keys *out, struct err *e)
{
	CLEANUP(buf_wipe) struct buf header = BUF_INIT(MAX_FILE);
	CLEANUP(buf_wipe) struct buf answer = BUF_INIT(MAX_FILE);
	CLEANUP(mem_free_ptr) char *url = url_of(o);
	long status = 0;
	int rc = read_token(s, o, &header, e);
	if (rc < 0)
		return rc;
	const char *const headers[] = { header.data, NULL };
	const struct credentials_request q = { .what = WHAT, .url = url, .headers = headers };
	rc = credentials_ask(s, &q, &answer, &status, NULL, e);
	if (rc < 0)
		return refused(o, status, rc, e);
	rc = take_keys(&answer, out, e);
	if (rc == 0)
		credentials_came_from(s, "IAM Identity Center, profile %s", o->profile);
	return rc;
}
