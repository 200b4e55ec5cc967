/*
 * auth: who may do what: API keys, JSON Web Tokens, and scopes.
 *
 * What always holds here:
 *  - keys are stored as hashes, compared in constant time, and never part of a message;
 *  - the algorithm of a token is that of the configured key, never what the token says
 *    (RFC 8725, section 3.1);
 *  - auth_check() never waits: a key set that has to be read first is AUTH_WAIT.
 */
#ifndef FERRY_AUTH_AUTH_H
#define FERRY_AUTH_AUTH_H

#include "util/clock.h"
#include "util/err.h"
#include "util/text.h"

enum auth_action { AUTH_PULL, AUTH_PRELOAD, AUTH_ADMIN, AUTH_METRICS, AUTH_ACTIONS };
/* "pull", …: the word of a scope in front of ':'. */
const char *auth_action_name(enum auth_action a);

/* "pull:REPOSITORY/GLOB", "preload:…"; "admin", "metrics" without more. '*' and '?' in the glob are
 * as in fnmatch(), without any meaning of '/'. */
struct auth_scope {
	enum auth_action action;
	char *repository, *glob; /* NULL: any */
};
WARN_UNUSED int auth_scope_parse(const char *text, struct auth_scope *out, struct err *e);

struct auth_who {
	char *name;   /* of the key, or the token's subject: for limits and logs; "" without
			 credentials */
	bool trusted; /* by the Unix socket: may do everything */
	bool known;   /* it has shown valid credentials */
	struct auth_scope *scopes;
	size_t count, cap;
};
void auth_who_release(struct auth_who *w);

struct auth_options {
	bool open;                     /* callers without credentials may pull */
	const char *keys;              /* the file of `ferry serve key`, or NULL */
	const char *jwks;              /* a file or an https URL, or NULL */
	const char *issuer, *audience; /* that a token must name; NULL: any issuer; an audience is
					  needed with jwks */
	const struct clock *clock;
};
struct auth;
WARN_UNUSED int auth_new(const struct auth_options *o, struct auth **out, struct err *e);
void auth_free(struct auth *a);
/* Reads the keys again if their file changed. For workers. */
WARN_UNUSED int auth_reload(struct auth *a, struct err *e);

enum auth_result {
	AUTH_OK,      /* *out says who */
	AUTH_REFUSED, /* 401: credentials are needed, or are wrong; *e says which, without them */
	AUTH_WAIT,    /* auth_refresh() in a worker, then again */
};
/* `authorization`: the header's value (Bearer, or Basic with the key as password), or NULL. */
WARN_UNUSED enum auth_result auth_check(struct auth *a, const char *authorization,
					struct auth_who *out, struct err *e);
/* Reads the key set. At most every few seconds, whatever the callers send. */
void auth_refresh(struct auth *a);

/* May they do this with a model of a repository? model NULL: with anything of it (metadata, which
 * names all of its models, needs the whole repository). */
bool auth_may(const struct auth_who *w, enum auth_action action, const char *repository,
	      const char *model);

#endif
