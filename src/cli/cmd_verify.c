#include "cli/publisher.h"
#include "cli/values.h"
#include "http/url.h"
#include "publish/tree_pack.h"
#include "publish/tree_places.h"
#include "publish/verify_report.h"
#include "util/mem.h"
#include "util/os.h"

#include <string.h>
#include <time.h>

#define MIRRORS_AT_A_TIME 8
#define MAX_SAMPLES 10000

struct verify_opts {
	struct publisher_opts who;
	bool quick, full;
	bool merge, record;
	const char *samples, *seed, *shard;
	struct opt_list urls;
};

static const struct opt options[] = {
	OPT_HEADING("Mode"),
	OPT_ENTRY(OPT_FLAG, verify_opts, quick, 0, "quick", NULL,
		  "read only metadata and no objects; compare what the mirror reports (the "
		  "default)"),
	OPT_ENTRY(OPT_STRING, verify_opts, samples, 0, "sample", "N",
		  "read and check N random pieces of each object"),
	OPT_ENTRY(OPT_FLAG, verify_opts, full, 0, "full", NULL, "read and check every byte"),
	OPT_ENTRY(OPT_STRING, verify_opts, seed, 0, "seed", "N",
		  "with --sample: choose the same pieces as an earlier run with this seed"),
	OPT_HEADING("What"),
	PUBLISHER_OPTS(verify_opts),
	OPT_ENTRY(OPT_LIST, verify_opts, urls, 0, "url", "URL",
		  "verify what readers get at this base URL (file://, http://, https://) instead "
		  "of the mirrors of ferry.conf; may be repeated"),
	OPT_HEADING("Several machines"),
	OPT_ENTRY(OPT_STRING, verify_opts, shard, 0, "shard", "I/N",
		  "only the I-th of N shares of the objects; the first share also has everything "
		  "else. With --sample it needs --seed"),
	OPT_ENTRY(OPT_FLAG, verify_opts, merge, 0, "merge", NULL,
		  "join the reports (--json) of all shards into that of one run"),
	OPT_ENTRY(OPT_FLAG, verify_opts, record, 0, "record", NULL,
		  "with --merge: the next push from this repository repairs what the reports found "
		  "corrupt"),
	OPT_LAST,
};

struct job {
	struct publisher p;
	struct tree tree;
	struct mirror **opened; /* of --url */
	size_t opened_count;
	struct verify_mirror *mirrors;
	size_t count;
	struct verify_options o;
	struct verify_joined joined; /* of --merge */
};

static void job_release(struct job *j)
{
	for (size_t i = 0; i < j->count; i++)
		verify_mirror_release(&j->mirrors[i]);
	for (size_t i = 0; i < j->opened_count; i++)
		mirror_close(j->opened[i]);
	free(j->mirrors);
	free(j->opened);
	verify_joined_release(&j->joined);
	tree_release(&j->tree);
	publisher_release(&j->p);
}

/* ---- what a person sees ---------------------------------------------------------- */

static size_t bad_count(const struct verify_mirror *m)
{
	size_t n = 0;
	for (int v = 0; v < VERIFY_VERDICTS; v++)
		n += verify_verdict_is_bad((enum verify_verdict)v) ? m->verdicts[v] : 0;
	return n;
}

/* "5 ok, 3 unverified" */
static char *counts_text(const struct verify_mirror *m)
{
	const struct {
		size_t count;
		const char *what;
	} all[] = {
		{ m->verdicts[VERIFY_OK], "ok" },
		{ m->verdicts[VERIFY_UNVERIFIED], "unverified" },
		{ bad_count(m), "bad" },
		{ m->verdicts[VERIFY_UNREACHABLE], "unreachable" },
		{ m->verdicts[VERIFY_NOT_CHECKED], "not checked" },
	};
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i].count)
			buf_addf(&b, "%s%zu %s", b.len ? ", " : "", all[i].count, all[i].what);
	return mem_strdup(buf_str(&b));
}

