#include "sign/minisig.h"

#include "util/base64.h"
#include "util/mem.h"
#include "util/text.h"

#include <openssl/evp.h>
#include <string.h>

#define UNTRUSTED "untrusted comment: "
#define TRUSTED "trusted comment: "
#define PUBLIC_LEN 32
#define HASH_LEN 64
#define ALGORITHM_LEN 2

/* ---- keys ---- */

bool minisig_fits(const struct tuf_key *k)
{
	return k->pkey && k->scheme == TUF_ED25519;
}

static int need_fit(const struct tuf_key *k, struct err *e)
{
	if (minisig_fits(k))
		return 0;
	err_set(e, ERR_USAGE, "key %s is of type %s; minisign supports only Ed25519", k->id,
		tuf_key_kind(k));
	return err_hint(e, "use a key made by `ferry catalog key new --type ed25519`");
}

/* minisign shows the eight bytes as a little-endian number. Metadata may list a key under any id,
 * so the id is computed. */
static int key_id(const struct tuf_key *k, uint8_t out[MINISIG_KEY_ID], struct err *e)
{
	CLEANUP_PTR(tuf_key_free) struct tuf_key *own = NULL;
	uint8_t raw[DIGEST_SIZE];
	int rc = tuf_key_from_pkey(k->pkey, &own, e);
	if (rc < 0)
		return rc;
	if (!hex_decode(raw, sizeof raw, own->id, false))
		return err_set(e, ERR_BUG, "the key id %s is not a hash", own->id);
	for (size_t i = 0; i < MINISIG_KEY_ID; i++)
		out[i] = raw[MINISIG_KEY_ID - 1 - i];
	return 0;
}

int minisig_public(const struct tuf_key *k, const char *comment, struct buf *out, struct err *e)
{
	uint8_t blob[ALGORITHM_LEN + MINISIG_KEY_ID + PUBLIC_LEN] = "Ed";
	size_t len = PUBLIC_LEN;
	int rc = need_fit(k, e);
	if (rc == 0)
		rc = key_id(k, blob + ALGORITHM_LEN, e);
	if (rc < 0)
		return rc;
	if (EVP_PKEY_get_raw_public_key(k->pkey, blob + ALGORITHM_LEN + MINISIG_KEY_ID, &len) != 1)
		return err_set(e, ERR_BUG, "cannot encode a public key");
	buf_addf(out, UNTRUSTED "%s\n", comment);
	base64_add(out, blob, sizeof blob);
	buf_addc(out, '\n');
	return buf_ok(out, "a public key", e);
}

/* ---- signing ---- */

static bool hash(const void *data, size_t len, uint8_t out[HASH_LEN])
{
	size_t out_len = HASH_LEN;
	return EVP_Q_digest(NULL, "BLAKE2B-512", NULL, data, len, out, &out_len) == 1 &&
	       out_len == HASH_LEN;
}

static int check_comment(const char *comment, struct err *e)
{
	if (strlen(comment) <= MINISIG_COMMENT_MAX && !strpbrk(comment, "\r\n"))
		return 0;
	return err_set(e, ERR_USAGE,
		       "the comment of a signature must be one line of at most %d bytes",
		       MINISIG_COMMENT_MAX);
}

static int sign_fixed(struct signer *s, const void *data, size_t len, uint8_t out[MINISIG_SIG],
		      struct err *e)
{
	CLEANUP(buf_release) struct buf sig = BUF_INIT(4 * KIB);
	int rc = signer_sign(s, data, len, &sig, e);
	if (rc < 0)
		return rc;
	if (sig.len != MINISIG_SIG)
		return err_set(e, ERR_BUG, "%s made a signature of %zu bytes", s->name, sig.len);
	memcpy(out, sig.data, MINISIG_SIG);
	return 0;
}

/* What the second signature is over. */
static void add_global(struct buf *out, const uint8_t sig[MINISIG_SIG], const char *trusted)
{
	buf_init(out, MINISIG_SIG + MINISIG_COMMENT_MAX);
	buf_add(out, sig, MINISIG_SIG);
	buf_adds(out, trusted);
}

