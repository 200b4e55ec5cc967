#include "cli/catalog/waiting.h"

static const struct opt sign_opts[] = {
	OPT_HINTED(OPT_LIST, ceremony_opts, roles, 0, "role", "ROLE", HINT_ROLE,
		   "sign only drafts of this role, and build nothing; may be repeated"),
	CEREMONY_OPT_KEY,
	CEREMONY_OPT_ROOT,
	CATALOG_OPT_PLACE,
	CATALOG_OPT_KEYS,
	CATALOG_OPT_PASSPHRASE,
	CATALOG_OPT_EXPIRES,
	OPT_LAST,
};

static const struct opt refresh_opts[] = {
	CEREMONY_OPT_KEY,       CATALOG_OPT_PLACE,   CATALOG_OPT_KEYS,
	CATALOG_OPT_PASSPHRASE, CATALOG_OPT_EXPIRES, OPT_LAST,
};

typedef int sign_fn(struct repository *r, const struct repository_signing *how,
		    struct repository_signed *out, struct err *e);

static int run_signing(struct cli *cli, const struct ceremony_opts *o, sign_fn *fn,
		       struct ceremony_desk *d, struct repository_signed *done, struct err *e)
{
	CLEANUP_PTR(repository_close) struct repository *r = NULL;
	int rc = ceremony_desk_open(cli, o, true, d, e);
	if (rc < 0 || (rc = repository_open(d->place.dir, cli->cancel, &r, e)) < 0)
		return rc;
	return fn(r, &d->how, done, e);
}

static json_t *signed_json(struct cli *cli, const struct ceremony_desk *d,
			   const struct repository_signed *s, bool counts)
{
	json_t *document = cli_document(cli);
	json_put_bool(document, "changed", s->changed);
	json_put_bool(document, "published", s->published);
	if (counts) {
		json_put_u64(document, "models", s->models);
		json_put_u64(document, "variants", s->variants);
		json_put_u64(document, "planned", s->planned);
		json_put_u64(document, "waiting_models", s->waiting);
	}
	waiting_put(document, &s->status, &d->names);
	for (size_t i = 0; i < s->status.count; i++)
		if (s->status.at[i].bins)
			json_put_u64(document, "bins", s->status.at[i].bins);
	place_put_roles(document, &s->status);
	return document;
}

/* ---- what waits of some roles ---- */

static int tell_roles(struct cli *cli, const struct ceremony_opts *o, const struct ceremony_desk *d,
		      const struct repository_ceremony *c, struct err *e)
{
	CLEANUP(json_release) json_t *document = signed_json(cli, d, &c->state, false);
	if (c->signatures)
		cli_line(cli, "%zu new %s", c->signatures,
			 c->signatures == 1 ? "signature" : "signatures");
	else
		cli_line(cli, c->state.published ? "no draft waits for signatures"
						 : "nothing new to sign");
	if (c->state.changed && c->state.published)
		ceremony_print_complete(cli, d);
	waiting_print(cli, d, document);
	int rc = cli_result(cli, document, e);
	return rc < 0 ? rc : waiting_lacking(document, &o->roles) ? -ERR_FAULT : 0;
}

static int run_sign_roles(struct cli *cli, const struct ceremony_opts *o, struct err *e)
{
	CLEANUP(ceremony_desk_release) struct ceremony_desk d = { 0 };
	CLEANUP(repository_ceremony_release) struct repository_ceremony c = { 0 };
	int rc = ceremony_desk_open(cli, o, true, &d, e);
	if (rc == 0)
		rc = repository_sign_roles(d.place.dir, &d.how, o->roles.at, o->roles.count, &c, e);
	return rc < 0 ? rc : tell_roles(cli, o, &d, &c, e);
}

/* ---- everything ---- */

static void print_signed(struct cli *cli, const json_t *document)
{
	cli_say(cli, document,
		!json_flag(document, "changed")
			? "nothing changed: version {roles.targets.version} is the current one"
		: !json_flag(document, "published")
			? "signed, but version {roles.targets.version} waits for more signatures"
			: "signed version {roles.targets.version}: {models#model}, "
			  "{variants#variant}");
	if (json_number(document, "planned"))
		cli_note(cli, document, "left out {planned} planned, without files yet");
	if (json_number(document, "waiting_models"))
		cli_note(cli, document,
			 json_number(document, "waiting_models") == 1
				 ? "1 model waits for signatures of delegated roles"
				 : "{waiting_models} models wait for signatures of delegated "
				   "roles");
}

