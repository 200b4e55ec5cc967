#include "cli/bundling.h"
#include "cli/checks.h"
#include "cli/plans.h"
#include "cli/pruning.h"
#include "cli/publisher.h"
#include "cli/pushcost.h"
#include "cli/values.h"
#include "publish/only.h"
#include "publish/push.h"
#include "publish/tree_pack.h"
#include "publish/tree_places.h"
#include "settings/publish.h"
#include "util/mem.h"

#include <time.h>

#define MIRRORS_AT_A_TIME 4

struct push_opts {
	struct publisher_opts who;
	struct push_options push; /* what the options can say of it */
	struct opt_list only;
	bool preflight, prune;
	const char *plan, *apply, *bundle;
};

static const struct opt options[] = {
	OPT_ENTRY(OPT_FLAG, push_opts, push.dry_run, 'n', "dry-run", NULL,
		  "show what would be done, and write nothing"),
	OPT_ENTRY(OPT_FLAG, push_opts, preflight, 0, "preflight", NULL,
		  "only check whether a push can succeed (permissions, space, limits, expiry); "
		  "show all results, and write nothing"),
	OPT_ENTRY(OPT_FLAG, push_opts, prune, 0, "prune", NULL,
		  "after the push, remove files of old releases that clients no longer need "
		  "(prune-after in ferry.conf)"),
	OPT_HINTED(OPT_STRING, push_opts, plan, 0, "plan", "FILE", HINT_FILE,
		   "write what would be done to this file, and nothing to the mirrors, for a "
		   "review"),
	OPT_HINTED(OPT_STRING, push_opts, apply, 0, "apply", "FILE", HINT_FILE,
		   "do what the plan in this file says, or nothing if anything has changed since"),
	PUBLISHER_OPTS(push_opts),
	OPT_ENTRY(OPT_FLAG, push_opts, push.stage, 0, "stage", NULL,
		  "show the release only on mirrors marked stage; objects go to all"),
	OPT_HINTED(OPT_LIST, push_opts, only, 0, "only", "MODEL|GLOB", HINT_MODEL,
		   "send only the objects of these models, and do not show the release; may be "
		   "repeated"),
	OPT_ENTRY(OPT_FLAG, push_opts, push.repair, 0, "repair", NULL,
		  "only repair what is wrong or missing in the release that a mirror shows; "
		  "publish nothing new"),
	OPT_ENTRY(OPT_FLAG, push_opts, push.recheck, 0, "recheck", NULL,
		  "also read back what an earlier push has verified, and repair it"),
	OPT_HINTED(OPT_STRING, push_opts, bundle, 0, "bundle", "FILE", HINT_FILE,
		   "instead of a push, write the release, or with --only its models, to this file: "
		   "readers without a network use it as a mirror"),
	PUBLISHER_NEW_MIRROR(push_opts, who.new_mirror),
	OPT_LAST,
};

struct job {
	struct publisher p;
	struct tree tree;
	struct push_mirror *mirrors;
	size_t count;
	struct push_options o;
	struct push_result result;
	struct preflight preflight;
	bool check_only;
	struct plans plans;
	struct pruning pruning;
	bool *only; /* of the tree's files; NULL: all */
	struct settings_cost cost;
};

static void job_release(struct job *j)
{
	for (size_t i = 0; i < j->count; i++)
		push_mirror_release(&j->mirrors[i]);
	preflight_release(&j->preflight);
	plans_release(&j->plans);
	pruning_release(&j->pruning);
	settings_cost_release(&j->cost);
	free(j->only);
	free(j->mirrors);
	tree_release(&j->tree);
	publisher_release(&j->p);
}

/* ---- the document ---------------------------------------------------------------- */

static void put_step(json_t *o, const struct push_step *s)
{
	json_put_string(o, "key", s->file->key);
	json_put_string(o, "action", push_action_name(s->action));
	json_put_string(o, "because", push_step_reason(s));
	json_put_u64(o, "size", s->file->size);
	json_put_bool(o, "written", s->done);
	json_put_string(o, "error", s->error);
}

