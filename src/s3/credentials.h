/*
 * credentials: access keys for S3-compatible servers, from the sources that AWS's own tools use.
 *
 * What always holds here:
 *  - keys are renewed before they expire, by one thread for all; meanwhile the others use the old
 *    keys, as long as these are valid;
 *  - secrets are never written to a message, a log, a command line or a file, and are wiped from
 *    memory when they are no longer needed.
 *
 * The order of the sources: the environment · web identity (AWS_WEB_IDENTITY_TOKEN_FILE) · the
 * profile of the AWS files (role_arn with source_profile, web identity, SSO, keys,
 * credential_process) · container (ECS, EKS) · instance (IMDSv2). With a profile in the options,
 * the first two are skipped.
 * https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 */
#ifndef FERRY_S3_CREDENTIALS_H
#define FERRY_S3_CREDENTIALS_H

#include "util/cancel.h"
#include "util/clock.h"
#include "util/err.h"

struct s3_keys {
	char *id, *secret;
	char *token;       /* of a session, or NULL */
	int64_t expires_s; /* 0: never, or not known */
};
/* Wipes the secrets. */
void s3_keys_release(struct s3_keys *k);

struct s3_credentials_options {
	const char *profile;         /* borrowed; NULL: AWS_PROFILE, or "default" */
	const char *region;          /* for STS; NULL: AWS_REGION, or that of the profile */
	const struct cancel *cancel; /* borrowed */
	const struct clock *clock;   /* borrowed; NULL: the real one */
};

/* Shared by all threads. No source is tried before the first s3_credentials_get(). */
struct s3_credentials;
struct s3_credentials *s3_credentials_new(const struct s3_credentials_options *o);
void s3_credentials_free(struct s3_credentials *c);
DEFINE_CLEANUP(struct s3_credentials, s3_credentials_free);

/* Copies the keys that are valid now; the caller releases them. ERR_AUTH when there are none,
 * with a hint that names what was tried, and when a source refuses; ERR_USAGE for a profile that
 * does not exist, or a malformed file; ERR_NETWORK when a server that issues keys does not
 * answer. Nothing is retried: callers do that. */
WARN_UNUSED int s3_credentials_get(struct s3_credentials *c, struct s3_keys *out, struct err *e);
/* Call it when a server has refused these keys as expired or unknown: the next get asks their
 * source again, unless another thread has done so since. */
void s3_credentials_refuse(struct s3_credentials *c, const struct s3_keys *refused);
/* Where the keys come from, for people: "the environment", "profile eu of ~/.aws/credentials". ""
 * before the first get. Borrowed, valid as long as c. */
const char *s3_credentials_source(struct s3_credentials *c);
/* AWS_REGION, AWS_DEFAULT_REGION, or the region of the profile; NULL if none is set. The caller
 * frees it. */
WARN_UNUSED int s3_credentials_region(struct s3_credentials *c, char **out, struct err *e);

#endif
