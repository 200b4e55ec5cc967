#include "auth/key.h"

#include "json/json.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"
#include "util/text.h"

#include <openssl/crypto.h>
#include <string.h>

#define FILE_VERSION 1
#define FILE_MAX (16 * MIB)
#define FILE_DEPTH 5
#define SECRET_BYTES (AUTH_KEY_SECRET / 2)

static void key_release(struct auth_key *k)
{
	free(k->name);
	for (size_t i = 0; i < k->count; i++)
		auth_scope_release(&k->scopes[i]);
	free(k->scopes);
	*k = (struct auth_key){ 0 };
}

void auth_keys_release(struct auth_keys *k)
{
	for (size_t i = 0; i < k->count; i++)
		key_release(&k->at[i]);
	free(k->at);
	k->at = NULL;
	k->count = k->cap = 0;
}

void auth_keys_put(struct auth_keys *k)
{
	if (!k || --k->references)
		return;
	auth_keys_release(k);
	free(k);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct auth_key *)a)->id, ((const struct auth_key *)b)->id);
}

static int add_scope(struct auth_key *k, const char *text, struct err *e)
{
	struct auth_scope s;
	if (k->count == AUTH_SCOPES_MAX)
		return err_set(e, ERR_USAGE, "more than %d scopes", AUTH_SCOPES_MAX);
	int rc = auth_scope_parse(text, &s, e);
	if (rc < 0)
		return rc;
	k->scopes = mem_grow(k->scopes, k->count, &k->cap, sizeof *k->scopes);
	k->scopes[k->count++] = s;
	return 0;
}

/* -- the file -------------------------------------------------------------------------------- */

static int get_scopes(const json_t *object, struct auth_key *k, struct err *e)
{
	json_t *scopes, *scope;
	size_t i;
	int rc = json_get_array(object, "keys[]", "scopes", AUTH_SCOPES_MAX, &scopes, e);
	if (rc < 0)
		return rc;
	json_array_foreach (scopes, i, scope) {
		if (!json_is_string(scope))
			return err_set(e, ERR_INTEGRITY, "a scope is not a string");
		rc = add_scope(k, json_string_value(scope), e);
		if (rc < 0)
			return err_class_set(e, ERR_INTEGRITY);
	}
	return 0;
}

static int get_time(const json_t *object, const char *member, int64_t *out, struct err *e)
{
	const char *text;
	int rc = json_opt_string(object, "keys[]", member, &text, e);
	if (rc == 0 && text && !parse_time(text, out))
		return err_set(e, ERR_INTEGRITY, "keys[].%s is not a time", member);
	return rc;
}

static bool is_id(const char *text)
{
	uint8_t raw[AUTH_KEY_ID / 2];
	return hex_decode(raw, sizeof raw, text, false);
}

static int get_key(const json_t *object, struct auth_key *k, struct err *e)
{
	const char *id, *name;
	int rc = json_get_string(object, "keys[]", "id", &id, e);
	if (rc == 0)
		rc = json_get_string(object, "keys[]", "name", &name, e);
	if (rc == 0 && (!is_id(id) || !path_is_id(name)))
		return err_set(e, ERR_INTEGRITY, "the id or the name of a key is malformed");
	if (rc == 0)
		rc = json_get_hex(object, "keys[]", "sha256", k->sha256.bytes, DIGEST_SIZE, e);
	if (rc < 0)
		return rc;
	memcpy(k->id, id, sizeof k->id);
	k->name = mem_strdup(name);
	rc = get_time(object, "created", &k->created_s, e);
	if (rc == 0)
		rc = get_time(object, "expires", &k->expires_s, e);
	return rc < 0 ? rc : get_scopes(object, k, e);
}