static void put_mirror(json_t *o, const struct push_mirror *m, bool all, bool repair)
{
	uint64_t behind;
	json_put_string(o, "id", m->id);
	json_put_string(o, "kind", m->mirror ? m->mirror->ops->kind : NULL);
	json_put_string(o, "holds", holds_name(m->holds));
	json_put_bool(o, "stage", m->stage);
	json_put_string(o, "outcome", push_outcome_name(m->outcome));
	json_put_u64(o, "planned", m->plan.puts);
	json_put_u64(o, "planned_bytes", m->plan.put_bytes);
	if (m->mirror && mirror_has_server(m->mirror))
		json_put_u64(o, "planned_requests", push_plan_requests(&m->plan));
	json_put_u64(o, "written", m->puts);
	json_put_u64(o, "written_bytes", m->put_bytes);
	json_put_u64(o, "copied_bytes", m->copied_bytes);
	json_put_u64(o, "resumed_bytes", m->resumed_bytes);
	json_put_u64(o, "reread_bytes", m->reread_bytes);
	json_put_u64(o, "read_back", m->reads);
	json_put_u64(o, "read_back_bytes", m->read_bytes);
	json_put_u64(o, "retries", m->retries);
	if (m->mirror && m->mirror->requests)
		json_put_u64(o, "requests", m->mirror->requests);
	if (repair)
		json_put_u64(o, "left_out", m->plan.left_out);
	if (m->plan.count) {
		json_put_u64(o, "behind", push_plan_left(&m->plan, &behind));
		json_put_u64(o, "behind_bytes", behind);
	}
	json_t *steps = json_put_array(o, "steps");
	for (size_t i = 0; i < m->plan.count; i++) {
		enum push_action a = m->plan.steps[i].action;
		if (a != STEP_NONE && (a != STEP_KEEP || all))
			put_step(json_push_object(steps), &m->plan.steps[i]);
	}
	if (m->error.class)
		json_put(o, "error", cli_error_json(&m->error));
}

/* Of a dry run. The prices were found before. */
static void put_cost(json_t *o, const struct job *j, const struct push_mirror *m)
{
	struct err ignored = ERR_INIT;
	struct pushcost cost;
	if (j->o.dry_run && !j->check_only && pushcost_find(&j->cost, m, &cost, &ignored) == 0)
		json_put(o, "cost", pushcost_json(&j->cost, &cost));
}

static json_t *pushed(struct cli *cli, const struct job *j)
{
	json_t *o = cli_document(cli);
	json_put_string(o, "repository", j->p.name);
	json_put_u64(o, "release", j->tree.version);
	json_put_bool(o, "dry_run", j->o.dry_run);
	json_put_bool(o, "stage", j->o.stage);
	json_put_bool(o, "repair", j->o.repair);
	json_put_bool(o, "partial", j->o.only);
	json_put_bool(o, "changed", j->result.changed);
	json_put_u64(o, "quorum", j->result.quorum);
	json_put_u64(o, "counted", j->result.counted);
	json_put_u64(o, "holding", j->result.holding);
	json_put_u64(o, "source_bytes", j->result.source_bytes);
	json_put_u64(o, "reread_bytes", j->result.reread_bytes);
	if (j->o.preflight)
		json_put(o, "checks", checks_json(&j->preflight, j->mirrors));
	json_put_string(o, "plan", j->plans.write);
	json_put_string(o, "applied", j->plans.apply);
	json_put(o, "moved", plans_moved_json(&j->plans));
	json_put(o, "pruned", pruning_json(&j->pruning));
	json_t *mirrors = json_put_array(o, "mirrors");
	for (size_t i = 0; i < j->count; i++) {
		json_t *mirror = json_push_object(mirrors);
		put_mirror(mirror, &j->mirrors[i], cli->verbose, j->o.repair);
		put_cost(mirror, j, &j->mirrors[i]);
	}
	return o;
}

/* ---- for people ------------------------------------------------------------------ */

static void print_plan(struct cli *cli, const json_t *document)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{mirror}", NULL },   { "ACTION", "{action}", NULL },
		{ ">SIZE", "{size:size}", NULL }, { "FILE", "{key}", NULL },
		{ "BECAUSE", "{because}", NULL },
	};
	CLEANUP(json_release) json_t *rows = cli_rows(json_object_get(document, "mirrors"), "steps",
						      "id", "mirror");
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}

static void describe_size(struct buf *b, uint64_t bytes, const char *what)
{
	char size[SIZE_TEXT];
	if (bytes)
		buf_addf(b, "%s%s %s", b->len ? ", " : "", format_size(size, bytes), what);
}

