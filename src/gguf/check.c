/* The verdict on one file. */
#include "gguf/internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

const char *gguf_verdict_name(enum gguf_verdict v)
{
	static const char *const names[] = { "ok", "warnings", "refused" };
	return names[v];
}

static void check_templates(const struct gguf *g, struct gguf_findings *out)
{
	struct gguf_template t;
	for (size_t i = 0; gguf_template(g, i, &t); i++) {
		char what[256];
		if (t.flags)
			gguf_finding_add(out, "template",
					 "the chat template '%s' looks suspicious: %s", t.key,
					 gguf_template_describe(t.flags, what, sizeof what));
	}
}

/* "Q4_K_M" in the name, but something else in the file. Names may be less specific ("Q4_K"). A
 * shard other than the first says nothing of the model. */
static void check_encoding(const struct gguf *g, const struct gguf_name *n,
			   struct gguf_findings *out)
{
	struct gguf_metadata m;
	gguf_metadata(g, &m);
	CLEANUP(mem_free_ptr) char *inferred = m.split_count > 1 ? NULL : gguf_quantization(&g, 1);
	const char *is = m.quantization ? m.quantization : inferred;
	if (is && n->encoding[0] && g->tensor_count && !gguf_foreign(g) &&
	    gguf_contradicts(n->encoding, is))
		gguf_finding_add(out, "quantization", "the file name says %s, but the file is %s",
				 n->encoding, is);
}

/* Names that browsers and download programs give to what is not complete, and the file in which
 * aria2 keeps what is missing. */
static void check_unfinished(const char *path, struct gguf_findings *out)
{
	static const char *const endings[] = { ".part",     ".partial",    ".crdownload",
					       ".download", ".incomplete", ".opdownload",
					       ".tmp" };
	CLEANUP(mem_free_ptr) char *control = mem_printf("%s.aria2", path);
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (str_ends(path, endings[i]))
			gguf_finding_add(out, "unfinished",
					 "its name is that of an unfinished download: is it "
					 "complete?");
	if (file_exists(control))
		gguf_finding_add(out, "unfinished",
				 "%s is beside it: aria2 has not finished this download",
				 path_base(control));
}

static void check_shard_name(const struct gguf *g, const struct gguf_name *n,
			     struct gguf_findings *out)
{
	uint64_t no = 0, count = 0;
	gguf_get_u64(g, "split.no", &no);
	gguf_get_u64(g, "split.count", &count);
	if (count > 1 && (n->shard != no + 1 || n->shards != count))
		gguf_finding_add(out, "name",
				 "it is shard %llu of %llu: llama.cpp requires a name that ends in "
				 "-%05llu-of-%05llu.gguf",
				 (unsigned long long)no + 1, (unsigned long long)count,
				 (unsigned long long)no + 1, (unsigned long long)count);
	else if (count <= 1 && n->shards > 1)
		gguf_finding_add(out, "shard-name",
				 "its name is that of shard %u of %u, but it is not a shard",
				 n->shard, n->shards);
}

static void check_file_name(const struct gguf *g, const char *name, struct gguf_findings *out)
{
	struct gguf_name n = { 0 };
	bool suffix = gguf_name_parse(name, &n);
	check_shard_name(g, &n, out);
	if (!suffix) {
		gguf_finding_add(out, "name", "the file name does not end in .gguf");
		return;
	}
	check_encoding(g, &n, out);
	if (!n.conforms)
		gguf_finding_note(out, "name-convention",
				  "the file name is not of the form "
				  "Base-Size-FineTune-Version-Encoding.gguf");
}

static void check_kind(const struct gguf *g, struct gguf_findings *out)
{
	enum gguf_kind kind = gguf_kind(g);
	const char *type = gguf_get_string(g, "general.type");
	if (type && kind == GGUF_KIND_MODEL && !gguf_kind_knows(type))
		gguf_finding_add(out, "type",
				 "general.type is '%s', which this version does not know: is it a "
				 "model?",
				 type);
	if (kind != GGUF_KIND_MODEL)
		gguf_finding_add(out, "kind", "it is %s, not a model: %s", gguf_kind_is(kind),
				 gguf_kind_use(kind));
}

static void judge(const char *name, struct gguf_report *out)
{
	const struct gguf *g = out->file;
	gguf_findings_move(&out->findings, &out->file->findings);
	check_kind(g, &out->findings);
	gguf_census_check(&g, 1, NULL, &out->findings);
	check_templates(g, &out->findings);
	check_file_name(g, path_base(name), &out->findings);
	check_unfinished(name, &out->findings);
	if (out->findings.dropped)
		out->verdict = GGUF_WARNINGS;
	for (size_t i = 0; i < out->findings.count; i++)
		if (!out->findings.at[i].note)
			out->verdict = GGUF_WARNINGS;
}

/* ERR_INTEGRITY, or a finding. */
static int check_foreign(struct gguf *g, const char *name, bool allowed, struct err *e)
{
	const struct gguf_type *t = gguf_foreign(g);
	if (!t)
		return 0;
	if (allowed) {
		gguf_finding_add(&g->findings, "foreign-types",
				 "it has tensors of the type %s: of all engines, only %s can load "
				 "it",
				 t->name, t->fork);
		return 0;
	}
	err_set(e, ERR_INTEGRITY,
		"%s: it has tensors of the type %s, which only %s has, a fork of llama.cpp: other "
		"engines cannot load it",
		name, t->name, t->fork);
	return err_hint(e, "to publish it for that program, add --allow-foreign-types");
}

int gguf_check(const struct gguf_input *source, const char *name, bool foreign,
	       struct gguf_report *out, struct err *e)
{
	struct gguf_options opts = { .padding = true };
	struct err reason = ERR_INIT;
	struct gguf_report report = { 0 };
	int rc = gguf_open(source, name, &opts, &report.file, &reason);
	if (rc == 0)
		rc = check_foreign(report.file, name, foreign, &reason);
	if (rc && !err_is(&reason, ERR_INTEGRITY)) {
		*e = reason;
		return rc;
	}
	if (rc) {
		gguf_free(STEAL(report.file));
		report.verdict = GGUF_REFUSED;
		report.reason = reason;
	} else {
		judge(name, &report);
	}
	*out = report;
	return 0;
}

int gguf_check_path(const char *path, bool foreign, struct gguf_report *out, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	uint64_t size;
	struct gguf_input source;
	int rc = file_open_regular(path, &fd, &size, e);
	if (rc == 0)
		rc = gguf_input_fd(&source, &fd, path, e);
	return rc ? rc : gguf_check(&source, path, foreign, out, e);
}

void gguf_report_release(struct gguf_report *r)
{
	gguf_findings_release(&r->findings);
	gguf_free(r->file);
	*r = (struct gguf_report){ 0 };
}
