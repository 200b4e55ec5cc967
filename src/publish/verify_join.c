#include "publish/verify_report.h"

#include "publish/push.h"
#include "util/mem.h"

#include <string.h>

/* The first report decides on the size of the tables for all files of the tree. */
#define MAX_TABLES (4 * GIB)

void verify_joined_release(struct verify_joined *j)
{
	for (size_t i = 0; i < j->report.count; i++)
		verify_mirror_release(&j->report.mirrors[i]);
	for (size_t i = 0; j->files && i < j->report.tree_files; i++)
		free(j->files[i].key);
	for (uint32_t i = 0; j->from && i < j->report.share.count; i++)
		free(j->from[i]);
	free(j->report.mirrors);
	free(j->files);
	free(j->from);
	str_list_release(&j->texts);
	*j = (struct verify_joined){ 0 };
}

static const char *keep(struct verify_joined *j, const char *text)
{
	if (text)
		str_list_add(&j->texts, text);
	return text ? j->texts.at[j->texts.count - 1] : NULL;
}

/* ---- words ---------------------------------------------------------------------- */

/* The index of the word that the member has, among those that `name` returns for first to last. */
static int get_word(const json_t *o, const char *at, const char *key, const char *(*name)(int),
		    int first, int last, int *out, struct err *e)
{
	const char *word;
	int rc = json_get_string(o, at, key, &word, e);
	if (rc < 0)
		return rc;
	for (int i = first; i <= last; i++) {
		if (strcmp(name(i), word) != 0)
			continue;
		*out = i;
		return 0;
	}
	return err_set(e, ERR_INTEGRITY, "%s%s%s: unknown word", at, *at ? "." : "", key);
}

static const char *verdict_name(int v)
{
	return verify_verdict_name((enum verify_verdict)v);
}

static const char *how_name(int h)
{
	return verify_how_name((enum verify_how)h);
}

static const char *mode_name(int m)
{
	return verify_mode_name((enum verify_mode)m);
}

static const char *state_name(int s)
{
	return release_state_name((enum release_state)s);
}

static const char *holds_word(int h)
{
	return holds_name((enum mirror_holds)h);
}

/* ---- one file ------------------------------------------------------------------- */

static int get_bad_pieces(const json_t *o, const char *at, struct audit *a, struct err *e)
{
	json_t *list, *piece;
	size_t i;
	int rc = json_opt_array(o, at, "bad_pieces", AUDIT_MAX_BAD, &list, e);
	json_array_foreach (list, i, piece) {
		uint64_t index = 0;
		if (rc == 0)
			rc = json_get_u64(piece, "bad_pieces", "index", &index, e);
		if (rc == 0)
			rc = json_get_u64(piece, "bad_pieces", "offset", &a->bad[i].offset, e);
		if (rc == 0)
			rc = json_get_u64(piece, "bad_pieces", "length", &a->bad[i].length, e);
		if (rc == 0 && index >= GRID_MAX_PIECES)
			rc = err_set(e, ERR_INTEGRITY, "%s.bad_pieces: beyond the last piece", at);
		a->bad[i].index = (uint32_t)index;
	}
	if (rc == 0 && json_array_size(list) != MIN(a->bad_count, AUDIT_MAX_BAD))
		rc = err_set(e, ERR_INTEGRITY, "%s.bad_pieces: does not match bad_count", at);
	return rc;
}

static int get_audit(const json_t *o, const char *at, struct audit *a, struct err *e)
{
	uint64_t pieces = 0, bad = 0;
	int rc = json_opt_u64(o, at, "pieces_checked", 0, &pieces, e);
	if (rc == 0)
		rc = json_opt_u64(o, at, "bad_count", 0, &bad, e);
	if (rc == 0)
		rc = json_opt_bool(o, at, "whole_differs", false, &a->whole_differs, e);
	if (rc == 0)
		rc = json_opt_bool(o, at, "cut_short", false, &a->cut_short, e);
	if (rc == 0 && (pieces > GRID_MAX_PIECES || bad > GRID_MAX_PIECES))
		rc = err_set(e, ERR_INTEGRITY, "%s: more pieces than a file has", at);
	if (rc < 0)
		return rc;
	a->pieces = (uint32_t)pieces;
	a->bad_count = (uint32_t)bad;
	return get_bad_pieces(o, at, a, e);
}

