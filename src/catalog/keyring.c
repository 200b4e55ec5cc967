#include "catalog/keyring.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define KEY_SUFFIX ".pem"
#define PUBLIC_SUFFIX ".pub"
#define PUBLIC_MAX (16 * KIB)

void keyring_release(struct keyring *k)
{
	for (size_t i = 0; i < k->count; i++) {
		free(k->at[i].name);
		free(k->at[i].path);
		tuf_key_free(k->at[i].public);
	}
	free(k->at);
	free(k->dir);
	*k = (struct keyring){ 0 };
}

static char *public_path(const char *dir, const char *name)
{
	return mem_printf("%s/%s%s", dir, name, PUBLIC_SUFFIX);
}

static int load_public(const char *dir, const char *name, struct tuf_key **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = public_path(dir, name);
	CLEANUP(buf_release) struct buf pem = BUF_INIT(PUBLIC_MAX);
	if (!file_exists(path))
		return 0;
	int rc = file_read_all(path, &pem, e);
	return rc < 0 ? rc : tuf_key_from_pem(buf_str(&pem), pem.len, path, out, e);
}

static int load_one(struct keyring *k, const char *file, struct err *e)
{
	struct keyring_key key = { .path = path_join(k->dir, file) };
	key.name = mem_strndup(file, strlen(file) - strlen(KEY_SUFFIX));
	int rc = privkey_is_encrypted(key.path, &key.encrypted, e);
	if (rc == 0)
		rc = load_public(k->dir, key.name, &key.public, e);
	if (rc < 0) {
		free(key.name);
		free(key.path);
		return rc;
	}
	k->at = mem_grow(k->at, k->count, &k->cap, sizeof *k->at);
	k->at[k->count++] = key;
	return 0;
}

/* By real paths, as far as they exist: a link must not hide it. */
static int check_outside(const char *dir, const char *tree, struct err *e)
{
	char *outer = realpath(tree, NULL), *inner = realpath(dir, NULL);
	CLEANUP(mem_free_ptr) char *a = outer ? outer : path_absolute(tree);
	CLEANUP(mem_free_ptr) char *b = inner ? inner : path_absolute(dir);
	size_t len = strlen(a);
	while (len > 1 && a[len - 1] == '/')
		len--;
	if (strncmp(a, b, len) != 0 || (b[len] != '/' && b[len] != '\0'))
		return 0;
	err_set(e, ERR_USAGE, "the keys in %s lie inside the tree %s, which is published", dir,
		tree);
	return err_hint(e, "move the folder out of the tree and say where it is with `keys` in "
			"ferry.conf or with --keys");
}

int keyring_load(const char *dir, const char *tree, struct keyring *out, struct err *e)
{
	CLEANUP(keyring_release) struct keyring k = { .dir = mem_strdup(dir) };
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = tree ? check_outside(dir, tree, e) : 0;
	if (rc == 0)
		rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		if (str_ends(names.at[i], KEY_SUFFIX) && names.at[i][0] != '.')
			rc = load_one(&k, names.at[i], e);
	if (rc < 0)
		return rc;
	*out = k;
	k = (struct keyring){ 0 };
	return 0;
}

const struct keyring_key *keyring_find(const struct keyring *k, const char *name)
{
	for (size_t i = 0; i < k->count; i++)
		if (strcmp(k->at[i].name, name) == 0)
			return &k->at[i];
	return NULL;
}

static int save_public(const char *dir, const char *name, const struct tuf_key *key,
		       struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = public_path(dir, name);
	CLEANUP(buf_release) struct buf pem = BUF_INIT(PUBLIC_MAX);
	int rc = tuf_key_to_pem(key, &pem, e);
	return rc < 0 ? rc : file_write_atomic(path, pem.data, pem.len, 0644, e);
}

int keyring_new(struct keyring *k, const char *name, enum privkey_kind kind,
		const struct buf *passphrase, struct err *e)
{
	CLEANUP_PTR(privkey_free) struct privkey *key = NULL;
	CLEANUP(mem_free_ptr) char *file = mem_printf("%s%s", name, KEY_SUFFIX);
	CLEANUP(mem_free_ptr) char *path = path_join(k->dir, file);
	if (!path_is_id(name))
		return err_set(e, ERR_USAGE, "'%s' is no name for a key (a-z, 0-9, '.', '_', '-')",
			       name);
	int rc = privkey_new(kind, &key, e);
	if (rc == 0)
		rc = file_mkdirs(k->dir, 0700, e);
	/* The public part first: a key that is there is complete, even after a kill. */
	if (rc == 0 && !file_exists(path))
		rc = save_public(k->dir, name, privkey_public(key), e);
	if (rc == 0)
		rc = privkey_save(key, path, passphrase, e);
	return rc < 0 ? rc : load_one(k, file, e);
}

/* ---- opening ---- */

void keyring_signers_release(struct keyring_signers *s)
{
	for (size_t i = 0; i < s->count; i++)
		signer_free(s->at[i]);
	free(s->at);
	*s = (struct keyring_signers){ 0 };
}

/* "targets", "targets-alice", "targets.2", but not "targetsof". */
static bool named_for(const char *name, const char *const *roles)
{
	for (; *roles; roles++) {
		const char *rest = name + strlen(*roles);
		if (str_starts(name, *roles) && (!*rest || strchr("-._", *rest)))
			return true;
	}
	return false;
}

static int open_one(const struct keyring *k, const struct keyring_key *key, privkey_ask ask,
		    void *ctx, struct keyring_signers *out, struct err *e)
{
	CLEANUP_PTR(privkey_free) struct privkey *private = NULL;
	int rc = privkey_load(key->path, ask, ctx, &private, e);
	if (rc < 0)
		return rc;
	if (!key->public && (rc = save_public(k->dir, key->name, privkey_public(private), e)) < 0)
		return rc;
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count++] = privkey_signer(STEAL(private), key->path);
	return 0;
}

static bool is_open(const struct keyring_signers *s, const char *keyid)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->at[i]->key->id, keyid) == 0)
			return true;
	return false;
}

int keyring_open(const struct keyring *k, const struct str_list *wanted,
		 const char *const *roles, privkey_ask ask, void *ctx,
		 struct keyring_signers *out, struct err *e)
{
	for (size_t i = 0; i < k->count; i++) {
		const struct keyring_key *key = &k->at[i];
		bool fits = key->public ? str_list_has(wanted, key->public->id) &&
					  !is_open(out, key->public->id) :
					  named_for(key->name, roles);
		int rc = fits ? open_one(k, key, ask, ctx, out, e) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

int keyring_passphrase(const struct keyring_key *key, privkey_ask ask, void *ctx,
		       const struct buf *passphrase, struct err *e)
{
	CLEANUP_PTR(privkey_free) struct privkey *private = NULL;
	int rc = privkey_load(key->path, ask, ctx, &private, e);
	return rc < 0 ? rc : privkey_replace(private, key->path, passphrase, e);
}
