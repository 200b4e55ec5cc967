#include "cli/catalog/key_import.h"

#include "util/mem.h"

#include <string.h>

static const char *const kind_names[] = { "file", "command", "public" };

json_t *key_json(const struct keyring_key *key, const char *dir)
{
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	json_t *object = json_object(), *array = json_array();
	struct err fault = ERR_INIT;
	bool encrypted;
	json_put_string(object, "name", key->name);
	json_put_string(object, "path", key->path);
	json_put_string(object, "kind", kind_names[key->kind]);
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
	for (size_t i = 0; i < roles.count; i++)
		json_push(array, json_string(roles.at[i]));
	json_put(object, "roles", array);
	return object;
}

/* ---- new ---- */

static const struct opt new_opts[] = {
	CATALOG_OPT_PLACE,
	CATALOG_OPT_KEYS,
	OPT_ENUM(catalog_opts, type, 0, "type", "TYPE", "ed25519 ecdsa-p256", "type of the key"),
	CATALOG_OPT_PASSPHRASE,
	CATALOG_OPT_UNENCRYPTED,
	OPT_LAST,
};

static int run_new(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count;
	const struct catalog_opts *o = opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	int rc = key_load(cli, o, &p, &keys, e);
	if (rc < 0)
		return rc;
	CLEANUP(place_ask_release) struct place_ask ask;
	place_ask_init(&ask, cli, p.passphrase_file ? p.passphrase_file : o->passphrase_file);
	if (!o->unencrypted && (rc = place_ask_new(&ask, e)) < 0)
		return rc;
	rc = keyring_new(&keys, operands[0], o->type ? PRIVKEY_ECDSA_P256 : PRIVKEY_ED25519,
			 o->unencrypted ? NULL : &ask.passphrases.known, e);
	if (rc < 0)
		return rc;
	const struct keyring_key *key = keyring_find(&keys, operands[0]);
	if (!cli->json) {
		cli_print(cli, "made %s, key id %s\n", key->path, key->public->id);
		return 0;
	}
	json_t *document = json_object();
	json_put_string(document, "command", "catalog key new");
	json_put(document, "key", key_json(key, NULL));
	return cli_print_json(cli, document, e);
}

static const struct command key_new = {
	.name = "new",
	.summary = "make a key",
	.synopsis = (const char *const[]){ "NAME", NULL },
	.description = "Makes NAME.pem, the private key, and NAME.pub, its public part, which is "
		       "what others are given. What a key may sign is decided by the root.",
	.opts = new_opts,
	.opts_size = sizeof(struct catalog_opts),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_new,
};

/* ---- list ---- */

static const struct opt list_opts[] = { CATALOG_OPT_PLACE, CATALOG_OPT_KEYS, OPT_LAST };

static const char *file_of(struct cli *cli, const struct keyring_key *key)
{
	struct err fault = ERR_INIT;
	bool encrypted;
	if (key->kind != KEYRING_FILE)
		return key->kind == KEYRING_COMMAND ? "command" : "public only";
	if (keyring_is_encrypted(key, &encrypted, &fault) == 0)
		return encrypted ? "encrypted" : "plain";
	report_warn(cli->report, "%s", fault.text);
	return "unusable";
}

static void add_row(struct cli *cli, struct cli_table *table, const struct keyring_key *key,
		    const char *dir)
{
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	if (key->public && dir)
		repository_key_roles(dir, key->public->id, &roles);
	for (size_t i = 0; i < roles.count; i++)
		buf_addf(&text, "%s%s", i ? " " : "", roles.at[i]);
	const char *cells[] = { key->name, buf_str(&text), file_of(cli, key),
				key->public ? tuf_key_kind(key->public) : "unknown",
				key->public ? key->public->id : "" };
	cli_table_add(table, cells);
}

static int run_list(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count, (void)operands;
	static const char *const titles[] = { "NAME", "ROLES", "FILE", "TYPE", "KEY ID" };
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	int rc = key_load(cli, opts, &p, &keys, e);
	if (rc < 0)
		return rc;
	if (!cli->json) {
		struct cli_table *table = cli_table_new(titles, ARRAY_LEN(titles));
		for (size_t i = 0; i < keys.count; i++)
			add_row(cli, table, &keys.at[i], p.dir);
		cli_table_print(cli, table);
		return 0;
	}
	json_t *document = json_object(), *array = json_array();
	for (size_t i = 0; i < keys.count; i++)
		json_push(array, key_json(&keys.at[i], p.dir));
	json_put_string(document, "command", "catalog key list");
	json_put_string(document, "folder", keys.dir);
	json_put(document, "keys", array);
	return cli_print_json(cli, document, e);
}

