#include "cli/publisher.h"
#include "http/url.h"
#include "publish/release.h"
#include "util/mem.h"

struct mirror_opts {
	struct publisher_opts who;
	bool check, dry_run;
};

#define MIRROR_OPTS \
	OPT_HINTED(OPT_LIST, mirror_opts, who.mirrors, 'm', "mirror", "NAME", HINT_MIRROR, \
		   "only this mirror; may be repeated"), \
		OPT_HINTED(OPT_STRING, mirror_opts, who.name, 0, "name", "NAME", HINT_REPOSITORY, \
			   "only the mirrors of this repository")

static const struct opt list_options[] = {
	MIRROR_OPTS,
	OPT_ENTRY(OPT_FLAG, mirror_opts, check, 0, "check", NULL,
		  "request timestamp.json from each mirror, to check that it answers"),
	OPT_LAST,
};

static const struct {
	unsigned bit;
	const char *name;
} capabilities[] = {
	{ MIRROR_CAN_WRITE, "write" },
	{ MIRROR_CAN_LIST, "list" },
	{ MIRROR_CAN_RANGE, "range" },
	{ MIRROR_CAN_COPY, "copy" },
	{ MIRROR_CAN_CREATE_ONLY, "create-only" },
	{ MIRROR_CAN_REPLACE_IF, "replace-if" },
	{ MIRROR_CAN_SHA256, "sha256" },
	{ MIRROR_CAN_PIECES_SHA256, "pieces-sha256" },
};

/* A mirror is reachable if it answers, even that there is no such file. */
static void check_place(struct mirrors_entry *p)
{
	struct mirror_stat st;
	if (p->mirror && mirror_stat_key(p->mirror, RELEASE_TIMESTAMP, &st, &p->error) < 0 &&
	    err_is(&p->error, ERR_NOT_FOUND))
		err_clear(&p->error);
}

/* Redacted, because a URL in the configuration may contain a password. */
static char *url_text(const struct mirrors_entry *p)
{
	const char *url = p->mirror && p->mirror->url ? p->mirror->url : p->settings->url;
	return url ? url_redact(url) : NULL;
}

static void put_place(json_t *o, const struct mirrors_entry *p, bool checked)
{
	CLEANUP(mem_free_ptr) char *url = url_text(p);
	json_put_string(o, "id", p->settings->id);
	json_put_string(o, "kind", publisher_kind(p));
	json_put_string(o, "repository", p->settings->repository);
	json_put_string(o, "url", url);
	json_put_string(o, "region", p->settings->region);
	json_put_u64(o, "priority", p->settings->priority);
	json_put_string(o, "holds", holds_name(p->settings->holds));
	json_put_bool(o, "stage", p->settings->stage);
	json_t *can = json_put_array(o, "can");
	for (size_t i = 0; p->mirror && i < ARRAY_LEN(capabilities); i++)
		if (mirror_can(p->mirror, capabilities[i].bit))
			json_push_string(can, capabilities[i].name);
	if (p->mirror && p->mirror->max_object)
		json_put_u64(o, "max_object", p->mirror->max_object);
	json_put_bool(o, "usable", p->mirror != NULL);
	if (checked && p->mirror)
		json_put_bool(o, "reachable", !p->error.class);
	if (p->error.class)
		json_put(o, "error", cli_error_json(&p->error));
}

/* ---- for people ---- */

static char *state_text(const json_t *mirror)
{
	bool asked = json_object_get(mirror, "reachable");
	return cli_fill(mirror, !json_is_true(json_object_get(mirror, "usable")) ? "unusable"
				: asked ? "{reachable?reachable:unreachable}"
					: "-");
}

static char *can_text(const json_t *mirror)
{
	return cli_join(json_object_get(mirror, "can"), "{}", ",");
}

static void print_error(struct cli *cli, const json_t *mirror)
{
	cli_say(cli, mirror, "{id}: {error.message}");
	if (json_object_get(json_object_get(mirror, "error"), "hint"))
		cli_say(cli, mirror, "  hint: {error.hint}");
}

static void print_errors(struct cli *cli, const json_t *mirrors)
{
	const json_t *mirror;
	size_t i;
	json_array_foreach (mirrors, i, mirror)
		if (json_object_get(mirror, "error"))
			print_error(cli, mirror);
}

static void print_mirrors(struct cli *cli, const json_t *mirrors)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{id}", NULL },          { "KIND", "{kind}", NULL },
		{ ">PRIORITY", "{priority}", NULL }, { "HOLDS", "{holds}", NULL },
		{ "REGION", "{region|-}", NULL },    { "STAGE", "{stage?stage:-}", NULL },
		{ "STATE", NULL, state_text },       { "URL", "{url|-}", NULL },
		{ "CAN", NULL, can_text },
	};
	cli_table(cli, mirrors, columns, ARRAY_LEN(columns) - !cli->verbose);
	print_errors(cli, mirrors);
}

/* With --check, a mirror that does not answer is a finding. */
static int list_run(struct cli *cli, struct err *e)
{
	const struct mirror_opts *o = cli->opts;
	CLEANUP(publisher_release) struct publisher p = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_t *mirrors = json_put_array(document, "mirrors");
	bool fault = false;
	int rc = publisher_open(cli, &o->who, false, true, &p, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < p.places.count; i++) {
		struct mirrors_entry *place = &p.places.at[i];
		if (!place->chosen)
			continue;
		if (o->check)
			check_place(place);
		fault = fault || (o->check && place->error.class);
		put_place(json_push_object(mirrors), place, o->check);
	}
	print_mirrors(cli, mirrors);
	rc = cli_result(cli, document, e);
	return rc < 0 ? rc : fault ? -ERR_FAULT : 0;
}

static const struct command list_command = {
	.name = "list",
	.summary = "list the mirrors of ferry.conf and their capabilities",
	.description = "Shows kind, priority, contents, region and URL of each mirror, whether it "
		       "is a stage mirror and, with -v, what its kind supports. With --check the "
		       "exit status is 1 if a mirror does not answer.",
	.opts = list_options,
	.opts_size = sizeof(struct mirror_opts),
	.run = list_run,
};

/* ---- probe and setup ------------------------------------------------------------- */

static const struct opt probe_options[] = { MIRROR_OPTS, OPT_LAST };

static const struct opt setup_options[] = {
	MIRROR_OPTS,
	OPT_ENTRY(OPT_FLAG, mirror_opts, dry_run, 'n', "dry-run", NULL,
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
	print_errors(cli, mirrors);
}

static int look(struct cli *cli, const struct mirror_opts *o, bool setup, struct err *e)
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

static const struct command probe_command = {
	.name = "probe",
	.summary = "find out what the mirrors can do",
	.description =
		"Tests the capabilities of each mirror (reading, writing, locks, ranges), and "
		"reports what is missing and the consequences. Nothing that readers see is "
		"changed. The exit status is 1 if a mirror lacks something or cannot be probed.",
	.opts = probe_options,
	.opts_size = sizeof(struct mirror_opts),
	.run = probe_run,
};

static const struct command setup_command = {
	.name = "setup",
	.summary = "create what the mirrors need",
	.description =
		"Creates what a mirror needs before the first push, such as its folder. Nothing "
		"that exists is changed. The exit status is 1 if a person has to do something.",
	.opts = setup_options,
	.opts_size = sizeof(struct mirror_opts),
	.run = setup_run,
};

const struct command cmd_mirror = {
	.name = "mirror",
	.summary = "list, probe and set up the configured mirrors",
	.subs = (const struct command *const[]){ &list_command, &probe_command, &setup_command,
						 NULL },
};
