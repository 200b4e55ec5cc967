/* https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
 */
#include "s3/credentials_internal.h"

#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <string.h>

#define WHAT "the instance's metadata server"
#define ROLES "/latest/meta-data/iam/security-credentials/"
#define TOKEN_HEADER "X-aws-ec2-metadata-token"

static const char *endpoint(void)
{
	const char *given = credentials_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = credentials_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	if (given)
		return given;
	return mode && str_eq_nocase(mode, "ipv6") ? "http://[fd00:ec2::254]"
						   : "http://169.254.169.254";
}

static int ask(const struct credentials_search *s, const char *method, const char *path,
	       const char *header, struct buf *answer, struct err *e)
{
	const char *base = endpoint();
	size_t len = strlen(base);
	while (len && base[len - 1] == '/')
		len--;
	CLEANUP(mem_free_ptr) char *url = mem_printf("%.*s%s", (int)len, base, path);
	const char *const headers[] = { header, NULL };
	const struct credentials_request q = {
		.what = WHAT, .method = method, .url = url, .headers = headers, .nearby = true
	};
	long status = 0;
	return credentials_ask(s, &q, answer, &status, NULL, e);
}

/* Not configured: no server, one that is not IMDS, or an instance without a role. */
static int none(struct credentials_search *s, int rc, struct err *e)
{
	if (err_is(e, ERR_CANCELLED) || err_is(e, ERR_SYSTEM))
		return rc;
	credentials_tried(s, "the instance (%s)",
			  err_is(e, ERR_NETWORK) ? "no answer" : "it has no role");
	err_clear(e);
	return 0;
}

static int get_keys(const struct credentials_search *s, const char *role, const char *header,
		    struct s3_keys *out, struct err *e)
{
	CLEANUP(buf_wipe) struct buf answer = BUF_INIT(64 * KIB);
	CLEANUP(credentials_json_wipe) json_t *json = NULL;
	CLEANUP(mem_free_ptr) char *name = path_percent_encode(role, "");
	CLEANUP(mem_free_ptr) char *path = mem_printf(ROLES "%s", name);
	int rc = ask(s, NULL, path, header, &answer, e);
	if (rc == 0)
		rc = credentials_json(&answer, "the answer of " WHAT, &json, e);
	const char *code = json_text(json, "Code");
	if (rc == 0 && code && strcmp(code, "Success") != 0) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(code);
		rc = err_set(e, ERR_AUTH, WHAT " has no keys: %.100s", shown);
	}
	if (rc == 0)
		rc = credentials_from_json(json, "Token", "the answer of " WHAT, out, e);
	return rc;
}

int credentials_instance(struct credentials_search *s, struct s3_keys *out, struct err *e)
{
	CLEANUP(buf_wipe) struct buf token = BUF_INIT(KIB);
	CLEANUP(buf_wipe) struct buf header = BUF_INIT(2 * KIB);
	CLEANUP(buf_release) struct buf roles = BUF_INIT(4 * KIB);
	if (credentials_env_true("AWS_EC2_METADATA_DISABLED")) {
		credentials_tried(s, "the instance (AWS_EC2_METADATA_DISABLED)");
		return 0;
	}
	int rc = ask(s, "PUT", "/latest/api/token", TOKEN_HEADER "-ttl-seconds: 21600", &token, e);
	buf_addf(&header, TOKEN_HEADER ": %.*s", (int)strcspn(buf_str(&token), "\r\n"),
		 buf_str(&token));
	if (rc == 0)
		rc = ask(s, NULL, ROLES, buf_str(&header), &roles, e);
	if (rc < 0)
		return none(s, rc, e);
	CLEANUP(mem_free_ptr) char *role = mem_strndup(buf_str(&roles),
						       strcspn(buf_str(&roles), "\r\n"));
	rc = get_keys(s, role, buf_str(&header), out, e);
	if (rc == 0)
		credentials_came_from(s, "the instance's role %s", role);
	return rc;
}
