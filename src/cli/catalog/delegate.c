#include "repository/delegate.h"
#include "cli/catalog/place.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define DEFAULT_PREFIX "bin"

/* catalog_opts come first. */
struct delegate_opts {
	struct catalog_opts common;
	struct opt_list paths, keys;
	uint64_t threshold, bins;
	bool terminating, adopt;
};

/* ---- delegate ---- */

static const struct opt delegate_opts[] = {
	CATALOG_OPT_PLACE,
	CATALOG_OPT_KEYS,
	OPT_ENTRY(OPT_LIST, delegate_opts, paths, 0, "paths", "PATTERN",
		  "target paths that the role may list, for example 'models/community-*/*'; may be "
		  "repeated"),
	OPT_HINTED(OPT_LIST, delegate_opts, keys, 0, "key", "FILE", HINT_FILE,
		   "a public key of the role, as printed by `ferry catalog key export`; may be "
		   "repeated"),
	OPT_ENTRY(OPT_U64, delegate_opts, threshold, 0, "threshold", "N",
		  "how many of the keys must sign (1)"),
	OPT_ENTRY(OPT_FLAG, delegate_opts, terminating, 0, "terminating", NULL,
		  "no later role may list files below the paths of this role"),
	OPT_ENTRY(OPT_U64, delegate_opts, bins, 0, "bins", "N",
		  "instead distribute all files over N hash bins, a power of two up to 4096; "
		  "signed with the keys of targets unless --key is given"),
	OPT_LAST,
};
static const struct delegate_opts delegate_defaults = { .threshold = 1 };

/* Stores the keys so that status can show their names. A missing folder of keys is not an error
 * here. */
static void remember(const struct place *p, const struct opt_list *files)
{
	CLEANUP(keyring_release) struct keyring names = { 0 };
	struct err ignored = ERR_INIT;
	int rc = place_keyring(p, &names, &ignored);
	for (size_t i = 0; rc == 0 && i < files->count; i++) {
		CLEANUP_PTR(tuf_key_free) struct tuf_key *key = NULL;
		const char *base = path_base(files->at[i]), *dot = strrchr(base, '.');
		CLEANUP(mem_free_ptr) char *name = mem_strndup(base, dot ? (size_t)(dot - base)
									 : strlen(base));
		rc = keyring_public(&names, files->at[i], &key, &ignored);
		if (rc == 0)
			rc = keyring_remember(&names, name, key, &ignored);
	}
}

static int tell_delegated(struct cli *cli, const struct repository_delegation *d,
			  const struct delegate_opts *o, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put_string(document, "role", d->name);
	json_put_u64(document, "bins", d->bins);
	json_t *paths = json_put_array(document, "paths");
	for (size_t i = 0; i < o->paths.count; i++)
		json_push_string(paths, o->paths.at[i]);
	json_put_u64(document, "threshold", d->threshold);
	json_put_bool(document, "terminating", d->bins || d->terminating);
	cli_say(cli, document,
		d->bins ? "all files move into {bins} bins, {role}-…" : "delegated to {role}");
	report_note(cli->report,
		    "readers see the change after `ferry catalog sign` and `ferry push`");
	return cli_result(cli, document, e);
}

static int check(const struct delegate_opts *o, int count, struct err *e)
{
	if (count == 0 && !o->bins)
		return err_set(e, ERR_USAGE,
			       "give the name of the role, or the number of bins with --bins");
	if (o->threshold < 1 || o->threshold > 1024)
		return err_set(e, ERR_USAGE, "--threshold: must be 1 to 1024");
	if (!o->bins && o->keys.count == 0) {
		err_set(e, ERR_USAGE, "the role needs at least one --key");
		return err_hint(e, "its people make a key with `ferry catalog key new` and give "
				   "you the output of `ferry catalog key export`");
	}
	if (o->keys.count == 0 && o->threshold != 1)
		return err_set(e, ERR_USAGE,
			       "--threshold needs --key: without it, bins have the keys and "
			       "threshold of targets");
	return 0;
}

static int run_delegate(struct cli *cli, struct err *e)
{
	const struct delegate_opts *o = cli->opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP_PTR(repository_close) struct repository *r = NULL;
	const struct repository_delegation d = {
		.name = cli->count ? cli->operands[0] : DEFAULT_PREFIX,
		.paths = o->paths.at,
		.path_count = o->paths.count,
		.key_files = o->keys.at,
		.key_count = o->keys.count,
		.threshold = (unsigned)o->threshold,
		.terminating = o->terminating,
		.bins = o->bins,
	};
	int rc = check(o, cli->count, e);
	if (rc < 0 || (rc = place_load(cli, &o->common, &p, e)) < 0 ||
	    (rc = repository_open(p.dir, cli->cancel, &r, e)) < 0 ||
	    (rc = repository_delegate(r, &d, e)) < 0)
		return rc;
	remember(&p, &o->keys);
	return tell_delegated(cli, &d, o, e);
}

const struct command cmd_catalog_delegate = {
	.name = "delegate",
	.summary = "let others list models, or use hash bins",
	.synopsis = (const char *const[]){ "NAME --paths PATTERN… --key FILE…", "[PREFIX] --bins N",
					   NULL },
	.description =
		"The people of a role add models with `ferry catalog add --role NAME` and sign "
		"them with their own key; they appear in the catalog after the publisher's next "
		"`ferry catalog sign`. Hash bins keep downloads of metadata small if there are "
		"tens of thousands of files. A repository has named roles or bins, not both.",
	.opts = delegate_opts,
	.opts_size = sizeof(struct delegate_opts),
	.defaults = &delegate_defaults,
	.max_operands = 1,
	.run = run_delegate,
};

/* ---- undelegate ---- */

static const struct opt undelegate_opts[] = {
	CATALOG_OPT_PLACE,
	OPT_ENTRY(OPT_FLAG, delegate_opts, adopt, 0, "adopt", NULL,
		  "keep the role's models in the catalog; the publisher signs them from now on"),
	OPT_LAST,
};

static int run_undelegate(struct cli *cli, struct err *e)
{
	const struct delegate_opts *o = cli->opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(str_list_release) struct str_list models = { 0 };
	CLEANUP_PTR(repository_close) struct repository *r = NULL;
	int rc = place_load(cli, &o->common, &p, e);
	if (rc < 0 || (rc = repository_open(p.dir, cli->cancel, &r, e)) < 0 ||
	    (rc = repository_undelegate(r, cli->operands[0], o->adopt, &models, e)) < 0)
		return rc;
	report_note(cli->report,
		    "readers see the change after `ferry catalog sign` and `ferry push`");
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put_string(document, "role", cli->operands[0]);
	json_put_bool(document, "adopted", o->adopt);
	json_put(document, "models", json_strings(&models));
	cli_say(cli, document, "removed the delegation to {role}");
	for (size_t i = 0; i < models.count; i++)
		cli_line(cli, "%s %s", o->adopt ? "adopted" : "removed", models.at[i]);
	return cli_result(cli, document, e);
}

const struct command cmd_catalog_undelegate = {
	.name = "undelegate",
	.summary = "remove a delegation or the hash bins",
	.synopsis = (const char *const[]){ "NAME", NULL },
	.description = "Removes the models of the role from the catalog, unless --adopt keeps "
		       "them. For bins, NAME is their prefix: all files move back to targets.",
	.opts = undelegate_opts,
	.opts_size = sizeof(struct delegate_opts),
	.operand_hint = HINT_ROLE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_undelegate,
};
