/*
 * API keys: "ferry_<id>_<secret>". A file has the SHA-256 of each: {"version": 1, "keys": [{"id",
 * "name", "sha256", "scopes", "created", "expires"}]}. The secret is 256 random bits, so that a
 * fast hash is enough.
 *
 * What always holds here: the id is no secret; the comparison takes as long for a key that does not
 * exist as for one whose secret is wrong.
 *
 * Prefixes: auth_key_, auth_keys_.
 */
#ifndef FERRY_AUTH_KEY_H
#define FERRY_AUTH_KEY_H

#include "auth/scope.h"
#include "hash/sha256.h"
#include "json/json.h"

#define AUTH_KEY_PREFIX "ferry_"
#define AUTH_KEY_ID 12     /* lower-case hex digits */
#define AUTH_KEY_SECRET 64 /* the same */
#define AUTH_KEY_LEN (sizeof AUTH_KEY_PREFIX - 1 + AUTH_KEY_ID + 1 + AUTH_KEY_SECRET)
#define AUTH_KEYS_MAX 10000

struct auth_key {
	char id[AUTH_KEY_ID + 1];
	char *name; /* path_is_id(); no two keys have the same */
	struct digest sha256;
	struct auth_scope *scopes;
	size_t count, cap;
	int64_t created_s, expires_s; /* expires 0: never */
};

struct auth_keys {
	struct auth_key *at; /* sorted by id */
	size_t count, cap;
	_Atomic unsigned references; /* of those on the heap */
};
void auth_keys_release(struct auth_keys *k);
/* Gives a reference back; with the last one, it is freed. NULL is ignored. */
void auth_keys_put(struct auth_keys *k);

/* ERR_INTEGRITY. */
WARN_UNUSED int auth_keys_parse(const void *data, size_t len, const char *what,
				struct auth_keys *out, struct err *e);
/* None if there is no such file. *out is empty before. */
WARN_UNUSED int auth_keys_load(const char *path, struct auth_keys *out, struct err *e);
/* Atomic; only the owner can read it. */
WARN_UNUSED int auth_keys_write(const char *path, const struct auth_keys *k, struct err *e);

/* The key, if it is right (`hash` computes its SHA-256) and has not expired at `now_s`; else NULL,
 * and *expired says if that is the reason. */
struct sha256;
const struct auth_key *auth_keys_find(const struct auth_keys *k, const char *text,
				      struct sha256 *hash, int64_t now_s, bool *expired);

bool auth_key_has_expired(const struct auth_key *k, int64_t now_s);

/* What may be shown of a key: its id, name, scopes and times. */
void auth_key_json(const struct auth_key *k, json_t *object);

struct auth_key_order {
	const char *name;
	const char *const *scopes;
	size_t count;
	int64_t now_s, expires_s; /* expires 0: never */
};
/* Adds a new key; `text` is the key, to be shown once and wiped. ERR_CONFLICT: there is one of this
 * name. */
WARN_UNUSED int auth_keys_add(struct auth_keys *k, const struct auth_key_order *o,
			      char text[AUTH_KEY_LEN + 1], struct err *e);
/* Removes the key with this id or name: ERR_NOT_FOUND. Its name is then *name, which the caller
 * frees. */
WARN_UNUSED int auth_keys_remove(struct auth_keys *k, const char *which, char **name,
				 struct err *e);

#endif
