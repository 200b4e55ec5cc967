#include "cli/publisher.h"
#include "cli/values.h"
#include "publish/announce.h"
#include "publish/release.h"
#include "settings/announce.h"
#include "util/child.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

extern const struct command cmd_announce;

#define DOCUMENT_MAX (64 * MIB)

struct announce_opts {
	struct publisher_opts who;
	struct opt_list hooks;
	bool dry_run, skip;
};

static const struct opt options[] = {
	OPT_ENTRY(OPT_FLAG, announce_opts, dry_run, 'n', "dry-run", NULL,
		  "print the documents that the hooks would get; run nothing"),
	OPT_ENTRY(OPT_FLAG, announce_opts, skip, 0, "skip", NULL,
		  "run nothing, and remember that the hooks know of everything until now"),
	OPT_ENTRY(OPT_LIST, announce_opts, hooks, 0, "hook", "NAME",
		  "only this [announce.NAME] of ferry.conf; may be repeated"),
	OPT_HINTED(OPT_LIST, announce_opts, who.mirrors, 'm', "mirror", "NAME", HINT_MIRROR,
		   "only these mirrors are asked for the release; may be repeated"),
	OPT_HINTED(OPT_STRING, announce_opts, who.name, 0, "name", "NAME", HINT_REPOSITORY,
		   "the repository, if ferry.conf has several"),
	OPT_HINTED(OPT_STRING, announce_opts, who.dir, 0, "repository", "DIR", HINT_DIR,
		   "the repository's tree (its path in ferry.conf)"),
	OPT_LAST,
};

struct job {
	struct cli *cli;
	const struct announce_opts *o;
	struct publisher p;
	struct tree tree;
	struct catalog catalog;
	struct settings_announce hooks;
	int lock;
	json_t *mirrors; /* {"id", "url"} of those that show the release; as readers know them */
	json_t *record;  /* of what there is now */
	json_t *told;    /* of the document: the hooks; borrowed */
	size_t failed;
};

static void job_release(struct job *j)
{
	file_close(&j->lock);
	json_decref(j->mirrors);
	json_decref(j->record);
	settings_announce_release(&j->hooks);
	catalog_release(&j->catalog);
	tree_release(&j->tree);
	publisher_release(&j->p);
}

/* ---- what is published ---- */

static bool shows_release(struct job *j, const struct mirrors_entry *p, struct err *why)
{
	struct release r = { 0 };
	if (!p->mirror) {
		*why = p->error;
		return false;
	}
	if (release_of(p->mirror, &j->tree, &r, why) < 0)
		return false;
	if (r.state == RELEASE_SAME)
		return true;
	err_set(why, ERR_NOT_FOUND, "mirror %s does not show release %llu (%s)", p->settings->id,
		(unsigned long long)j->tree.version, release_state_name(r.state));
	return false;
}

static int none_shows(const struct job *j, const struct err *first, struct err *e)
{
	if (!first->class)
		err_set(e, ERR_USAGE, "no mirror for readers is configured");
	else if (err_is(first, ERR_NOT_FOUND))
		err_set(e, ERR_NOT_FOUND, "no mirror shows release %llu",
			(unsigned long long)j->tree.version);
	else
		*e = *first;
	return err_hint(e, "only what readers can see is announced: run `ferry push` first");
}

/* Stage mirrors are not for readers. */
static int find_mirrors(struct job *j, struct err *e)
{
	struct err first = ERR_INIT;
	bool any = false;
	j->mirrors = json_array();
	for (size_t i = 0; i < j->p.places.count; i++) {
		const struct mirrors_entry *p = &j->p.places.at[i];
		const struct settings_mirror *s = p->settings;
		struct err why = ERR_INIT;
		if (!p->chosen || s->stage || s->holds == MIRROR_HOLDS_OBJECTS)
			continue;
		if (!shows_release(j, p, &why)) {
			report_warn(j->cli->report, "%s", why.text);
			first = first.class ? first : why;
			continue;
		}
		any = true;
		if (!s->url)
			continue;
		json_t *mirror = json_push_object(j->mirrors);
		json_put_string(mirror, "id", s->id);
		json_put_string(mirror, "url", s->url);
	}
	return any ? 0 : none_shows(j, &first, e);
}

