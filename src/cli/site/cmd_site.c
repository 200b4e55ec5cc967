#include "cli/site/collect.h"
#include "cli/values.h"
#include "publish/pages_build.h"
#include "publish/pages_send.h"
#include "publish/release.h"
#include "settings/publish.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

extern const struct command cmd_site;

#define MIRRORS_AT_A_TIME 4

struct site_opts {
	struct publisher_opts who;
	const char *output;
	bool push, prune, dry_run;
};

static const struct opt options[] = {
	OPT_HINTED(OPT_STRING, site_opts, output, 'o', "output", "DIR", HINT_DIR,
		   "the folder that the site is written to (output in ferry.conf; by default site/ "
		   "in the repository's tree)"),
	OPT_ENTRY(OPT_FLAG, site_opts, push, 0, "push", NULL,
		  "then send it to the mirrors, below site/"),
	OPT_ENTRY(OPT_FLAG, site_opts, prune, 0, "prune", NULL,
		  "with --push, remove files of earlier sites from the mirrors (after prune-after "
		  "in ferry.conf)"),
	OPT_ENTRY(OPT_FLAG, site_opts, dry_run, 'n', "dry-run", NULL,
		  "show what would change, and write nothing"),
	PUBLISHER_OPTS(site_opts),
	OPT_LAST,
};

struct job {
	struct cli *cli;
	const struct site_opts *o;
	struct settings_site settings;
	struct publisher_opts who;
	struct publisher p;
	struct tree tree;
	struct collect data;
	size_t unsigned_models;
	struct pages_build *build; /* open until the site was sent: no other one may be made */
	struct pages pages;
	struct pages_counts counts;
	struct pages_mirror *mirrors; /* NULL: not sent */
	size_t count;
};
#define JOB_INIT BRACES(.data = COLLECT_INIT)

static void job_release(struct job *j)
{
	for (size_t i = 0; i < j->count; i++)
		pages_mirror_release(&j->mirrors[i]);
	free(j->mirrors);
	pages_build_close(j->build);
	pages_release(&j->pages);
	collect_release(&j->data);
	tree_release(&j->tree);
	publisher_release(&j->p);
	settings_site_release(&j->settings);
}

/* ---- what it is made of ---------------------------------------------------------- */

static int check_together(const struct site_opts *o, struct err *e)
{
	if (o->prune && !o->push)
		return err_set(e, ERR_USAGE, "--prune needs --push");
	if (o->who.mirrors.count && !o->push)
		return err_set(e, ERR_USAGE, "--mirror needs --push");
	return 0;
}

static int open_place(struct job *j, struct err *e)
{
	const struct conf *conf;
	int rc = cli_conf(j->cli, &conf, e);
	if (rc == 0)
		rc = settings_site_read(conf, &j->settings, e);
	if (rc < 0)
		return rc;
	j->who = j->o->who;
	if (!j->who.name && !j->who.dir)
		j->who.name = j->settings.repository;
	if (!j->who.mirrors.count) {
		j->who.mirrors.at = (const char **)(void *)j->settings.mirrors.at;
		j->who.mirrors.count = j->settings.mirrors.count;
	}
	return publisher_open(j->cli, &j->who, true, j->o->push, &j->p, e);
}

/* `ferry catalog sign` may have run in between. */
static int check_unchanged(const struct job *j, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(j->p.dir, RELEASE_TIMESTAMP);
	CLEANUP(buf_release) struct buf now = BUF_INIT(RELEASE_MAX_BYTES);
	const struct buf *then = tree_small(&j->tree, j->tree.timestamp);
	int rc = file_read_all(path, &now, e);
	if (rc < 0)
		return rc;
	if (now.len == then->len && memcmp(now.data, then->data, now.len) == 0)
		return 0;
	err_set(e, ERR_CONFLICT, "the repository was signed while it was being read");
	return err_hint(e, "run the same command again");
}

static int read_all(struct job *j, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	int rc = tree_open(j->p.dir, &j->tree, e);
	if (rc == 0)
		rc = collect_all(j->cli, &j->p, &j->settings, &j->data, e);
	if (rc == 0)
		rc = repository_cards_load(j->p.dir, &cards, e);
	if (rc == 0)
		j->unsigned_models = repository_cards_unsigned(&cards, &j->data.catalog);
	if (rc == 0)
		rc = check_unchanged(j, e);
	j->data.site.release = j->tree.version;
	return rc;
}

