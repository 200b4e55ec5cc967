#include "cli/inspect.h"

#include "gguf/gguf.h"
#include "hash/onepass.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* "-00001-of-00002.gguf" */
#define SHARD_TAIL 20

struct shard {
	const char *path;
	struct gguf_name name;
	struct gguf_report report;
};

struct inspection {
	struct cli *cli;
	bool data, foreign;
	json_t *files, *models;
	size_t refused, warned, unreadable;
	size_t broken;             /* models whose shards do not belong together */
	struct err unreadable_why; /* of the first */
	struct shard *shards;      /* kept until all files are read */
	size_t shard_count, shard_cap;
};

static void inspection_release(struct inspection *in)
{
	for (size_t i = 0; i < in->shard_count; i++)
		gguf_report_release(&in->shards[i].report);
	free(in->shards);
}

/* ---- what is told ------------------------------------------------------------------- */

/* Skip the path at the start of the message, because the line already has it. */
static const char *without_path(const char *text, const char *path)
{
	size_t len = strlen(path);
	bool named = strncmp(text, path, len) == 0 && str_starts(text + len, ": ");
	return named ? text + len + 2 : text;
}

static void tell_bad(struct cli *cli, json_t *o, const char *what, const char *verdict,
		     const struct err *why)
{
	json_put_string(o, "verdict", verdict);
	json_put_string(o, "reason", why->text);
	json_put_string(o, "hint", why->hint[0] ? why->hint : NULL);
	cli_aloud(cli, true);
	cli_line(cli, "%s: %s: %s", what, verdict, without_path(why->text, what));
	if (why->hint[0])
		cli_line(cli, "  hint: %s", why->hint);
	cli_aloud(cli, false);
}

/* That a name does not follow the convention is true of most files. */
static bool is_minor(const struct gguf_finding *f)
{
	return f->note && strcmp(f->code, "name-convention") == 0;
}

static void tell_findings(struct cli *cli, json_t *o, const struct gguf_findings *f)
{
	json_t *findings = json_put_array(o, "findings");
	for (size_t i = 0; i < f->count; i++) {
		json_t *finding = json_push_object(findings);
		json_put_string(finding, "code", f->at[i].code);
		json_put_string(finding, "level", f->at[i].note ? "note" : "warning");
		json_put_string(finding, "text", f->at[i].text);
		if (!is_minor(&f->at[i]) || cli->verbose)
			cli_say(cli, finding, "  {level}: {text}");
	}
}

static void tell_good(struct cli *cli, json_t *o, const struct gguf_report *r)
{
	const struct gguf *g = r->file;
	CLEANUP(mem_free_ptr) char *quantization = gguf_quantization(&g, 1);
	json_put_string(o, "verdict", gguf_verdict_name(r->verdict));
	json_put_u64(o, "size", g->file_size);
	json_put_string(o, "quantization", quantization);
	json_put(o, "gguf", gguf_json(g));
	cli_aloud(cli, r->verdict != GGUF_OK);
	cli_say(cli, o,
		g->tensor_count ? "{path}: {verdict} ({gguf.architecture|unknown architecture}, "
				  "{quantization|unknown quantization}, {size:size})"
				: "{path}: {verdict} ({gguf.architecture|unknown architecture}, "
				  "no tensors, {size:size})");
	tell_findings(cli, o, &r->findings);
	cli_aloud(cli, false);
}

/* ---- one file ----------------------------------------------------------------------- */

static void look(void *ctx, const void *data, size_t len)
{
	gguf_data_add(ctx, data, len);
}

static int read_data(const struct inspection *in, const char *path, struct gguf_report *r,
		     json_t *o, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	CLEANUP_PTR(gguf_data_free) struct gguf_data *data = gguf_data_new(r->file);
	struct onepass p = { .look = look, .look_ctx = data, .cancel = in->cli->cancel };
	uint64_t size;
	size_t before = r->findings.count;
	int rc = file_open_regular(path, &fd, &size, e);
	if (rc == 0)
		rc = grid_for(size, &p.grid, e);
	if (rc == 0)
		rc = onepass_run(&p, fd, path, in->cli->report, e);
	if (rc < 0)
		return rc;
	json_put_hex(o, "sha256", p.whole.bytes, DIGEST_SIZE);
	gguf_data_findings(data, &r->findings);
	if (r->findings.count > before)
		r->verdict = GGUF_WARNINGS;
	return 0;
}

static int read_file(const struct inspection *in, const char *path, struct gguf_report *r,
		     json_t *o, struct err *e)
{
	int rc = gguf_check_path(path, in->foreign, r, e);
	if (rc == 0 && in->data && r->verdict != GGUF_REFUSED)
		rc = read_data(in, path, r, o, e);
	return rc;
}

static void count_verdict(struct inspection *in, enum gguf_verdict v)
{
	in->refused += v == GGUF_REFUSED;
	in->warned += v == GGUF_WARNINGS;
}

static bool is_known(const struct inspection *in, const char *path)
{
	for (size_t i = 0; i < in->shard_count; i++)
		if (strcmp(in->shards[i].path, path) == 0)
			return true;
	return false;
}

