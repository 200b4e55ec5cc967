#include "auth/auth.h"

#include "auth/header.h"
#include "auth/jwt.h"
#include "auth/key.h"
#include "auth/set.h"
#include "auth/tokens.h"
#include "auth/who.h"
#include "util/mark.h"
#include "util/mem.h"
#include "util/text.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct auth {
	bool open;
	char *keys_path, *issuer, *audience;
	const struct clock *clock;
	struct auth_set *set; /* or NULL */
	struct auth_tokens *tokens;
	_Atomic(struct sha256 *) hashes[8]; /* that nobody uses at present, or NULL */

	pthread_mutex_t reading; /* of keys_mark */
	struct mark keys_mark;

	pthread_mutex_t lock; /* of keys; held for moments */
	struct auth_keys *keys;
};

/* -- the file of keys -------------------------------------------------------------------------- */

static struct auth_keys *keys_get(struct auth *a)
{
	pthread_mutex_lock(&a->lock);
	struct auth_keys *k = a->keys;
	if (k)
		k->references++;
	pthread_mutex_unlock(&a->lock);
	return k;
}

/* With `reading` held. A file that is missing has no mark, and no keys. */
static int read_keys(struct auth *a, struct err *e)
{
	struct mark mark = { 0 };
	struct auth_keys *new = NEW(struct auth_keys);
	bool there = mark_of(a->keys_path, true, &mark);
	if (a->keys && there == (a->keys_mark.size > 0) &&
	    memcmp(&mark, &a->keys_mark, sizeof mark) == 0) {
		free(new);
		return 0;
	}
	new->references = 1;
	int rc = auth_keys_load(a->keys_path, new, e);
	if (rc < 0) {
		auth_keys_put(new);
		return rc;
	}
	a->keys_mark = mark;
	pthread_mutex_lock(&a->lock);
	struct auth_keys *old = a->keys;
	a->keys = new;
	pthread_mutex_unlock(&a->lock);
	auth_keys_put(old);
	return 0;
}

/* -- what a connection has shown before -------------------------------------------------------- */

void auth_memo_release(struct auth_memo *m)
{
	if (m->authorization) {
		mem_wipe(m->authorization, strlen(m->authorization));
		free(m->authorization);
	}
	auth_keys_put(m->keys);
	*m = (struct auth_memo){ 0 };
}

/* Behind a front, many callers share a connection: the time that this takes must not help one of
 * them to guess what another has sent. */
static bool is_same_text(const char *a, const char *b)
{
	size_t len = strlen(a);
	return len == strlen(b) && CRYPTO_memcmp(a, b, len) == 0;
}

static bool knows_token(struct auth *a, const struct digest *sha256, struct auth_who *out)
{
	uint64_t generation;
	struct auth_jwks *keys = auth_set_get(a->set, &generation);
	bool knows = keys &&
		     auth_tokens_find(a->tokens, sha256, generation, clock_wall_s(a->clock), out);
	auth_set_put(keys);
	return knows;
}

/* The connection has shown them before, and they are still right. False: they have to be checked.
 * Keys that were read again since are others, even if they say the same. */
static bool knows_again(struct auth *a, const char *authorization, const struct auth_memo *m,
			struct auth_who *out)
{
	if (!m || !m->authorization || !is_same_text(m->authorization, authorization))
		return false;
	if (!m->keys)
		return knows_token(a, &m->token, out);
	struct auth_keys *keys = keys_get(a);
	if (keys != m->keys || auth_key_has_expired(m->key, clock_wall_s(a->clock))) {
		auth_keys_put(keys);
		return false;
	}
	auth_who_of_key(m->key, keys, out);
	return true;
}

/* The memo's reference keeps the address of the keys from being used again. */
static void remember_key(struct auth_memo *m, const char *authorization, struct auth_keys *keys,
			 const struct auth_key *key)
{
	if (!m)
		return;
	auth_memo_release(m);
	m->authorization = mem_strdup(authorization);
	m->keys = keys;
	m->key = key;
	keys->references++;
}

