#include "sign/keyring_internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <unistd.h>

int keyring_save_public(const char *dir, const char *name, const struct tuf_key *key, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s%s", dir, name, KEYRING_PUBLIC_SUFFIX);
	CLEANUP(buf_release) struct buf pem = BUF_INIT(KEYRING_PUBLIC_MAX);
	int rc = tuf_key_to_pem(key, &pem, e);
	return rc < 0 ? rc : file_write_atomic(path, pem.data, pem.len, 0644, e);
}

/* Removes what a killed run left of this key: it was never used, but is still a secret. */
static void remove_leftovers(const char *dir, const char *name)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *private = mem_printf(".%s%s.", name, KEYRING_PRIVATE_SUFFIX);
	CLEANUP(mem_free_ptr) char *public = mem_printf(".%s%s.", name, KEYRING_PUBLIC_SUFFIX);
	struct err ignored = ERR_INIT;
	if (file_list_dir(dir, &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		if (file_is_temporary(names.at[i]) &&
		    (str_starts(names.at[i], private) || str_starts(names.at[i], public)))
			unlink(path);
	}
}

/* Never replaces a private key, or another person's public key. key NULL: not known yet. */
static int check_free(const struct keyring *k, const char *name, const struct tuf_key *key,
		      struct err *e)
{
	const struct keyring_key *there = keyring_find(k, name);
	if (!path_is_id(name))
		return err_set(e, ERR_USAGE,
			       "'%s' is not a valid name for a key (a-z, 0-9, '.', '_', '-')",
			       name);
	if (!there ||
	    (there->kind == KEYRING_PUBLIC && (!key || strcmp(there->public->id, key->id) == 0)))
		return 0;
	err_set(e, ERR_CONFLICT, "%s exists already", there->path);
	return err_hint(e, "keys are never overwritten: choose another name, or move the old key "
			   "away");
}

int keyring_check_new(const struct keyring *k, const char *name, struct err *e)
{
	return check_free(k, name, NULL, e);
}

int keyring_store(struct keyring *k, const char *name, struct privkey *key,
		  const struct buf *passphrase, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s%s", k->dir, name,
						      KEYRING_PRIVATE_SUFFIX);
	CLEANUP_PTR(signer_free) struct signer *signer = privkey_signer(key, path);
	const struct tuf_key *public = signer->key;
	int rc = check_free(k, name, public, e);
	if (rc == 0)
		rc = file_mkdirs(k->dir, 0700, e);
	if (rc == 0)
		remove_leftovers(k->dir, name);
	/* The public key first, so that a private key that exists is complete, even after a
	 * kill. */
	if (rc == 0 && !file_exists(path))
		rc = keyring_save_public(k->dir, name, public, e);
	if (rc == 0)
		rc = privkey_save(key, path, passphrase, e);
	if (rc == 0)
		rc = keyring_load_one(k, name, e);
	if (rc == 0)
		keyring_own(k, keyring_find(k, name))->signer = STEAL(signer);
	return rc;
}

int keyring_new(struct keyring *k, const char *name, enum privkey_kind kind,
		const struct buf *passphrase, struct err *e)
{
	struct privkey *key;
	int rc = privkey_new(kind, &key, e);
	return rc < 0 ? rc : keyring_store(k, name, key, passphrase, e);
}

int keyring_remember(struct keyring *k, const char *name, const struct tuf_key *key, struct err *e)
{
	CLEANUP(mem_free_ptr) char *longer = mem_printf("%s-%.8s", name, key->id);
	const char *as = keyring_find(k, name) ? longer : name;
	if (keyring_by_id(k, key->id) || keyring_find(k, as) || !path_is_id(as))
		return 0;
	int rc = file_mkdirs(k->dir, 0700, e);
	if (rc == 0)
		rc = keyring_save_public(k->dir, as, key, e);
	return rc < 0 ? rc : keyring_load_one(k, as, e);
}

int keyring_passphrase(const struct keyring *k, const struct keyring_key *key,
		       const struct buf *passphrase, struct err *e)
{
	CLEANUP_PTR(privkey_free) struct privkey *private = NULL;
	if (key->kind != KEYRING_FILE)
		return err_set(e, ERR_USAGE,
			       "%s is not a private key file, so it has no passphrase", key->path);
	int rc = privkey_load(key->path, k->passphrases, &private, e);
	return rc < 0 ? rc : privkey_replace(private, key->path, passphrase, e);
}