/* Why the file could not be read. */
static int get_error(const json_t *o, const char *at, struct verify_file *v, struct err *e)
{
	const char *class = NULL, *message = NULL;
	int rc = json_get_string(o, at, "class", &class, e);
	if (rc == 0)
		rc = json_get_string(o, at, "message", &message, e);
	if (rc == 0 && !err_class_parse(class, &v->class))
		rc = err_set(e, ERR_INTEGRITY, "%s.class: unknown word", at);
	if (rc == 0)
		v->error = mem_strdup(message);
	return rc;
}

/* What a foreign file is, or how one has changed. */
static int get_origin(const json_t *o, const char *at, struct verify_file *v, struct err *e)
{
	const char *message = NULL;
	int rc = json_opt_string(o, at, "message", &message, e);
	if (rc == 0 && message)
		v->error = mem_strdup(message);
	return rc;
}

static int get_verdict(const json_t *o, const char *at, struct verify_file *v, struct err *e)
{
	int verdict = 0, how = VERIFY_BY_NOTHING;
	int rc = get_word(o, at, "verdict", verdict_name, VERIFY_OK, VERIFY_VERDICTS - 1, &verdict,
			  e);
	if (rc == 0 && (verdict == VERIFY_OK || verdict == VERIFY_CORRUPT))
		rc = get_word(o, at, "how", how_name, VERIFY_BY_DIGEST, VERIFY_BY_BYTES, &how, e);
	if (rc == 0)
		rc = json_opt_u64(o, at, "actual_size", 0, &v->actual_size, e);
	if (rc == 0)
		rc = json_opt_bool(o, at, "other_parts", false, &v->other_parts, e);
	if (rc == 0 && verdict == VERIFY_UNREACHABLE)
		rc = get_error(o, at, v, e);
	if (rc == 0 && (verdict == VERIFY_FOREIGN || verdict == VERIFY_CHANGED))
		rc = get_origin(o, at, v, e);
	if (rc == 0)
		rc = get_audit(o, at, &v->audit, e);
	if (rc < 0)
		return rc;
	v->verdict = (enum verify_verdict)verdict;
	v->how = (enum verify_how)how;
	return 0;
}

/* The file's place in the tree. The reports of all mirrors and shares must agree about it. */
static int find_file(struct verify_joined *j, const json_t *o, const char *at, uint64_t *index,
		     struct err *e)
{
	const char *key = NULL;
	uint64_t size = 0;
	int rc = json_get_u64(o, at, "index", index, e);
	if (rc == 0)
		rc = json_get_string(o, at, "key", &key, e);
	if (rc == 0)
		rc = json_get_u64(o, at, "size", &size, e);
	if (rc < 0)
		return rc;
	if (*index >= j->report.tree_files)
		return err_set(e, ERR_INTEGRITY, "%s.index: beyond the files of the tree", at);
	struct repository_file *f = &j->files[*index];
	if (!f->key)
		*f = (struct repository_file){ .key = mem_strdup(key), .size = size };
	if (strcmp(f->key, key) != 0 || f->size != size)
		return err_set(e, ERR_INTEGRITY, "%s: %s and %s have the same place in the tree",
			       at, f->key, key);
	return 0;
}

static int add_file(struct verify_joined *j, struct verify_mirror *m, const json_t *o,
		    const char *at, struct err *e)
{
	uint64_t index = 0;
	struct verify_file v = { 0 };
	int rc = find_file(j, o, at, &index, e);
	if (rc < 0)
		return rc;
	struct verify_file *place = &m->files[index];
	if (place->verdict != VERIFY_NONE)
		return err_set(e, ERR_USAGE, "%s: %s is in two reports", at, j->files[index].key);
	rc = get_verdict(o, at, &v, e);
	if (rc < 0) {
		free(v.error);
		return rc;
	}
	v.file = &j->files[index];
	*place = v;
	m->verdicts[v.verdict]++;
	return 0;
}

/* ---- one mirror ----------------------------------------------------------------- */

