/*
 * Shared by credentials*.c alone: one file for each kind of source.
 *
 * A source is a function that sets *out to its keys. If it is not configured, it leaves out->id
 * NULL, adds to s->tried what it has looked at, and returns 0. If it is configured but does not
 * work, that is an error. Error texts never contain the answer of a source, which may be secret.
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
	const char *region; /* for STS; NULL: that of the profile, or STS's global endpoint */
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
/* A value of a profile, from the credentials file, else from the config file. NULL if it is missing
 * or empty. */
const char *credentials_files_get(const struct credentials_files *f, const char *profile,
				  const char *key);
/* Of [sso-session NAME]. */
const char *credentials_files_sso(const struct credentials_files *f, const char *session,
				  const char *key);
/* The access keys in one of the files; ERR_USAGE if there is only one of the two. */
WARN_UNUSED int credentials_files_keys(const struct credentials_files *f, const char *profile,
				       bool in_config, struct s3_keys *out, struct err *e);

/* -- requests (credentials_http.c) ------------------------------------------------- */

/* A request to a server that issues credentials. */
struct credentials_request {
	const char *what;           /* the server, in messages */
	const char *method;         /* NULL: GET */
	const char *url;            /* http or https */
	const char *const *headers; /* NULL-ended */
	const struct buf *body;     /* NULL: none */
	bool nearby;                /* of this machine or its host: no proxy, short deadlines */
};
/* answer is wiped by the caller. In case of an error, *status is that of the answer (0: there was
 * none) and fault, unless NULL, the beginning of its body. */
WARN_UNUSED int credentials_ask(const struct credentials_search *s,
				const struct credentials_request *q, struct buf *answer,
				long *status, struct buf *fault, struct err *e);
/* The content of a file that holds a token, without blanks at its ends; ERR_USAGE when it cannot be
 * read or is not one line. */
WARN_UNUSED int credentials_token_file(const char *path, struct buf *out, struct err *e);

/* -- sources ------------------------------------------------------------------------ */

/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION. */
WARN_UNUSED int credentials_environment(struct credentials_search *s, struct s3_keys *out,
					struct err *e);
/* AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME. */
WARN_UNUSED int credentials_environment_role(struct credentials_search *s, struct s3_keys *out,
					     struct err *e);

/* Keys of a container: from what AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI names. */
WARN_UNUSED int credentials_container(struct credentials_search *s, struct s3_keys *out,
				      struct err *e);
/* Keys of an instance, by IMDSv2. If there is no answer, it is not configured. */
WARN_UNUSED int credentials_instance(struct credentials_search *s, struct s3_keys *out,
				     struct err *e);

/* Runs a command line, which names a program and its arguments (credentials_process.c). */
WARN_UNUSED int credentials_process(struct credentials_search *s, const char *profile,
				    const char *command, struct s3_keys *out, struct err *e);

/* A role that STS issues keys for. All but arn may be NULL. */
struct credentials_role {
	const char *arn, *session, *external_id, *duration_s;
};
/* The request is signed with the keys `with`. */
WARN_UNUSED int credentials_assume_role(struct credentials_search *s,
					const struct credentials_role *role,
					const struct s3_keys *with, struct s3_keys *out,
					struct err *e);
/* With a token of an identity provider, in a file. */
WARN_UNUSED int credentials_web_identity(struct credentials_search *s,
					 const struct credentials_role *role,
					 const char *token_file, struct s3_keys *out,
					 struct err *e);

/* A role that IAM Identity Center issues keys for, after `aws sso login`. */
struct credentials_sso {
	const char *profile; /* for the hint */
	const char *cache;   /* determines the name of the file in ~/.aws/sso/cache: the session's
				name, or the start URL */
	const char *region, *account, *role;
};
WARN_UNUSED int credentials_from_sso(struct credentials_search *s, const struct credentials_sso *o,
				     struct s3_keys *out, struct err *e);

/* Keys of a profile, in any of the ways that it can give them (credentials_profile.c). */
WARN_UNUSED int credentials_profile(struct credentials_search *s, const struct credentials_files *f,
				    const char *profile, struct s3_keys *out, struct err *e);

/* Steps of the above, for tests: how a command line is split (ERR_USAGE for an open quote), and
 * what STS has answered. */
WARN_UNUSED int credentials_process_split(const char *command, struct str_list *out, struct err *e);
WARN_UNUSED int credentials_sts_answer(const struct buf *text, struct s3_keys *out, struct err *e);

#endif