/* ---- the folder ------------------------------------------------------------------ */

static int add_file(void *ctx, const char *path, const void *data, size_t len, struct err *e)
{
	return pages_build_add(ctx, path, data, len, e);
}

static char *output_of(const struct job *j)
{
	const char *named = j->o->output ? j->o->output : j->settings.output;
	return named ? mem_strdup(named) : path_join(j->p.dir, "site");
}

static int build(struct job *j, struct err *e)
{
	CLEANUP(mem_free_ptr) char *output = output_of(j);
	int rc = pages_build_open(output, j->o->dry_run, j->cli->cancel, &j->build, e);
	if (rc == 0)
		rc = site_make(&j->data.site, add_file, j->build, e);
	if (rc == 0)
		rc = pages_build_commit(j->build, j->tree.version, &j->pages, &j->counts, e);
	return rc;
}

/* ---- the mirrors ----------------------------------------------------------------- */

/* Stage mirrors show releases that are not for readers yet: only if they are named. */
static void choose_mirrors(struct job *j)
{
	const struct mirrors *places = &j->p.places;
	j->mirrors = mem_alloc((places->count + 1) * sizeof *j->mirrors);
	for (size_t i = 0; i < places->count; i++) {
		const struct mirrors_entry *p = &places->at[i];
		if (!p->chosen || (p->settings->stage && !j->who.mirrors.count))
			continue;
		j->mirrors[j->count++] = (struct pages_mirror){
			.id = p->settings->id,
			.mirror = p->mirror,
			.holds = p->settings->holds,
			.error = p->error,
		};
	}
}

static int none_fits(const struct job *j, struct err *e)
{
	for (size_t i = 0; i < j->count; i++)
		if (j->mirrors[i].outcome != PAGES_LEFT_OUT)
			return 0;
	err_set(e, ERR_USAGE, "no mirror can have the site%s%s%s%s", j->count ? ": mirror " : "",
		j->count ? j->mirrors[0].id : "", j->count ? ": " : "",
		j->count ? j->mirrors[0].reason : "");
	return err_hint(e, "mirrors of the kinds file, s3, r2 and git can, unless they hold only "
			   "objects");
}

static int push(struct job *j, struct err *e)
{
	struct settings_publish publish;
	struct retry retry = RETRY_DEFAULT;
	retry.cancel = j->cli->cancel;
	int rc = settings_publish_read(j->p.conf, &publish, e);
	if (rc < 0)
		return rc;
	choose_mirrors(j);
	const struct pages_send_options o = {
		.dry_run = j->o->dry_run,
		.prune = j->o->prune,
		.time = { time(NULL), publish.prune_after_s },
		.threads = MIRRORS_AT_A_TIME,
		.record_dir = j->p.dir,
		.retry = &retry,
		.cancel = j->cli->cancel,
		.report = j->cli->report,
	};
	rc = pages_send(&j->pages, &j->tree, j->mirrors, j->count, &o, e);
	return rc < 0 ? rc : none_fits(j, e);
}

/* ---- the result ------------------------------------------------------------------ */

static void put_mirror(json_t *o, const struct pages_mirror *m)
{
	json_put_string(o, "id", m->id);
	json_put_string(o, "kind", m->mirror ? m->mirror->ops->kind : NULL);
	json_put_string(o, "outcome", pages_outcome_name(m->outcome));
	json_put_string(o, "reason", m->reason);
	json_put_u64(o, "planned", m->files);
	json_put_u64(o, "planned_bytes", m->bytes);
	json_put_u64(o, "written", m->written);
	json_put_u64(o, "written_bytes", m->written_bytes);
	json_put_u64(o, "old", m->old_count);
	json_put_u64(o, "old_bytes", m->old_bytes);
	json_put_u64(o, "removed", m->removed);
	if (m->error.class)
		json_put(o, "error", cli_error_json(&m->error));
}

