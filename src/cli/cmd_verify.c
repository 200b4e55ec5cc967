#include "cli/publisher.h"
#include "http/url.h"
#include "publish/verify.h"
#include "util/mem.h"
#include "util/os.h"

#include <string.h>
#include <time.h>

#define MIRRORS_AT_A_TIME 4
#define MAX_SAMPLES 10000

struct verify_opts {
	struct publisher_opts who;
	bool quick, full;
	const char *samples, *seed;
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
};

static void job_release(struct job *j)
{
	for (size_t i = 0; i < j->count; i++)
		verify_mirror_release(&j->mirrors[i]);
	for (size_t i = 0; i < j->opened_count; i++)
		mirror_close(j->opened[i]);
	free(j->mirrors);
	free(j->opened);
	tree_release(&j->tree);
	publisher_release(&j->p);
}

static const char *result_of(const struct verify_mirror *m)
{
	if (verify_is_bad(m))
		return "fault";
	if (m->verdicts[VERIFY_NOT_CHECKED])
		return "interrupted";
	if (m->error.class || m->verdicts[VERIFY_UNREACHABLE])
		return "unreachable";
	return m->verdicts[VERIFY_UNVERIFIED] ? "unverified" : "ok";
}

static bool has_release(const struct verify_mirror *m)
{
	return m->release.state != RELEASE_NONE && m->release.state != RELEASE_DAMAGED;
}

/* ---- the document ---------------------------------------------------------------- */

static void put_bad_pieces(json_t *o, const struct audit *a)
{
	json_put_u64(o, "bad_count", a->bad_count);
	json_t *bad = json_put_array(o, "bad_pieces");
	for (uint32_t i = 0; i < MIN(a->bad_count, AUDIT_MAX_BAD); i++) {
		json_t *piece = json_push_object(bad);
		json_put_u64(piece, "index", a->bad[i].index);
		json_put_u64(piece, "offset", a->bad[i].offset);
		json_put_u64(piece, "length", a->bad[i].length);
	}
}

static void put_file(json_t *o, const struct verify_file *f)
{
	json_put_string(o, "key", f->file->key);
	json_put_string(o, "verdict", verify_verdict_name(f->verdict));
	if (f->verdict == VERIFY_OK || f->verdict == VERIFY_CORRUPT)
		json_put_string(o, "how", verify_how_name(f->how));
	json_put_u64(o, "size", f->file->size);
	if (f->verdict == VERIFY_WRONG_SIZE)
		json_put_u64(o, "actual_size", f->actual_size);
	if (f->audit.pieces)
		json_put_u64(o, "pieces_checked", f->audit.pieces);
	if (f->audit.bad_count)
		put_bad_pieces(o, &f->audit);
	json_put_string(o, "message",
			f->verdict == VERIFY_UNVERIFIED ? verify_unverified_reason(f) : f->error);
}

static void put_release(json_t *o, const struct verify_mirror *m)
{
	json_put_string(o, "state", release_state_name(m->release.state));
	if (!has_release(m))
		return;
	json_put_u64(o, "version", m->release.version);
	json_put_time(o, "expires", m->release.expires_s);
	json_put_bool(o, "expired", m->expired);
}

static void put_mirror(json_t *o, const struct verify_mirror *m)
{
	CLEANUP(mem_free_ptr) char *url = m->mirror && m->mirror->url ? url_redact(m->mirror->url)
								      : NULL;
	json_put_string(o, "id", m->id);
	json_put_string(o, "kind", m->mirror ? m->mirror->ops->kind : NULL);
	json_put_string(o, "url", url);
	json_put_string(o, "holds", holds_name(m->holds));
	json_put_string(o, "result", result_of(m));
	if (m->showed)
		put_release(json_put_object(o, "release"), m);
	json_t *counts = json_put_object(o, "counts");
	for (int v = VERIFY_OK; v < VERIFY_VERDICTS; v++)
		json_put_u64(counts, verify_verdict_name((enum verify_verdict)v), m->verdicts[v]);
	json_put_u64(o, "bytes_read", m->bytes_read);
	json_t *files = json_put_array(o, "files");
	for (size_t i = 0; i < m->count; i++)
		if (m->files[i].verdict != VERIFY_NONE)
			put_file(json_push_object(files), &m->files[i]);
	if (m->error.class)
		json_put(o, "error", cli_error_json(&m->error));
}

