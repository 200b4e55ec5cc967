#include "sign/privkey.h"

#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define FILE_MAX (16 * KIB)
/* scrypt with 16 MiB of memory, the default limit of OpenSSL. */
#define ATTEMPTS 3 /* to type a passphrase */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 1
#define SALT_LEN 16

struct privkey {
	EVP_PKEY *pkey;
	struct tuf_key *public;
};

void privkey_free(struct privkey *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey); /* wipes */
	tuf_key_free(k->public);
	free(k);
}

/* Takes pkey. */
static int from_pkey(EVP_PKEY *pkey, struct privkey **out, struct err *e)
{
	CLEANUP_PTR(privkey_free) struct privkey *k = NEW(struct privkey);
	k->pkey = pkey;
	int rc = tuf_key_from_pkey(pkey, &k->public, e);
	if (rc < 0)
		return rc;
	*out = STEAL(k);
	return 0;
}

int privkey_new(enum privkey_kind kind, struct privkey **out, struct err *e)
{
	EVP_PKEY *pkey = kind == PRIVKEY_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
						 : EVP_EC_gen("P-256");
	if (!pkey)
		return err_set(e, ERR_BUG, "OpenSSL cannot create a key");
	return from_pkey(pkey, out, e);
}

const struct tuf_key *privkey_public(const struct privkey *k)
{
	return k->public;
}

/* -- writing --------------------------------------------------------------------------- */

static X509_SIG *encrypt(PKCS8_PRIV_KEY_INFO *info, const struct buf *passphrase)
{
	unsigned char salt[SALT_LEN];
	if (RAND_bytes(salt, sizeof salt) != 1)
		return NULL;
	X509_ALGOR *pbe = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt, sizeof salt, NULL,
						SCRYPT_N, SCRYPT_R, SCRYPT_P);
	if (!pbe)
		return NULL;
	/* Takes pbe when it succeeds. */
	X509_SIG *sig = PKCS8_set0_pbe(passphrase->data, (int)passphrase->len, info, pbe);
	if (!sig)
		X509_ALGOR_free(pbe);
	return sig;
}

static bool write_pem(BIO *bio, EVP_PKEY *pkey, const struct buf *passphrase)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
	bool ok = false;
	if (info && passphrase) {
		X509_SIG *sig = encrypt(info, passphrase);
		ok = sig && PEM_write_bio_PKCS8(bio, sig) == 1;
		X509_SIG_free(sig);
	} else if (info) {
		ok = PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, info) == 1;
	}
	PKCS8_PRIV_KEY_INFO_free(info);
	return ok;
}

static int write_file(const struct privkey *k, const char *path, const struct buf *passphrase,
		      bool exclusive, struct err *e)
{
	if (passphrase && (passphrase->len == 0 || passphrase->len > PASSPHRASE_MAX))
		return err_set(e, ERR_USAGE, "a passphrase must have 1 to %d bytes",
			       PASSPHRASE_MAX);
	if (exclusive && file_exists(path)) {
		err_set(e, ERR_CONFLICT, "%s exists already", path);
		return err_hint(e, "keys are never overwritten: move the old key away");
	}
	CLEANUP(file_new_abort) struct file_new f = FILE_NEW_INIT;
	int rc = file_mkdirs_for(path, 0700, e);
	if (rc == 0)
		rc = file_new_open(&f, path, 0600, e);
	if (rc == 0 && file_make_private(f.fd, path, e) < 0)
		rc = err_hint(e, "put the keys into a folder on a disk of this machine: `keys` in "
				 "ferry.conf, or --keys DIR");
	if (rc < 0)
		return rc;
	BIO *bio = BIO_new(BIO_s_mem()); /* wipes when it is freed */
	char *text = NULL;
	long len = 0;
	if (bio && write_pem(bio, k->pkey, passphrase))
		len = BIO_get_mem_data(bio, &text);
	rc = len > 0 ? file_write(f.fd, text, (size_t)len, path, e)
		     : err_set(e, ERR_BUG, "OpenSSL cannot write the key %s", path);
	BIO_free(bio);
	if (rc < 0)
		return rc;
	return exclusive ? file_new_commit_exclusive(&f, e) : file_new_commit(&f, e);
}

int privkey_save(const struct privkey *k, const char *path, const struct buf *passphrase,
		 struct err *e)
{
	return write_file(k, path, passphrase, true, e);
}

int privkey_replace(const struct privkey *k, const char *path, const struct buf *passphrase,
		    struct err *e)
{
	return write_file(k, path, passphrase, false, e);
}

/* -- reading --------------------------------------------------------------------------- */

/* OpenSSL must not prompt on the terminal, whatever the file contains. */
static int no_passphrase(char *text, int size, int writing, void *ctx)
{
	(void)text, (void)size, (void)writing, (void)ctx;
	return -1;
}

static bool has(const struct buf *text, const char *marker)
{
	return memmem(buf_str(text), text->len, marker, strlen(marker));
}

static int public_only(const char *path, struct err *e)
{
	err_set(e, ERR_USAGE, "%s is a public key; a private key is needed", path);
	return err_hint(e, "to give another person's key a name, put its file into the folder of "
			   "keys as NAME.pub");
}

static int not_a_key(const char *path, struct err *e)
{
	err_set(e, ERR_USAGE, "%s: not a private key in PKCS#8 PEM form", path);
	return err_hint(e, "`openssl pkcs8 -topk8 -in OLD -out NEW` converts older forms");
}

static int check_mode(const char *path, const struct stat *st, bool encrypted, struct err *e)
{
	bool others_write = st->st_mode & (S_IWGRP | S_IWOTH);
	bool others_read = st->st_mode & (S_IRGRP | S_IROTH);
	if (!others_write && (encrypted || !others_read))
		return 0;
	err_set(e, ERR_USAGE, "%s: other users can %s this private key", path,
		others_write ? "change" : "read");
	return err_hint(e,
			"run: chmod 600 %s; if that changes nothing, this file system cannot keep "
			"it private: move the keys to another disk",
			path);
}