static int add_release(struct verify_mirror *m, const json_t *o, const char *at, struct err *e)
{
	json_t *release;
	const char *expires = NULL;
	int state = 0;
	int rc = json_opt_object(o, at, "release", &release, e);
	if (rc < 0 || !release)
		return rc;
	if (m->showed)
		return err_set(e, ERR_USAGE, "%s.release: is in two reports", at);
	rc = get_word(release, at, "state", state_name, RELEASE_NONE, RELEASE_OTHER, &state, e);
	m->release.state = (enum release_state)state;
	if (rc == 0 && release_has_version(&m->release)) {
		rc = json_get_u64(release, at, "version", &m->release.version, e);
		if (rc == 0)
			rc = json_get_string(release, at, "expires", &expires, e);
		if (rc == 0)
			rc = json_opt_bool(release, at, "expired", false, &m->expired, e);
		if (rc == 0 && !parse_time(expires, &m->release.expires_s))
			rc = err_set(e, ERR_INTEGRITY, "%s.expires: not a time", at);
	}
	m->showed = rc == 0;
	return rc;
}

/* Of several errors, the most serious stays. */
static int add_error(struct verify_mirror *m, const json_t *o, const char *at, struct err *e)
{
	struct err error;
	int rc = json_opt_error(o, at, "error", &error, e);
	if (rc == 0 && error.class &&
	    (!m->error.class || push_gravity(error.class) > push_gravity(m->error.class)))
		m->error = error;
	return rc;
}

static int add_numbers(struct verify_mirror *m, const json_t *o, const char *at, struct err *e)
{
	uint64_t held = 0, bytes = 0;
	int rc = json_get_u64(o, at, "held", &held, e);
	if (rc == 0)
		rc = json_get_u64(o, at, "bytes_read", &bytes, e);
	if (rc == 0 && held != m->held)
		rc = err_set(e, ERR_USAGE, "%s.held: not as in the other reports", at);
	if (rc == 0 && !add_u64(m->bytes_read, bytes, &m->bytes_read))
		rc = err_set(e, ERR_INTEGRITY, "%s.bytes_read: too large", at);
	return rc;
}

