#include "sign/keyring_internal.h"

#include "sign/command.h"
#include "util/mem.h"

#include <string.h>

static int open_key(const struct keyring *k, const struct keyring_key *key, struct signer **out,
		    struct err *e)
{
	CLEANUP_PTR(privkey_free) struct privkey *private = NULL;
	if (key->kind == KEYRING_COMMAND)
		return command_signer(key->path, key->public, k->trust, out, e);
	if (key->kind == KEYRING_PUBLIC)
		return err_set(e, ERR_USAGE, "%s is a public key, which cannot sign", key->path);
	int rc = privkey_load(key->path, k->passphrases, &private, e);
	if (rc == 0)
		*out = privkey_signer(STEAL(private), key->path);
	return rc;
}

int keyring_signer(struct keyring *k, const struct keyring_key *key, struct signer **out,
		   struct err *e)
{
	int rc = key->signer ? 0 : open_key(k, key, &keyring_own(k, key)->signer, e);
	if (rc < 0)
		return rc;
	key->signer->cancel = k->cancel;
	*out = key->signer;
	return 0;
}

void keyring_signers_release(struct keyring_signers *s)
{
	free(s->at);
	*s = (struct keyring_signers){ 0 };
}

static bool is_open(const struct keyring_signers *s, const char *keyid)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->at[i]->key->id, keyid) == 0)
			return true;
	return false;
}

void keyring_signers_add(struct keyring_signers *s, struct signer *signer)
{
	if (is_open(s, signer->key->id))
		return;
	s->at = mem_grow(s->at, s->count, &s->cap, sizeof *s->at);
	s->at[s->count++] = signer;
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

static int open_one(struct keyring *k, const struct keyring_key *key, struct keyring_signers *out,
		    struct err *e)
{
	struct signer *signer;
	bool known = key->public || key->chosen || key->signer;
	int rc = keyring_signer(k, key, &signer, e);
	if (rc < 0)
		return rc;
	keyring_signers_add(out, signer);
	return known ? 0 : keyring_save_public(k->dir, key->name, signer->key, e);
}

int keyring_open(struct keyring *k, const struct str_list *wanted, const char *const *roles,
		 struct keyring_signers *out, struct err *e)
{
	for (size_t i = 0; i < k->count; i++) {
		const struct keyring_key *key = &k->at[i];
		bool fits = key->public ? str_list_has(wanted, key->public->id) &&
						  !is_open(out, key->public->id)
					: key->chosen || named_for(key->name, roles);
		int rc = fits && key->kind != KEYRING_PUBLIC ? open_one(k, key, out, e) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}
