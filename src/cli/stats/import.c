#include "cli/stats/stats.h"

#include "cli/opsdb.h"
#include "cli/stats/bucket.h"
#include "cli/values.h"
#include "repository/repository.h"
#include "settings/repository.h"
#include "stats/import.h"
#include "stats/known.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define NO_MIRROR "unknown" /* of logs that name none */

struct import_opts {
	const char *database, *prometheus, *format, *mirror, *country;
	struct opt_list catalogs;
};

static const struct opt import_opts[] = {
	OPT_HINTED(OPT_STRING, import_opts, mirror, 'm', "mirror", "NAME", HINT_MIRROR,
		   "the mirror whose logs these are, unless WHERE names one"),
	OPT_OFFERED(OPT_STRING, import_opts, format, 0, "format", "FORMAT",
		    "combined json s3 cloudfront cloudflare",
		    "the format of all lines, instead of recognising it by content: combined, "
		    "json, s3, cloudfront or cloudflare"),
	OPT_HINTED(OPT_LIST, import_opts, catalogs, 0, "catalog", "FILE", HINT_FILE,
		   "also count the models of this catalog.json; may be given several times"),
	OPT_HINTED(OPT_STRING, import_opts, country, 0, "country", "FILE", HINT_FILE,
		   "a MaxMind DB file, for the countries of addresses"),
	CMD_STATS_PROMETHEUS(import_opts),
	STATSDB_OPTION(import_opts),
	OPT_LAST,
};

struct job {
	struct cli *cli;
	const struct import_opts *o;
	struct statsdb place;
	int lock;
	struct stats_import *import;
	struct log_source_options source;
	struct log_totals totals;
	json_t *failed; /* borrowed from the document */
};

static void job_release(struct job *j)
{
	stats_import_close(j->import);
	statsdb_release(&j->place);
	file_close(&j->lock);
}

/* ---- one import at a time ---- */

/* Of a server, other machines may import at the same time. */
static int lock(struct job *j, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	if (db_is_server(j->place.db)) {
		int rc = opsdb_path("stats.lock", &path, e);
		if (rc < 0)
			return rc;
	} else {
		path = mem_printf("%s.import.lock", db_name(j->place.db));
	}
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = file_lock(path, 0, j->cli->cancel, &j->lock, e);
	if (rc < 0)
		err_context(e, "another import is running");
	return rc;
}

/* ---- the catalogs ---- */

static int learn(struct job *j, const struct catalog *c, struct err *e)
{
	uint64_t added = 0;
	int rc = db_begin(j->place.db, e);
	if (rc == 0)
		rc = stats_known_learn(j->place.db, c, &added, e);
	if (rc == 0)
		rc = db_commit(j->place.db, e);
	if (rc < 0)
		db_rollback(j->place.db);
	else if (added)
		report_detail(j->cli->report, "%s: %llu new files", c->name,
			      (unsigned long long)added);
	return rc;
}

static int learn_file(struct job *j, const char *path, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CATALOG_MAX_BYTES);
	CLEANUP(catalog_release) struct catalog c = { 0 };
	int rc = file_read_named(path, &text, e);
	if (rc == 0)
		rc = catalog_parse(buf_str(&text), text.len, path, &c, e);
	return rc < 0 ? rc : learn(j, &c, e);
}

/* A tree that was never signed has nothing that anybody could download. */
static int learn_tree(struct job *j, const char *dir, struct err *e)
{
	CLEANUP(catalog_release) struct catalog c = { 0 };
	struct err why = ERR_INIT;
	if (repository_catalog(dir, &c, &why) == 0)
		return learn(j, &c, e);
	if (err_is(&why, ERR_CANCELLED) || err_is(&why, ERR_SYSTEM)) {
		*e = why;
		return -(int)e->class;
	}
	report_warn(j->cli->report, "%s; the files of earlier imports are still counted", why.text);
	return 0;
}

/* On a machine that only watches: what `ferry health` has verified and kept. */
static int learn_copy(struct job *j, const char *repository, struct err *e)
{
	CLEANUP(mem_free_ptr) char *copies = NULL;
	int rc = opsdb_path(OPSDB_COPIES, &copies, e);
	CLEANUP(mem_free_ptr)
	char *path = rc == 0 ? mem_printf("%s/%s/catalog.json", copies, repository) : NULL;
	return path && file_exists(path) ? learn_file(j, path, e) : rc;
}

static int learn_all(struct job *j, struct err *e)
{
	CLEANUP(settings_repositories_release) struct settings_repositories all = { 0 };
	int rc = settings_repositories_read(j->place.conf, &all, e);
	for (size_t i = 0; i < all.count && rc == 0; i++)
		rc = all.at[i].dir ? learn_tree(j, all.at[i].dir, e)
				   : learn_copy(j, all.at[i].name, e);
	for (size_t i = 0; i < j->place.settings.catalogs.count && rc == 0; i++)
		rc = learn_file(j, j->place.settings.catalogs.at[i], e);
	for (size_t i = 0; i < j->o->catalogs.count && rc == 0; i++)
		rc = learn_file(j, j->o->catalogs.at[i], e);
	return rc;
}

