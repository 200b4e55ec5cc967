#include "cli/catalog/invite.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

static const struct opt init_opts[] = {
	OPT_HINTED(OPT_STRING, catalog_opts, dir, 0, "repository", "DIR", HINT_DIR,
		   "the tree to create (path in ferry.conf, else ./repository)"),
	OPT_HINTED(OPT_STRING, catalog_opts, keys, 0, "keys", "DIR", HINT_DIR,
		   "the folder for the private keys, outside the tree (keys in ferry.conf, else "
		   "./NAME-keys)"),
	OPT_ENTRY(OPT_STRING, catalog_opts, title, 0, "title", "TEXT",
		  "the name of the repository, for people"),
	CATALOG_OPT_TYPE("type of the keys"),
	CATALOG_OPT_PASSPHRASE,
	CATALOG_OPT_UNENCRYPTED,
	CATALOG_OPT_EXPIRES,
	OPT_LAST,
};

static char *publisher_snippet(const struct place *p)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(64 * KIB);
	buf_addf(&b, "[repository.%s]\npath = %s\nkeys = %s\n", p->name, p->dir, p->keys);
	if (p->title)
		buf_addf(&b, "title = %s\n", p->title);
	buf_adds(&b, "\n# Where copies of it are, for example a folder behind a web server:\n"
		     "# [mirror.primary]\n# kind = file\n# path = /srv/models\n"
		     "# url = https://models.example.org\n");
	return buf_steal(&b);
}

/* Written before the tree, so that init after a kill finds it. *written: the file, or NULL if the
 * user already has a ferry.conf. */
static int write_conf(struct cli *cli, const struct place *p, const char **written, struct err *e)
{
	CLEANUP(mem_free_ptr) char *text = publisher_snippet(p);
	CLEANUP(mem_free_ptr) char *timestamp = path_join(p->dir, "metadata/timestamp.json");
	*written = NULL;
	if (file_exists(timestamp))
		return 0;
	if (cli->conf_path || file_exists("ferry.conf")) {
		report_note(cli->report,
			    "add this to your ferry.conf, so that the other commands find the "
			    "repository:\n%s",
			    text);
		return 0;
	}
	*written = "ferry.conf";
	return file_write_atomic(*written, text, strlen(text), 0644, e);
}

static json_t *made_json(struct cli *cli, const struct place *p, const struct repository_signed *s,
			 const char *written, const struct invite *i)
{
	json_t *document = cli_document(cli);
	json_put_string(document, "name", p->name);
	json_put_string(document, "repository", p->dir);
	json_put_string(document, "keys", p->keys);
	invite_put(document, i);
	json_put_string(document, "configuration", written);
	place_put_roles(document, &s->status);
	return document;
}

static void print_made(struct cli *cli, const json_t *document)
{
	cli_say(cli, document, "created the repository '{name}' in {repository}");
	cli_say(cli, document,
		"private keys: {keys} (keep root.pem offline, and keep copies of all of them)");
	if (json_text(document, "configuration"))
		cli_say(cli, document, "configuration: {configuration}");
	cli_say(cli, document, "root that your users trust: {root.path}");
	invite_print(cli, document);
}

static int tell(struct cli *cli, const struct place *p, const struct repository_signed *s,
		const char *written, struct err *e)
{
	CLEANUP(invite_release) struct invite i = { 0 };
	int rc = invite_make(p, &i, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = made_json(cli, p, s, written, &i);
	print_made(cli, document);
	return cli_result(cli, document, e);
}

static int make(struct cli *cli, const struct catalog_opts *o, const struct place *p, bool is_new,
		const char **written, struct repository_signed *done, struct err *e)
{
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	CLEANUP_PTR(repository_close) struct repository *r = NULL;
	CLEANUP(place_ask_release) struct place_ask ask;
	place_ask_init(&ask, cli, p->passphrase_file);
	int rc = repository_check_new(p->dir, e);
	if (rc == 0)
		rc = place_keyring(p, &keys, e);
	if (rc == 0 && !o->unencrypted)
		rc = place_ask_new(&ask, e);
	if (rc == 0 && is_new)
		rc = write_conf(cli, p, written, e);
	if (rc == 0)
		rc = repository_open(p->dir, cli->cancel, &r, e);
	if (rc < 0)
		return rc;
	const struct repository_signing how = {
		.name = p->name,
		.title = p->title,
		.mirrors = p->mirrors,
		.immutable = &p->immutable,
		.expiry = p->expiry,
		.now_s = time(NULL),
		.keys = &keys,
		.report = cli->report,
		.cancel = cli->cancel,
	};
	keys.passphrases = &ask.passphrases;
	keys.trust = cli_trust(cli);
	keys.cancel = cli->cancel;
	return repository_init(r, &how, place_key_type(o),
			       o->unencrypted ? NULL : &ask.passphrases.known, done, e);
}

static int run_init(struct cli *cli, struct err *e)
{
	const struct catalog_opts *o = cli->opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(repository_signed_release) struct repository_signed done = { 0 };
	const char *written = NULL;
	bool is_new;
	int rc = place_new(cli, o, cli->count ? cli->operands[0] : NULL, &p, &is_new, e);
	if (rc < 0 || (rc = make(cli, o, &p, is_new, &written, &done, e)) < 0)
		return rc;
	return tell(cli, &p, &done, written, e);
}

const struct command cmd_catalog_init = {
	.name = "init",
	.summary = "create a repository: tree, keys, root and an empty catalog",
	.synopsis = (const char *const[]){ "[NAME]", NULL },
	.description =
		"Creates the keys of the roles root, targets, snapshot and timestamp, the tree and "
		"its first signed version, and prints what users need to trust it. NAME and "
		"folders are taken from ferry.conf; if there is none, it is written.",
	.opts = init_opts,
	.opts_size = sizeof(struct catalog_opts),
	.operand_hint = HINT_REPOSITORY,
	.max_operands = 1,
	.run = run_init,
};