/* Without the cards it would sign an empty catalog. */
static int refuse_copy(struct cli *cli, const struct ceremony_opts *o, struct err *e)
{
	CLEANUP(place_release) struct place p = { 0 };
	int rc = place_load(cli, &o->common, &p, e);
	if (rc < 0 || !ceremony_is_copy(&p))
		return rc;
	err_set(e, ERR_USAGE,
		"%s is a copy of only metadata/ and drafts/, from which no catalog can be built",
		p.dir);
	return err_hint(e,
			"to sign a draft, give its role: `ferry catalog sign --repository %s "
			"--role ROLE --key FILE`",
			p.dir);
}

static int run_sign(struct cli *cli, struct err *e)
{
	const struct ceremony_opts *o = cli->opts;
	CLEANUP(ceremony_desk_release) struct ceremony_desk d = { 0 };
	CLEANUP(repository_signed_release) struct repository_signed s = { 0 };
	if (o->roles.count)
		return run_sign_roles(cli, o, e);
	int rc = refuse_copy(cli, o, e);
	if (rc < 0 || (rc = run_signing(cli, o, repository_sign, &d, &s, e)) < 0)
		return rc;
	place_warn_expiry(cli, &s.status, d.how.now_s);
	for (size_t i = 0; i < d.place.hidden.count; i++)
		report_detail(cli->report, "mirror %s has no url, so readers do not see it",
			      d.place.hidden.at[i]);
	CLEANUP(json_release) json_t *document = signed_json(cli, &d, &s, true);
	print_signed(cli, document);
	waiting_print(cli, &d, document);
	rc = cli_result(cli, document, e);
	return rc < 0 ? rc : s.published ? 0 : -ERR_FAULT;
}

static int run_refresh(struct cli *cli, struct err *e)
{
	CLEANUP(ceremony_desk_release) struct ceremony_desk d = { 0 };
	CLEANUP(repository_signed_release) struct repository_signed s = { 0 };
	int rc = run_signing(cli, cli->opts, repository_refresh, &d, &s, e);
	if (rc < 0)
		return rc;
	place_warn_expiry(cli, &s.status, d.how.now_s);
	if (!s.published)
		report_warn(cli->report, "nothing was published, and the old timestamp stays, "
					 "because signatures are missing");
	CLEANUP(json_release) json_t *document = signed_json(cli, &d, &s, false);
	if (s.published)
		cli_say(cli, document,
			"signed snapshot {roles.snapshot.version} and timestamp "
			"{roles.timestamp.version}, valid until {roles.timestamp.expires}");
	else
		waiting_print(cli, &d, document);
	rc = cli_result(cli, document, e);
	return rc < 0 ? rc : s.published ? 0 : -ERR_FAULT;
}

const struct command cmd_catalog_sign = {
	.name = "sign",
	.summary = "sign all changes as one new version",
	.description =
		"Builds catalog.json from the cards and the mirrors of ferry.conf and signs it, "
		"with everything that it names, as a new version. If nothing changed, it does "
		"nothing and needs no key. Run `ferry push` afterwards. With --role it only signs "
		"drafts of that role; this also works on a copy of only metadata/ and drafts/, for "
		"offline keys. The exit code is 1 if signatures of other people are missing.",
	.opts = sign_opts,
	.opts_size = sizeof(struct ceremony_opts),
	.run = run_sign,
};

const struct command cmd_catalog_refresh = {
	.name = "refresh",
	.summary = "sign snapshot and timestamp again, so that they do not expire",
	.description =
		"For cron: uses only the keys of snapshot and timestamp. Drafts that have all "
		"their other signatures are published with them. Run `ferry push` afterwards. The "
		"exit code is 1 if nothing was published because signatures are missing.",
	.opts = refresh_opts,
	.opts_size = sizeof(struct ceremony_opts),
	.run = run_refresh,
};
