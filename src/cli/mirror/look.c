/* probe and setup: what a mirror supports, and what it needs. */
#include "cli/mirror/mirror.h"
#include "mirror/measure.h"

#include <string.h>

struct look_opts {
	struct publisher_opts who;
	bool dry_run, quick;
};

static const struct opt probe_options[] = {
	CMD_MIRROR_OPTS(look_opts),
	OPT_ENTRY(OPT_FLAG, look_opts, quick, 0, "quick", NULL,
		  "leave out the measurements and the public URL"),
	OPT_LAST,
};

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
		json_put_string(finding, "hint", findings->at[i].hint);
	}
}

/* What is missing before the first push, and what only measuring found, is no failure. */
static enum err_class class_of(const struct mirror_finding *f, bool measured)
{
	if (f->state != MIRROR_FINDING_LACKS && f->state != MIRROR_FINDING_BY_HAND)
		return ERR_NONE;
	return !f->class || f->class == ERR_NOT_FOUND || measured ? ERR_FAULT : f->class;
}

/* The findings from `measured` on are of measuring. */
static void add_failures(struct cmd_mirror_worst *w, const struct mirrors_entry *p,
			 const struct mirror_findings *findings, size_t measured)
{
	cmd_mirror_add_failure(w, p, p->error.class);
	for (size_t i = 0; i < findings->count; i++)
		cmd_mirror_add_failure(w, p, class_of(&findings->at[i], i >= measured));
}

/* A fault that makes measuring useless. */
static bool has_fault(const struct mirror_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		if (findings->at[i].class)
			return true;
	return false;
}

static int measure(struct cli *cli, struct mirror *m, bool quick, struct mirror_findings *findings,
		   json_t *o, struct err *e)
{
	CLEANUP(mirror_record_release) struct mirror_record r = { 0 };
	struct err why = ERR_INIT;
	int rc = 0;
	mirror_record_load(m, &r);
	mirror_record_set_capabilities(&r, m);
	if (!quick)
		rc = mirror_measure(m, cli->report, findings, &r, e);
	if (rc == 0 && mirror_record_save(m, &r, &why) < 0)
		report_warn(cli->report, "the results cannot be saved: %s", why.text);
	json_put(o, "can", json_incref(r.can));
	if (r.measured)
		json_put(o, "measured", json_incref(r.measured));
	return rc;
}

/* *measured: how many findings there were before measuring. */
static int probe(struct cli *cli, struct mirror *m, bool quick, struct mirror_findings *findings,
		 size_t *measured, json_t *o, struct err *e)
{
	int rc = mirror_probe(m, findings, e);
	*measured = findings->count;
	bool of_others = m->ops->others_files; /* nothing is known there by its name */
	return rc < 0 || of_others || has_fault(findings) ? rc
							  : measure(cli, m, quick, findings, o, e);
}

int cmd_mirror_look(struct cli *cli, struct mirrors_entry *p, enum cmd_mirror_look how, json_t *o,
		    struct cmd_mirror_worst *worst, struct err *e)
{
	CLEANUP(mirror_findings_release) struct mirror_findings findings = { 0 };
	bool setup = how == LOOK_SETUP || how == LOOK_SETUP_DRY;
	size_t measured = SIZE_MAX;
	int rc = 0;
	json_put_string(o, "id", p->settings->id);
	json_put_string(o, "kind", publisher_kind(p));
	if (p->mirror && setup)
		rc = mirror_setup(p->mirror, how == LOOK_SETUP_DRY, &findings, &p->error);
	else if (p->mirror)
		rc = probe(cli, p->mirror, how == LOOK_QUICK, &findings, &measured, o, &p->error);
	put_findings(o, &findings);
	if (p->error.class)
		json_put(o, "error", cli_error_json(&p->error));
	add_failures(worst, p, &findings, measured);
	if (rc != -ERR_CANCELLED)
		return 0;
	*e = p->error;
	return rc;
}

static void print_hints(struct cli *cli, const json_t *rows)
{
	const json_t *row;
	size_t i;
	json_array_foreach (rows, i, row)
		if (json_text(row, "hint"))
			cli_say(cli, row, "{mirror}: {what}: {hint}");
}

