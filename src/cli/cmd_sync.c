#include "cli/checks.h"
#include "cli/publisher.h"
#include "cli/values.h"
#include "http/url.h"
#include "publish/push.h"
#include "publish/share.h"
#include "publish/sync.h"
#include "publish/tree_pack.h"
#include "publish/tree_places.h"
#include "settings/repository.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

struct sync_opts {
	const char *name, *root, *share, *limit_rate;
	bool new_mirror;
	bool dry_run;
};

static const struct opt options[] = {
	OPT_ENTRY(OPT_FLAG, sync_opts, dry_run, 'n', "dry-run", NULL,
		  "show what would be copied, and write nothing"),
	OPT_ENTRY(OPT_STRING, sync_opts, share, 0, "shard", "I/N",
		  "copy only the I-th of N shares of the objects, and show no release"),
	OPT_HINTED(OPT_STRING, sync_opts, name, 0, "name", "NAME", HINT_REPOSITORY,
		   "the repository whose root is trusted, if ferry.conf has several"),
	OPT_HINTED(OPT_STRING, sync_opts, root, 0, "root", "FILE", HINT_FILE,
		   "trust this root of the repository, 1.root.json, instead of the one in "
		   "ferry.conf"),
	OPT_ENTRY(OPT_STRING, sync_opts, limit_rate, 0, "limit-rate", "SIZE|TIMETABLE",
		  "the maximum rate in bytes per second, reading and writing together: 20MiB, or "
		  "by the time of day: '08:00,20MiB 19:00,off'"),
	PUBLISHER_NEW_MIRROR(sync_opts, new_mirror),
	OPT_LAST,
};

struct job {
	struct publisher p;
	struct settings_repositories repositories;
	const struct settings_repository *repository; /* or NULL */
	struct mirror *opened;                        /* FROM, if it is a URL */
	struct mirror *from;
	struct push_mirror to;
	struct buf root;
	char *dir; /* of FROM's metadata */
	struct tree tree;
	struct share share;
	bool *only; /* of the tree's files: those of the share; NULL: all */
	struct push_options o;
	struct preflight preflight;
	struct push_result result;
};
#define JOB_INIT BRACES(.root = BUF_INIT(SYNC_MAX_ROOT))

static void job_release(struct job *j)
{
	preflight_release(&j->preflight);
	push_mirror_release(&j->to);
	tree_release(&j->tree);
	mirror_close(j->opened);
	buf_release(&j->root);
	free(j->only);
	free(j->dir);
	settings_repositories_release(&j->repositories);
	publisher_release(&j->p);
}

/* ---- the mirrors ---------------------------------------------------------------- */

static int open_from(struct cli *cli, struct job *j, const char *name, bool is_url, struct err *e)
{
	struct mirror_env env = {
		.rate = &j->p.rate,
		.cancel = cli->cancel,
		.access = &j->p.access,
	};
	CLEANUP(mem_free_ptr) char *shown = url_redact(name);
	if (is_url) {
		CLEANUP(mem_free_ptr) char *url = url_tidy(name);
		int rc = mirror_open_url(mirror_kinds_all, &env, shown, url, &j->opened, e);
		j->from = j->opened;
		return rc;
	}
	const struct mirrors_entry *p = mirrors_find(&j->p.places, name);
	j->from = p->mirror;
	if (!j->from)
		*e = p->error;
	return -(int)e->class;
}

static int open_to(struct job *j, const char *name, struct err *e)
{
	const struct mirrors_entry *p = mirrors_find(&j->p.places, name);
	if (!p->mirror) {
		*e = p->error;
		return -(int)e->class;
	}
	j->to = (struct push_mirror){
		.id = p->settings->id,
		.mirror = p->mirror,
		.holds = p->settings->holds,
		.stage = p->settings->stage,
	};
	if (mirror_can(p->mirror, MIRROR_CAN_WRITE))
		return 0;
	return err_set(e, ERR_USAGE, "mirror %s cannot be written: its kind, %s, is read-only",
		       name, p->mirror->ops->kind);
}