static void remember_token(struct auth_memo *m, const char *authorization,
			   const struct digest *sha256)
{
	if (!m)
		return;
	auth_memo_release(m);
	m->authorization = mem_strdup(authorization);
	m->token = *sha256;
}

/* -- API keys ---------------------------------------------------------------------------------- */

/* A context of OpenSSL takes longer to make than a key to hash. */
static struct sha256 *take_hash(struct auth *a)
{
	for (size_t i = 0; i < ARRAY_LEN(a->hashes); i++) {
		struct sha256 *hash = atomic_exchange(&a->hashes[i], NULL);
		if (hash)
			return hash;
	}
	return sha256_new();
}

static void put_hash(struct auth *a, struct sha256 *hash)
{
	for (size_t i = 0; i < ARRAY_LEN(a->hashes) && hash; i++)
		hash = atomic_exchange(&a->hashes[i], hash);
	sha256_free(hash);
}

static enum auth_result check_key(struct auth *a, const char *text, const char *authorization,
				  struct auth_memo *memo, struct auth_who *out, struct err *e)
{
	static const struct auth_keys none = { 0 };
	bool expired = false;
	struct auth_keys *keys = keys_get(a);
	struct sha256 *hash = take_hash(a);
	const struct auth_key *k = auth_keys_find(keys ? keys : &none, text, hash,
						  clock_wall_s(a->clock), &expired);
	put_hash(a, hash);
	if (k) {
		remember_key(memo, authorization, keys, k);
		auth_who_of_key(k, keys, out);
		return AUTH_OK;
	}
	err_set(e, ERR_AUTH, expired ? "the key has expired" : "the key is not valid");
	auth_keys_put(keys);
	return AUTH_REFUSED;
}

/* -- tokens ---------------------------------------------------------------------------------- */

static enum auth_result missing_key(struct auth *a, bool have_set, struct err *e)
{
	if (auth_set_may_read(a->set))
		return AUTH_WAIT;
	/* Perhaps it is in what is being read. */
	if (!have_set || auth_set_is_read(a->set)) {
		err_set(e, ERR_NETWORK, "the keys of tokens cannot be read at present");
		return AUTH_LATER;
	}
	err_set(e, ERR_AUTH, "the token is signed with a key that is not known here");
	return AUTH_REFUSED;
}

static enum auth_result verify(struct auth *a, const struct auth_jwt *t,
			       const struct auth_jwks *keys, uint64_t generation,
			       const struct digest *sha256, struct auth_who *out, struct err *e)
{
	const struct auth_jwk *key = keys ? auth_jwks_find(keys, t->has_kid ? t->kid : NULL, t->alg)
					  : NULL;
	struct auth_jwt_terms terms = {
		.issuer = a->issuer,
		.audience = a->audience,
		.now_s = clock_wall_s(a->clock),
	};
	int64_t expires_s = 0;
	if (!key)
		return missing_key(a, keys, e);
	if (auth_jwt_verify(t, key, &terms, out, &expires_s, e) < 0)
		return AUTH_REFUSED;
	auth_tokens_add(a->tokens, sha256, generation, expires_s, out);
	return AUTH_OK;
}

static void digest_text(struct auth *a, const char *text, struct digest *out)
{
	struct sha256 *hash = take_hash(a);
	sha256_add(hash, text, strlen(text));
	sha256_final(hash, out);
	put_hash(a, hash);
}

static enum auth_result check_token(struct auth *a, const char *text, const char *authorization,
				    struct auth_memo *memo, struct auth_who *out, struct err *e)
{
	CLEANUP(auth_jwt_release) struct auth_jwt t = { 0 };
	struct digest sha256;
	uint64_t generation;
	struct auth_jwks *keys = auth_set_get(a->set, &generation);
	enum auth_result result = AUTH_REFUSED;
	digest_text(a, text, &sha256);
	if (keys && auth_tokens_find(a->tokens, &sha256, generation, clock_wall_s(a->clock), out))
		result = AUTH_OK;
	else if (auth_jwt_parse(text, &t, e) == 0)
		result = verify(a, &t, keys, generation, &sha256, out, e);
	auth_set_put(keys);
	if (result == AUTH_OK)
		remember_token(memo, authorization, &sha256);
	return result;
}

