#include "s3/credentials_internal.h"

static int one_is_missing(const char *set, const char *missing, struct err *e)
{
	return err_set(e, ERR_USAGE, "%s is set, but %s is not", set, missing);
}

int credentials_environment(struct credentials_search *s, struct s3_keys *out, struct err *e)
{
	const char *id = credentials_env("AWS_ACCESS_KEY_ID");
	const char *secret = credentials_env("AWS_SECRET_ACCESS_KEY");
	const char *expires = credentials_env("AWS_CREDENTIAL_EXPIRATION");
	int64_t expires_s = 0;
	if (!id && !secret) {
		credentials_tried(s, "the environment");
		return 0;
	}
	if (!secret)
		return one_is_missing("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", e);
	if (!id)
		return one_is_missing("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", e);
	if (expires && !credentials_time(expires, &expires_s))
		return err_set(e, ERR_USAGE, "AWS_CREDENTIAL_EXPIRATION is not a time");
	credentials_set(out, id, secret, credentials_env("AWS_SESSION_TOKEN"));
	out->expires_s = expires_s;
	credentials_came_from(s, "the environment");
	return 0;
}

int credentials_environment_role(struct credentials_search *s, struct s3_keys *out, struct err *e)
{
	const char *file = credentials_env("AWS_WEB_IDENTITY_TOKEN_FILE");
	const struct credentials_role role = {
		.arn = credentials_env("AWS_ROLE_ARN"),
		.session = credentials_env("AWS_ROLE_SESSION_NAME"),
	};
	if (!file)
		return 0;
	if (!role.arn)
		return one_is_missing("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", e);
	return credentials_web_identity(s, &role, file, out, e);
}
