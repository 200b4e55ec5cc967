#include "cli/catalog/key.h"
#include "cli/several.h"

#include "util/mem.h"

#include <string.h>

/* ---- list ---- */

static const struct opt list_opts[] = { CATALOG_OPT_PLACE, CATALOG_OPT_KEYS, OPT_LAST };

static char *file_text(const json_t *key)
{
	const char *kind = json_text(key, "kind");
	bool usable = !json_text(key, "fault");
	if (strcmp(kind, "file") != 0)
		return mem_strdup(strcmp(kind, "command") == 0 ? "command" : "public only");
	return cli_fill(key, usable ? "{encrypted?encrypted:plain}" : "unusable");
}

static char *roles_text(const json_t *key)
{
	return cli_join(json_object_get(key, "roles"), "{}", " ");
}

static int run_list(struct cli *cli, struct err *e)
{
	static const struct cli_column columns[] = {
		{ "NAME", "{name}", NULL },  { "ROLES", NULL, roles_text },
		{ "FILE", NULL, file_text }, { "TYPE", "{type|unknown}", NULL },
		{ "KEY ID", "{id}", NULL },
	};
	CLEANUP(key_desk_release) struct key_desk d = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	int rc = key_desk_open(cli, cli->opts, &d, e);
	if (rc < 0)
		return rc;
	json_put_string(document, "folder", d.keys.dir);
	json_t *keys = json_put_array(document, "keys");
	for (size_t i = 0; i < d.keys.count; i++) {
		json_t *key = json_push_object(keys);
		key_put(key, &d.keys.at[i], d.place.dir);
		if (json_text(key, "fault") && !cli->json)
			report_warn(cli->report, "%s", json_text(key, "fault"));
	}
	cli_table(cli, keys, columns, ARRAY_LEN(columns));
	return cli_result(cli, document, e);
}

const struct command cmd_catalog_key_list = {
	.name = "list",
	.asked = true,
	.summary = "list the keys and what they may sign",
	.opts = list_opts,
	.opts_size = sizeof(struct catalog_opts),
	.run = run_list,
};

/* ---- export ---- */

static int run_export(struct cli *cli, struct err *e)
{
	CLEANUP(key_desk_release) struct key_desk d = { 0 };
	CLEANUP(buf_release) struct buf pem = BUF_INIT(16 * KIB);
	CLEANUP(json_release) json_t *document = cli_document(cli);
	const struct keyring_key *key;
	int rc = key_desk_open(cli, cli->opts, &d, e);
	if (rc < 0 || (rc = key_find(&d.keys, cli->operands[0], &key, e)) < 0)
		return rc;
	if (!key->public) {
		err_set(e, ERR_NOT_FOUND, "%s: its public key, %s.pub, is missing", key->path,
			key->name);
		return err_hint(e, "the next `ferry catalog sign` with this key writes it again");
	}
	if ((rc = tuf_key_to_pem(key->public, &pem, e)) < 0)
		return rc;
	key_put(json_put_object(document, "key"), key, d.place.dir);
	json_put_string(document, "public", buf_str(&pem));
	cli_raw(cli, buf_str(&pem));
	return cli_result(cli, document, e);
}

const struct command cmd_catalog_key_export = {
	.name = "export",
	.asked = true,
	.summary = "print a public key",
	.synopsis = (const char *const[]){ "NAME", NULL },
	.opts = list_opts,
	.opts_size = sizeof(struct catalog_opts),
	.operand_hint = HINT_KEY,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_export,
};

/* ---- check ---- */

static const struct opt check_opts[] = {
	CATALOG_OPT_PLACE,
	CATALOG_OPT_KEYS,
	CATALOG_OPT_PASSPHRASE,
	OPT_LAST,
};

/* The signature is discarded; the text is not a document. */
static int try_key(struct keyring *keys, const struct keyring_key *key, struct err *e)
{
	static const char text[] = "Model Ferry: a trial of a key";
	CLEANUP(buf_release) struct buf sig = BUF_INIT(4 * KIB);
	struct signer *s;
	int rc = keyring_signer(keys, key, &s, e);
	if (rc == 0 && key->public && strcmp(key->public->id, s->key->id) != 0) {
		err_set(e, ERR_USAGE, "%s: %s.pub beside it is the public key of another key",
			key->path, key->name);
		return err_hint(e,
				"move %s.pub to another folder; the next signature writes the "
				"right one",
				key->name);
	}
	return rc < 0 ? rc : signer_sign(s, text, sizeof text - 1, &sig, e);
}

struct checking {
	struct cli *cli;
	struct key_desk desk;
	json_t *checked;
};

static void checking_release(struct checking *c)
{
	key_desk_release(&c->desk);
}

static int check_one(void *ctx, int i, struct err *e)
{
	struct checking *c = ctx;
	const struct keyring_key *key;
	int rc = key_find(&c->desk.keys, c->cli->operands[i], &key, e);
	if (rc == 0)
		rc = try_key(&c->desk.keys, key, e);
	if (rc < 0)
		return rc;
	json_push_string(c->checked, key->name);
	cli_line(c->cli, "%s signs, and its public key verifies the signature", key->path);
	return 0;
}

static int run_check(struct cli *cli, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(checking_release) struct checking c = {
		.cli = cli,
		.checked = json_put_array(document, "checked"),
	};
	CLEANUP(several_release) struct several all;
	several_init(&all, cli);
	int rc = key_desk_open(cli, cli->opts, &c.desk, e);
	if (rc == 0)
		rc = several_each(&all, check_one, &c, e);
	return rc < 0 ? rc : several_result(&all, document, e);
}

const struct command cmd_catalog_key_check = {
	.name = "check",
	.summary = "check that keys can sign",
	.synopsis = (const char *const[]){ "NAME…", NULL },
	.description = "Signs a test text with each key and verifies the signature. This checks "
		       "the passphrase, or that the HSM of a NAME.command answers.",
	.opts = check_opts,
	.opts_size = sizeof(struct catalog_opts),
	.operand_hint = HINT_KEY,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_check,
};