static int get_keys(const json_t *document, struct auth_keys *out, struct err *e)
{
	json_t *keys, *key;
	uint64_t version;
	size_t i;
	int rc = json_get_u64(document, "", "version", &version, e);
	if (rc == 0 && version != FILE_VERSION)
		return err_set(e, ERR_INTEGRITY, "made by a later version of ferry");
	if (rc == 0)
		rc = json_get_array(document, "", "keys", AUTH_KEYS_MAX, &keys, e);
	if (rc < 0)
		return rc;
	json_array_foreach (keys, i, key) {
		out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
		out->at[out->count] = (struct auth_key){ 0 };
		rc = get_key(key, &out->at[out->count++], e);
		if (rc < 0)
			return rc;
	}
	if (out->count)
		qsort(out->at, out->count, sizeof *out->at, by_id);
	for (i = 1; i < out->count; i++)
		if (strcmp(out->at[i - 1].id, out->at[i].id) == 0)
			return err_set(e, ERR_INTEGRITY, "two keys have the id %s", out->at[i].id);
	return 0;
}

int auth_keys_parse(const void *data, size_t len, const char *what, struct auth_keys *out,
		    struct err *e)
{
	static const struct json_limits limits = { .max_bytes = FILE_MAX, .max_depth = FILE_DEPTH };
	CLEANUP(json_release) json_t *document = NULL;
	CLEANUP(auth_keys_release) struct auth_keys keys = { 0 };
	int rc = json_parse(data, len, &limits, what, &document, e);
	if (rc == 0 && (rc = get_keys(document, &keys, e)) < 0)
		return err_context(e, "%s", what);
	if (rc < 0)
		return rc;
	out->at = STEAL(keys.at);
	out->count = keys.count;
	out->cap = keys.cap;
	keys.count = 0;
	return 0;
}

int auth_keys_load(const char *path, struct auth_keys *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(FILE_MAX);
	if (!file_exists(path))
		return 0;
	int rc = file_read_all(path, &text, e);
	return rc < 0 ? rc : auth_keys_parse(buf_str(&text), text.len, path, out, e);
}

void auth_key_json(const struct auth_key *k, json_t *object)
{
	json_put_string(object, "id", k->id);
	json_put_string(object, "name", k->name);
	json_t *scopes = json_put_array(object, "scopes");
	for (size_t i = 0; i < k->count; i++) {
		CLEANUP(buf_release) struct buf text = BUF_INIT(2 * AUTH_SCOPE_MAX);
		auth_scope_text(&k->scopes[i], &text);
		json_push_string(scopes, buf_str(&text));
	}
	json_put_time(object, "created", k->created_s);
	if (k->expires_s)
		json_put_time(object, "expires", k->expires_s);
}

int auth_keys_write(const char *path, const struct auth_keys *k, struct err *e)
{
	CLEANUP(json_release) json_t *document = json_object();
	json_put_u64(document, "version", FILE_VERSION);
	json_t *keys = json_put_array(document, "keys");
	for (size_t i = 0; i < k->count; i++) {
		json_t *object = json_push_object(keys);
		auth_key_json(&k->at[i], object);
		json_put_hex(object, "sha256", k->at[i].sha256.bytes, DIGEST_SIZE);
	}
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	return rc < 0 ? rc : json_write_file(path, document, 0600, e);
}

/* -- looking a key up ------------------------------------------------------------------------ */

/* Its characters need no check: nothing else has the digest of a key. */
static bool is_key(const char *text)
{
	const size_t at = sizeof AUTH_KEY_PREFIX - 1 + AUTH_KEY_ID;
	return strlen(text) == AUTH_KEY_LEN && str_starts(text, AUTH_KEY_PREFIX) && text[at] == '_';
}

bool auth_key_has_expired(const struct auth_key *k, int64_t now_s)
{
	return k->expires_s && now_s >= k->expires_s;
}