static char *release_text(const struct verify_mirror *m)
{
	char when[DURATION_TEXT];
	if (!m->showed)
		return mem_strdup(m->holds == MIRROR_HOLDS_OBJECTS ? "(objects only)" : "");
	if (!release_has_version(&m->release))
		return mem_strdup("no release");
	const char *stale = m->release.state == RELEASE_OLDER  ? " (older)"
			    : m->release.state == RELEASE_SAME ? ""
			    : m->elsewhere                     ? " (another repository)"
							       : " (another publisher's)";
	int64_t left = m->release.expires_s - time(NULL);
	return mem_printf("release %llu%s, %s %s%s", (unsigned long long)m->release.version, stale,
			  m->expired ? "expired" : "expires in",
			  format_duration(when, (uint64_t)(left < 0 ? -left : left)),
			  m->expired ? " ago" : "");
}

static void print_table(struct cli *cli, const struct verify_report *r)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{id}", NULL },
		{ "RESULT", "{result}", NULL },
		{ "FILES", "{files}", NULL },
		{ "SHOWS", "{shows}", NULL },
	};
	CLEANUP(json_release) json_t *rows = json_array();
	for (size_t i = 0; i < r->count; i++) {
		const struct verify_mirror *m = &r->mirrors[i];
		CLEANUP(mem_free_ptr) char *release = release_text(m);
		CLEANUP(mem_free_ptr) char *counts = counts_text(m);
		json_t *row = json_push_object(rows);
		json_put_string(row, "id", m->id);
		json_put_string(row, "result", verify_mirror_result(m));
		json_put_string(row, "files", counts);
		json_put_string(row, "shows", release);
	}
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}

#define COLUMNS 80
#define KEY_LEAST 24

/* In lines of 80 columns: the digest in the key is shortened, and details that do not fit are on a
 * line of their own. */
static void print_short(struct cli *cli, const char *mirror, const char *key, const char *verdict,
			const char *details)
{
	size_t used = strlen(mirror) + strlen(verdict) + strlen(": : ");
	size_t room = used + KEY_LEAST < COLUMNS ? COLUMNS - used : KEY_LEAST;
	CLEANUP(mem_free_ptr) char *shown = cli_shortened(key, room);
	bool one = used + cli_width(shown) + strlen(": ") + cli_width(details) <= COLUMNS;
	cli_line(cli, "%s: %s: %s%s%s", mirror, shown, verdict, one && *details ? ": " : "",
		 one ? details : "");
	if (!one && *details)
		cli_line(cli, "  %s", details);
}

static void print_file(struct cli *cli, const struct verify_mirror *m, const struct verify_file *f)
{
	CLEANUP(buf_release) struct buf details = BUF_INIT(4 * KIB);
	const char *verdict = verify_verdict_name(f->verdict);
	verify_describe(f, &details);
	if (cli->verbose)
		cli_line(cli, "%s: %s: %s%s%s", m->id, f->file->key, verdict,
			 details.len ? ": " : "", buf_str(&details));
	else
		print_short(cli, m->id, f->file->key, verdict, buf_str(&details));
}

static void print_findings(struct cli *cli, const struct verify_mirror *m)
{
	CLEANUP(mem_free_ptr) char *prefix = mem_printf("mirror %s: ", m->id);
	if (m->error.class && !err_is(&m->error, ERR_CANCELLED))
		/* The line already has the mirror's name. */
		cli_line(cli, "%s: %s: %s", m->id,
			 verify_is_no_mirror(m) ? "not a mirror" : "unreachable",
			 m->error.text + (str_starts(m->error.text, prefix) ? strlen(prefix) : 0));
	if (m->elsewhere)
		cli_line(cli,
			 "%s: holds another repository: check its path, bucket and prefix in "
			 "ferry.conf, or the URL; push refuses to write there",
			 m->id);
	if (m->expired && !m->elsewhere)
		cli_line(cli,
			 "%s: metadata/timestamp.json: expired: clients reject it (run ferry "
			 "catalog refresh, then push)",
			 m->id);
	for (size_t k = 0; k < m->count; k++) {
		enum verify_verdict v = m->files[k].verdict;
		bool lost = v == VERIFY_UNREACHABLE && !m->error.class;
		bool page = verify_is_no_mirror(m) && v == VERIFY_FOREIGN;
		if ((verify_verdict_is_bad(v) && !page) || lost ||
		    (cli->verbose && v != VERIFY_NONE))
			print_file(cli, m, &m->files[k]);
	}
}

