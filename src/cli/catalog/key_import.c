#include "cli/catalog/key_import.h"

#include "util/mem.h"

#include <string.h>

int key_load(struct cli *cli, const struct catalog_opts *o, struct place *p,
		      struct keyring *out, struct err *e)
{
	if (o->keys && !o->dir && !o->name) {
		struct err none = ERR_INIT;
		if (place_load(cli, o, p, &none) < 0)
			return keyring_load(o->keys, NULL, out, e);
		return place_keyring(p, out, e);
	}
	int rc = place_load(cli, o, p, e);
	return rc < 0 ? rc : place_keyring(p, out, e);
}

int key_find(const struct keyring *k, const char *name, const struct keyring_key **out,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) const char **names = mem_alloc((k->count + 1) * sizeof *names);
	*out = keyring_find(k, name);
	if (*out)
		return 0;
	for (size_t i = 0; i < k->count; i++)
		names[i] = k->at[i].name;
	const char *near = text_nearest(name, names, k->count);
	err_set(e, ERR_NOT_FOUND, "%s: there is no key '%s'", k->dir, name);
	return near ? err_hint(e, "did you mean '%s'?", near) :
		      err_hint(e, "`ferry catalog key list` shows what there is");
}

/* ---- import ---- */

/* catalog_opts come first. */
struct import_opts {
	struct catalog_opts common;
	const char *old_passphrase_file;
};

static const struct opt import_opts[] = {
	CATALOG_OPT_PLACE,
	CATALOG_OPT_KEYS,
	CATALOG_OPT_PASSPHRASE,
	OPT_HINTED(OPT_STRING, import_opts, old_passphrase_file, 0, "old-passphrase-file", "FILE",
		   HINT_FILE, "read the passphrase that FILE is encrypted with from the first line of "
		   "this file, where it is another one"),
	CATALOG_OPT_UNENCRYPTED,
	OPT_LAST,
};

static int run_import(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count;
	const struct import_opts *o = opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	CLEANUP_PTR(privkey_free) struct privkey *private = NULL;
	int rc = key_load(cli, &o->common, &p, &keys, e);
	if (rc < 0)
		return rc;
	const char *file = p.passphrase_file ? p.passphrase_file : o->common.passphrase_file;
	CLEANUP(place_ask_release) struct place_ask old, new;
	place_ask_init(&old, cli, o->old_passphrase_file ? o->old_passphrase_file : file);
	place_ask_init(&new, cli, file);
	rc = privkey_load(operands[0], &old.passphrases, &private, e);
	if (rc < 0 || (!o->common.unencrypted && (rc = place_ask_new(&new, e)) < 0))
		return rc;
	rc = keyring_store(&keys, operands[1], STEAL(private),
			   o->common.unencrypted ? NULL : &new.passphrases.known, e);
	if (rc < 0)
		return rc;
	const struct keyring_key *key = keyring_find(&keys, operands[1]);
	if (!cli->json) {
		cli_print(cli, "imported %s, key id %s\n", key->path, key->public->id);
		report_note(cli->report, "%s is as it was: remove it when you need it no longer",
			    operands[0]);
		return 0;
	}
	json_t *document = json_object();
	json_put_string(document, "command", "catalog key import");
	json_put(document, "key", key_json(key, p.dir));
	return cli_print_json(cli, document, e);
}

const struct command cmd_catalog_key_import = {
	.name = "import",
	.summary = "take a key that was made elsewhere",
	.synopsis = (const char *const[]){ "FILE NAME", NULL },
	.description = "FILE is a private key in PKCS#8 PEM form: Ed25519, ECDSA P-256, or RSA of at "
		       "least 2048 bits. It is stored as NAME.pem with a passphrase of its own, "
		       "and its public part as NAME.pub.",
	.opts = import_opts,
	.opts_size = sizeof(struct import_opts),
	.operand_hint = HINT_FILE,
	.min_operands = 2,
	.max_operands = 2,
	.run = run_import,
};

/* ---- check ---- */

static const struct opt check_opts[] = {
	CATALOG_OPT_PLACE, CATALOG_OPT_KEYS, CATALOG_OPT_PASSPHRASE, OPT_LAST,
};

/* The signature is thrown away: it is of no document. */
static int try_key(struct keyring *keys, const struct keyring_key *key, struct err *e)
{
	static const char text[] = "Model Ferry: a trial of a key";
	CLEANUP(buf_release) struct buf sig = BUF_INIT(4 * KIB);
	struct signer *s;
	int rc = keyring_signer(keys, key, &s, e);
	if (rc == 0 && key->public && strcmp(key->public->id, s->key->id) != 0) {
		err_set(e, ERR_USAGE, "%s: %s.pub beside it is the public part of another key",
			key->path, key->name);
		return err_hint(e, "move %s.pub away; the next signature writes the right one",
				key->name);
	}
	return rc < 0 ? rc : signer_sign(s, text, sizeof text - 1, &sig, e);
}

static int run_check(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	const struct catalog_opts *o = opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	CLEANUP(json_release) json_t *document = json_object();
	json_t *checked = json_array();
	json_put_string(document, "command", "catalog key check");
	json_put(document, "checked", checked);
	int rc = key_load(cli, o, &p, &keys, e);
	CLEANUP(place_ask_release) struct place_ask ask;
	place_ask_init(&ask, cli, p.passphrase_file ? p.passphrase_file : o->passphrase_file);
	keys.passphrases = &ask.passphrases;
	keys.cancel = cli->cancel;
	for (int i = 0; rc == 0 && i < count; i++) {
		const struct keyring_key *key;
		rc = key_find(&keys, operands[i], &key, e);
		if (rc == 0)
			rc = try_key(&keys, key, e);
		if (rc == 0)
			json_push(checked, json_string(key->name));
		if (rc == 0 && !cli->json)
			cli_print(cli, "%s signs, and its public part verifies\n", key->path);
	}
	return rc == 0 && cli->json ? cli_print_json(cli, json_incref(document), e) : rc;
}

const struct command cmd_catalog_key_check = {
	.name = "check",
	.summary = "try whether keys sign",
	.synopsis = (const char *const[]){ "NAME…", NULL },
	.description = "Signs a trial text with each key, and verifies the signature: that the "
		       "passphrase is right, or that an HSM behind a NAME.command answers.",
	.opts = check_opts,
	.opts_size = sizeof(struct catalog_opts),
	.min_operands = 1,
	.max_operands = -1,
	.run = run_check,
};