/* ---- hooks ---- */

static bool is_chosen(const struct job *j, const char *name)
{
	for (size_t i = 0; i < j->o->hooks.count; i++)
		if (strcmp(j->o->hooks.at[i], name) == 0)
			return true;
	return !j->o->hooks.count;
}

static int check_hooks(const struct job *j, struct err *e)
{
	if (!j->hooks.count) {
		err_set(e, ERR_USAGE, "ferry.conf has no [announce.NAME]");
		return err_hint(e, "add one with command = PROGRAM (man ferry.conf)");
	}
	for (size_t i = 0; i < j->o->hooks.count; i++) {
		bool known = false;
		for (size_t k = 0; k < j->hooks.count; k++)
			known |= strcmp(j->o->hooks.at[i], j->hooks.at[k].name) == 0;
		if (!known)
			return err_set(e, ERR_USAGE, "--hook %s: ferry.conf has no [announce.%s]",
				       j->o->hooks.at[i], j->o->hooks.at[i]);
	}
	return 0;
}

static int find_program(const struct settings_hook *hook, char **out, struct err *e)
{
	const char *name = hook->words.at[0];
	*out = strchr(name, '/') ? mem_strdup(name) : child_on_path(name);
	return *out ? 0 : err_set(e, ERR_NOT_FOUND, "there is no program %s on PATH", name);
}

static int hook_failed(const struct child_result *r, struct err *e)
{
	char how[160];
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	str_list_split(&lines, buf_str(&r->output), "\r\n");
	const char *last = lines.count ? lines.at[lines.count - 1] : "";
	CLEANUP(mem_free_ptr) char *shown = text_escaped(last);
	return err_set(e, ERR_SYSTEM, "%s%s%.300s", child_describe(r, how, sizeof how),
		       *shown ? ": " : "", shown);
}

/* It keeps its credentials: it is the publisher's own program, and needs them. */
static int run_hook(struct job *j, const struct settings_hook *hook, const json_t *document,
		    struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(DOCUMENT_MAX);
	CLEANUP(child_result_release) struct child_result result = { 0 };
	CLEANUP(mem_free_ptr)
	const char **argv = mem_alloc((hook->words.count + 1) * sizeof(char *));
	CLEANUP(mem_free_ptr) char *program = NULL;
	int rc = find_program(hook, &program, e);
	if (rc == 0)
		rc = json_pretty(document, &text, e);
	if (rc == 0)
		rc = buf_ok(&text, "the document", e);
	if (rc < 0)
		return rc;
	argv[0] = program;
	for (size_t i = 1; i < hook->words.count; i++)
		argv[i] = hook->words.at[i];
	const struct child child = {
		.argv = argv,
		.dir = j->p.conf->dir,
		.timeout_s = hook->timeout_s,
		.cancel = j->cli->cancel,
		.report = j->cli->report,
		.input = text.data,
		.input_len = text.len,
		.trusted = true,
	};
	rc = child_run(&child, &result, e);
	return rc == 0 && !child_ok(&result) ? hook_failed(&result, e) : rc;
}

static const char *carry_out(struct job *j, const struct settings_hook *hook,
			     const json_t *document, struct err *why)
{
	int rc = 0;
	if (j->o->dry_run)
		return "would-tell";
	if (!j->o->skip)
		rc = run_hook(j, hook, document, why);
	if (rc == 0)
		rc = announce_save(j->p.dir, hook->name, j->record, why);
	return rc < 0 ? "failed" : j->o->skip ? "skipped" : "told";
}