static void describe_files(struct buf *b, size_t files, uint64_t bytes, const char *what)
{
	char size[SIZE_TEXT];
	if (files)
		buf_addf(b, "%s%zu file%s%s, %s", b->len ? "; " : "", files, files == 1 ? "" : "s",
			 what, format_size(size, bytes));
}

static void describe_done(struct buf *b, const struct push_mirror *m)
{
	uint64_t bytes;
	size_t behind = push_plan_left(&m->plan, &bytes);
	describe_files(b, m->puts, m->put_bytes, "");
	describe_size(b, m->copied_bytes, "copied there");
	describe_size(b, m->resumed_bytes, "kept from earlier uploads");
	describe_files(b, m->reads, m->read_bytes, " read back");
	if (m->retries)
		buf_addf(b, "%s%zu retr%s", b->len ? "; " : "", m->retries,
			 m->retries == 1 ? "y" : "ies");
	if (!m->count_only)
		describe_files(b, behind, bytes, " behind");
	if (m->plan.left_out)
		buf_addf(b, "%s%zu of a release that it does not show left out", b->len ? "; " : "",
			 m->plan.left_out);
}

/* What was done or, in a dry run, would be done. */
static char *describe(const struct job *j, const struct push_mirror *m)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB * 4);
	if (j->o.dry_run) {
		describe_files(&b, m->plan.puts, m->plan.put_bytes, "");
		describe_files(&b, m->plan.checks, m->plan.check_bytes, " to read back");
		if (b.len && m->mirror && mirror_has_server(m->mirror))
			buf_addf(&b, "; about %llu requests",
				 (unsigned long long)push_plan_requests(&m->plan));
	} else {
		describe_done(&b, m);
	}
	if (m->mirror && m->mirror->ops->others_files)
		buf_adds(&b, "files of others: left alone");
	if (m->error.class)
		buf_addf(&b, "%s%s", b.len ? "; " : "", m->error.text);
	return buf_steal(&b);
}

static void print_mirrors(struct cli *cli, const struct job *j)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{id}", NULL },
		{ "OUTCOME", "{outcome}", NULL },
		{ "DETAILS", "{details}", NULL },
	};
	CLEANUP(json_release) json_t *rows = json_array();
	for (size_t i = 0; i < j->count; i++) {
		const struct push_mirror *m = &j->mirrors[i];
		CLEANUP(mem_free_ptr) char *details = describe(j, m);
		json_t *row = json_push_object(rows);
		json_put_string(row, "id", m->id);
		json_put_string(row, "outcome", push_outcome_name(m->outcome));
		json_put_string(row, "details", details);
	}
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}

static bool is_well(const struct job *j)
{
	for (size_t i = 0; i < j->count; i++)
		if (j->mirrors[i].error.class)
			return false;
	return true;
}

static bool was_busy(const struct job *j)
{
	bool busy = false;
	for (size_t i = 0; i < j->count; i++)
		busy |= j->mirrors[i].outcome != PUSH_UP_TO_DATE &&
			j->mirrors[i].outcome != PUSH_READ_ONLY &&
			j->mirrors[i].outcome != PUSH_EXAMINED;
	return busy;
}

static void print_pushed(struct cli *cli, const struct job *j, const json_t *document, bool failed)
{
	cli_aloud(cli, true);
	plans_moved_print(cli, json_object_get(document, "moved"));
	checks_print(cli, json_object_get(document, "checks"), j->check_only && !cli->quiet);
	cli_aloud(cli, failed || (j->o.dry_run && !j->plans.write));
	if (j->check_only) {
		cli_aloud(cli, false);
		if (!failed)
			cli_say(cli, document, "Release {release} can be pushed.");
		return;
	}
	if (j->o.dry_run)
		print_plan(cli, document);
	cli_aloud(cli, failed || !is_well(j));
	if (j->result.quorum <= j->result.counted)
		print_mirrors(cli, j);
	if (j->o.dry_run)
		pushcost_print(cli, &j->cost, j->mirrors, j->count);
	cli_aloud(cli, failed || j->o.dry_run);
	pruning_print(cli, json_object_get(document, "pruned"), j->o.dry_run);
	cli_aloud(cli, false);
	if (!failed)
		cli_say(cli, document,
			j->plans.write ? "The plan is in {plan}. When it has been reviewed, `ferry "
					 "push --apply {plan}` carries it out."
			: j->o.repair && !was_busy(j) ? "Nothing to repair."
			: !was_busy(j) ? "Nothing to do: release {release} is already there."
			: j->o.dry_run ? "Nothing was written (--dry-run)."
			: j->o.only ? "The objects are on the mirrors. Readers see no new release "
				      "until `ferry push` sends everything."
			: j->o.repair ? "Repaired. Nothing new was published."
			: j->o.stage  ? "Release {release} is on the stage mirrors; `ferry push` "
					"publishes it everywhere."
				      : "Release {release} is published.");
}