static int add_files(struct verify_joined *j, struct verify_mirror *m, const json_t *o,
		     const char *at, struct err *e)
{
	json_t *files, *file;
	size_t i;
	int rc = json_get_array(o, at, "files", VERIFY_REPORT_MAX_FILES, &files, e);
	if (rc < 0)
		return rc;
	json_array_foreach (files, i, file) {
		CLEANUP(mem_free_ptr) char *place = mem_printf("%s.files[%zu]", at, i);
		rc = add_file(j, m, file, place, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The identity of a mirror; the same in all reports. */
struct identity {
	const char *id, *kind, *url;
	int holds;
};

static int get_identity(const json_t *o, const char *at, struct identity *out, struct err *e)
{
	int rc = json_get_string(o, at, "id", &out->id, e);
	if (rc == 0)
		rc = json_opt_string(o, at, "kind", &out->kind, e);
	if (rc == 0)
		rc = json_opt_string(o, at, "url", &out->url, e);
	if (rc == 0)
		rc = get_word(o, at, "holds", holds_word, MIRROR_HOLDS_ALL, MIRROR_HOLDS_METADATA,
			      &out->holds, e);
	return rc;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* A mirror that could not be opened somewhere has no URL there. */
static bool agrees(const char *a, const char *b)
{
	return !a || !b || strcmp(a, b) == 0;
}

static int check_identity(const struct verify_mirror *m, const struct identity *i, const char *at,
			  struct err *e)
{
	if (same(m->id, i->id) && agrees(m->kind, i->kind) && agrees(m->url, i->url) &&
	    (int)m->holds == i->holds)
		return 0;
	return err_set(e, ERR_USAGE, "%s: is another mirror than in the other reports", at);
}

static int make_mirror(struct verify_joined *j, struct verify_mirror *m, const struct identity *i,
		       const json_t *o, struct err *e)
{
	m->id = keep(j, i->id);
	m->kind = keep(j, i->kind);
	m->url = i->url ? mem_strdup(i->url) : NULL;
	m->holds = (enum mirror_holds)i->holds;
	m->held = (size_t)json_number(o, "held");
	int rc = mem_array((void **)&m->files, j->report.tree_files, sizeof *m->files,
			   MAX_TABLES / j->report.count, "the list of files", e);
	if (rc == 0)
		m->count = j->report.tree_files;
	return rc;
}

static int add_mirror(struct verify_joined *j, size_t index, const json_t *o, bool first,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *at = mem_printf("mirrors[%zu]", index);
	struct verify_mirror *m = &j->report.mirrors[index];
	struct identity identity = { 0 };
	int rc = get_identity(o, at, &identity, e);
	if (rc == 0)
		rc = first ? make_mirror(j, m, &identity, o, e)
			   : check_identity(m, &identity, at, e);
	if (rc == 0)
		rc = add_numbers(m, o, at, e);
	if (rc == 0)
		rc = add_release(m, o, at, e);
	if (rc == 0)
		rc = add_error(m, o, at, e);
	return rc == 0 ? add_files(j, m, o, at, e) : rc;
}

/* ---- one report ----------------------------------------------------------------- */

static int get_share(const json_t *document, struct verify_report *r, struct err *e)
{
	json_t *shard;
	uint64_t index = 0, count = 0;
	int rc = json_opt_object(document, "", "shard", &shard, e);
	if (rc == 0 && !shard)
		rc = err_set(e, ERR_USAGE, "is the report of a whole run, not of a shard");
	if (rc == 0)
		rc = json_get_u64(shard, "shard", "index", &index, e);
	if (rc == 0)
		rc = json_get_u64(shard, "shard", "count", &count, e);
	if (rc == 0)
		rc = json_get_u64(shard, "shard", "tree_files", &r->tree_files, e);
	if (rc == 0 && (index < 1 || index > count || count > SHARE_MAX ||
			r->tree_files > VERIFY_REPORT_MAX_FILES))
		rc = err_set(e, ERR_INTEGRITY, "shard: impossible numbers");
	if (rc == 0)
		r->share = (struct share){ (uint32_t)index, (uint32_t)count };
	return rc;
}

static int get_sample(const json_t *document, struct verify_report *r, struct err *e)
{
	const char *seed = NULL;
	if (r->mode != VERIFY_SAMPLE)
		return 0;
	int rc = json_get_u64(document, "", "samples", &r->samples, e);
	if (rc == 0)
		rc = json_get_string(document, "", "seed", &seed, e);
	if (rc == 0 && !parse_u64(seed, &r->seed))
		rc = err_set(e, ERR_INTEGRITY, "seed: not a number");
	return rc;
}

/* A command that failed before it had a result prints only its error. */
static int check_result(const json_t *document, struct err *e)
{
	struct err error;
	int rc = json_opt_error(document, "", "error", &error, e);
	if (rc == 0 && error.class && !json_object_get(document, "mirrors"))
		rc = err_set(e, ERR_USAGE, "has no result: %s", error.text);
	return rc;
}

/* All but the mirrors. Its strings are borrowed from the document. */
static int get_head(const json_t *document, struct verify_report *out, struct err *e)
{
	const char *command = NULL;
	int mode = 0;
	int rc = json_get_string(document, "", "command", &command, e);
	if (rc == 0 && strcmp(command, "verify") != 0)
		rc = err_set(e, ERR_INTEGRITY, "is not a report of ferry verify");
	if (rc == 0)
		rc = check_result(document, e);
	if (rc == 0)
		rc = get_share(document, out, e);
	if (rc == 0)
		rc = json_opt_string(document, "", "repository", &out->repository, e);
	if (rc == 0)
		rc = json_get_u64(document, "", "release", &out->release, e);
	if (rc == 0)
		rc = json_get_hex(document, "", "timestamp_sha256", out->timestamp.bytes,
				  DIGEST_SIZE, e);
	if (rc == 0)
		rc = get_word(document, "", "mode", mode_name, VERIFY_QUICK, VERIFY_FULL, &mode, e);
	out->mode = (enum verify_mode)mode;
	return rc == 0 ? get_sample(document, out, e) : rc;
}

static int check_head(const struct verify_joined *j, const struct verify_report *r, struct err *e)
{
	const struct verify_report *all = &j->report;
	const char *differs = !same(all->repository, r->repository) ? "another repository"
			      : all->release != r->release ||
					      !digest_equal(&all->timestamp, &r->timestamp)
				      ? "another release"
			      : all->mode != r->mode || all->samples != r->samples ? "another mode"
			      : all->seed != r->seed                               ? "another seed"
			      : all->share.count != r->share.count ? "another number of shards"
			      : all->tree_files != r->tree_files   ? "another tree"
								   : NULL;
	if (differs)
		return err_set(e, ERR_USAGE, "is of %s than the other reports", differs);
	if (j->from[r->share.index - 1])
		return err_set(e, ERR_USAGE, "is of shard %u of %u, and so is %s", r->share.index,
			       r->share.count, j->from[r->share.index - 1]);
	return 0;
}

static int make_tables(struct verify_joined *j, const struct verify_report *r, size_t mirrors,
		       struct err *e)
{
	int rc = mem_array((void **)&j->files, r->tree_files, sizeof *j->files, MAX_TABLES,
			   "the list of files", e);
	if (rc < 0)
		return rc;
	j->report = *r;
	j->report.repository = keep(j, r->repository);
	j->from = mem_alloc(r->share.count * sizeof *j->from);
	j->report.mirrors = mem_alloc((mirrors + 1) * sizeof *j->report.mirrors);
	j->report.count = mirrors;
	return 0;
}

static int check_interrupted(const struct verify_joined *j, const json_t *document, struct err *e)
{
	struct err error;
	int rc = json_opt_error(document, "", "error", &error, e);
	bool interrupted = err_is(&error, ERR_CANCELLED);
	for (size_t i = 0; i < j->report.count; i++)
		interrupted = interrupted || j->report.mirrors[i].verdicts[VERIFY_NOT_CHECKED] ||
			      err_is(&j->report.mirrors[i].error, ERR_CANCELLED);
	if (rc < 0 || !interrupted)
		return rc;
	return err_set(e, ERR_USAGE, "is of a run that was interrupted");
}

static int add(struct verify_joined *j, const json_t *document, const char *name, struct err *e)
{
	struct verify_report r = { 0 };
	json_t *mirrors, *mirror;
	size_t i;
	bool first = !j->from;
	int rc = get_head(document, &r, e);
	if (rc == 0)
		rc = json_get_array(document, "", "mirrors", VERIFY_REPORT_MAX_MIRRORS, &mirrors,
				    e);
	if (rc == 0)
		rc = first ? make_tables(j, &r, json_array_size(mirrors), e) : check_head(j, &r, e);
	if (rc < 0)
		return rc;
	j->from[r.share.index - 1] = mem_strdup(name);
	if (json_array_size(mirrors) != j->report.count)
		return err_set(e, ERR_USAGE, "does not have the same mirrors as the other reports");
	json_array_foreach (mirrors, i, mirror) {
		rc = add_mirror(j, i, mirror, first, e);
		if (rc < 0)
			return rc;
	}
	rc = check_interrupted(j, document, e);
	return rc < 0 ? err_hint(e, "run shard %u/%u again", r.share.index, r.share.count) : rc;
}

int verify_report_add(struct verify_joined *j, const json_t *document, const char *name,
		      struct err *e)
{
	return add(j, document, name, e) < 0 ? err_context(e, "%s", name) : 0;
}

/* ---- all of them ---------------------------------------------------------------- */

static int check_shares(const struct verify_joined *j, struct err *e)
{
	CLEANUP(buf_release) struct buf missing = BUF_INIT(200);
	uint32_t count = j->report.share.count, lacking = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (j->from[i])
			continue;
		if (lacking++ < 10)
			buf_addf(&missing, "%s%u", missing.len ? ", " : "", i + 1);
	}
	if (!lacking)
		return 0;
	err_set(e, ERR_USAGE, "the reports of %u of %u shards are missing: %s%s", lacking, count,
		buf_str(&missing), lacking > 10 ? ", …" : "");
	return err_hint(e, "run those shards (again), then merge all reports");
}

int verify_report_join(struct verify_joined *j, struct err *e)
{
	if (!j->from)
		return err_set(e, ERR_USAGE, "there is no report to merge");
	int rc = check_shares(j, e);
	for (size_t i = 0; rc == 0 && i < j->report.count; i++) {
		struct verify_mirror *m = &j->report.mirrors[i];
		size_t found = 0;
		for (int v = VERIFY_OK; v < VERIFY_VERDICTS; v++)
			found += m->verdicts[v];
		m->verdicts[VERIFY_NONE] = m->count - found;
		if (found != m->held)
			rc = err_set(e, ERR_INTEGRITY,
				     "the reports have %zu files of mirror %s, but it has %zu",
				     found, m->id, m->held);
	}
	for (uint32_t i = 0; rc == 0 && i < j->report.share.count; i++)
		mem_free_ptr(&j->from[i]);
	if (rc == 0)
		j->report.share = (struct share){ 0 };
	return rc;
}
