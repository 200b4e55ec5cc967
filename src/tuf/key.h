/*
 * Public keys of TUF metadata, and verification of signatures.
 *
 *   keytype                        scheme                 keyval.public
 *   ed25519                        ed25519                64 hex digits
 *   ecdsa, ecdsa-sha2-nistp256     ecdsa-sha2-nistp256    PEM (P-256); DER signatures
 *   ecdsa, ecdsa-sha2-nistp384     ecdsa-sha2-nistp384    PEM (P-384), SHA-384; verified only
 *   rsa                            rsassa-pss-sha256      PEM of at least 2048 bits
 *   rsa                            rsa-pkcs1v15-sha256    the same; verified only
 *
 * P-384 and the last one are not in the specification. Services for keys and hardware tokens
 * without PSS use them, and other clients accept them. Keys that are made here never use them.
 *
 * What always holds here:
 *  - a key that cannot be used (unknown type, malformed PEM) is kept but never verifies anything,
 *    so it is not counted, as the specification requires;
 *  - a key id from metadata is opaque: it need not be the hash of the key;
 *  - two ids of one public key count as one key, even if the encodings differ (compressed point,
 *    curve given by parameters).
 */
#ifndef FERRY_TUF_KEY_H
#define FERRY_TUF_KEY_H

#include "hash/sha256.h"
#include "json/json.h"

#define TUF_KEYID_MAX 256 /* bytes of a key id that is accepted */

struct evp_pkey_st;

enum tuf_scheme {
	TUF_SCHEME_UNKNOWN,
	TUF_ED25519,
	TUF_ECDSA_P256,
	TUF_ECDSA_P384,
	TUF_RSA_PSS,
	TUF_RSA_PKCS1,
};

struct tuf_key {
	char *id;
	json_t *json; /* the key object, unknown members included */
	enum tuf_scheme scheme;
	struct evp_pkey_st *pkey; /* NULL: cannot be used */
	struct digest identity;   /* of the public key itself, whatever its id */
};
void tuf_key_free(struct tuf_key *k);
DEFINE_CLEANUP(struct tuf_key, tuf_key_free);

/* From a metadata file's "keys" object. ERR_INTEGRITY when it is malformed; a well-formed key of
 * an unknown type is accepted with pkey NULL. */
WARN_UNUSED int tuf_key_parse(const char *id, const json_t *object, struct tuf_key **out,
			      struct err *e);

/* Is the id the hex SHA-256 of the key object's canonical form, as ours are? */
bool tuf_key_id_fits(const char *id, const json_t *object);

/* For the publisher: makes the key object; its id is the hex SHA-256 of its canonical form. Takes
 * its own reference to pkey. ERR_USAGE for unsupported types of keys. */
WARN_UNUSED int tuf_key_from_pkey(struct evp_pkey_st *pkey, struct tuf_key **out, struct err *e);
/* From a "BEGIN PUBLIC KEY" file, in which people exchange keys. ERR_USAGE for anything else, for
 * example a private key. */
WARN_UNUSED int tuf_key_from_pem(const void *pem, size_t len, const char *what,
				 struct tuf_key **out, struct err *e);
/* The same form, appended to out. */
WARN_UNUSED int tuf_key_to_pem(const struct tuf_key *k, struct buf *out, struct err *e);
/* Another owned copy. */
struct tuf_key *tuf_key_copy(const struct tuf_key *k);

/* "Ed25519", "ECDSA P-256", "ECDSA P-384", "RSA-PSS", "RSA PKCS #1", "unknown". */
const char *tuf_key_kind(const struct tuf_key *k);
/* The scheme ("ml-dsa-65") of a key that cannot be used because this version does not know the
 * scheme; NULL: it knows it, so if the key cannot be used, the key is malformed. Borrowed; foreign
 * text. */
const char *tuf_key_unknown_scheme(const struct tuf_key *k);

/* Does the signature verify? False for malformed keys and signatures. */
bool tuf_key_verify(const struct tuf_key *k, const void *data, size_t len, const void *sig,
		    size_t sig_len);

#endif