const struct auth_key *auth_keys_find(const struct auth_keys *k, const char *text,
				      struct sha256 *hash, int64_t now_s, bool *expired)
{
	struct auth_key sought = { 0 };
	struct digest sha256;
	*expired = false;
	if (!is_key(text))
		return NULL;
	memcpy(sought.id, text + sizeof AUTH_KEY_PREFIX - 1, AUTH_KEY_ID);
	sha256_add(hash, text, AUTH_KEY_LEN);
	sha256_final(hash, &sha256);
	const struct auth_key *found =
		k->count ? bsearch(&sought, k->at, k->count, sizeof *k->at, by_id) : NULL;
	const struct auth_key *compared = found ? found : &sought;
	if (CRYPTO_memcmp(compared->sha256.bytes, sha256.bytes, DIGEST_SIZE) != 0 || !found)
		return NULL;
	*expired = auth_key_has_expired(found, now_s);
	return *expired ? NULL : found;
}

/* -- new keys -------------------------------------------------------------------------------- */

static int make_text(char id[AUTH_KEY_ID + 1], char text[AUTH_KEY_LEN + 1], struct err *e)
{
	uint8_t random[AUTH_KEY_ID / 2 + SECRET_BYTES];
	char secret[AUTH_KEY_SECRET + 1];
	if (!os_random(random, sizeof random))
		return err_set(e, ERR_SYSTEM, "the system has no random numbers");
	hex_encode(id, random, AUTH_KEY_ID / 2);
	hex_encode(secret, random + AUTH_KEY_ID / 2, SECRET_BYTES);
	snprintf(text, AUTH_KEY_LEN + 1, AUTH_KEY_PREFIX "%s_%s", id, secret);
	mem_wipe(secret, sizeof secret);
	mem_wipe(random, sizeof random);
	return 0;
}

static int check_order(const struct auth_keys *k, const struct auth_key_order *o, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(o->name);
	if (!path_is_id(o->name)) {
		err_set(e, ERR_USAGE, "'%.80s' cannot be the name of a key", shown);
		return err_hint(e, "use small letters, digits, '.', '_' and '-'");
	}
	if (k->count == AUTH_KEYS_MAX)
		return err_set(e, ERR_USAGE, "there are %d keys already", AUTH_KEYS_MAX);
	for (size_t i = 0; i < k->count; i++)
		if (strcmp(k->at[i].name, o->name) == 0)
			return err_set(e, ERR_CONFLICT, "there is a key with the name '%s' already",
				       o->name);
	return 0;
}

int auth_keys_add(struct auth_keys *k, const struct auth_key_order *o, char text[AUTH_KEY_LEN + 1],
		  struct err *e)
{
	CLEANUP(key_release) struct auth_key key = { .created_s = o->now_s,
						     .expires_s = o->expires_s };
	int rc = check_order(k, o, e);
	for (size_t i = 0; rc == 0 && i < o->count; i++)
		rc = add_scope(&key, o->scopes[i], e);
	if (rc == 0)
		rc = make_text(key.id, text, e);
	if (rc < 0)
		return rc;
	key.name = mem_strdup(o->name);
	sha256_of(text, AUTH_KEY_LEN, &key.sha256);
	k->at = mem_grow(k->at, k->count, &k->cap, sizeof *k->at);
	k->at[k->count++] = key;
	key = (struct auth_key){ 0 };
	qsort(k->at, k->count, sizeof *k->at, by_id);
	return 0;
}

int auth_keys_remove(struct auth_keys *k, const char *which, char **name, struct err *e)
{
	for (size_t i = 0; i < k->count; i++) {
		struct auth_key *key = &k->at[i];
		if (strcmp(key->id, which) != 0 && strcmp(key->name, which) != 0)
			continue;
		*name = STEAL(key->name);
		key_release(key);
		memmove(key, key + 1, (--k->count - i) * sizeof *key);
		return 0;
	}
	CLEANUP(mem_free_ptr) char *shown = text_escaped(which);
	return err_set(e, ERR_NOT_FOUND, "there is no key with the id or name '%.80s'", shown);
}
