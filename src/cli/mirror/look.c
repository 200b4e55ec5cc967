/* probe and setup: what a mirror can do, and what it needs. */
#include "cli/mirror/mirror.h"

struct look_opts {
	struct publisher_opts who;
	bool dry_run;
};

static const struct opt probe_options[] = { CMD_MIRROR_OPTS(look_opts), OPT_LAST };

static const struct opt setup_options[] = {
	CMD_MIRROR_OPTS(look_opts),
	OPT_ENTRY(OPT_FLAG, look_opts, dry_run, 'n', "dry-run", NULL,
		  "show what would be changed, and change nothing"),
	OPT_LAST,
};

static void put_findings(json_t *o, const struct mirror_findings *findings)
{
	json_t *list = json_put_array(o, "findings");
	for (size_t i = 0; i < findings->count; i++) {
		json_t *finding = json_push_object(list);
		json_put_string(finding, "what", findings->at[i].what);
		json_put_string(finding, "state", mirror_finding_name(findings->at[i].state));
		json_put_string(finding, "text", findings->at[i].text);
	}
}

/* Is there anything that a person should look at? */
static bool needs_a_look(const struct mirrors_entry *p, const struct mirror_findings *findings)
{
	bool fault = p->error.class != ERR_NONE;
	for (size_t i = 0; i < findings->count; i++)
		fault = fault || findings->at[i].state == MIRROR_FINDING_LACKS ||
			findings->at[i].state == MIRROR_FINDING_BY_HAND;
	return fault;
}

static bool look_at(struct mirrors_entry *p, bool setup, bool dry_run, json_t *o)
{
	CLEANUP(mirror_findings_release) struct mirror_findings findings = { 0 };
	if (p->mirror && setup)
		(void)!mirror_setup(p->mirror, dry_run, &findings, &p->error);
	else if (p->mirror)
		(void)!mirror_probe(p->mirror, &findings, &p->error);
	json_put_string(o, "id", p->settings->id);
	json_put_string(o, "kind", publisher_kind(p));
	put_findings(o, &findings);
	if (p->error.class)
		json_put(o, "error", cli_error_json(&p->error));
	return needs_a_look(p, &findings);
}

static void print_findings(struct cli *cli, const json_t *mirrors)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{mirror}", NULL },
		{ "WHAT", "{what}", NULL },
		{ "STATE", "{state}", NULL },
		{ "DETAILS", "{text}", NULL },
	};
	CLEANUP(json_release) json_t *rows = cli_rows(mirrors, "findings", "id", "mirror");
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
	cmd_mirror_print_errors(cli, mirrors);
}

static int look(struct cli *cli, const struct look_opts *o, bool setup, struct err *e)
{
	CLEANUP(publisher_release) struct publisher p = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_t *mirrors = json_put_array(document, "mirrors");
	bool fault = false;
	int rc = publisher_open(cli, &o->who, false, true, &p, e);
	if (rc < 0)
		return rc;
	if (setup)
		json_put_bool(document, "dry_run", o->dry_run);
	for (size_t i = 0; i < p.places.count; i++)
		if (p.places.at[i].chosen)
			fault |= look_at(&p.places.at[i], setup, o->dry_run,
					 json_push_object(mirrors));
	print_findings(cli, mirrors);
	rc = cli_result(cli, document, e);
	return rc < 0 ? rc : fault ? -ERR_FAULT : 0;
}

static int probe_run(struct cli *cli, struct err *e)
{
	return look(cli, cli->opts, false, e);
}

static int setup_run(struct cli *cli, struct err *e)
{
	return look(cli, cli->opts, true, e);
}

const struct command cmd_mirror_probe = {
	.name = "probe",
	.summary = "find out what the mirrors can do",
	.description =
		"Tests the capabilities of each mirror (reading, writing, locks, ranges), and "
		"reports what is missing and the consequences. Nothing that readers see is "
		"changed. The exit status is 1 if a mirror lacks something or cannot be probed.",
	.opts = probe_options,
	.opts_size = sizeof(struct look_opts),
	.run = probe_run,
};

const struct command cmd_mirror_setup = {
	.name = "setup",
	.summary = "create what the mirrors need",
	.description =
		"Creates what a mirror needs before the first push, such as its folder. Nothing "
		"that exists is changed. The exit status is 1 if a person has to do something.",
	.opts = setup_options,
	.opts_size = sizeof(struct look_opts),
	.run = setup_run,
};