static int open_mirrors(struct cli *cli, struct job *j, struct err *e)
{
	const struct sync_opts *o = cli->opts;
	const char *from = cli->operands[0], *to = cli->operands[1];
	bool is_url = strstr(from, "://");
	const char *names[] = { to, from };
	struct publisher_opts who = {
		.mirrors = { .at = names, .count = is_url ? 1 : 2 },
		.limit_rate = o->limit_rate,
		.new_mirror = o->new_mirror,
	};
	if (strcmp(from, to) == 0)
		return err_set(e, ERR_USAGE, "FROM and TO are the same mirror, %s", to);
	int rc = publisher_open(cli, &who, false, true, &j->p, e);
	if (rc == 0)
		rc = open_from(cli, j, from, is_url, e);
	return rc < 0 ? rc : open_to(j, to, e);
}

/* ---- the trusted root ----------------------------------------------------------- */

/* The repository that TO, or else FROM, is a copy of. */
static const char *repository_name(const struct job *j, const struct cli *cli)
{
	const struct sync_opts *o = cli->opts;
	const struct mirrors_entry *to = mirrors_find(&j->p.places, cli->operands[1]);
	const struct mirrors_entry *from = mirrors_find(&j->p.places, cli->operands[0]);
	if (o->name)
		return o->name;
	if (to->settings->repository || !from)
		return to->settings->repository;
	return from->settings->repository;
}

static int find_repository(struct cli *cli, struct job *j, struct err *e)
{
	const char *name = repository_name(j, cli);
	int rc = settings_repositories_read(j->p.conf, &j->repositories, e);
	if (rc < 0)
		return rc;
	if (!name && j->repositories.count == 1)
		j->repository = &j->repositories.at[0];
	if (!name)
		return 0;
	j->repository = settings_repositories_find(&j->repositories, name);
	return j->repository
		       ? 0
		       : settings_repositories_unknown(&j->repositories, name, ERR_NOT_FOUND, e);
}

static int read_root(struct cli *cli, struct job *j, struct err *e)
{
	static const struct settings_repository none = { 0 };
	const struct sync_opts *o = cli->opts;
	if (o->root)
		return file_read_named(o->root, &j->root, e);
	return sync_root(j->repository ? j->repository : &none, j->from, j->o.retry, &j->root, e);
}

/* ---- the tree ------------------------------------------------------------------- */

/* One folder for each source and repository. */
static int choose_dir(struct job *j, struct err *e)
{
	CLEANUP(mem_free_ptr) char *cache = NULL;
	CLEANUP(buf_release) struct buf what = BUF_INIT(MIB);
	struct digest sha256;
	char hex[DIGEST_HEX];
	int rc = path_xdg("XDG_CACHE_HOME", ".cache", &cache, e);
	if (rc < 0)
		return rc;
	buf_addf(&what, "%s %s ", j->from->id, j->from->url ? j->from->url : "");
	buf_add(&what, j->root.data, j->root.len);
	sha256_of(what.data, what.len, &sha256);
	j->dir = mem_printf("%s/ferry/sync/%.16s", cache, digest_hex(hex, &sha256));
	return 0;
}

static int open_tree(struct cli *cli, struct job *j, struct err *e)
{
	int rc = find_repository(cli, j, e);
	if (rc == 0)
		rc = read_root(cli, j, e);
	if (rc == 0)
		rc = choose_dir(j, e);
	if (rc < 0)
		return rc;
	const struct sync_from from = {
		.mirror = j->from,
		.root = buf_str(&j->root),
		.root_len = j->root.len,
		.dir = j->dir,
		.now_s = time(NULL),
		.retry = j->o.retry,
		.cancel = cli->cancel,
	};
	rc = sync_open(&from, &j->tree, e);
	if (rc == 0)
		rc = tree_pack_for(&j->tree, j->to.mirror, e);
	return rc < 0 ? rc : tree_places_for(&j->tree, j->to.mirror, e);
}

