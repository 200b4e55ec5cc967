#include "cli/catalog/key.h"
#include "cli/several.h"

#include "util/mem.h"

static int tell(struct cli *cli, const struct key_desk *d, const char *name, const char *dir,
		const char *template, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	key_put(json_put_object(document, "key"), keyring_find(&d->keys, name), dir);
	cli_say(cli, document, template);
	return cli_result(cli, document, e);
}

/* ---- new ---- */

static const struct opt new_opts[] = {
	CATALOG_OPT_PLACE,      CATALOG_OPT_KEYS,        CATALOG_OPT_TYPE("type of the key"),
	CATALOG_OPT_PASSPHRASE, CATALOG_OPT_UNENCRYPTED, OPT_LAST,
};

static int run_new(struct cli *cli, struct err *e)
{
	const struct catalog_opts *o = cli->opts;
	CLEANUP(key_desk_release) struct key_desk d = { 0 };
	int rc = key_desk_open(cli, o, &d, e);
	if (rc == 0)
		rc = keyring_check_new(&d.keys, cli->operands[0], e);
	if (rc == 0 && !o->unencrypted)
		rc = place_ask_new(&d.ask, e);
	if (rc == 0)
		rc = keyring_new(&d.keys, cli->operands[0], place_key_type(o),
				 o->unencrypted ? NULL : &d.ask.passphrases.known, e);
	return rc < 0 ? rc
		      : tell(cli, &d, cli->operands[0], NULL, "created {key.path}, key id {key.id}",
			     e);
}

const struct command cmd_catalog_key_new = {
	.name = "new",
	.summary = "create a key",
	.synopsis = (const char *const[]){ "NAME", NULL },
	.description = "Creates NAME.pem, the private key, and NAME.pub, the public key, which can "
		       "be given to others. The root decides what a key may sign.",
	.opts = new_opts,
	.opts_size = sizeof(struct catalog_opts),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_new,
};

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
		   HINT_FILE,
		   "read the passphrase of FILE from the first line of this file, if it differs "
		   "from the new one"),
	CATALOG_OPT_UNENCRYPTED,
	OPT_LAST,
};

static int run_import(struct cli *cli, struct err *e)
{
	const struct import_opts *o = cli->opts;
	CLEANUP(key_desk_release) struct key_desk d = { 0 };
	CLEANUP(place_ask_release) struct place_ask old = { 0 };
	CLEANUP_PTR(privkey_free) struct privkey *private = NULL;
	int rc = key_desk_open(cli, &o->common, &d, e);
	if (rc == 0)
		rc = keyring_check_new(&d.keys, cli->operands[1], e);
	if (rc < 0)
		return rc;
	place_ask_init(&old, cli,
		       o->old_passphrase_file ? o->old_passphrase_file : d.passphrase_file);
	rc = privkey_load(cli->operands[0], &old.passphrases, &private, e);
	if (rc == 0 && !o->common.unencrypted)
		rc = place_ask_new(&d.ask, e);
	if (rc == 0)
		rc = keyring_store(&d.keys, cli->operands[1], STEAL(private),
				   o->common.unencrypted ? NULL : &d.ask.passphrases.known, e);
	if (rc == 0)
		rc = tell(cli, &d, cli->operands[1], d.place.dir,
			  "imported {key.path}, key id {key.id}", e);
	if (rc == 0 && !cli->json)
		report_note(cli->report, "%s was not changed; delete it if you no longer need it",
			    cli->operands[0]);
	return rc;
}

const struct command cmd_catalog_key_import = {
	.name = "import",
	.summary = "import a key that was made elsewhere",
	.synopsis = (const char *const[]){ "FILE NAME", NULL },
	.description = "FILE is a private key in PKCS#8 PEM form: Ed25519, ECDSA P-256, or RSA of "
		       "at least 2048 bits. It is stored as NAME.pem with a new passphrase, and "
		       "its public key as NAME.pub.",
	.opts = import_opts,
	.opts_size = sizeof(struct import_opts),
	.operand_hint = HINT_FILE,
	.min_operands = 2,
	.max_operands = 2,
	.run = run_import,
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

/* FERRY_PASSPHRASE is the old passphrase; it must not silently become the new one. */
static int ask_changed(struct cli *cli, const struct catalog_opts *o, struct place_ask *ask,
		       struct err *e)
{
	place_ask_init(ask, cli, o->new_passphrase_file);
	if (!o->new_passphrase_file && getenv("FERRY_PASSPHRASE")) {
		err_set(e, ERR_USAGE, "no new passphrase is given");
		return err_hint(e, "FERRY_PASSPHRASE is the old passphrase; give the new one with "
				   "--new-passphrase-file FILE");
	}
	return place_ask_new(ask, e);
}

struct change {
	struct cli *cli;
	struct key_desk desk;
	struct place_ask new;
	json_t *changed;
};

static void change_release(struct change *c)
{
	key_desk_release(&c->desk);
	place_ask_release(&c->new);
}

static int find_one(void *ctx, int i, struct err *e)
{
	struct change *c = ctx;
	const struct keyring_key *key;
	return key_find(&c->desk.keys, c->cli->operands[i], &key, e);
}

static int change_one(void *ctx, int i, struct err *e)
{
	struct change *c = ctx;
	const struct keyring_key *key = keyring_find(&c->desk.keys, c->cli->operands[i]);
	int rc = keyring_passphrase(&c->desk.keys, key,
				    c->new.passphrases.has_known ? &c->new.passphrases.known : NULL,
				    e);
	if (rc < 0)
		return rc;
	json_push_string(c->changed, key->name);
	cli_line(c->cli, "changed the passphrase of %s", key->path);
	return 0;
}

static int run_passphrase(struct cli *cli, struct err *e)
{
	const struct catalog_opts *o = cli->opts;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(change_release) struct change c = {
		.cli = cli,
		.changed = json_put_array(document, "changed"),
	};
	CLEANUP(several_release) struct several all;
	several_init(&all, cli);
	int rc = key_desk_open(cli, o, &c.desk, e);
	if (rc == 0)
		rc = several_each(&all, find_one, &c, e);
	if (rc == 0 && !o->unencrypted && all.failed < (size_t)cli->count)
		rc = ask_changed(cli, o, &c.new, e);
	if (rc == 0)
		rc = several_each(&all, change_one, &c, e);
	return rc < 0 ? rc : several_result(&all, document, e);
}

const struct command cmd_catalog_key_passphrase = {
	.name = "passphrase",
	.summary = "change the passphrase of keys",
	.synopsis = (const char *const[]){ "NAME…", NULL },
	.opts = passphrase_opts,
	.opts_size = sizeof(struct catalog_opts),
	.operand_hint = HINT_KEY,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_passphrase,
};