/* ---- the command ----------------------------------------------------------------- */

/* Mirrors that were not named still count if the quorum is configured, or if the named ones hold
 * no objects. */
static void add_mirrors(struct job *j)
{
	bool objects = false;
	for (size_t i = 0; i < j->p.places.count; i++)
		objects = objects || (j->p.places.at[i].chosen &&
				      j->p.places.at[i].settings->holds != MIRROR_HOLDS_METADATA);
	j->mirrors = mem_alloc((j->p.places.count + 1) * sizeof *j->mirrors);
	for (size_t i = 0; i < j->p.places.count; i++) {
		const struct mirrors_entry *p = &j->p.places.at[i];
		const struct settings_mirror *s = p->settings;
		bool counts = (j->o.quorum || !objects) && s->holds != MIRROR_HOLDS_METADATA;
		if (p->chosen || counts)
			j->mirrors[j->count++] = (struct push_mirror){
				.id = s->id,
				.mirror = p->mirror,
				.settings = s,
				.holds = s->holds,
				.stage = s->stage,
				.count_only = !p->chosen,
				.error = p->error,
			};
	}
}

/* For --bundle: the options that a bundle has, too. */
static int write_bundle(struct cli *cli, const struct push_opts *o, struct err *e)
{
	const struct bundling b = {
		.who = &o->who,
		.file = o->bundle,
		.only = &o->only,
		.dry_run = o->push.dry_run,
	};
	if (o->push.stage || o->push.repair || o->push.recheck || o->preflight || o->prune ||
	    o->plan || o->apply || o->who.new_mirror)
		return err_set(e, ERR_USAGE,
			       "--bundle can be combined with --only, --dry-run, --name and "
			       "--repository, with no other option of push");
	return bundling_run(cli, &b, e);
}

static int check_together(const struct push_opts *o, struct err *e)
{
	bool partly = o->only.count || o->push.repair;
	if (o->only.count && o->push.repair)
		return err_set(e, ERR_USAGE, "--only and --repair exclude each other");
	if (partly && (o->push.stage || o->plan || o->apply || o->prune))
		return err_set(e, ERR_USAGE,
			       "%s cannot be combined with --stage, --plan, --apply or --prune",
			       o->only.count ? "--only" : "--repair");
	return 0;
}

static int check_choice(const struct job *j, const struct push_opts *o, struct err *e)
{
	bool stage = false;
	for (size_t i = 0; i < j->count; i++) {
		const struct push_mirror *m = &j->mirrors[i];
		stage = stage || (m->stage && !m->count_only);
		if (!o->who.mirrors.count || m->count_only || !m->mirror ||
		    mirror_can(m->mirror, MIRROR_CAN_WRITE))
			continue;
		if (m->mirror->ops->others_files) {
			err_set(e, ERR_USAGE, "mirror %s has files of others: push leaves it alone",
				m->id);
			return err_hint(e,
					"`ferry catalog add --at URL` names what is there; check "
					"it with `ferry verify --mirror %s`",
					m->id);
		}
		err_set(e, ERR_USAGE, "mirror %s cannot be written: its kind, %s, is read-only",
			m->id, m->mirror->ops->kind);
		return err_hint(e,
				"push to the storage behind it, then check it with `ferry verify "
				"--mirror %s`",
				m->id);
	}
	if (!o->push.stage || stage)
		return 0;
	err_set(e, ERR_USAGE, "--stage: no mirror is marked as stage");
	return err_hint(e, "set stage = yes in the [mirror.NAME] that is to show releases first");
}

static int check_prices(struct job *j, struct err *e)
{
	struct pushcost ignored;
	int rc = settings_cost_read(j->p.conf, &j->cost, e);
	for (size_t i = 0; rc == 0 && i < j->count; i++)
		rc = pushcost_find(&j->cost, &j->mirrors[i], &ignored, e);
	return rc;
}