/* -- the whole ------------------------------------------------------------------------------- */

static enum auth_result without_credentials(const struct auth *a, struct auth_who *out,
					    struct err *e)
{
	if (a->open) {
		auth_who_anybody(out);
		return AUTH_OK;
	}
	err_set(e, ERR_AUTH, "a key is needed");
	return AUTH_REFUSED;
}

enum auth_result auth_check(struct auth *a, const char *authorization, struct auth_memo *memo,
			    struct auth_who *out, struct err *e)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(AUTH_HEADER_MAX);
	if (!authorization)
		return without_credentials(a, out, e);
	if (knows_again(a, authorization, memo, out))
		return AUTH_OK;
	if (!auth_header_parse(authorization, &text)) {
		err_set(e, ERR_AUTH, "the credentials are malformed");
		return AUTH_REFUSED;
	}
	if (strcmp(buf_str(&text), AUTH_ANONYMOUS) == 0)
		return without_credentials(a, out, e);
	bool is_key = !a->set || str_starts(buf_str(&text), AUTH_KEY_PREFIX);
	return (is_key ? check_key : check_token)(a, buf_str(&text), authorization, memo, out, e);
}

void auth_refresh(struct auth *a)
{
	if (a->set)
		auth_set_read_missing(a->set);
}

int auth_reload(struct auth *a, struct err *e)
{
	int rc = 0, set_rc = 0;
	if (a->keys_path) {
		pthread_mutex_lock(&a->reading);
		rc = read_keys(a, e);
		pthread_mutex_unlock(&a->reading);
	}
	if (a->set)
		set_rc = auth_set_keep(a->set, e);
	return rc < 0 ? rc : set_rc;
}

bool auth_has_credentials(const struct auth *a)
{
	return a->keys_path || a->set;
}

void auth_stats(struct auth *a, struct auth_stats *out)
{
	*out = (struct auth_stats){ 0 };
	struct auth_keys *keys = keys_get(a);
	out->keys = keys ? keys->count : 0;
	auth_keys_put(keys);
	if (a->set)
		auth_set_stats(a->set, out);
}

static char *copy(const char *s)
{
	return s ? mem_strdup(s) : NULL;
}

int auth_new(const struct auth_options *o, struct auth **out, struct err *e)
{
	CLEANUP_PTR(auth_free) struct auth *a = NEW(struct auth);
	a->open = o->open;
	a->keys_path = copy(o->keys);
	a->issuer = copy(o->issuer);
	a->audience = copy(o->audience);
	a->clock = o->clock;
	a->tokens = auth_tokens_new();
	pthread_mutex_init(&a->reading, NULL);
	pthread_mutex_init(&a->lock, NULL);
	if (o->jwks && !o->audience)
		return err_set(e, ERR_USAGE, "jwks needs an audience, which tokens have to name");
	int rc = a->keys_path ? read_keys(a, e) : 0;
	if (rc == 0 && o->jwks)
		rc = auth_set_new(o->jwks, o->clock, o->cancel, &a->set, e);
	if (rc == 0)
		*out = STEAL(a);
	return rc;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < ARRAY_LEN(a->hashes); i++)
		sha256_free(a->hashes[i]);
	auth_keys_put(a->keys);
	auth_set_free(a->set);
	auth_tokens_free(a->tokens);
	pthread_mutex_destroy(&a->reading);
	pthread_mutex_destroy(&a->lock);
	free(a->keys_path);
	free(a->issuer);
	free(a->audience);
	free(a);
}