/* What a plain push puts right: verify has noted what is corrupt, so it is not trusted again.
 * Mirrors that are read over http, or have files of others, cannot be pushed to. */
static size_t mendable(const struct verify_report *r)
{
	size_t count = 0;
	for (size_t i = 0; i < r->count; i++) {
		const size_t *verdicts = r->mirrors[i].verdicts;
		const char *kind = r->mirrors[i].kind;
		bool read_only = kind && (strcmp(kind, "http") == 0 || strcmp(kind, "names") == 0);
		if (!r->mirrors[i].elsewhere && !read_only)
			count += verdicts[VERIFY_MISSING] + verdicts[VERIFY_WRONG_SIZE] +
				 verdicts[VERIFY_CORRUPT] + verdicts[VERIFY_STALE];
	}
	return count;
}

/* The last line says what the verdicts above do not prove. */
static void print_rest(struct cli *cli, const struct verify_report *r)
{
	size_t unverified = 0, left = 0, mirrors = 0, wrong = mendable(r);
	for (size_t i = 0; i < r->count; i++) {
		const size_t *verdicts = r->mirrors[i].verdicts;
		unverified += verdicts[VERIFY_UNVERIFIED];
		mirrors += verdicts[VERIFY_UNVERIFIED] != 0;
		left += verdicts[VERIFY_NOT_CHECKED];
	}
	if (wrong)
		cli_line(cli, "`ferry push` replaces what is wrong: %zu file%s.", wrong,
			 wrong == 1 ? "" : "s");
	if (unverified)
		cli_line(cli,
			 "The content of %zu file%s on %zu mirror%s was not checked, only the "
			 "size: use --sample or --full.",
			 unverified, unverified == 1 ? "" : "s", mirrors, mirrors == 1 ? "" : "s");
	if (left)
		cli_line(cli, "Interrupted: %zu file%s not checked.", left,
			 left == 1 ? " was" : "s were");
}

static void print_verified(struct cli *cli, const struct verify_report *r, const json_t *document)
{
	for (size_t i = 0; i < r->count; i++)
		print_findings(cli, &r->mirrors[i]);
	if (cli->quiet)
		return;
	print_table(cli, r);
	if (r->mode == VERIFY_SAMPLE)
		cli_say(cli, document,
			"To check the same pieces again: --sample {samples} --seed {seed}");
	if (r->share.count)
		cli_line(cli, "Shard %u of %u: join the reports (--json) of all with --merge.",
			 r->share.index, r->share.count);
	print_rest(cli, r);
}

/* ---- the command ----------------------------------------------------------------- */

static int choose_mode(const struct verify_opts *o, struct verify_options *out, struct err *e)
{
	if (o->quick + o->full + (o->samples != NULL) > 1)
		return err_set(e, ERR_USAGE, "--quick, --sample and --full exclude each other");
	if (o->samples && (!parse_u64(o->samples, &out->samples) || out->samples < 1 ||
			   out->samples > MAX_SAMPLES))
		return err_set(e, ERR_USAGE,
			       "--sample: must be 1 to %d, the largest number of pieces of a file",
			       MAX_SAMPLES);
	out->mode = o->full ? VERIFY_FULL : o->samples ? VERIFY_SAMPLE : VERIFY_QUICK;
	if (o->seed && !o->samples)
		return err_set(e, ERR_USAGE, "--seed needs --sample N");
	if (o->seed && !parse_u64(o->seed, &out->seed))
		return err_set(e, ERR_USAGE, "--seed: '%s' is not a number", o->seed);
	if (!o->seed && !os_random(&out->seed, sizeof out->seed))
		out->seed = (uint64_t)out->now_s;
	return 0;
}

static int choose_share(const struct verify_opts *o, struct verify_options *out, struct err *e)
{
	if (!o->shard)
		return 0;
	int rc = share_parse(o->shard, &out->share, e);
	if (rc < 0)
		return err_context(e, "--shard");
	if (o->samples && !o->seed) {
		err_set(e, ERR_USAGE, "--shard with --sample needs --seed");
		return err_hint(e, "give all shards the same one, so that their reports can be "
				   "merged");
	}
	return 0;
}

static char *shown_url(const struct mirror *m)
{
	return m && m->url ? url_redact(m->url) : NULL;
}

