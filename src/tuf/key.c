#include "tuf/key.h"

#include "util/mem.h"
#include "util/text.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define PEM_MAX (16 * KIB)
#define OBJECT_MAX (64 * KIB)
#define ED25519_LEN 32
#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 16384

void tuf_key_free(struct tuf_key *k)
{
	if (!k)
		return;
	free(k->id);
	json_decref(k->json);
	EVP_PKEY_free(k->pkey);
	free(k);
}

/* OpenSSL must not prompt on the terminal for an "encrypted" public key. */
static int no_passphrase(char *text, int size, int writing, void *ctx)
{
	(void)text, (void)size, (void)writing, (void)ctx;
	return -1;
}

static EVP_PKEY *read_public_pem(const void *pem, size_t len)
{
	if (len > PEM_MAX)
		return NULL;
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	EVP_PKEY *pkey = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL) : NULL;
	BIO_free(bio);
	ERR_clear_error();
	return pkey;
}

static bool is_on(const EVP_PKEY *pkey, const char *curve)
{
	char group[32];
	size_t len;
	return EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC &&
	       EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
					      &len) == 1 &&
	       strcmp(group, curve) == 0;
}

/* Normalise the encoding: a point can also be compressed, and a curve given by its parameters. */
static bool use_one_form(EVP_PKEY *pkey)
{
	return EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC ||
	       (EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
					       "uncompressed") == 1 &&
		EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_ENCODING, "named_curve") ==
			1);
}

/* The use of the key, whatever a metadata file calls it. */
static enum tuf_scheme scheme_of(const EVP_PKEY *pkey)
{
	int bits = EVP_PKEY_get_bits(pkey);
	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_ED25519:
		return TUF_ED25519;
	case EVP_PKEY_EC:
		return is_on(pkey, "prime256v1")  ? TUF_ECDSA_P256
		       : is_on(pkey, "secp384r1") ? TUF_ECDSA_P384
						  : TUF_SCHEME_UNKNOWN;
	case EVP_PKEY_RSA:
		return bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS ? TUF_RSA_PSS
								    : TUF_SCHEME_UNKNOWN;
	default:
		return TUF_SCHEME_UNKNOWN;
	}
}