static json_t *verified(struct cli *cli, const struct job *j)
{
	static const char *const modes[] = { "quick", "sample", "full" };
	json_t *o = cli_document(cli);
	json_put_string(o, "repository", j->p.name);
	json_put_u64(o, "release", j->tree.version);
	json_put_string(o, "mode", modes[j->o.mode]);
	if (j->o.mode == VERIFY_SAMPLE) {
		CLEANUP(mem_free_ptr) char *seed = mem_printf("%llu",
							      (unsigned long long)j->o.seed);
		json_put_u64(o, "samples", j->o.samples);
		json_put_string(o, "seed", seed);
	}
	json_t *mirrors = json_put_array(o, "mirrors");
	for (size_t i = 0; i < j->count; i++)
		put_mirror(json_push_object(mirrors), &j->mirrors[i]);
	return o;
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

static char *release_text(const struct job *j, const struct verify_mirror *m)
{
	char when[DURATION_TEXT];
	if (!m->showed)
		return mem_strdup(m->holds == MIRROR_HOLDS_OBJECTS ? "(objects only)" : "");
	if (!has_release(m))
		return mem_strdup("no release");
	const char *stale = m->release.state == RELEASE_OLDER  ? " (older)"
			    : m->release.state == RELEASE_SAME ? ""
							       : " (another publisher's)";
	int64_t left = m->release.expires_s - j->o.now_s;
	return mem_printf("release %llu%s, %s %s%s", (unsigned long long)m->release.version, stale,
			  m->expired ? "expired" : "expires in",
			  format_duration(when, (uint64_t)(left < 0 ? -left : left)),
			  m->expired ? " ago" : "");
}

static void print_table(struct cli *cli, const struct job *j)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{id}", NULL },
		{ "RESULT", "{result}", NULL },
		{ "FILES", "{files}", NULL },
		{ "SHOWS", "{shows}", NULL },
	};
	CLEANUP(json_release) json_t *rows = json_array();
	for (size_t i = 0; i < j->count; i++) {
		const struct verify_mirror *m = &j->mirrors[i];
		CLEANUP(mem_free_ptr) char *release = release_text(j, m);
		CLEANUP(mem_free_ptr) char *counts = counts_text(m);
		json_t *row = json_push_object(rows);
		json_put_string(row, "id", m->id);
		json_put_string(row, "result", result_of(m));
		json_put_string(row, "files", counts);
		json_put_string(row, "shows", release);
	}
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}

static void print_file(struct cli *cli, const struct verify_mirror *m, const struct verify_file *f)
{
	CLEANUP(buf_release) struct buf details = BUF_INIT(4 * KIB);
	verify_describe(f, &details);
	cli_line(cli, "%s: %s: %s%s%s", m->id, f->file->key, verify_verdict_name(f->verdict),
		 details.len ? ": " : "", buf_str(&details));
}

static void print_findings(struct cli *cli, const struct verify_mirror *m)
{
	CLEANUP(mem_free_ptr) char *prefix = mem_printf("mirror %s: ", m->id);
	if (m->error.class && !err_is(&m->error, ERR_CANCELLED))
		/* The line already has the mirror's name. */
		cli_line(cli, "%s: unreachable: %s", m->id,
			 m->error.text + (str_starts(m->error.text, prefix) ? strlen(prefix) : 0));
	if (m->expired)
		cli_line(cli,
			 "%s: metadata/timestamp.json: expired: clients reject it (run ferry "
			 "catalog refresh, then push)",
			 m->id);
	for (size_t k = 0; k < m->count; k++) {
		enum verify_verdict v = m->files[k].verdict;
		bool lost = v == VERIFY_UNREACHABLE && !m->error.class;
		if (verify_verdict_is_bad(v) || lost || (cli->verbose && v != VERIFY_NONE))
			print_file(cli, m, &m->files[k]);
	}
}