static int add_urls(struct job *j, const struct verify_opts *o, struct err *e)
{
	j->opened = mem_alloc((o->urls.count + 1) * sizeof(struct mirror *));
	struct mirror_env env = {
		.rate = &j->p.rate,
		.cancel = j->o.cancel,
		.access = &j->p.access,
	};
	for (size_t i = 0; i < o->urls.count; i++) {
		struct mirror **m = &j->opened[j->opened_count];
		const char *url = o->urls.at[i];
		CLEANUP(mem_free_ptr) char *id = url_redact(url);
		int rc = mirror_open_url(mirror_kinds_all, &env, id, url, m, e);
		if (rc < 0)
			return rc;
		j->opened_count++;
		j->mirrors[j->count++] = (struct verify_mirror){
			.id = (*m)->id,
			.kind = (*m)->ops->kind,
			.url = shown_url(*m),
			.mirror = *m,
		};
	}
	return 0;
}

static void add_places(struct job *j)
{
	for (size_t i = 0; i < j->p.places.count; i++) {
		const struct mirrors_entry *p = &j->p.places.at[i];
		const char *kind = publisher_kind(p);
		if (p->chosen)
			j->mirrors[j->count++] = (struct verify_mirror){
				.id = p->settings->id,
				.kind = *kind ? kind : NULL,
				.url = shown_url(p->mirror),
				.mirror = p->mirror,
				.holds = p->settings->holds,
				.error = p->error,
			};
	}
}

static int open_tree(struct job *j, struct err *e)
{
	int rc = tree_open(j->p.dir, &j->tree, e);
	for (size_t i = 0; rc == 0 && i < j->p.places.count; i++) {
		rc = tree_pack_for(&j->tree, j->p.places.at[i].mirror, e);
		if (rc == 0)
			rc = tree_places_for(&j->tree, j->p.places.at[i].mirror, e);
	}
	return rc;
}

static int open_all(struct cli *cli, struct job *j, struct err *e)
{
	const struct verify_opts *o = cli->opts;
	struct publisher_opts who = o->who;
	bool mirrors = !o->urls.count || who.mirrors.count;
	who.as_reader = true;
	int rc = publisher_open(cli, &who, true, mirrors, &j->p, e);
	if (rc < 0)
		return rc;
	j->mirrors = mem_alloc((o->urls.count + j->p.places.count + 1) * sizeof *j->mirrors);
	rc = add_urls(j, o, e);
	add_places(j);
	if (rc == 0)
		rc = open_tree(j, e);
	j->tree.cancel = cli->cancel;
	j->o.record_dir = j->tree.dir;
	return rc;
}

/* Findings are printed and are not a failure. */
static int print_report(struct cli *cli, const struct verify_report *r, int found, struct err *e)
{
	if (err_is(e, ERR_FAULT))
		err_clear(e);
	CLEANUP(json_release) json_t *document = cli_document(cli);
	verify_report_json(r, document);
	print_verified(cli, r, document);
	int rc = cli_result(cli, document, e);
	return rc < 0 ? rc : found;
}

static int verify_mirrors(struct cli *cli, struct job *j, struct err *e)
{
	const struct verify_opts *o = cli->opts;
	int rc = choose_mode(o, &j->o, e);
	if (rc == 0)
		rc = choose_share(o, &j->o, e);
	if (rc == 0)
		rc = open_all(cli, j, e);
	if (rc < 0)
		return rc;
	int found = verify_run(&j->tree, j->mirrors, j->count, &j->o, e);
	bool sample = j->o.mode == VERIFY_SAMPLE;
	struct verify_report report = {
		.repository = j->p.name,
		.release = j->tree.version,
		.timestamp = j->tree.timestamp->sha256,
		.mode = j->o.mode,
		.samples = sample ? j->o.samples : 0,
		.seed = sample ? j->o.seed : 0,
		.share = j->o.share,
		.tree_files = j->tree.files.count,
		.mirrors = j->mirrors,
		.count = j->count,
	};
	return print_report(cli, &report, found, e);
}

/* For the mirrors of ferry.conf that the report has, too. */
static void record_mirror(struct job *j, struct verify_mirror *m)
{
	const struct mirrors_entry *known = mirrors_find(&j->p.places, m->id);
	m->mirror = known ? known->mirror : NULL;
	verify_record(&j->tree, m, j->tree.dir);
	m->mirror = NULL;
}