static json_t *made(struct cli *cli, const struct job *j)
{
	json_t *o = cli_document(cli);
	json_put_string(o, "repository", j->data.site.name);
	json_put_u64(o, "release", j->tree.version);
	json_put_string(o, "output", j->pages.dir);
	json_put_string(o, "url", j->settings.url);
	json_put_bool(o, "dry_run", j->o->dry_run);
	json_put_u64(o, "models", j->data.catalog.model_count);
	json_put_bool(o, "health", j->data.site.mirrors);
	json_put_bool(o, "statistics", j->data.site.statistics);
	json_put_u64(o, "files", j->counts.files);
	json_put_u64(o, "bytes", j->counts.bytes);
	json_put_u64(o, "new", j->counts.fresh);
	json_put_u64(o, "changed", j->counts.changed);
	json_put_u64(o, "removed", j->counts.removed);
	if (!j->o->push)
		return o;
	json_t *mirrors = json_put_array(o, "mirrors");
	for (size_t i = 0; i < j->count; i++)
		put_mirror(json_push_object(mirrors), &j->mirrors[i]);
	return o;
}

static const char *details(const json_t *m)
{
	if (json_object_get(m, "error"))
		return "{error.message}";
	if (json_text(m, "reason"))
		return "{reason}";
	if (strcmp(json_text(m, "outcome"), "planned") == 0)
		return "{planned#file}, {planned_bytes:size}; {old} to be removed";
	return "{written#file}, {written_bytes:size}; {removed} removed";
}

static void print_mirrors(struct cli *cli, const json_t *document)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{id}", NULL },
		{ "OUTCOME", "{outcome}", NULL },
		{ "DETAILS", "{details}", NULL },
	};
	CLEANUP(json_release) json_t *rows = json_array();
	const json_t *m;
	size_t i;
	json_array_foreach (json_object_get(document, "mirrors"), i, m) {
		json_t *row = json_copy((json_t *)(uintptr_t)m);
		CLEANUP(mem_free_ptr) char *text = cli_fill(m, details(m));
		json_put_string(row, "details", text);
		json_push(rows, row);
	}
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}

static void print_made(struct cli *cli, const struct job *j, const json_t *document)
{
	cli_say(cli, document,
		j->o->dry_run ? "The site of release {release} would be in {output}."
			      : "The site of release {release} is in {output}.");
	cli_say(cli, document,
		"{files#file}, {bytes:size}: {new} new, {changed} changed, {removed} removed.");
	if (!json_number(document, "models"))
		cli_note(cli, document, "the catalog has no models, and the site says so");
	if (j->unsigned_models)
		report_note(cli->report,
			    "%zu model%s changes that are not signed, which the site does not "
			    "have: run `ferry catalog sign`",
			    j->unsigned_models, j->unsigned_models == 1 ? " has" : "s have");
	if (!j->settings.url)
		cli_note(cli, document,
			 "without url in [site] of ferry.conf it has no feed and no sitemap");
	print_mirrors(cli, document);
	if (j->o->dry_run)
		cli_line(cli, "Nothing was written (--dry-run).");
}

static int run(struct cli *cli, struct err *e)
{
	CLEANUP(job_release) struct job j = JOB_INIT;
	j.cli = cli;
	j.o = cli->opts;
	int rc = check_together(j.o, e);
	if (rc == 0)
		rc = open_place(&j, e);
	if (rc == 0)
		rc = read_all(&j, e);
	if (rc == 0)
		rc = build(&j, e);
	if (rc < 0)
		return rc;
	if (j.o->push)
		(void)!push(&j, e);
	CLEANUP(json_release) json_t *document = made(cli, &j);
	cli_aloud(cli, e->class || j.o->dry_run);
	print_made(cli, &j, document);
	cli_aloud(cli, false);
	return cli_result(cli, document, e);
}

const struct command cmd_site = {
	.name = "site",
	.summary = "make a web site of the repository, for people",
	.description =
		"Makes static pages of the signed catalog: all models with search, a page for each "
		"model with the commands to get it, the state of the mirrors (from `ferry health`) "
		"and the downloads (from `ferry stats`). The folder is replaced as a whole, once "
		"everything was written. With --push it goes to the mirrors, below site/, in an "
		"order in which readers always have a site that works; index.html is last.",
	.opts = options,
	.opts_size = sizeof(struct site_opts),
	.run = run,
	.values = values_publisher,
};
