#include "cli/catalog/key.h"

#include "util/mem.h"

void key_desk_release(struct key_desk *d)
{
	place_ask_release(&d->ask);
	keyring_release(&d->keys);
	place_release(&d->place);
}

int key_desk_open(struct cli *cli, const struct catalog_opts *o, struct key_desk *d, struct err *e)
{
	struct err none = ERR_INIT;
	bool alone = o->keys && !o->dir && !o->name;
	int rc = place_load(cli, o, &d->place, alone ? &none : e);
	if (rc == 0)
		rc = place_keyring(&d->place, &d->keys, e);
	else if (alone)
		rc = keyring_load(o->keys, NULL, &d->keys, e);
	d->passphrase_file = d->place.passphrase_file ? d->place.passphrase_file
						      : o->passphrase_file;
	place_ask_init(&d->ask, cli, d->passphrase_file);
	d->keys.passphrases = &d->ask.passphrases;
	d->keys.trust = cli_trust(cli);
	d->keys.cancel = cli->cancel;
	return rc;
}

int key_find(const struct keyring *k, const char *name, const struct keyring_key **out,
	     struct err *e)
{
	*out = keyring_find(k, name);
	if (*out)
		return 0;
	err_set(e, ERR_NOT_FOUND, "%s: there is no key '%s'", k->dir, name);
	return keyring_hint(k, name, KEYRING_LISTED, e);
}

void key_put(json_t *object, const struct keyring_key *key, const char *dir)
{
	static const char *const kinds[] = { "file", "command", "public" };
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	struct err fault = ERR_INIT;
	bool encrypted;
	json_put_string(object, "name", key->name);
	json_put_string(object, "path", key->path);
	json_put_string(object, "kind", kinds[key->kind]);
	if (keyring_is_encrypted(key, &encrypted, &fault) == 0)
		json_put_bool(object, "encrypted", encrypted);
	else
		json_put_string(object, "fault", fault.text);
	if (key->public) {
		json_put_string(object, "id", key->public->id);
		json_put_string(object, "type", tuf_key_kind(key->public));
		if (dir)
			repository_key_roles(dir, key->public->id, &roles);
	}
	json_put(object, "roles", json_strings(&roles));
}
