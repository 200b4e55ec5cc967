#include "tuf/metadata.h"

#include "util/mem.h"
#include "util/text.h"

#include <openssl/evp.h>
#include <string.h>

#define SIGNATURE_MAX 4096 /* bytes: RSA of 16384 bits takes 2048 */
#define SCHEMES_SHOWN 4
#define SCHEME_SHOWN 40
#define CANONICAL_MAX (256 * MIB)

static bool signature_fits(const struct tuf_signature *s, const struct tuf_key *key,
			   const struct buf *body)
{
	uint8_t raw[SIGNATURE_MAX];
	size_t len = strlen(s->hex) / 2;
	return len > 0 && len <= sizeof raw && hex_decode(raw, len, s->hex, true) &&
	       tuf_key_verify(key, body->data, body->len, raw, len);
}

static bool role_has(const struct tuf_role *role, const char *keyid)
{
	return role->count &&
	       bsearch(&keyid, role->keyids, role->count, sizeof *role->keyids, str_compare);
}

static bool counted(const struct digest *seen, unsigned count, const struct digest *identity)
{
	for (unsigned i = 0; i < count; i++)
		if (digest_equal(&seen[i], identity))
			return true;
	return false;
}

int tuf_metadata_count(const struct tuf_metadata *m, const struct tuf_role *role,
		       const struct tuf_keys *keys, unsigned *out, struct err *e)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT(CANONICAL_MAX);
	int rc = json_canonical(m->body, &body, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) struct digest *seen =
		mem_alloc((m->signature_count + 1) * sizeof *seen);
	unsigned count = 0;
	for (size_t i = 0; i < m->signature_count; i++) {
		const struct tuf_signature *s = &m->signatures[i];
		const struct tuf_key *key = role_has(role, s->keyid) ? tuf_keys_find(keys, s->keyid)
								     : NULL;
		if (key && !counted(seen, count, &key->identity) && signature_fits(s, key, &body))
			seen[count++] = key->identity;
	}
	*out = count;
	return 0;
}

/* "ml-dsa-65, Fulcio": the schemes of the role's keys that this version does not know, each once.
 * Is it their signatures that are missing? */
static bool unknown_schemes(const struct tuf_metadata *m, const struct tuf_role *role,
			    const struct tuf_keys *keys, uint64_t missing, struct buf *out)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	uint64_t unknown = 0;
	for (size_t i = 0; i < m->signature_count; i++) {
		const char *id = m->signatures[i].keyid;
		const struct tuf_key *key = role_has(role, id) ? tuf_keys_find(keys, id) : NULL;
		const char *scheme = key ? tuf_key_unknown_scheme(key) : NULL;
		if (!scheme)
			continue;
		unknown++;
		if (!str_list_has(&names, scheme) && names.count < SCHEMES_SHOWN)
			str_list_add(&names, scheme);
	}
	for (size_t i = 0; i < names.count; i++) {
		buf_adds(out, i ? ", " : "");
		text_escape(out, names.at[i], strnlen(names.at[i], SCHEME_SHOWN));
	}
	return unknown > 0 && unknown >= missing;
}

static int too_few(const struct tuf_metadata *m, const struct tuf_role *role,
		   const struct tuf_keys *keys, unsigned valid, const char *what, const char *by,
		   struct err *e)
{
	CLEANUP(buf_release) struct buf schemes = BUF_INIT(4 * KIB);
	bool theirs = unknown_schemes(m, role, keys, role->threshold - valid, &schemes);
	err_set(e, ERR_INTEGRITY, "%s version %llu: %u valid signature%s, %llu required by %s%s%s",
		what, (unsigned long long)m->version, valid, valid == 1 ? "" : "s",
		(unsigned long long)role->threshold, by,
		schemes.len ? "; this version of ferry cannot verify signatures of the scheme "
			    : "",
		buf_str(&schemes));
	return theirs ? err_hint(e,
				 "ask the publisher for keys of a scheme that this version knows "
				 "(ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, "
				 "rsassa-pss-sha256), or use a newer version")
		      : -(int)e->class;
}

int tuf_metadata_verify(const struct tuf_metadata *m, const struct tuf_role *role,
			const struct tuf_keys *keys, const char *what, const char *by,
			struct err *e)
{
	unsigned valid;
	int rc = tuf_metadata_count(m, role, keys, &valid, e);
	if (rc < 0)
		return err_context(e, "%s", what);
	if (valid >= role->threshold)
		return 0;
	return too_few(m, role, keys, valid, what, by, e);
}

static const struct {
	const char *name;
	const EVP_MD *(*md)(void);
} kinds[] = {
	{ "sha256", EVP_sha256 },
	{ "sha384", EVP_sha384 },
	{ "sha512", EVP_sha512 },
};

const char *tuf_hashes_first(const json_t *hashes)
{
	const char *name;
	json_t *value;
	json_object_foreach ((json_t *)hashes, name, value)
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
			if (strcmp(name, kinds[i].name) == 0)
				return json_string_value(value);
	return NULL;
}

static int check_hash(const char *name, const char *wanted, const void *data, size_t len,
		      bool *known, const char *what, struct err *e)
{
	uint8_t have[EVP_MAX_MD_SIZE], want[EVP_MAX_MD_SIZE];
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		unsigned size;
		if (strcmp(name, kinds[i].name) != 0)
			continue;
		*known = true;
		if (EVP_Digest(data, len, have, &size, kinds[i].md(), NULL) != 1)
			return err_set(e, ERR_BUG, "%s: cannot compute %s", what, name);
		if (!hex_decode(want, size, wanted, true) || memcmp(have, want, size) != 0)
			return err_set(e, ERR_INTEGRITY, "%s: its %s differs from the signed one",
				       what, name);
	}
	return 0;
}

int tuf_meta_check(const struct tuf_meta *meta, const void *data, size_t len, const char *what,
		   struct err *e)
{
	const char *name;
	json_t *value;
	bool known = false;
	if (meta->has_length && len != meta->length)
		return err_set(e, ERR_INTEGRITY, "%s: %zu bytes, but the signed size is %llu", what,
			       len, (unsigned long long)meta->length);
	if (!meta->hashes)
		return 0;
	json_object_foreach ((json_t *)meta->hashes, name, value) {
		int rc = check_hash(name, json_string_value(value), data, len, &known, what, e);
		if (rc < 0)
			return rc;
	}
	if (!known)
		return err_set(e, ERR_INTEGRITY,
			       "%s: the signed metadata has no hash of a known algorithm", what);
	return 0;
}