/* ---- the logs ---- */

static void on_failed(void *ctx, const char *log, const struct err *why)
{
	struct job *j = ctx;
	json_t *row = json_push_object(j->failed);
	json_put_string(row, "log", log);
	json_put(row, "error", json_error(why));
	report_warn(j->cli->report, "%s%s%s", why->text, *why->hint ? "; " : "", why->hint);
}

/* "NAME:PREFIX" of a place of ferry.conf, if there is no such file. */
static char *bucket_of(const struct job *j, const char *where, const char **prefix)
{
	const char *colon = strchr(where, ':');
	if (!colon || file_exists(where))
		return NULL;
	CLEANUP(mem_free_ptr) char *name = mem_strndup(where, (size_t)(colon - where));
	*prefix = colon + 1;
	return cmd_stats_bucket_is(j->place.conf, name) ? STEAL(name) : NULL;
}

static int read_bucket(struct job *j, const char *name, const char *prefix,
		       const struct log_sink *sink, struct err *e)
{
	CLEANUP(cmd_stats_bucket_release) struct cmd_stats_bucket b = { 0 };
	int rc = cmd_stats_bucket_open(j->cli, name, &b, e);
	if (rc < 0)
		return rc;
	return log_source_read_mirror(b.mirror, prefix, &j->source, sink, &j->totals, e);
}

/* Paths of the settings are beside ferry.conf. */
static int read_log(struct job *j, const struct settings_stats_log *log, bool given, struct err *e)
{
	const struct log_sink sink = stats_import_sink(j->import);
	const char *prefix = NULL;
	CLEANUP(mem_free_ptr) char *bucket = bucket_of(j, log->where, &prefix);
	CLEANUP(mem_free_ptr)
	char *path = given ? mem_strdup(log->where)
			   : path_join(j->place.conf->dir ? j->place.conf->dir : ".", log->where);
	const char *mirror = log->mirror    ? log->mirror
			     : j->o->mirror ? j->o->mirror
			     : bucket       ? bucket
					    : NO_MIRROR;
	int rc = stats_import_mirror(j->import, mirror, e);
	if (rc == 0 && bucket)
		rc = read_bucket(j, bucket, prefix, &sink, e);
	else if (rc == 0)
		rc = log_source_read(path, &j->source, &sink, &j->totals, e);
	if (rc < 0 && !bucket && prefix && err_is(e, ERR_NOT_FOUND))
		err_hint(e,
			 "for the objects of a bucket, ferry.conf needs its section [logs.NAME]");
	return rc;
}

static int read_operand(struct job *j, const char *text, struct err *e)
{
	struct settings_stats_log log;
	/* A file may be named like that. */
	if (!strcmp(text, "-") || file_exists(text))
		log = (struct settings_stats_log){ NULL, mem_strdup(text) };
	else if (!settings_stats_log_parse(text, &log))
		return err_set(e, ERR_USAGE, "'%s': MIRROR=WHERE, where MIRROR is a mirror's name",
			       text);
	int rc = read_log(j, &log, true, e);
	free(log.mirror);
	free(log.where);
	return rc;
}

/* The others are read all the same; the database is another matter. */
static int spare(struct job *j, size_t count, const char *where, int rc, struct err *e)
{
	if (rc == 0 || count < 2 ||
	    !(err_is(e, ERR_NOT_FOUND) || err_is(e, ERR_NETWORK) || err_is(e, ERR_AUTH)))
		return rc;
	j->totals.failed++;
	on_failed(j, where, e);
	err_clear(e);
	return 0;
}

static int read_all(struct job *j, struct err *e)
{
	const struct settings_stats *s = &j->place.settings;
	int rc = 0;
	if (!j->cli->count && !s->count) {
		err_set(e, ERR_USAGE, "no logs are given");
		return err_hint(e, "name files or folders, or set logs in [stats] of ferry.conf");
	}
	for (int i = 0; i < j->cli->count && rc == 0; i++) {
		rc = read_operand(j, j->cli->operands[i], e);
		rc = spare(j, (size_t)j->cli->count, j->cli->operands[i], rc, e);
	}
	for (size_t i = 0; i < s->count && !j->cli->count && rc == 0; i++) {
		rc = read_log(j, &s->logs[i], false, e);
		rc = spare(j, s->count, s->logs[i].where, rc, e);
	}
	return rc;
}

/* ---- the command ---- */