static const struct command key_list = {
	.name = "list",
	.summary = "list the keys and what they may sign",
	.synopsis = (const char *const[]){ "", NULL },
	.opts = list_opts,
	.opts_size = sizeof(struct catalog_opts),
	.run = run_list,
};

/* ---- export ---- */

static int run_export(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	CLEANUP(buf_release) struct buf pem = BUF_INIT(16 * KIB);
	const struct keyring_key *key;
	int rc = key_load(cli, opts, &p, &keys, e);
	if (rc < 0 || (rc = key_find(&keys, operands[0], &key, e)) < 0)
		return rc;
	if (!key->public) {
		err_set(e, ERR_NOT_FOUND, "%s: its public part, %s.pub, is missing", key->path,
			key->name);
		return err_hint(e, "the next `ferry catalog sign` with this key writes it again");
	}
	if ((rc = tuf_key_to_pem(key->public, &pem, e)) < 0)
		return rc;
	if (!cli->json) {
		cli_print(cli, "%s", buf_str(&pem));
		return 0;
	}
	json_t *document = json_object();
	json_put_string(document, "command", "catalog key export");
	json_put(document, "key", key_json(key, p.dir));
	json_put_string(document, "public", buf_str(&pem));
	return cli_print_json(cli, document, e);
}

static const struct command key_export = {
	.name = "export",
	.summary = "print the public part of a key",
	.synopsis = (const char *const[]){ "NAME", NULL },
	.opts = list_opts,
	.opts_size = sizeof(struct catalog_opts),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_export,
};

/* ---- passphrase ---- */

static const struct opt passphrase_opts[] = {
	CATALOG_OPT_PLACE,
	CATALOG_OPT_KEYS,
	CATALOG_OPT_PASSPHRASE,
	OPT_HINTED(OPT_STRING, catalog_opts, new_passphrase_file, 0, "new-passphrase-file", "FILE",
		   HINT_FILE, "read the new passphrase from the first line of this file"),
	CATALOG_OPT_UNENCRYPTED,
	OPT_LAST,
};

/* FERRY_PASSPHRASE is the old one; the new one must not be taken from it in silence. */
static int ask_changed(struct cli *cli, const struct catalog_opts *o, struct place_ask *ask,
		       struct err *e)
{
	place_ask_init(ask, cli, o->new_passphrase_file);
	if (!o->new_passphrase_file && getenv("FERRY_PASSPHRASE")) {
		err_set(e, ERR_USAGE, "where does the new passphrase come from?");
		return err_hint(e, "FERRY_PASSPHRASE is the old one; give the new one with "
				"--new-passphrase-file FILE");
	}
	return place_ask_new(ask, e);
}

static int run_passphrase(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	const struct catalog_opts *o = opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	CLEANUP(place_ask_release) struct place_ask new = { 0 };
	const struct keyring_key *key;
	int rc = key_load(cli, o, &p, &keys, e);
	for (int i = 0; rc == 0 && i < count; i++)
		rc = key_find(&keys, operands[i], &key, e);
	if (rc < 0 || (!o->unencrypted && (rc = ask_changed(cli, o, &new, e)) < 0))
		return rc;
	CLEANUP(place_ask_release) struct place_ask old;
	place_ask_init(&old, cli, p.passphrase_file ? p.passphrase_file : o->passphrase_file);
	keys.passphrases = &old.passphrases;
	json_t *document = json_object(), *changed = json_array();
	json_put_string(document, "command", "catalog key passphrase");
	json_put(document, "changed", changed);
	for (int i = 0; rc == 0 && i < count; i++) {
		key = keyring_find(&keys, operands[i]);
		rc = keyring_passphrase(&keys, key, o->unencrypted ? NULL : &new.passphrases.known,
					e);
		if (rc == 0)
			json_push(changed, json_string(key->name));
		if (rc == 0 && !cli->json)
			cli_print(cli, "changed the passphrase of %s\n", key->path);
	}
	if (rc == 0 && cli->json)
		return cli_print_json(cli, document, e);
	json_decref(document);
	return rc;
}

static const struct command key_passphrase = {
	.name = "passphrase",
	.summary = "change the passphrase of keys",
	.synopsis = (const char *const[]){ "NAME…", NULL },
	.opts = passphrase_opts,
	.opts_size = sizeof(struct catalog_opts),
	.min_operands = 1,
	.max_operands = -1,
	.run = run_passphrase,
};

static const struct command *const subs[] = {
	&key_new, &cmd_catalog_key_import, &key_list, &key_export, &key_passphrase,
	&cmd_catalog_key_check, NULL,
};

const struct command cmd_catalog_key = {
	.name = "key",
	.summary = "make and look at the keys that sign",
	.synopsis = (const char *const[]){ "COMMAND …", NULL },
	.subs = subs,
	.max_operands = -1,
};
