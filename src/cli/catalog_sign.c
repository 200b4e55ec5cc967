#include "cli/catalog_common.h"

#include <time.h>

static const struct opt sign_opts[] = {
	CATALOG_OPT_PLACE, CATALOG_OPT_KEYS, CATALOG_OPT_PASSPHRASE, CATALOG_OPT_EXPIRES, OPT_LAST,
};

typedef int sign_fn(struct repository *r, const struct repository_signing *how,
		    struct repository_signed *out, struct err *e);

static int run_signing(struct cli *cli, const struct catalog_opts *o, sign_fn *fn,
		       struct catalog_place *p, struct repository_signed *done, struct err *e)
{
	CLEANUP(keyring_release) struct keyring keys = { 0 };
	CLEANUP_PTR(repository_close) struct repository *r = NULL;
	int rc = catalog_place_load(cli, o, p, e);
	if (rc < 0 || (rc = catalog_place_keyring(p, &keys, e)) < 0 ||
	    (rc = repository_open(p->dir, &r, e)) < 0)
		return rc;
	CLEANUP(catalog_ask_release) struct catalog_ask ask = { .cli = cli,
								.file = p->passphrase_file };
	const struct repository_signing how = {
		.name = p->name, .title = p->title, .mirrors = p->mirrors, .expiry = p->expiry,
		.now_s = time(NULL), .keys = &keys, .ask = catalog_ask_key, .ask_ctx = &ask,
	};
	return fn(r, &how, done, e);
}

static int print_signed(struct cli *cli, const char *command, const struct repository_signed *s,
			bool counts, struct err *e)
{
	json_t *document = json_object();
	json_put_string(document, "command", command);
	json_put_bool(document, "changed", s->changed);
	json_put_bool(document, "published", s->published);
	if (counts) {
		json_put_u64(document, "models", s->models);
		json_put_u64(document, "variants", s->variants);
		json_put_u64(document, "planned", s->planned);
	}
	json_put(document, "roles", catalog_roles_json(s));
	return cli_print_json(cli, document, e);
}

static int run_sign(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count, (void)operands;
	CLEANUP(catalog_place_release) struct catalog_place p = { 0 };
	struct repository_signed s = { 0 };
	int rc = run_signing(cli, opts, repository_sign, &p, &s, e);
	if (rc < 0)
		return rc;
	catalog_warn_expiry(cli, &s, time(NULL));
	for (size_t i = 0; i < p.hidden.count; i++)
		report_detail(cli->report, "mirror %s has no url, so readers do not see it",
			      p.hidden.at[i]);
	if (cli->json)
		return print_signed(cli, "catalog sign", &s, true, e);
	unsigned long long version = s.targets.version;
	if (!s.changed)
		cli_print(cli, "nothing changed: version %llu is the current one\n", version);
	else if (!s.published)
		cli_print(cli, "signed, but version %llu waits for more signatures\n", version);
	else
		cli_print(cli, "signed version %llu: %zu %s, %zu %s\n", version, s.models,
			  s.models == 1 ? "model" : "models", s.variants,
			  s.variants == 1 ? "variant" : "variants");
	if (s.planned)
		report_note(cli->report, "%zu planned, left out: no files yet", s.planned);
	return 0;
}

static int run_refresh(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count, (void)operands;
	CLEANUP(catalog_place_release) struct catalog_place p = { 0 };
	struct repository_signed s = { 0 };
	char expires[TIME_TEXT];
	int rc = run_signing(cli, opts, repository_refresh, &p, &s, e);
	if (rc < 0)
		return rc;
	catalog_warn_expiry(cli, &s, time(NULL));
	if (cli->json)
		return print_signed(cli, "catalog refresh", &s, false, e);
	format_time(expires, s.timestamp.expires_s);
	cli_print(cli, "signed snapshot %llu and timestamp %llu, valid until %s\n",
		  (unsigned long long)s.snapshot.version, (unsigned long long)s.timestamp.version,
		  expires);
	return 0;
}

const struct command catalog_sign = {
	.name = "sign",
	.summary = "make all changes one new signed version",
	.synopsis = (const char *const[]){ "", NULL },
	.description = "Builds catalog.json from the cards and the mirrors of ferry.conf and signs "
		       "it, with everything it names, as a new version. With nothing changed it does "
		       "nothing and needs no key. Then `ferry push` brings it to the mirrors.",
	.opts = sign_opts,
	.opts_size = sizeof(struct catalog_opts),
	.run = run_sign,
};

const struct command catalog_refresh = {
	.name = "refresh",
	.summary = "sign snapshot and timestamp again, so that they do not expire",
	.synopsis = (const char *const[]){ "", NULL },
	.description = "For cron: needs the keys of snapshot and timestamp only, and changes nothing "
		       "else. `ferry push` afterwards.",
	.opts = sign_opts,
	.opts_size = sizeof(struct catalog_opts),
	.run = run_refresh,
};
