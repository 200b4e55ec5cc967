#include "cli/catalog/waiting.h"

/* ---- merge ---- */

static const struct opt merge_opts[] = { CATALOG_OPT_PLACE, CATALOG_OPT_KEYS, OPT_LAST };

static int tell_merged(struct cli *cli, const struct ceremony_desk *d,
		       const struct repository_ceremony *c, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put_u64(document, "signatures", c->signatures);
	json_put_bool(document, "published", c->state.published);
	waiting_put(document, &c->state.status, &d->names);
	place_put_roles(document, &c->state.status);
	cli_say(cli, document, "{signatures#new signature}");
	if (c->state.published && c->state.changed)
		ceremony_print_complete(cli, d);
	waiting_print(cli, d, document);
	int rc = cli_result(cli, document, e);
	if (rc == 0 && c->state.published && c->state.changed)
		report_note(cli->report, "readers see the change after `ferry push`");
	return rc < 0 ? rc : c->state.published ? 0 : -ERR_FAULT;
}

static int run_merge(struct cli *cli, struct err *e)
{
	CLEANUP(ceremony_desk_release) struct ceremony_desk d = { 0 };
	CLEANUP(repository_ceremony_release) struct repository_ceremony c = { 0 };
	int rc = ceremony_desk_open(cli, cli->opts, false, &d, e);
	if (rc == 0)
		rc = repository_merge(d.place.dir, &d.how, (const char *const *)cli->operands,
				      (size_t)cli->count, &c, e);
	return rc < 0 ? rc : tell_merged(cli, &d, &c, e);
}

const struct command cmd_catalog_merge = {
	.name = "merge",
	.summary = "merge signatures that were made on copies",
	.synopsis = (const char *const[]){ "COPY…", NULL },
	.description = "COPY is a copy of the metadata/ and drafts/ of this tree in which somebody "
		       "signed, or one document of it. Each signature is verified, and drafts that "
		       "have all their signatures are published. No key is needed. The exit code "
		       "is 1 if signatures are still missing.",
	.opts = merge_opts,
	.opts_size = sizeof(struct ceremony_opts),
	.operand_hint = HINT_DIR,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_merge,
};

/* ---- discard ---- */

static const struct opt discard_opts[] = { CATALOG_OPT_PLACE, OPT_LAST };

static int run_discard(struct cli *cli, struct err *e)
{
	const struct ceremony_opts *o = cli->opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	int rc = place_load(cli, &o->common, &p, e);
	if (rc < 0 || (rc = writer_discard(p.dir, &roles, e)) < 0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put(document, "discarded", json_strings(&roles));
	for (size_t i = 0; i < roles.count; i++)
		cli_line(cli, "discarded the draft of %s", roles.at[i]);
	if (roles.count == 0)
		cli_line(cli, "there were no drafts");
	return cli_result(cli, document, e);
}

const struct command cmd_catalog_discard = {
	.name = "discard",
	.summary = "delete the drafts that wait for signatures",
	.description = "Deletes the documents in drafts/ with their signatures. Published "
		       "metadata, cards and keys are not changed.",
	.opts = discard_opts,
	.opts_size = sizeof(struct ceremony_opts),
	.run = run_discard,
};
