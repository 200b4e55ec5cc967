/*
 * auth: who may do what: API keys, JSON Web Tokens, and scopes.
 *
 *   scope   what a key or a token allows
 *   key     API keys, and the file of their hashes
 *   jwk     the public keys that tokens are signed with
 *   jwt     one token
 *   tokens  those that were verified a moment ago
 *
 * What always holds here:
 *  - keys are stored as hashes, compared in constant time, and never part of a message;
 *  - the algorithm of a token is that of the configured key, never what the token says
 *    (RFC 8725, section 3.1);
 *  - auth_check() never waits: a key set that has to be read first is AUTH_WAIT.
 */
#ifndef FERRY_AUTH_AUTH_H
#define FERRY_AUTH_AUTH_H

#include "auth/scope.h"
#include "hash/sha256.h"
#include "util/cancel.h"
#include "util/clock.h"

/* The name of a token begins with this, which no key's does: a subject cannot pass for a key. */
#define AUTH_TOKEN_PREFIX "token:"

/* A bearer token that stands for no credentials: registries give clients without any a token. */
#define AUTH_ANONYMOUS "anonymous"

struct auth_key;
struct auth_keys;
struct auth_who {
	char *name;   /* of the key, or the token's subject behind AUTH_TOKEN_PREFIX: for limits
			 and logs; "" or NULL without credentials. Foreign text, without control
			 characters */
	bool trusted; /* by the Unix socket: may do everything */
	bool known;   /* it has shown valid credentials, or is trusted */
	struct auth_scope *scopes;
	size_t count, cap;
	struct auth_keys *keys; /* that name and scopes belong to; NULL: they are its own */
};
void auth_who_release(struct auth_who *w);
/* A caller on the Unix socket of the server. */
void auth_who_trust(struct auth_who *out);

struct auth_options {
	bool open;        /* callers without credentials may pull */
	const char *keys; /* the file of `ferry serve key`, or NULL. Missing: no keys */
	const char *jwks; /* a file or an https URL, or NULL; http only on loopback */
	const char *issuer, *audience; /* that a token must name; NULL: any issuer; an audience is
					  needed with jwks */
	const struct clock *clock;
	const struct cancel *cancel; /* ends the reading of a key set; NULL: nothing does */
};
struct auth;
/* Reads both. A key set whose URL does not answer now is no error. */
WARN_UNUSED int auth_new(const struct auth_options *o, struct auth **out, struct err *e);
void auth_free(struct auth *a);
DEFINE_CLEANUP(struct auth, auth_free);
/* Reads the files again that changed, and a key set from a URL when its time has come. For a
 * worker, every few seconds. An error leaves what was read before. */
WARN_UNUSED int auth_reload(struct auth *a, struct err *e);
/* Is there any way to show credentials? */
bool auth_has_credentials(const struct auth *a);

enum auth_result {
	AUTH_OK,      /* *out says who */
	AUTH_REFUSED, /* 401: credentials are needed, or are wrong; *e says which, without them */
	AUTH_WAIT,    /* auth_refresh() in a worker, then again */
	AUTH_LATER,   /* 503: the key set cannot be read at present; *e says so */
};
/* The last credentials of a connection that were right: while it shows the same ones, they are not
 * hashed again. Zeroed before its first use. */
struct auth_memo {
	char *authorization;        /* the header's value, a secret; NULL: there were none */
	struct auth_keys *keys;     /* that `key` belongs to; NULL: it was a token */
	const struct auth_key *key; /* of an API key */
	struct digest token;        /* of a token: its SHA-256 */
};
void auth_memo_release(struct auth_memo *m);
/* `authorization`: the header's value (Bearer, or Basic with the key as password), or NULL. memo
 * may be NULL. */
WARN_UNUSED enum auth_result auth_check(struct auth *a, const char *authorization,
					struct auth_memo *memo, struct auth_who *out,
					struct err *e);
/* Reads the key set. At most every few seconds, whatever the callers send. */
void auth_refresh(struct auth *a);

/* May they do this with a model of a repository? model NULL: with anything of it (metadata, which
 * names all of its models, needs the whole repository). */
bool auth_may(const struct auth_who *w, enum auth_action action, const char *repository,
	      const char *model);
/* May they do it with anything at all? */
bool auth_may_some(const struct auth_who *w, enum auth_action action);

struct auth_stats {
	uint64_t keys;         /* of the file */
	uint64_t set_keys;     /* of the key set that can be used */
	bool set;              /* a key set is configured */
	bool set_read;         /* it has been read, and is still valid */
	int64_t set_age_s;     /* since it was read last */
	uint64_t set_failures; /* in succession, of reading it */
};
void auth_stats(struct auth *a, struct auth_stats *out);

#endif