/* The last line says what the verdicts above do not prove. */
static void print_rest(struct cli *cli, const struct job *j)
{
	size_t unverified = 0, left = 0, mirrors = 0;
	for (size_t i = 0; i < j->count; i++) {
		const size_t *verdicts = j->mirrors[i].verdicts;
		unverified += verdicts[VERIFY_UNVERIFIED];
		mirrors += verdicts[VERIFY_UNVERIFIED] != 0;
		left += verdicts[VERIFY_NOT_CHECKED];
	}
	if (unverified)
		cli_line(cli,
			 "The content of %zu files on %zu mirrors was not checked, only their "
			 "size: "
			 "use --sample or --full.",
			 unverified, mirrors);
	if (left)
		cli_line(cli, "Interrupted: %zu files were not checked.", left);
}

static void print_verified(struct cli *cli, const struct job *j, const json_t *document)
{
	for (size_t i = 0; i < j->count; i++)
		print_findings(cli, &j->mirrors[i]);
	if (!cli->quiet)
		print_table(cli, j);
	if (!cli->quiet && j->o.mode == VERIFY_SAMPLE)
		cli_say(cli, document,
			"To check the same pieces again: --sample {samples} --seed {seed}");
	if (!cli->quiet)
		print_rest(cli, j);
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

static int add_urls(struct job *j, const struct verify_opts *o, struct err *e)
{
	j->opened = mem_alloc((o->urls.count + 1) * sizeof(struct mirror *));
	j->mirrors = mem_alloc((o->urls.count + j->p.places.count + 1) * sizeof *j->mirrors);
	struct mirror_env env = { .rate = &j->p.rate, .cancel = j->o.cancel };
	for (size_t i = 0; i < o->urls.count; i++) {
		struct mirror **m = &j->opened[j->opened_count];
		const char *url = o->urls.at[i];
		CLEANUP(mem_free_ptr) char *id = url_redact(url);
		int rc = mirror_open_url(mirror_kinds_all, &env, id, url, m, e);
		if (rc < 0)
			return rc;
		j->opened_count++;
		j->mirrors[j->count++] = (struct verify_mirror){ .id = (*m)->id, .mirror = *m };
	}
	for (size_t i = 0; i < j->p.places.count; i++) {
		const struct mirrors_entry *p = &j->p.places.at[i];
		if (p->chosen)
			j->mirrors[j->count++] = (struct verify_mirror){
				.id = p->settings->id,
				.mirror = p->mirror,
				.holds = p->settings->holds,
				.error = p->error,
			};
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
	bool mirrors = !o->urls.count || o->who.mirrors.count;
	int rc = choose_mode(o, &j.o, e);
	if (rc == 0)
		rc = publisher_open(cli, &o->who, true, mirrors, &j.p, e);
	if (rc == 0)
		rc = add_urls(&j, o, e);
	if (rc == 0)
		rc = tree_open(j.p.dir, &j.tree, e);
	if (rc < 0)
		return rc;
	j.tree.cancel = cli->cancel;
	j.o.record_dir = j.tree.dir;
	int found = verify_run(&j.tree, j.mirrors, j.count, &j.o, e);
	/* Findings are reported below and are not a failure. */
	if (err_is(e, ERR_FAULT))
		err_clear(e);
	CLEANUP(json_release) json_t *document = verified(cli, &j);
	print_verified(cli, &j, document);
	rc = cli_result(cli, document, e);
	return rc < 0 ? rc : found;
}

const struct command cmd_verify = {
	.name = "verify",
	.summary = "check what the mirrors hold",
	.description =
		"Compares every mirror with the repository and prints a verdict for each file: ok "
		"(and how it was verified), unverified (the size is right, the content was not "
		"checked), missing, wrong-size, corrupt (and where), stale, foreign, or "
		"unreachable. The exit status is 1 if anything is wrong, even if a mirror could "
		"not be reached; it is 4 (or 5, 7) if nothing wrong was found but a mirror or a "
		"file could not be read. Unverified files are not a fault: the exit status is 0, "
		"and the last line says that their content was not checked.",
	.opts = options,
	.opts_size = sizeof(struct verify_opts),
	.run = verify_run_command,
};
