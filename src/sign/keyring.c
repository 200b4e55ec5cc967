#include "sign/keyring_internal.h"

#include "sign/command.h"
#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <unistd.h>

#define COMMAND_SUFFIX ".command"

static void key_release(struct keyring_key *key)
{
	free(key->name);
	free(key->path);
	tuf_key_free(key->public);
	signer_free(key->signer);
	*key = (struct keyring_key){ 0 };
}

void keyring_release(struct keyring *k)
{
	for (size_t i = 0; i < k->count; i++)
		key_release(&k->at[i]);
	free(k->at);
	free(k->dir);
	*k = (struct keyring){ 0 };
}

/* ---- loading ---- */

static int read_public(const char *path, struct tuf_key **out, struct err *e)
{
	CLEANUP(buf_release) struct buf pem = BUF_INIT(KEYRING_PUBLIC_MAX);
	int rc = file_read_all(path, &pem, e);
	encoding_to_utf8(&pem);
	return rc < 0 ? rc : tuf_key_from_pem(buf_str(&pem), pem.len, path, out, e);
}

static char *with_suffix(const char *base, const char *suffix)
{
	return mem_printf("%s%s", base, suffix);
}

/* The public key, if there is one. base: the path without suffix. */
static int load_public(const char *base, struct keyring_key *key, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = with_suffix(base, KEYRING_PUBLIC_SUFFIX);
	int rc = file_exists(path) ? read_public(path, &key->public, e) : 0;
	if (rc < 0 || key->public || key->kind != KEYRING_COMMAND)
		return rc;
	err_set(e, ERR_USAGE, "%s: its public key, %s.pub, is missing", key->path, key->name);
	return err_hint(e, "export the public key from the HSM or KMS in PEM form to that file");
}

/* Determines which of the three kinds it is. False: not a key. */
static bool find_kind(const char *base, struct keyring_key *key)
{
	static const struct {
		const char *suffix;
		enum keyring_kind kind;
	} kinds[] = {
		{ KEYRING_PRIVATE_SUFFIX, KEYRING_FILE },
		{ COMMAND_SUFFIX, KEYRING_COMMAND },
		{ KEYRING_PUBLIC_SUFFIX, KEYRING_PUBLIC },
	};
	for (size_t i = 0; i < ARRAY_LEN(kinds) && !key->path; i++) {
		char *path = with_suffix(base, kinds[i].suffix);
		key->kind = kinds[i].kind;
		if (file_exists(path))
			key->path = path;
		else
			free(path);
	}
	return key->path;
}

/* base: "keys/targets". A .pub file that is not a key for metadata (other programs use the same
 * suffix) is ignored: *out then has no name. */
static int load_key(const char *base, struct keyring_key *out, struct err *e)
{
	CLEANUP(key_release) struct keyring_key key = { 0 };
	CLEANUP(mem_free_ptr) char *command = with_suffix(base, COMMAND_SUFFIX);
	struct err foreign = ERR_INIT;
	int rc = 0;
	*out = key;
	if (!find_kind(base, &key))
		return err_set(e, ERR_NOT_FOUND, "there is no key %s%s", base,
			       KEYRING_PRIVATE_SUFFIX);
	key.name = mem_strdup(path_base(base));
	if (key.kind == KEYRING_FILE && file_exists(command))
		return err_set(e, ERR_USAGE, "both %s and %s exist: remove one of them", key.path,
			       command);
	if (key.kind == KEYRING_PUBLIC && load_public(base, &key, &foreign) < 0)
		return 0;
	if (key.kind == KEYRING_COMMAND)
		rc = command_check(key.path, e);
	if (rc == 0 && key.kind != KEYRING_PUBLIC)
		rc = load_public(base, &key, e);
	if (rc < 0)
		return rc;
	*out = key;
	key = (struct keyring_key){ 0 };
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct keyring_key *x = a, *y = b;
	return strcmp(x->name, y->name);
}

/* Replaces an entry with the same name. */
static void add_key(struct keyring *k, struct keyring_key *key)
{
	for (size_t i = 0; i < k->count; i++) {
		if (strcmp(k->at[i].name, key->name) != 0)
			continue;
		key_release(&k->at[i]);
		k->at[i] = *key;
		return;
	}
	k->at = mem_grow(k->at, k->count, &k->cap, sizeof *k->at);
	k->at[k->count++] = *key;
	qsort(k->at, k->count, sizeof *k->at, compare_keys);
}

int keyring_load_one(struct keyring *k, const char *name, struct err *e)
{
	CLEANUP(mem_free_ptr) char *base = path_join(k->dir, name);
	struct keyring_key key;
	int rc = load_key(base, &key, e);
	if (rc == 0 && key.name)
		add_key(k, &key);
	return rc;
}

/* The name without suffix; NULL if it is not a key file. The caller frees. */
static char *name_of_file(const char *file)
{
	static const char *const suffixes[] = { KEYRING_PRIVATE_SUFFIX, COMMAND_SUFFIX,
						KEYRING_PUBLIC_SUFFIX };
	for (size_t i = 0; *file != '.' && i < ARRAY_LEN(suffixes); i++)
		if (str_ends(file, suffixes[i]))
			return mem_strndup(file, strlen(file) - strlen(suffixes[i]));
	return NULL;
}

/* Compares real paths, as far as they exist, so that a link does not hide it. */
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
	err_set(e, ERR_USAGE, "the folder of keys %s is inside the tree %s, which is published",
		dir, tree);
	return err_hint(e, "move the folder out of the tree and set `keys` in ferry.conf or use "
			   "--keys");
}