/* ---- the result ----------------------------------------------------------------- */

static void put_failed(json_t *o, const struct push_step *s)
{
	json_put_string(o, "key", s->file->key);
	json_put_string(o, "message", s->error);
}

static json_t *synced(struct cli *cli, const struct job *j)
{
	const struct sync_opts *o = cli->opts;
	const struct push_mirror *m = &j->to;
	json_t *document = cli_document(cli);
	json_put_string(document, "from", j->from->id);
	json_put_string(document, "to", m->id);
	json_put_u64(document, "release", j->tree.version);
	json_put_bool(document, "dry_run", o->dry_run);
	json_put_string(document, "shard", o->share);
	json_put_string(document, "outcome", push_outcome_name(m->outcome));
	if (j->o.preflight)
		json_put(document, "checks", checks_json(&j->preflight, m));
	json_put_bool(document, "changed", j->result.changed);
	json_put_u64(document, "planned", m->plan.puts);
	json_put_u64(document, "planned_bytes", m->plan.put_bytes);
	json_put_u64(document, "written", m->puts);
	json_put_u64(document, "written_bytes", m->put_bytes);
	json_put_u64(document, "copied_bytes", m->copied_bytes);
	json_put_u64(document, "resumed_bytes", m->resumed_bytes);
	json_put_u64(document, "read_bytes", j->result.source_bytes);
	json_put_u64(document, "read_back", m->reads);
	json_put_u64(document, "read_back_bytes", m->read_bytes);
	json_t *failed = json_put_array(document, "failed");
	for (size_t i = 0; i < m->plan.count; i++)
		if (m->plan.steps[i].error)
			put_failed(json_push_object(failed), &m->plan.steps[i]);
	return document;
}

static void print_plan(struct cli *cli, const struct push_mirror *m)
{
	static const struct cli_column columns[] = {
		{ "ACTION", "{action}", NULL },
		{ ">SIZE", "{size:size}", NULL },
		{ "FILE", "{key}", NULL },
		{ "BECAUSE", "{because}", NULL },
	};
	CLEANUP(json_release) json_t *rows = json_array();
	for (size_t i = 0; i < m->plan.count; i++) {
		const struct push_step *s = &m->plan.steps[i];
		if (s->action == STEP_NONE || s->action == STEP_KEEP)
			continue;
		json_t *row = json_push_object(rows);
		json_put_string(row, "action", push_action_name(s->action));
		json_put_u64(row, "size", s->file->size);
		json_put_string(row, "key", s->file->key);
		json_put_string(row, "because", push_step_reason(s));
	}
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}

/* What did not have to be sent: ", of which 3 MiB copied there". */
static char *how_text(const struct push_mirror *m)
{
	char copied[SIZE_TEXT], kept[SIZE_TEXT];
	bool both = m->copied_bytes && m->resumed_bytes;
	format_size(copied, m->copied_bytes);
	format_size(kept, m->resumed_bytes);
	return mem_printf("%s%s%s%s%s%s", m->copied_bytes || m->resumed_bytes ? ", of which " : "",
			  m->copied_bytes ? copied : "", m->copied_bytes ? " copied there" : "",
			  both ? " and " : "", m->resumed_bytes ? kept : "",
			  m->resumed_bytes ? " kept from earlier uploads" : "");
}

static const char *sentence(const struct job *j, const struct sync_opts *o)
{
	switch (j->to.outcome) {
	case PUSH_PLANNED:
		return "{to}: {planned} files, {planned_bytes:size}, would be copied from {from}. "
		       "Nothing was written (--dry-run).";
	case PUSH_UP_TO_DATE:
		return "{to} is up to date: it shows release {release}.";
	case PUSH_OBJECTS_ONLY:
		return "{to} has share {shard} of the objects ({written} files written, "
		       "{written_bytes:size}{how}). When it has all shares, run `ferry sync {from} "
		       "{to}` to show release {release}.";
	default:
		return o->dry_run ? NULL
				  : "{to} shows release {release}: {written} files written, "
				    "{written_bytes:size}{how}.";
	}
}

