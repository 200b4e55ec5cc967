#include "publish/verify_report.h"

#include "util/mem.h"

const char *verify_mode_name(enum verify_mode mode)
{
	static const char *const names[] = { "quick", "sample", "full" };
	return names[mode];
}

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
	bool unverified = f->verdict == VERIFY_UNVERIFIED;
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
	if (f->verdict == VERIFY_CORRUPT && f->audit.whole_differs)
		json_put_bool(o, "whole_differs", true);
	if (f->verdict == VERIFY_CORRUPT && f->audit.cut_short)
		json_put_bool(o, "cut_short", true);
	if (unverified && f->other_parts)
		json_put_bool(o, "other_parts", true);
	if (f->verdict == VERIFY_UNREACHABLE)
		json_put_string(o, "class", err_class_name(f->class));
	json_put_string(o, "message", unverified ? verify_unverified_reason(f) : f->error);
}

static void put_release(json_t *o, const struct verify_mirror *m)
{
	json_put_string(o, "state", release_state_name(m->release.state));
	if (!release_has_version(&m->release))
		return;
	json_put_u64(o, "version", m->release.version);
	json_put_time(o, "expires", m->release.expires_s);
	json_put_bool(o, "expired", m->expired);
}

static void put_files(json_t *o, const struct verify_mirror *m, bool of_share)
{
	json_t *files = json_put_array(o, "files");
	for (size_t i = 0; i < m->count; i++) {
		if (m->files[i].verdict == VERIFY_NONE)
			continue;
		json_t *file = json_push_object(files);
		put_file(file, &m->files[i]);
		if (of_share)
			json_put_u64(file, "index", i);
	}
}

static void put_mirror(json_t *o, const struct verify_mirror *m, bool of_share)
{
	json_put_string(o, "id", m->id);
	json_put_string(o, "kind", m->kind);
	json_put_string(o, "url", m->url);
	json_put_string(o, "holds", holds_name(m->holds));
	json_put_string(o, "result", verify_mirror_result(m));
	if (m->showed)
		put_release(json_put_object(o, "release"), m);
	json_t *counts = json_put_object(o, "counts");
	for (int v = VERIFY_OK; v < VERIFY_VERDICTS; v++)
		if (m->verdicts[v] || v != VERIFY_CHANGED)
			json_put_u64(counts, verify_verdict_name((enum verify_verdict)v),
				     m->verdicts[v]);
	json_put_u64(o, "bytes_read", m->bytes_read);
	if (of_share)
		json_put_u64(o, "held", m->held);
	put_files(o, m, of_share);
	if (m->readers.count)
		json_put_string(o, "warning", m->readers.at[0].text);
	if (m->error.class)
		json_put(o, "error", json_error(&m->error));
}

static void put_share(json_t *o, const struct verify_report *r)
{
	json_put_u64(o, "index", r->share.index);
	json_put_u64(o, "count", r->share.count);
	json_put_u64(o, "tree_files", r->tree_files);
}

void verify_report_json(const struct verify_report *r, json_t *out)
{
	bool of_share = r->share.count;
	json_put_string(out, "repository", r->repository);
	json_put_u64(out, "release", r->release);
	json_put_hex(out, "timestamp_sha256", r->timestamp.bytes, DIGEST_SIZE);
	json_put_string(out, "mode", verify_mode_name(r->mode));
	if (r->mode == VERIFY_SAMPLE) {
		CLEANUP(mem_free_ptr) char *seed = mem_printf("%llu", (unsigned long long)r->seed);
		json_put_u64(out, "samples", r->samples);
		json_put_string(out, "seed", seed);
	}
	if (of_share)
		put_share(json_put_object(out, "shard"), r);
	json_t *mirrors = json_put_array(out, "mirrors");
	for (size_t i = 0; i < r->count; i++)
		put_mirror(json_push_object(mirrors), &r->mirrors[i], of_share);
}