int keyring_load(const char *dir, const char *tree, struct keyring *out, struct err *e)
{
	CLEANUP(keyring_release) struct keyring k = { .dir = mem_strdup(dir) };
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = tree ? check_outside(dir, tree, e) : 0;
	if (rc == 0)
		rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *name = name_of_file(names.at[i]);
		if (name && !keyring_find(&k, name))
			rc = keyring_load_one(&k, name, e);
	}
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

const struct keyring_key *keyring_by_id(const struct keyring *k, const char *keyid)
{
	for (size_t i = 0; i < k->count; i++)
		if (k->at[i].public && strcmp(k->at[i].public->id, keyid) == 0)
			return &k->at[i];
	return NULL;
}

/* ---- what a person names ---- */

int keyring_hint(const struct keyring *k, const char *wrong, const char *otherwise, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **names = mem_alloc((k->count + 1) * sizeof *names);
	for (size_t i = 0; i < k->count; i++)
		names[i] = k->at[i].name;
	return text_hint_nearest(wrong, names, k->count, otherwise, e);
}

static int no_such_key(const struct keyring *k, const char *which, struct err *e)
{
	err_set(e, ERR_NOT_FOUND, "there is no key '%s'%s%s, and no file of that name", which,
		k->dir ? " in " : "", k->dir ? k->dir : "");
	return keyring_hint(k, which, KEYRING_LISTED, e);
}

static void copy_key(const struct keyring_key *from, struct keyring_key *out)
{
	*out = *from;
	out->name = mem_strdup(from->name);
	out->path = mem_strdup(from->path);
	out->public = from->public ? tuf_key_copy(from->public) : NULL;
	out->signer = NULL;
}

static int pick_one(const struct keyring *from, const char *which, struct keyring_key *out,
		    struct err *e)
{
	const struct keyring_key *known = keyring_find(from, which);
	CLEANUP(mem_free_ptr) char *base = name_of_file(path_base(which));
	if (!known && base && file_exists(which)) {
		CLEANUP(mem_free_ptr) char *dir = path_dir(which);
		CLEANUP(mem_free_ptr) char *path = path_join(dir, base);
		return load_key(path, out, e);
	}
	if (!known && file_exists(which)) {
		err_set(e, ERR_USAGE, "%s: the name of a key file must be NAME.pem or NAME.command",
			which);
		return err_hint(e, "`ferry catalog key import FILE NAME` imports a key file with "
				   "another name");
	}
	if (!known)
		return no_such_key(from, which, e);
	copy_key(known, out);
	return 0;
}

int keyring_pick(const struct keyring *from, const char *const *which, size_t count,
		 struct keyring *out, struct err *e)
{
	CLEANUP(keyring_release) struct keyring picked = { 0 };
	picked.dir = from->dir ? mem_strdup(from->dir) : NULL;
	picked.passphrases = from->passphrases;
	picked.trust = from->trust;
	for (size_t i = 0; i < count; i++) {
		struct keyring_key key = { 0 };
		int rc = pick_one(from, which[i], &key, e);
		if (rc < 0)
			return rc;
		if (!key.name || key.kind == KEYRING_PUBLIC) {
			key_release(&key);
			return err_set(e, ERR_USAGE, "%s is a public key, which cannot sign",
				       which[i]);
		}
		key.chosen = true;
		picked.at = mem_grow(picked.at, picked.count, &picked.cap, sizeof *picked.at);
		picked.at[picked.count++] = key;
	}
	*out = picked;
	picked = (struct keyring){ 0 };
	return 0;
}

int keyring_public(const struct keyring *k, const char *which, struct tuf_key **out, struct err *e)
{
	const struct keyring_key *known = keyring_find(k, which);
	if (!known)
		return file_exists(which) ? read_public(which, out, e) : no_such_key(k, which, e);
	if (!known->public) {
		err_set(e, ERR_USAGE, "%s: its public key, %s.pub, is missing", known->path,
			known->name);
		return err_hint(e, "`openssl pkey -in %s -pubout` writes it", known->path);
	}
	*out = tuf_key_copy(known->public);
	return 0;
}

/* ---- in memory ---- */

struct keyring_key *keyring_own(struct keyring *k, const struct keyring_key *key)
{
	return &k->at[key - k->at];
}

int keyring_is_encrypted(const struct keyring_key *key, bool *out, struct err *e)
{
	*out = false;
	return key->kind == KEYRING_FILE ? privkey_is_encrypted(key->path, out, e) : 0;
}

void keyring_learn(struct keyring *k, const struct keyring *from)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct keyring_key *key = &from->at[i];
		struct keyring_key copy;
		if (!key->public || keyring_by_id(k, key->public->id) || keyring_find(k, key->name))
			continue;
		copy_key(key, &copy);
		copy.chosen = false;
		add_key(k, &copy);
	}
}

int keyring_drop_public(struct keyring *k, const char *name, struct err *e)
{
	for (size_t i = 0; i < k->count; i++) {
		if (strcmp(k->at[i].name, name) != 0 || k->at[i].kind != KEYRING_PUBLIC)
			continue;
		int rc = file_remove(k->at[i].path, e);
		if (rc < 0)
			return rc;
		key_release(&k->at[i]);
		k->count--;
		memmove(&k->at[i], &k->at[i + 1], (k->count - i) * sizeof *k->at);
		return 0;
	}
	return 0;
}

char *keyring_free_name(const struct keyring *k, const char *role)
{
	char *name = mem_strdup(role);
	for (unsigned n = 2; keyring_find(k, name); n++) {
		free(name);
		name = mem_printf("%s-%u", role, n);
	}
	return name;
}