static int check(struct job *j, struct err *e)
{
	j->source = (struct log_source_options){
		.cancel = j->cli->cancel,
		.report = j->cli->report,
	};
	if (j->o->mirror && !path_is_id(j->o->mirror))
		return err_set(e, ERR_USAGE, "--mirror: '%s' is not a valid name of a mirror",
			       j->o->mirror);
	if (j->o->format && !log_format_parse(j->o->format, &j->source.format)) {
		err_set(e, ERR_USAGE, "--format: unknown format '%s'", j->o->format);
		return err_hint(e, "%s", log_format_names);
	}
	return 0;
}

static int open_import(struct job *j, struct err *e)
{
	const struct settings_stats *s = &j->place.settings;
	const struct stats_import_options options = {
		.country = j->o->country ? j->o->country : s->country,
		.keep_s = s->keep_s,
		.failed = on_failed,
		.failed_ctx = j,
	};
	int rc = lock(j, e);
	if (rc == 0)
		rc = learn_all(j, e);
	if (rc == 0)
		rc = stats_import_open(j->place.db, &options, &j->import, e);
	if (rc < 0 || stats_import_knows(j->import))
		return rc;
	/* What is read now would not be read again when a catalog is known. */
	err_set(e, ERR_USAGE, "no catalog is known, so no line of a log could be counted");
	return err_hint(e, "name one with --catalog or with catalogs in [stats], or run "
			   "`ferry health` first, which fetches that of [repository.NAME]");
}

static void put_result(json_t *document, const struct log_totals *t,
		       const struct stats_import_result *r)
{
	json_put_u64(document, "logs", t->logs);
	json_put_u64(document, "unchanged", t->unchanged);
	json_put_u64(document, "torn", t->torn);
	json_t *counts = json_put_object(document, "lines");
	for (int l = 0; l < STATS_LINES; l++)
		json_put_u64(counts, stats_line_name((enum stats_line)l), r->lines[l]);
	json_put_u64(document, "total", t->counts.lines);
	json_put_u64(document, "days_closed", r->days_closed);
	json_put_u64(document, "open", r->open);
	json_put_u64(document, "shared_tokens", r->shared);
}

static uint64_t excluded(const json_t *counts)
{
	uint64_t sum = 0;
	for (int l = 0; l < STATS_LINES; l++)
		if (!strcmp(stats_line_result((enum stats_line)l), "excluded"))
			sum += json_number(counts, stats_line_name((enum stats_line)l));
	return sum;
}

static void print(struct cli *cli, const json_t *document)
{
	const json_t *counts = json_object_get(document, "lines");
	cli_say(cli, document,
		"{logs#log}, {total#line}: {lines.counted} counted, {lines.foreign} of other "
		"paths");
	if (excluded(counts))
		cli_say(cli, counts,
			"not counted: {document} metadata, {method} other methods, {range} bad "
			"ranges, "
			"{status} without a body, {bot} bots, {own} own checks");
	if (json_number(counts, "malformed"))
		cli_say(cli, counts, "{malformed#line} in no known format");
	if (json_number(counts, "future"))
		cli_say(cli, counts, "{future#line} with impossible dates");
	if (json_number(counts, "late"))
		cli_say(cli, counts,
			"{late#line} came too late: they count as bytes, but not as "
			"downloads");
	if (json_number(document, "shared_tokens"))
		cli_say(cli, document,
			"{shared_tokens#token} used by many addresses: each counts "
			"as one client");
}

static int run(struct cli *cli, struct err *e)
{
	CLEANUP(job_release) struct job j = { .cli = cli, .o = cli->opts, .lock = -1 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	struct stats_import_result result;
	uint64_t values;
	j.failed = json_put_array(document, "failed_logs");
	int rc = check(&j, e);
	if (rc == 0)
		rc = statsdb_open(cli, j.o->database, &j.place, e);
	if (rc == 0)
		rc = open_import(&j, e);
	if (rc == 0)
		rc = read_all(&j, e);
	if (rc == 0)
		rc = stats_import_finish(j.import, &result, e);
	if (rc == 0 && j.o->prometheus)
		rc = cmd_stats_export_to(j.place.db, j.o->prometheus, &values, e);
	if (rc < 0)
		return rc;
	put_result(document, &j.totals, &result);
	print(cli, document);
	rc = cli_result(cli, document, e);
	return rc == 0 && j.totals.failed ? -ERR_FAULT : rc;
}

const struct command cmd_stats_import = {
	.name = "import",
	.summary = "read access logs",
	.synopsis = (const char *const[]){ "[[MIRROR=]WHERE…]", NULL },
	.description =
		"WHERE is a file, a folder, '-' for standard input, or NAME:PREFIX for the objects "
		"with that prefix in the bucket of [logs.NAME] or [mirror.NAME] of ferry.conf; by "
		"default, the logs of [stats] are read. What was read before is not read again, "
		"even if the log was renamed or compressed: only what was added to it.",
	.opts = import_opts,
	.opts_size = sizeof(struct import_opts),
	.max_operands = -1,
	.operand_hint = HINT_FILE,
	.run = run,
	.values = values_publisher,
};
