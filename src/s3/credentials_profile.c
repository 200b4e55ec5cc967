#include "s3/credentials_internal.h"

/* The keys that stand in this file, if there are any. */
static int from_file(struct credentials_search *s, const struct credentials_files *f,
		     const char *profile, bool in_config, struct s3_keys *out, struct err *e)
{
	int rc = credentials_files_keys(f, profile, in_config, out, e);
	if (rc == 0 && out->id)
		credentials_came_from(s, "profile %s of %s", profile,
				      in_config ? f->config_path : f->credentials_path);
	return rc;
}

int credentials_profile(struct credentials_search *s, const struct credentials_files *f,
			const char *profile, struct s3_keys *out, struct err *e)
{
	int rc = from_file(s, f, profile, false, out, e);
	if (rc == 0 && !out->id)
		rc = from_file(s, f, profile, true, out, e);
	if (rc == 0 && !out->id)
		credentials_tried(s, "profile %s of the AWS files%s", profile,
				  credentials_files_have(f, profile) ? "" : " (not there)");
	return rc;
}