/* How the run goes, besides what the options say of it. */
static void set_course(struct job *j, const struct push_opts *o)
{
	j->o.record_dir = j->tree.dir;
	j->check_only = j->preflight.every = o->preflight;
	j->preflight.remove = o->prune;
	j->preflight.now_s = time(NULL);
	j->o.preflight = j->o.dry_run && !o->preflight ? NULL : &j->preflight;
	j->o.dry_run |= o->preflight;
	j->o.approve = plans_approve;
	j->o.approve_ctx = &j->plans;
	j->plans.run = (struct plan_file_run){
		.tree = &j->tree,
		.repository = j->p.name,
		.options = &j->o,
		.only = o->who.mirrors.at,
		.only_count = o->who.mirrors.count,
		.mirrors = j->mirrors,
		.count = j->count,
	};
}

/* What was not pushed is not pruned either; its error is the first. */
static int prune(struct job *j, struct err *e)
{
	struct err why = ERR_INIT;
	if (j->preflight.error.class || cancel_signal(j->o.cancel))
		return 0;
	int rc = pruning_run(&j->pruning, &j->p, &j->tree, j->mirrors, j->count, &j->o, &why);
	if (rc < 0 && !e->class)
		*e = why;
	return rc;
}

static int open_tree(struct job *j, struct err *e)
{
	int rc = tree_open(j->p.dir, &j->tree, e);
	for (size_t i = 0; rc == 0 && i < j->count; i++) {
		rc = tree_pack_for(&j->tree, j->mirrors[i].mirror, e);
		if (rc == 0)
			rc = tree_places_for(&j->tree, j->mirrors[i].mirror, e);
	}
	return rc;
}

static int push_run_command(struct cli *cli, struct err *e)
{
	struct retry retry = RETRY_DEFAULT;
	CLEANUP(job_release) struct job j = { 0 };
	struct settings_publish publish;
	struct push_opts given = *(const struct push_opts *)cli->opts, *o = &given;
	if (o->bundle)
		return write_bundle(cli, o, e);
	j.plans = (struct plans){ .write = o->plan, .apply = o->apply };
	int rc = check_together(o, e);
	if (rc == 0)
		rc = plans_open(&j.plans, &o->who, &o->push, o->prune, e);
	j.o = o->push;
	j.o.threads = MIRRORS_AT_A_TIME;
	j.o.retry = &retry;
	j.o.cancel = cli->cancel;
	j.o.report = cli->report;
	j.o.again = cli->line;
	retry.cancel = cli->cancel;
	if (rc == 0)
		rc = publisher_open(cli, &o->who, true, true, &j.p, e);
	if (rc == 0)
		rc = settings_publish_read(j.p.conf, &publish, e);
	if (rc < 0)
		return rc;
	j.o.quorum = publish.quorum;
	j.pruning.o.time = (struct prune_time){ time(NULL), publish.prune_after_s };
	add_mirrors(&j);
	if ((rc = check_choice(&j, o, e)) < 0 || (rc = check_prices(&j, e)) < 0 ||
	    (rc = open_tree(&j, e)) < 0)
		return rc;
	if (o->only.count &&
	    (rc = only_resolve(&j.tree, o->only.at, o->only.count, &j.only, e)) < 0)
		return rc;
	j.o.only = j.only;
	j.tree.cancel = cli->cancel;
	set_course(&j, o);
	rc = push_run(&j.tree, j.mirrors, j.count, &j.o, &j.result, e);
	if (rc == 0 && o->plan)
		rc = plans_save(&j.plans, e);
	if (o->prune && !o->preflight)
		(void)!prune(&j, e);
	CLEANUP(json_release) json_t *document = pushed(cli, &j);
	print_pushed(cli, &j, document, rc < 0);
	return cli_result(cli, document, e);
}

const struct command cmd_push = {
	.name = "push",
	.summary = "update the mirrors to the current release",
	.description =
		"Sends what is missing or wrong to every mirror, or to the given ones: first "
		"objects, then metadata, and timestamp.json last, once enough mirrors (the quorum "
		"in ferry.conf; by default all) hold every object, verified. If it is interrupted, "
		"readers still see a complete release, and the next push continues.",
	.opts = options,
	.opts_size = sizeof(struct push_opts),
	.operand_hint = HINT_NONE,
	.run = push_run_command,
	.values = values_publisher,
};