/* Checks the permissions and returns the file's text. The caller wipes it. */
static int read_file(const char *path, struct buf *text, bool *encrypted, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	uint64_t size;
	struct stat st;
	int rc = file_open_regular(path, &fd, &size, e);
	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "%s", path);
	if (size > text->max)
		return not_a_key(path, e);
	void *room = buf_reserve(text, (size_t)size);
	rc = file_pread(fd, room, (size_t)size, 0, path, e);
	if (rc < 0)
		return rc;
	buf_commit(text, (size_t)size);
	encoding_to_utf8(text);
	*encrypted = has(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----");
	if (!*encrypted && !has(text, "-----BEGIN PRIVATE KEY-----"))
		return has(text, "-----BEGIN PUBLIC KEY-----") ? public_only(path, e)
							       : not_a_key(path, e);
	return check_mode(path, &st, *encrypted, e);
}

static int wrong_passphrase(const char *path, struct err *e)
{
	err_set(e, ERR_USAGE, "wrong passphrase for %s", path);
	return err_hint(e, "the passphrase comes from --passphrase-file or passphrase-file in "
			   "ferry.conf, else from FERRY_PASSPHRASE, else from a prompt; nothing "
			   "was changed");
}

static PKCS8_PRIV_KEY_INFO *try_known(X509_SIG *sig, struct passphrases *p)
{
	p->decryptions++;
	PKCS8_PRIV_KEY_INFO *info = PKCS8_decrypt(sig, buf_str(&p->known), (int)p->known.len);
	ERR_clear_error();
	return info;
}

static int decrypt(const char *path, X509_SIG *sig, struct passphrases *p,
		   PKCS8_PRIV_KEY_INFO **out, struct err *e)
{
	if (p && p->has_known) {
		*out = try_known(sig, p);
		if (*out || p->same)
			return *out ? 0 : wrong_passphrase(path, e);
	}
	int rc = passphrase_ask(p, path, e);
	for (int left = ATTEMPTS - 1; rc == 0; left--) {
		*out = try_known(sig, p);
		if (*out || p->same || !left)
			return *out ? 0 : wrong_passphrase(path, e);
		rc = passphrase_ask(p, path, e);
	}
	return rc;
}

static int read_info(const char *path, const struct buf *text, bool encrypted,
		     struct passphrases *p, PKCS8_PRIV_KEY_INFO **out, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(buf_str(text), (int)text->len);
	PKCS8_PRIV_KEY_INFO *info = NULL;
	int rc = 0;
	if (encrypted) {
		X509_SIG *sig = bio ? PEM_read_bio_PKCS8(bio, NULL, no_passphrase, NULL) : NULL;
		rc = sig ? decrypt(path, sig, p, &info, e) : not_a_key(path, e);
		X509_SIG_free(sig);
	} else if (bio) {
		info = PEM_read_bio_PKCS8_PRIV_KEY_INFO(bio, NULL, no_passphrase, NULL);
	}
	BIO_free(bio);
	ERR_clear_error();
	if (rc < 0)
		return rc;
	if (!info)
		return not_a_key(path, e);
	*out = info;
	return 0;
}

int privkey_load(const char *path, struct passphrases *passphrases, struct privkey **out,
		 struct err *e)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(FILE_MAX);
	PKCS8_PRIV_KEY_INFO *info = NULL;
	bool encrypted;
	int rc = read_file(path, &text, &encrypted, e);
	if (rc == 0)
		rc = read_info(path, &text, encrypted, passphrases, &info, e);
	if (rc < 0)
		return rc;
	EVP_PKEY *pkey = EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	ERR_clear_error();
	if (!pkey)
		return not_a_key(path, e);
	return from_pkey(pkey, out, e) < 0 ? err_context(e, "%s", path) : 0;
}

int privkey_is_encrypted(const char *path, bool *out, struct err *e)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(FILE_MAX);
	return read_file(path, &text, out, e);
}

/* -- signing --------------------------------------------------------------------------- */

static bool set_pss(EVP_PKEY_CTX *ctx)
{
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, 32) > 0;
}

int privkey_sign(const struct privkey *k, const void *data, size_t len, struct buf *sig,
		 struct err *e)
{
	enum tuf_scheme scheme = k->public->scheme;
	const EVP_MD *md = scheme == TUF_ED25519 ? NULL : EVP_sha256();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *params = NULL; /* belongs to ctx */
	uint8_t raw[4096];
	size_t raw_len = sizeof raw;
	bool ok = ctx && EVP_DigestSignInit(ctx, &params, md, NULL, k->pkey) == 1 &&
		  (scheme != TUF_RSA_PSS || set_pss(params)) &&
		  EVP_DigestSign(ctx, raw, &raw_len, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	if (!ok)
		return err_set(e, ERR_BUG, "OpenSSL cannot sign with this key");
	buf_add(sig, raw, raw_len);
	return buf_ok(sig, "a signature", e);
}

static int sign_with(struct signer *s, const void *data, size_t len, struct buf *sig, struct err *e)
{
	return privkey_sign(s->ctx, data, len, sig, e);
}

static void destroy(struct signer *s)
{
	privkey_free(s->ctx);
}

struct signer *privkey_signer(struct privkey *k, const char *name)
{
	struct signer *s = NEW(struct signer);
	s->key = tuf_key_copy(k->public);
	s->name = mem_strdup(name);
	s->sign = sign_with;
	s->destroy = destroy;
	s->ctx = k;
	return s;
}