int minisig_sign(struct signer *s, const void *data, size_t len, const char *untrusted,
		 const char *trusted, struct buf *out, struct err *e)
{
	uint8_t blob[ALGORITHM_LEN + MINISIG_KEY_ID + MINISIG_SIG] = "ED";
	uint8_t digest[HASH_LEN], global[MINISIG_SIG];
	uint8_t *sig = blob + ALGORITHM_LEN + MINISIG_KEY_ID;
	CLEANUP(buf_release) struct buf text = BUF_INIT(0);
	int rc = need_fit(s->key, e);
	if (rc < 0 || (rc = check_comment(untrusted, e)) < 0 ||
	    (rc = check_comment(trusted, e)) < 0 ||
	    (rc = key_id(s->key, blob + ALGORITHM_LEN, e)) < 0)
		return rc;
	if (!hash(data, len, digest))
		return err_set(e, ERR_SYSTEM, "this OpenSSL has no BLAKE2b-512");
	if ((rc = sign_fixed(s, digest, sizeof digest, sig, e)) < 0)
		return rc;
	add_global(&text, sig, trusted);
	if ((rc = sign_fixed(s, text.data, text.len, global, e)) < 0)
		return rc;
	buf_addf(out, UNTRUSTED "%s\n", untrusted);
	base64_add(out, blob, sizeof blob);
	buf_addf(out, "\n" TRUSTED "%s\n", trusted);
	base64_add(out, global, sizeof global);
	buf_addc(out, '\n');
	return buf_ok(out, "a signature", e);
}

/* ---- reading ---- */

void minisig_release(struct minisig *m)
{
	mem_free_ptr(&m->trusted);
}

/* The next line without its newline; false when there is none. */
static bool next_line(const char **at, const char *end, const char **line, size_t *len)
{
	const char *stop = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL;
	if (!stop)
		return false;
	*line = *at;
	*len = (size_t)(stop - *at);
	*at = stop + 1;
	if (*len && (*line)[*len - 1] == '\r')
		--*len;
	return true;
}

static bool comment_line(const char **at, const char *end, const char *prefix, const char **text,
			 size_t *len)
{
	size_t skip = strlen(prefix);
	if (!next_line(at, end, text, len) || *len < skip || memcmp(*text, prefix, skip) != 0)
		return false;
	*text += skip;
	*len -= skip;
	return *len <= MINISIG_COMMENT_MAX && !memchr(*text, '\0', *len);
}

static bool parse(const char *at, const char *end, struct minisig *out)
{
	uint8_t blob[ALGORITHM_LEN + MINISIG_KEY_ID + MINISIG_SIG];
	const char *line, *trusted;
	size_t len, trusted_len;
	if (!comment_line(&at, end, UNTRUSTED, &line, &len) || !next_line(&at, end, &line, &len) ||
	    !base64_decode(blob, sizeof blob, line, len) ||
	    memcmp(blob, "ED", ALGORITHM_LEN) != 0 ||
	    !comment_line(&at, end, TRUSTED, &trusted, &trusted_len) ||
	    !next_line(&at, end, &line, &len) ||
	    !base64_decode(out->global, MINISIG_SIG, line, len) || at != end)
		return false;
	memcpy(out->key_id, blob + ALGORITHM_LEN, MINISIG_KEY_ID);
	memcpy(out->sig, blob + ALGORITHM_LEN + MINISIG_KEY_ID, MINISIG_SIG);
	out->trusted = mem_strndup(trusted, trusted_len);
	return true;
}

int minisig_parse(const void *text, size_t len, const char *what, struct minisig *out,
		  struct err *e)
{
	struct minisig m = { 0 };
	if (len > MINISIG_MAX_BYTES || len == 0 || !parse(text, (const char *)text + len, &m))
		return err_set(e, ERR_INTEGRITY,
			       "%s: not a minisign signature in the prehashed format", what);
	*out = m;
	return 0;
}

bool minisig_verify(const struct minisig *m, const struct tuf_key *k, const void *data, size_t len)
{
	uint8_t digest[HASH_LEN], id[MINISIG_KEY_ID];
	CLEANUP(buf_release) struct buf text = BUF_INIT(0);
	struct err ignored = ERR_INIT;
	if (!minisig_fits(k) || key_id(k, id, &ignored) < 0 ||
	    memcmp(id, m->key_id, sizeof id) != 0 || !hash(data, len, digest))
		return false;
	add_global(&text, m->sig, m->trusted);
	return tuf_key_verify(k, digest, sizeof digest, m->sig, MINISIG_SIG) &&
	       tuf_key_verify(k, text.data, text.len, m->global, MINISIG_SIG);
}
