/*
 * Shared by the files of the credentials alone: one file for each kind of source.
 *
 * A source is a function that sets *out to its keys. When it is not configured, it leaves out->id
 * NULL, adds to s->tried what it has looked at, and returns 0; what is configured and does not
 * work is an error. Error texts never hold what a source answered, which may be a secret.
 */
#ifndef FERRY_S3_CREDENTIALS_INTERNAL_H
#define FERRY_S3_CREDENTIALS_INTERNAL_H

#include "json/json.h"
#include "s3/credentials.h"
#include "settings/conf.h"
#include "util/buf.h"

/* One search for keys, through all sources. */
struct credentials_search {
	const struct cancel *cancel;
	const struct clock *clock;
	const char *region; /* for STS; NULL: its global endpoint */
	char *source;       /* of the keys that were found */
	struct buf tried;   /* "the environment, …" */
};
#define CREDENTIALS_TRIED_MAX 400

/* -- keys (credentials_keys.c) --------------------------------------------------- */

/* The variable's value, or NULL if it is not set or empty. */
const char *credentials_env(const char *name);
/* "true" in any case. */
bool credentials_env_true(const char *name);
void credentials_tried(struct credentials_search *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void credentials_came_from(struct credentials_search *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Copies; token NULL or "": none. */
void credentials_set(struct s3_keys *out, const char *id, const char *secret, const char *token);
/* ISO 8601 as AWS writes it: "2026-01-02T03:04:05Z", with a fraction, "+00:00" or "UTC". */
bool credentials_time(const char *text, int64_t *out_s);

/* A document with secrets. ERR_AUTH "<what> is not valid JSON", without its text. */
WARN_UNUSED int credentials_json(const struct buf *text, const char *what, json_t **out,
				 struct err *e);
/* For CLEANUP: overwrites all strings, then releases. */
void credentials_json_wipe(json_t **value);
/* AccessKeyId, SecretAccessKey, the token under this name, Expiration. */
WARN_UNUSED int credentials_from_json(const json_t *object, const char *token, const char *what,
				      struct s3_keys *out, struct err *e);

/* -- files (credentials_files.c) ------------------------------------------------- */

/* ~/.aws/config and ~/.aws/credentials, or what AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE
 * name. A file that does not exist has no sections. */
struct credentials_files {
	struct conf config, credentials;
	char *config_path, *credentials_path;
};
WARN_UNUSED int credentials_files_load(struct credentials_files *f, struct err *e);
void credentials_files_wipe(struct credentials_files *f);

bool credentials_files_have(const struct credentials_files *f, const char *profile);
/* Of a profile, from the file of the credentials before that of the configuration. NULL when it
 * is not there, or empty. */
const char *credentials_files_get(const struct credentials_files *f, const char *profile,
				  const char *key);
/* Of [sso-session NAME]. */
const char *credentials_files_sso(const struct credentials_files *f, const char *session,
				  const char *key);
/* The keys that stand in one file themselves; ERR_USAGE if one of the two is missing. */
WARN_UNUSED int credentials_files_keys(const struct credentials_files *f, const char *profile,
				       bool in_config, struct s3_keys *out, struct err *e);

/* -- sources ------------------------------------------------------------------------ */

/* Everything that a profile can say (credentials_profile.c). */
WARN_UNUSED int credentials_profile(struct credentials_search *s, const struct credentials_files *f,
				    const char *profile, struct s3_keys *out, struct err *e);

#endif