/* And what a dry run was asked for. */
static void leave_faults(json_t *rows, bool dry_run)
{
	for (size_t i = json_array_size(rows); i-- > 0;) {
		const char *state = json_text(json_array_get(rows, i), "state");
		bool would = strcmp(state, mirror_finding_name(MIRROR_FINDING_WOULD)) == 0;
		if (strcmp(state, mirror_finding_name(MIRROR_FINDING_OK)) == 0 ||
		    strcmp(state, mirror_finding_name(MIRROR_FINDING_CHANGED)) == 0 ||
		    (would && !dry_run))
			json_array_remove(rows, i);
	}
}

void cmd_mirror_print_findings(struct cli *cli, const json_t *mirrors, bool dry_run)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{mirror}", NULL },
		{ "WHAT", "{what}", NULL },
		{ "STATE", "{state}", NULL },
		{ "DETAILS", "{text}", NULL },
	};
	CLEANUP(json_release) json_t *rows = cli_rows(mirrors, "findings", "id", "mirror");
	if (cli->quiet)
		leave_faults(rows, dry_run);
	cli_aloud(cli, true);
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
	print_hints(cli, rows);
	cmd_mirror_print_errors(cli, mirrors);
	cli_aloud(cli, false);
}

static int look(struct cli *cli, enum cmd_mirror_look how, struct err *e)
{
	const struct look_opts *o = cli->opts;
	CLEANUP(publisher_release) struct publisher p = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_t *mirrors = json_put_array(document, "mirrors");
	struct cmd_mirror_worst worst = { 0 };
	int rc = publisher_open(cli, &o->who, false, true, &p, e);
	if (rc < 0)
		return rc;
	bool setup = how == LOOK_SETUP || how == LOOK_SETUP_DRY;
	if (setup)
		json_put_bool(document, "dry_run", o->dry_run);
	for (size_t i = 0; i < p.places.count && rc == 0; i++)
		if (p.places.at[i].chosen)
			rc = cmd_mirror_look(cli, &p.places.at[i], how, json_push_object(mirrors),
					     &worst, e);
	cmd_mirror_print_findings(cli, mirrors, how == LOOK_SETUP_DRY);
	int failed = rc < 0 ? rc : cmd_mirror_outcome(&worst, setup ? "set up" : "probed", e);
	rc = cli_result(cli, document, e);
	return rc < 0 ? rc : failed;
}

static int probe_run(struct cli *cli, struct err *e)
{
	const struct look_opts *o = cli->opts;
	return look(cli, o->quick ? LOOK_QUICK : LOOK_PROBE, e);
}

static int setup_run(struct cli *cli, struct err *e)
{
	const struct look_opts *o = cli->opts;
	return look(cli, o->dry_run ? LOOK_SETUP_DRY : LOOK_SETUP, e);
}

const struct command cmd_mirror_probe = {
	.name = "probe",
	.summary = "test and measure the mirrors",
	.description =
		"Tests the capabilities of each mirror (reading, writing, locks, ranges), measures "
		"its speed, reads from its public URL as a reader does, and reports what is "
		"missing and the consequences. The results are kept for later commands. Test "
		"objects below "
		"ferry-probe/ are removed again. The exit status is 1 if a mirror lacks something; "
		"if one cannot be reached or used, it is that of the most serious failure.",
	.opts = probe_options,
	.opts_size = sizeof(struct look_opts),
	.run = probe_run,
};

const struct command cmd_mirror_setup = {
	.name = "setup",
	.summary = "create what the mirrors need",
	.description =
		"Creates what a mirror needs before the first push: its folder, or its bucket, "
		"with CORS rules, public access, versioning and so on as ferry.conf says. Only "
		"differences are changed, and rules that others have set stay. The exit status is "
		"1 if something has to be done by hand; if a mirror cannot be reached or set up, "
		"it is that of the most serious failure.",
	.opts = setup_options,
	.opts_size = sizeof(struct look_opts),
	.run = setup_run,
};