static void print_synced(struct cli *cli, const struct job *j, const json_t *document, bool failed)
{
	const struct sync_opts *o = cli->opts;
	const json_t *row;
	size_t i;
	checks_print(cli, json_object_get(document, "checks"), false);
	json_array_foreach (json_object_get(document, "failed"), i, row)
		cli_say(cli, row, "not copied: {message}");
	if (!failed && o->dry_run)
		print_plan(cli, &j->to);
	const char *text = failed || cli->quiet ? NULL : sentence(j, o);
	CLEANUP(json_release) json_t *said = json_copy((json_t *)document);
	CLEANUP(mem_free_ptr) char *how = how_text(&j->to);
	json_put_string(said, "how", how);
	if (text)
		cli_say(cli, said, text);
}

/* There is only one mirror to sum up. */
static int explain(const struct job *j, struct err *e)
{
	size_t failed = 0;
	if (j->to.outcome != PUSH_FAILED || err_is(e, ERR_CANCELLED))
		return -(int)e->class;
	*e = j->to.error;
	for (size_t i = 0; i < j->to.plan.count; i++)
		failed += j->to.plan.steps[i].error != NULL;
	if (failed)
		err_context(e, "%zu object%s not copied, so mirror %s keeps what it shows", failed,
			    failed == 1 ? " was" : "s were", j->to.id);
	return err_hint(e, "run the same command again: finished work is not repeated");
}

static int sync_run_command(struct cli *cli, struct err *e)
{
	struct retry retry = RETRY_DEFAULT;
	const struct sync_opts *o = cli->opts;
	CLEANUP(job_release) struct job j = JOB_INIT;
	CLEANUP(mem_free_ptr) char *again = url_redact(cli->line); /* FROM may be a URL */
	retry.cancel = cli->cancel;
	j.o = (struct push_options){
		.dry_run = o->dry_run,
		.threads = 1,
		.retry = &retry,
		.cancel = cli->cancel,
		.report = cli->report,
		.again = again,
	};
	int rc = o->share ? share_parse(o->share, &j.share, e) : 0;
	if (rc == 0)
		rc = open_mirrors(cli, &j, e);
	if (rc == 0)
		rc = open_tree(cli, &j, e);
	if (rc < 0)
		return rc;
	j.o.only = j.only = share_select(&j.share, &j.tree.files);
	j.o.record_dir = j.tree.dir;
	j.preflight.now_s = time(NULL);
	j.o.preflight = o->dry_run ? NULL : &j.preflight;
	rc = push_run(&j.tree, &j.to, 1, &j.o, &j.result, e);
	CLEANUP(json_release) json_t *document = synced(cli, &j);
	if (rc < 0)
		rc = explain(&j, e);
	print_synced(cli, &j, document, rc < 0);
	return cli_result(cli, document, e);
}

static const char *const synopsis[] = { "FROM TO", NULL };

const struct command cmd_sync = {
	.name = "sync",
	.asked = true,
	.summary = "copy the release that one mirror shows to another mirror",
	.synopsis = synopsis,
	.description =
		"Brings the mirror TO of ferry.conf to the release that FROM shows: a mirror of "
		"ferry.conf, or a URL (file://, http://, https://). Needs no keys, and no local "
		"copy of the models: pieces are read from FROM, verified, and sent to TO, or "
		"copied by the server where it can. A corrupt piece is named and not copied.",
	.opts = options,
	.opts_size = sizeof(struct sync_opts),
	.operand_hint = HINT_MIRROR,
	.min_operands = 2,
	.max_operands = 2,
	.run = sync_run_command,
	.values = values_publisher,
};