static int record_all(struct cli *cli, struct job *j, struct err *e)
{
	const struct verify_opts *o = cli->opts;
	struct verify_report *r = &j->joined.report;
	int rc = publisher_open(cli, &o->who, true, true, &j->p, e);
	if (rc == 0)
		rc = open_tree(j, e);
	if (rc < 0)
		return rc;
	if (!digest_equal(&j->tree.timestamp->sha256, &r->timestamp))
		return err_set(e, ERR_USAGE, "%s: is of another release than the reports",
			       j->tree.dir);
	for (size_t i = 0; i < r->count; i++)
		record_mirror(j, &r->mirrors[i]);
	return 0;
}

static int merge_reports(struct cli *cli, struct job *j, struct err *e)
{
	const struct verify_opts *o = cli->opts;
	struct verify_joined *all = &j->joined;
	const struct json_limits limits = { .max_bytes = VERIFY_REPORT_MAX_BYTES };
	int rc = 0;
	for (int i = 0; rc == 0 && i < cli->count; i++) {
		CLEANUP(json_release) json_t *document = NULL;
		rc = json_parse_file(cli->operands[i], &limits, &document, e);
		if (rc == 0)
			rc = verify_report_add(all, document, cli->operands[i], e);
		if (rc == 0)
			rc = cancel_check(cli->cancel, e);
	}
	if (rc == 0)
		rc = verify_report_join(all, e);
	if (rc == 0 && o->record)
		rc = record_all(cli, j, e);
	if (rc < 0)
		return rc;
	int found = verify_sum_up(all->report.mirrors, all->report.count, e);
	return print_report(cli, &all->report, found, e);
}

static int check_operands(const struct cli *cli, struct err *e)
{
	const struct verify_opts *o = cli->opts;
	bool modes = o->quick || o->full || o->samples || o->seed || o->shard || o->urls.count ||
		     o->who.mirrors.count;
	bool where = o->who.name || o->who.dir;
	if (o->merge && (modes || (where && !o->record)))
		return err_set(e, ERR_USAGE, "--merge takes only reports, and --record");
	if (o->record && !o->merge)
		return err_set(e, ERR_USAGE, "--record needs --merge");
	if (o->merge && !cli->count)
		return err_set(e, ERR_USAGE, "--merge needs the reports of all shards");
	if (!o->merge && cli->count) {
		err_set(e, ERR_USAGE, "too many operands");
		return err_hint(e, "--mirror chooses a mirror");
	}
	return 0;
}

static int verify_run_command(struct cli *cli, struct err *e)
{
	struct retry retry = RETRY_DEFAULT;
	const struct verify_opts *o = cli->opts;
	CLEANUP(job_release) struct job j = { 0 };
	j.o = (struct verify_options){
		.now_s = time(NULL),
		.threads = MIRRORS_AT_A_TIME,
		.retry = &retry,
		.cancel = cli->cancel,
		.report = cli->report,
	};
	retry.cancel = cli->cancel;
	int rc = check_operands(cli, e);
	if (rc < 0)
		return rc;
	return o->merge ? merge_reports(cli, &j, e) : verify_mirrors(cli, &j, e);
}

const struct command cmd_verify = {
	.name = "verify",
	.asked = true,
	.summary = "check what the mirrors hold",
	.synopsis = (const char *const[]){ "", "--merge REPORT…", NULL },
	.operand_hint = HINT_FILE,
	.max_operands = -1,
	.description =
		"Compares every mirror with the repository and prints a verdict for each file: ok "
		"(and how it was verified), unverified (the size is right, the content was not "
		"checked), missing, wrong-size, corrupt (and where), stale, foreign, changed "
		"(a file of others is no longer this version), or unreachable. The exit status is "
		"1 if anything is wrong, even if a mirror could "
		"not be reached; it is 4 (or 5, 7) if nothing wrong was found but a mirror or a "
		"file could not be read. Unverified files are not a fault: the exit status is 0, "
		"and the last line says that their content was not checked.",
	.opts = options,
	.opts_size = sizeof(struct verify_opts),
	.run = verify_run_command,
	.values = values_publisher,
};