static enum tuf_scheme scheme_named(const char *type, const char *scheme)
{
	static const struct {
		const char *type, *scheme;
		enum tuf_scheme is;
	} known[] = {
		{ "ed25519", "ed25519", TUF_ED25519 },
		{ "ecdsa", "ecdsa-sha2-nistp256", TUF_ECDSA_P256 },
		{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", TUF_ECDSA_P256 },
		{ "ecdsa", "ecdsa-sha2-nistp384", TUF_ECDSA_P384 },
		{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", TUF_ECDSA_P384 },
		{ "rsa", "rsassa-pss-sha256", TUF_RSA_PSS },
		{ "rsa", "rsa-pkcs1v15-sha256", TUF_RSA_PKCS1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(type, known[i].type) == 0 && strcmp(scheme, known[i].scheme) == 0)
			return known[i].is;
	return TUF_SCHEME_UNKNOWN;
}

static bool key_fits(const EVP_PKEY *pkey, enum tuf_scheme scheme)
{
	return scheme_of(pkey) == (scheme == TUF_RSA_PKCS1 ? TUF_RSA_PSS : scheme);
}

static EVP_PKEY *read_public(enum tuf_scheme scheme, const char *text, size_t len)
{
	if (scheme == TUF_SCHEME_UNKNOWN)
		return NULL;
	if (scheme == TUF_ED25519) {
		uint8_t raw[ED25519_LEN];
		if (!hex_decode(raw, sizeof raw, text, true))
			return NULL;
		return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof raw);
	}
	EVP_PKEY *pkey = read_public_pem(text, len);
	if (pkey && (!key_fits(pkey, scheme) || !use_one_form(pkey))) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return pkey;
}

static int set_identity(struct tuf_key *k, struct err *e)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(k->pkey, &der);
	if (len <= 0)
		return err_set(e, ERR_BUG, "cannot encode a public key");
	sha256_of(der, (size_t)len, &k->identity);
	OPENSSL_free(der);
	return 0;
}

int tuf_key_parse(const char *id, const json_t *object, struct tuf_key **out, struct err *e)
{
	const char *type, *scheme;
	json_t *keyval;
	size_t id_len = strlen(id);
	if (id_len == 0 || id_len > TUF_KEYID_MAX)
		return err_set(e, ERR_INTEGRITY, "a key id is empty or longer than %d bytes",
			       TUF_KEYID_MAX);
	if (!json_is_object(object))
		return err_set(e, ERR_INTEGRITY, "a key is not an object");
	int rc = json_get_string(object, "key", "keytype", &type, e);
	if (rc == 0)
		rc = json_get_string(object, "key", "scheme", &scheme, e);
	if (rc == 0)
		rc = json_get_object(object, "key", "keyval", &keyval, e);
	if (rc < 0)
		return rc;
	CLEANUP_PTR(tuf_key_free) struct tuf_key *k = NEW(struct tuf_key);
	k->id = mem_strdup(id);
	k->json = json_incref((json_t *)object);
	const json_t *text = json_object_get(keyval, "public");
	if (json_is_string(text))
		k->pkey = read_public(scheme_named(type, scheme), json_string_value(text),
				      json_string_length(text));
	if (k->pkey) {
		k->scheme = scheme_named(type, scheme);
		rc = set_identity(k, e);
		if (rc < 0)
			return rc;
	}
	ERR_clear_error();
	*out = STEAL(k);
	return 0;
}

static int add_pem(EVP_PKEY *pkey, struct buf *out, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len = 0;
	if (bio && PEM_write_bio_PUBKEY(bio, pkey) == 1)
		len = BIO_get_mem_data(bio, &text);
	int rc = len > 0 ? 0 : err_set(e, ERR_BUG, "cannot encode a public key");
	if (rc == 0)
		buf_add(out, text, (size_t)len);
	BIO_free(bio);
	return rc < 0 ? rc : buf_ok(out, "a public key", e);
}

static json_t *key_object(const char *type, const char *scheme, const char *value)
{
	json_t *object = json_object(), *keyval = json_object();
	json_put_string(object, "keytype", type);
	json_put_string(object, "scheme", scheme);
	json_put_string(keyval, "public", value);
	json_put(object, "keyval", keyval);
	return object;
}

static int make_object(EVP_PKEY *pkey, json_t **out, struct err *e)
{
	CLEANUP(buf_release) struct buf pem = BUF_INIT(PEM_MAX);
	uint8_t raw[ED25519_LEN];
	char hex[2 * ED25519_LEN + 1];
	size_t len = sizeof raw;
	enum tuf_scheme scheme = scheme_of(pkey);
	if (scheme == TUF_SCHEME_UNKNOWN || scheme == TUF_ECDSA_P384) {
		err_set(e, ERR_USAGE, "keys of this type cannot sign metadata");
		return err_hint(e, "use Ed25519, ECDSA P-256, or RSA of at least %d bits",
				RSA_MIN_BITS);
	}
	if (scheme == TUF_ED25519) {
		if (EVP_PKEY_get_raw_public_key(pkey, raw, &len) != 1 || len != sizeof raw)
			return err_set(e, ERR_BUG, "cannot encode a public key");
		hex_encode(hex, raw, sizeof raw);
		*out = key_object("ed25519", "ed25519", hex);
		return 0;
	}
	if (!use_one_form(pkey))
		return err_set(e, ERR_BUG, "cannot encode a public key");
	int rc = add_pem(pkey, &pem, e);
	if (rc < 0)
		return rc;
	*out = scheme == TUF_RSA_PSS ? key_object("rsa", "rsassa-pss-sha256", pem.data)
				     : key_object("ecdsa", "ecdsa-sha2-nistp256", pem.data);
	return 0;
}

static int id_of(const json_t *object, char id[DIGEST_HEX], struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(OBJECT_MAX);
	struct digest digest;
	int rc = json_canonical(object, &text, e);
	if (rc < 0)
		return rc;
	sha256_of(text.data, text.len, &digest);
	digest_hex(id, &digest);
	return 0;
}

bool tuf_key_id_fits(const char *id, const json_t *object)
{
	struct err unfit = ERR_INIT;
	char want[DIGEST_HEX];
	return id_of(object, want, &unfit) == 0 && strcmp(id, want) == 0;
}

int tuf_key_from_pkey(EVP_PKEY *pkey, struct tuf_key **out, struct err *e)
{
	CLEANUP(json_release) json_t *object = NULL;
	char id[DIGEST_HEX];
	int rc = make_object(pkey, &object, e);
	if (rc == 0)
		rc = id_of(object, id, e);
	return rc < 0 ? rc : tuf_key_parse(id, object, out, e);
}

int tuf_key_from_pem(const void *pem, size_t len, const char *what, struct tuf_key **out,
		     struct err *e)
{
	static const char private[] = "PRIVATE KEY-----";
	EVP_PKEY *pkey = read_public_pem(pem, len);
	if (!pkey) {
		bool is_private = memmem(pem, len, private, sizeof private - 1);
		err_set(e, ERR_USAGE, "%s: %s", what,
			is_private ? "this is a private key, not a public one"
				   : "not a public key in PEM form (BEGIN PUBLIC KEY)");
		return err_hint(e, is_private
					   ? "keep it secret and give only the public key to others"
					   : "`openssl pkey -in KEY -pubout` writes this form");
	}
	int rc = tuf_key_from_pkey(pkey, out, e);
	EVP_PKEY_free(pkey);
	return rc < 0 ? err_context(e, "%s", what) : 0;
}

int tuf_key_to_pem(const struct tuf_key *k, struct buf *out, struct err *e)
{
	if (!k->pkey)
		return err_set(e, ERR_INTEGRITY, "key %s is of an unknown type", k->id);
	return add_pem(k->pkey, out, e);
}

struct tuf_key *tuf_key_copy(const struct tuf_key *k)
{
	struct tuf_key *copy = NEW(struct tuf_key);
	*copy = *k;
	copy->id = mem_strdup(k->id);
	copy->json = json_deep_copy(k->json);
	if (copy->pkey)
		EVP_PKEY_up_ref(copy->pkey);
	return copy;
}

const char *tuf_key_kind(const struct tuf_key *k)
{
	static const char *const names[] = { "unknown",     "Ed25519", "ECDSA P-256",
					     "ECDSA P-384", "RSA-PSS", "RSA PKCS #1" };
	return names[k->scheme];
}

const char *tuf_key_unknown_scheme(const struct tuf_key *k)
{
	const char *type = json_string_value(json_object_get(k->json, "keytype"));
	const char *scheme = json_string_value(json_object_get(k->json, "scheme"));
	return scheme_named(type, scheme) == TUF_SCHEME_UNKNOWN ? scheme : NULL;
}

static const EVP_MD *digest_of(enum tuf_scheme scheme)
{
	return scheme == TUF_ED25519      ? NULL
	       : scheme == TUF_ECDSA_P384 ? EVP_sha384()
					  : EVP_sha256();
}

static bool set_pss(EVP_PKEY_CTX *ctx)
{
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_AUTO) > 0;
}

bool tuf_key_verify(const struct tuf_key *k, const void *data, size_t len, const void *sig,
		    size_t sig_len)
{
	if (!k->pkey)
		return false;
	const EVP_MD *md = digest_of(k->scheme);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *params = NULL; /* belongs to ctx */
	/* Without parameters RSA is PKCS #1 v1.5. */
	bool ok = ctx && EVP_DigestVerifyInit(ctx, &params, md, NULL, k->pkey) == 1 &&
		  (k->scheme != TUF_RSA_PSS || set_pss(params)) &&
		  EVP_DigestVerify(ctx, sig, sig_len, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}