/* Takes the report of a shard over. */
static void keep_shard(struct inspection *in, const char *path, struct gguf_report *r)
{
	struct shard s = { .path = path };
	uint64_t count = 0;
	if (!r->file || !gguf_get_u64(r->file, "split.count", &count) || count < 2 ||
	    !gguf_name_parse(path_base(path), &s.name) || s.name.shards != count ||
	    is_known(in, path))
		return;
	s.report = *r;
	*r = (struct gguf_report){ 0 };
	in->shards = mem_grow(in->shards, in->shard_count, &in->shard_cap, sizeof *in->shards);
	in->shards[in->shard_count++] = s;
}

static void check_one(struct inspection *in, const char *path)
{
	struct err why = ERR_INIT;
	json_t *o = json_push_object(in->files);
	CLEANUP(gguf_report_release) struct gguf_report r = { 0 };
	json_put_string(o, "path", path);
	if (read_file(in, path, &r, o, &why) < 0) {
		in->unreadable++;
		if (in->unreadable_why.class == ERR_NONE)
			in->unreadable_why = why;
		tell_bad(in->cli, o, path, "unreadable", &why);
		return;
	}
	count_verdict(in, r.verdict);
	if (r.verdict == GGUF_REFUSED)
		tell_bad(in->cli, o, path, gguf_verdict_name(r.verdict), &r.reason);
	else
		tell_good(in->cli, o, &r);
	keep_shard(in, path, &r);
}

/* ---- the shards of one model -------------------------------------------------------- */

static bool is_same_model(const struct shard *a, const struct shard *b)
{
	size_t len = strlen(a->path);
	return a->name.shards == b->name.shards && len == strlen(b->path) &&
	       strncmp(a->path, b->path, len - SHARD_TAIL) == 0;
}

static void judge_model(struct inspection *in, json_t *o, const struct gguf *const *files,
			const char *const *names, size_t count)
{
	CLEANUP(mem_free_ptr) char *what = mem_printf("%s and %zu more together", names[0],
						      count - 1);
	struct err why = ERR_INIT;
	struct gguf_findings found = { 0 };
	if (gguf_shards_check(files, names, count, &why) < 0) {
		in->broken++;
		tell_bad(in->cli, o, what, gguf_verdict_name(GGUF_REFUSED), &why);
		return;
	}
	gguf_blocks_check(files, count, &found);
	enum gguf_verdict verdict = found.count ? GGUF_WARNINGS : GGUF_OK;
	count_verdict(in, verdict);
	json_put_string(o, "verdict", gguf_verdict_name(verdict));
	cli_aloud(in->cli, verdict != GGUF_OK);
	cli_line(in->cli, "%s: %s", what, gguf_verdict_name(verdict));
	tell_findings(in->cli, o, &found);
	cli_aloud(in->cli, false);
	gguf_findings_release(&found);
}

/* The model of the shard at `first`, unless an earlier shard belongs to it. */
static void check_model(struct inspection *in, size_t first)
{
	const struct shard *s = in->shards;
	CLEANUP(mem_free_ptr)
	const struct gguf **files = mem_alloc(in->shard_count * sizeof *files);
	CLEANUP(mem_free_ptr) const char **names = mem_alloc(in->shard_count * sizeof *names);
	size_t count = 0;
	for (size_t i = 0; i < first; i++)
		if (is_same_model(&s[i], &s[first]))
			return;
	for (size_t i = first; i < in->shard_count; i++) {
		if (!is_same_model(&s[i], &s[first]))
			continue;
		files[count] = s[i].report.file;
		names[count++] = path_base(s[i].path);
	}
	if (count < s[first].name.shards) {
		cli_line(in->cli,
			 "%s: only %zu of %u shards were given: what is missing in the "
			 "whole model cannot be seen",
			 names[0], count, s[first].name.shards);
		return;
	}
	json_t *o = json_push_object(in->models), *paths = json_put_array(o, "paths");
	for (size_t i = first; i < in->shard_count; i++)
		if (is_same_model(&s[i], &s[first]))
			json_push(paths, json_string(s[i].path));
	judge_model(in, o, files, names, count);
}

/* ---- all of it ---------------------------------------------------------------------- */

static void sum_up(const struct inspection *in, size_t count, struct err *e)
{
	if (in->refused) {
		err_set(e, ERR_INTEGRITY, "%zu of %zu file%s refused", in->refused, count,
			count == 1 ? " is" : "s are");
		err_hint(e, "do not publish such files: download them again, or make them again");
	} else if (in->broken) {
		err_set(e, ERR_INTEGRITY, "the shards of %zu model%s do not belong together",
			in->broken, in->broken == 1 ? "" : "s");
	} else if (in->unreadable) {
		*e = in->unreadable_why;
	}
}

int inspect_run(struct cli *cli, bool data, bool foreign, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(inspection_release) struct inspection in = {
		.cli = cli,
		.data = data,
		.foreign = foreign,
		.files = json_put_array(document, "files"),
		.models = json_put_array(document, "models"),
		.unreadable_why = ERR_INIT,
	};
	int rc = 0;
	for (int i = 0; rc == 0 && i < cli->count; i++) {
		rc = cancel_check(cli->cancel, e);
		if (rc == 0)
			check_one(&in, cli->operands[i]);
	}
	if (rc == 0)
		rc = cancel_check(cli->cancel, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < in.shard_count; i++)
		check_model(&in, i);
	json_put_u64(document, "refused", in.refused);
	json_put_u64(document, "warnings", in.warned);
	json_put_u64(document, "unreadable", in.unreadable);
	sum_up(&in, (size_t)cli->count, e);
	return cli_result(cli, document, e);
}
