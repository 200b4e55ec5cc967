#include "s3/credentials_internal.h"

#include "util/mem.h"
#include "util/text.h"

#define MAX_CHAIN 10

/* Profiles whose roles need each other's keys. */
struct chain {
	struct credentials_search *s;
	const struct credentials_files *f;
	unsigned roles; /* that were followed so far */
};

static int from_profile(struct chain *c, const char *profile, struct s3_keys *out, struct err *e);

static const char *get(const struct chain *c, const char *profile, const char *key)
{
	return credentials_files_get(c->f, profile, key);
}

static int fault(const char *profile, struct err *e, const char *text)
{
	return err_set(e, ERR_USAGE, "profile %s: %s", profile, text);
}

/* -- roles -------------------------------------------------------------------------- */

static struct credentials_role role_of(const struct chain *c, const char *profile)
{
	return (struct credentials_role){
		.arn = get(c, profile, "role_arn"),
		.session = get(c, profile, "role_session_name"),
		.external_id = get(c, profile, "external_id"),
		.duration_s = get(c, profile, "duration_seconds"),
	};
}

static int from_web_identity(struct chain *c, const char *profile, struct s3_keys *out,
			     struct err *e)
{
	struct credentials_role role = role_of(c, profile);
	role.external_id = role.duration_s = NULL; /* as in AWS's tools */
	int rc = credentials_web_identity(c->s, &role, get(c, profile, "web_identity_token_file"),
					  out, e);
	return rc < 0 ? err_context(e, "profile %s", profile) : 0;
}

/* credential_source: keys that no profile holds. */
static int from_named_source(struct chain *c, const char *profile, const char *source,
			     struct s3_keys *out, struct err *e)
{
	int rc;
	if (str_eq_nocase(source, "Environment"))
		rc = credentials_environment(c->s, out, e);
	else if (str_eq_nocase(source, "EcsContainer"))
		rc = credentials_container(c->s, out, e);
	else if (str_eq_nocase(source, "Ec2InstanceMetadata"))
		rc = credentials_instance(c->s, out, e);
	else
		return fault(profile, e,
			     "credential_source is neither Environment nor EcsContainer nor "
			     "Ec2InstanceMetadata");
	if (rc == 0 && !out->id)
		rc = err_set(e, ERR_AUTH, "its credential_source %s has no keys", source);
	return rc < 0 ? err_context(e, "profile %s", profile) : 0;
}

/* A profile may name itself: then its own keys are used to assume its role. */
static int from_source_profile(struct chain *c, const char *profile, const char *source,
			       struct s3_keys *out, struct err *e)
{
	if (!credentials_files_have(c->f, source))
		return err_set(e, ERR_USAGE, "profile %s: its source_profile %s does not exist",
			       profile, source);
	int rc = from_profile(c, source, out, e);
	if (rc == 0 && !out->id)
		rc = err_set(e, ERR_AUTH, "profile %s: its source_profile %s has no keys", profile,
			     source);
	return rc;
}

static int from_role(struct chain *c, const char *profile, struct s3_keys *out, struct err *e)
{
	CLEANUP(s3_keys_release) struct s3_keys with = { 0 };
	const char *source = get(c, profile, "source_profile");
	const char *named = get(c, profile, "credential_source");
	const struct credentials_role role = role_of(c, profile);
	if (!source == !named)
		return fault(profile, e,
			     "role_arn needs one of source_profile, credential_source and "
			     "web_identity_token_file");
	if (get(c, profile, "mfa_serial")) {
		fault(profile, e,
		      "its role needs an MFA code (mfa_serial), which is not supported");
		return err_hint(e, "let `aws configure export-credentials` be a "
				   "credential_process, or set the keys in the environment");
	}
	int rc = source ? from_source_profile(c, profile, source, &with, e)
			: from_named_source(c, profile, named, &with, e);
	if (rc == 0)
		rc = credentials_assume_role(c->s, &role, &with, out, e);
	return rc;
}

/* -- single sign-on ------------------------------------------------------------------- */

static int from_sso(struct chain *c, const char *profile, struct s3_keys *out, struct err *e)
{
	const char *session = get(c, profile, "sso_session");
	const struct credentials_sso o = {
		.profile = profile,
		.cache = session ? session : get(c, profile, "sso_start_url"),
		.region = session ? credentials_files_sso(c->f, session, "sso_region")
				  : get(c, profile, "sso_region"),
		.account = get(c, profile, "sso_account_id"),
		.role = get(c, profile, "sso_role_name"),
	};
	if (session && !credentials_files_sso(c->f, session, "sso_start_url"))
		return err_set(e, ERR_USAGE, "profile %s: [sso-session %s] has no sso_start_url",
			       profile, session);
	if (!o.cache || !o.region || !o.account || !o.role)
		return fault(profile, e,
			     "single sign-on needs sso_session (or sso_start_url), sso_region, "
			     "sso_account_id and sso_role_name");
	return credentials_from_sso(c->s, &o, out, e);
}

/* -- a profile ------------------------------------------------------------------------ */

static int from_file(struct chain *c, const char *profile, bool in_config, struct s3_keys *out,
		     struct err *e)
{
	int rc = credentials_files_keys(c->f, profile, in_config, out, e);
	if (rc == 0 && out->id)
		credentials_came_from(c->s, "profile %s of %s", profile,
				      in_config ? c->f->config_path : c->f->credentials_path);
	return rc;
}

/* Keys that need no other profile, in the order of AWS's tools. */
static int own_keys(struct chain *c, const char *profile, struct s3_keys *out, struct err *e)
{
	const char *process = get(c, profile, "credential_process");
	if (get(c, profile, "role_arn") && get(c, profile, "web_identity_token_file"))
		return from_web_identity(c, profile, out, e);
	if (get(c, profile, "sso_account_id") || get(c, profile, "sso_role_name"))
		return from_sso(c, profile, out, e);
	int rc = from_file(c, profile, false, out, e);
	if (rc == 0 && !out->id && process)
		rc = credentials_process(c->s, profile, process, out, e);
	if (rc == 0 && !out->id)
		rc = from_file(c, profile, true, out, e);
	return rc;
}

static bool has_role(const struct chain *c, const char *profile)
{
	return get(c, profile, "role_arn") && !get(c, profile, "web_identity_token_file");
}

/* In the first profile, the role takes precedence over keys; in a source profile, the keys do. */
static int from_profile(struct chain *c, const char *profile, struct s3_keys *out, struct err *e)
{
	bool with_role = has_role(c, profile) &&
			 (!c->roles || !get(c, profile, "aws_access_key_id"));
	if (!with_role)
		return own_keys(c, profile, out, e);
	/* No server is asked before the last profile of the chain is reached. */
	if (c->roles++ == MAX_CHAIN)
		return fault(profile, e, "the source_profiles form a cycle, or there are too many");
	return from_role(c, profile, out, e);
}

int credentials_profile(struct credentials_search *s, const struct credentials_files *f,
			const char *profile, struct s3_keys *out, struct err *e)
{
	struct chain c = { .s = s, .f = f };
	const char *region = s->region;
	if (!region)
		s->region = credentials_files_get(f, profile, "region");
	int rc = from_profile(&c, profile, out, e);
	s->region = region;
	if (rc == 0 && !out->id)
		credentials_tried(s, "profile %s of the AWS files%s", profile,
				  credentials_files_have(f, profile) ? "" : " (not there)");
	return rc;
}
