/*
 * Signs files of a release as minisign does, for `make dist`:
 *   sign-file KEY.pem FILE…        writes FILE.minisig beside each, and KEY's public key,
 * minisign.pub The key is one that `ferry catalog key new` makes; its passphrase is in
 * FERRY_PASSPHRASE.
 */
#include "sign/minisig.h"
#include "sign/privkey.h"
#include "util/buf.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES (256 * MIB)

static int write_beside(const char *file, const char *name, const struct buf *text, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(file);
	CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
	return file_write_atomic(path, text->data, text->len, 0644, e);
}

static int sign_file(struct signer *s, const char *file, struct err *e)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT(FILE_MAX_BYTES);
	CLEANUP(buf_release) struct buf sig = BUF_INIT(MINISIG_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *untrusted = mem_printf("signed with key %s", s->key->id);
	CLEANUP(mem_free_ptr) char *trusted = mem_printf("file:%s", path_base(file));
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s" MINISIG_SUFFIX, path_base(file));
	int rc = file_read_all(file, &data, e);
	if (rc == 0)
		rc = minisig_sign(s, data.data, data.len, untrusted, trusted, &sig, e);
	return rc < 0 ? rc : write_beside(file, name, &sig, e);
}

static int give_public(const struct signer *s, const char *file, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MINISIG_MAX_BYTES);
	int rc = minisig_public(s->key, "Model Ferry releases", &text, e);
	return rc < 0 ? rc : write_beside(file, "minisign.pub", &text, e);
}

static int load(const char *path, struct signer **out, struct err *e)
{
	CLEANUP(passphrase_release) struct passphrases known = { 0 };
	const char *passphrase = getenv("FERRY_PASSPHRASE");
	struct privkey *key;
	if (passphrase) {
		CLEANUP(buf_release) struct buf text = BUF_INIT(PASSPHRASE_MAX);
		buf_add(&text, passphrase, strlen(passphrase));
		int rc = buf_ok(&text, "FERRY_PASSPHRASE", e);
		if (rc < 0)
			return rc;
		passphrase_know(&known, &text);
		buf_wipe(&text);
	}
	int rc = privkey_load(path, &known, &key, e);
	if (rc == 0)
		*out = privkey_signer(key, path);
	return rc;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct signer *s = NULL;
	int rc = argc > 2 ? load(argv[1], &s, &e)
			  : err_set(&e, ERR_USAGE, "usage: sign-file KEY.pem FILE...");
	for (int i = 2; rc == 0 && i < argc; i++)
		rc = sign_file(s, argv[i], &e);
	if (rc == 0)
		rc = give_public(s, argv[2], &e);
	if (rc < 0)
		fprintf(stderr, "sign-file: %s\n", e.text);
	signer_free(s);
	return -rc;
}