/* One that fails does not keep the others from being told; it is told the next time. */
static int tell_hook(struct job *j, const struct settings_hook *hook, struct err *e)
{
	CLEANUP(json_release) json_t *before = NULL;
	CLEANUP(json_release) json_t *document = NULL;
	struct err why = ERR_INIT;
	const char *outcome = "nothing-new";
	if (announce_load(j->p.dir, hook->name, &before, &why) < 0)
		outcome = "failed";
	else
		document = announce_document(&j->catalog, j->tree.version, before, j->mirrors);
	if (document)
		outcome = carry_out(j, hook, document, &why);
	json_t *told = json_push_object(j->told);
	json_put_string(told, "name", hook->name);
	json_put_string(told, "outcome", outcome);
	json_put_u64(told, "models", json_array_size(json_object_get(document, "models")));
	if (j->o->dry_run && document)
		json_put(told, "document", json_incref(document));
	if (why.class == ERR_CANCELLED) {
		*e = why;
		return -ERR_CANCELLED;
	}
	if (why.class) {
		err_context(&why, "hook %s", hook->name);
		json_put(told, "error", cli_error_json(&why));
		cli_tell(j->cli, &why);
		j->failed++;
	}
	return 0;
}

static int tell_all(struct job *j, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < j->hooks.count; i++)
		if (is_chosen(j, j->hooks.at[i].name))
			rc = tell_hook(j, &j->hooks.at[i], e);
	return rc;
}

/* ---- the command ---- */

static int take_lock(struct job *j, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(j->p.dir, ".ferry/announced/.lock");
	if (j->o->dry_run)
		return 0;
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	return rc < 0 ? rc : file_lock(path, 0, NULL, &j->lock, e);
}

static int open_job(struct job *j, struct err *e)
{
	int rc = publisher_open(j->cli, &j->o->who, true, true, &j->p, e);
	if (rc == 0)
		rc = settings_announce_read(j->p.conf, j->p.name, &j->hooks, e);
	if (rc == 0)
		rc = check_hooks(j, e);
	if (rc == 0)
		rc = take_lock(j, e);
	if (rc == 0)
		rc = tree_open(j->p.dir, &j->tree, e);
	if (rc == 0)
		rc = repository_catalog(j->p.dir, &j->catalog, e);
	if (rc == 0)
		rc = find_mirrors(j, e);
	if (rc == 0)
		j->record = announce_record(&j->catalog, j->tree.version);
	return rc;
}

static void print_told(const struct job *j, const json_t *document)
{
	const json_t *one, *text;
	size_t i;
	json_array_foreach (json_object_get(document, "hooks"), i, one) {
		CLEANUP(buf_release) struct buf b = BUF_INIT(DOCUMENT_MAX);
		struct err ignored = ERR_INIT;
		text = json_object_get(one, "document");
		cli_aloud(j->cli, j->o->dry_run);
		cli_say(j->cli, one, "{name}: {outcome}, {models#model}");
		if (text && json_pretty(text, &b, &ignored) == 0)
			cli_raw(j->cli, buf_str(&b));
		cli_aloud(j->cli, false);
	}
}

static int announce_run(struct cli *cli, struct err *e)
{
	CLEANUP(job_release) struct job j = { .cli = cli, .o = cli->opts, .lock = -1 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	if (j.o->dry_run && j.o->skip)
		return err_set(e, ERR_USAGE, "--dry-run and --skip exclude each other");
	int rc = open_job(&j, e);
	if (rc < 0)
		return rc;
	json_put_string(document, "repository", j.p.name);
	json_put_u64(document, "release", j.tree.version);
	json_put_bool(document, "dry_run", j.o->dry_run);
	json_put(document, "mirrors", json_incref(j.mirrors));
	j.told = json_put_array(document, "hooks");
	rc = tell_all(&j, e);
	print_told(&j, document);
	rc = rc < 0 ? rc : cli_result(cli, document, e);
	return rc == 0 && j.failed ? -ERR_FAULT : rc;
}

const struct command cmd_announce = {
	.name = "announce",
	.summary = "tell programs what was published",
	.description =
		"Runs the hooks in ferry.conf, [announce.NAME], each with one JSON document on "
		"its standard input: what has changed in the published catalog since the hook "
		"was told last. Only a release that a mirror shows to readers is announced. A "
		"hook that fails is told again the next time.",
	.opts = options,
	.opts_size = sizeof(struct announce_opts),
	.operand_hint = HINT_NONE,
	.run = announce_run,
	.values = values_publisher,
};
