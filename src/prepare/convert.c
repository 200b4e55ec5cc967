#include "prepare/convert.h"

#include "prepare/replaced.h"
#include "prepare/tools.h"
#include "prepare/wanted.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- convert ------------------------------------------------------------------------ */

static uint64_t converted_bytes(const char *outtype, uint64_t weights)
{
	if (!outtype)
		return weights;
	/* The weights in a folder nearly always have 16 bits. */
	if (strcmp(outtype, "f32") == 0)
		return weights * 2;
	if (strcmp(outtype, "q8_0") == 0)
		return weights / 2 + weights / 16;
	return outtype[0] == 't' ? weights / 4 : weights;
}

/* "9a8b…": a snapshot folder in the cache of Hugging Face's tools. */
static bool is_commit(const char *name)
{
	return strlen(name) == 40 && strspn(name, "0123456789abcdef") == 40;
}

/* The folder under a meaningful name: if nothing else names the model, the converter uses the
 * folder's name as general.name. */
static int named_folder(const struct prepare *p, const struct obtained *source, const char *scratch,
			char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = realpath(source->hf_dir, NULL);
	if (!dir)
		return err_sys(e, errno, "%s", source->hf_dir);
	bool ours = source->scratch && strcmp(source->hf_dir, source->scratch) == 0;
	if (!ours && !is_commit(path_base(dir))) {
		*out = STEAL(dir);
		return 0;
	}
	CLEANUP(mem_free_ptr) char *link = path_join(scratch, p->name);
	int rc = file_symlink_atomic(dir, link, e);
	if (rc == 0)
		*out = STEAL(link);
	return rc;
}

int convert_run(const struct prepare *p, const struct obtained *source, const char *scratch,
		struct prepare_result *result, struct model *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = NULL;
	CLEANUP(mem_free_ptr) char *output = path_join(scratch, "converted.gguf");
	int rc = named_folder(p, source, scratch, &dir, e);
	if (rc < 0)
		return rc;
	struct tools_convert c = {
		.dir = dir,
		.output = output,
		.outtype = p->outtype,
		.expected_bytes = converted_bytes(p->outtype, source->hf_bytes),
		.cancel = p->cancel,
	};
	rc = file_need_space(scratch, c.expected_bytes, e);
	if (rc == 0)
		rc = tools_run_convert(p->settings, &c, p->report, e);
	if (rc == 0 && !file_exists(output)) {
		err_set(e, ERR_INTEGRITY,
			"convert_hf_to_gguf.py reported success, but wrote no file");
		return err_hint(e, "run again with -v to see its output");
	}
	if (rc < 0)
		return rc;
	struct obtain_file file = { .path = STEAL(output), .ours = true, .in_work = true };
	rc = model_open(&file, 1, "the output of convert_hf_to_gguf.py", p, result, out, e);
	free(file.path);
	result->converted = rc == 0;
	return rc;
}

/* ---- quantize ----------------------------------------------------------------------- */

static int check_requantize(const struct prepare *p, const char *have, const struct model *m,
			    struct err *e)
{
	struct gguf_census census;
	gguf_census(m->files, m->count, &census);
	const char *type = census.main_type ? census.main_type->name : "f32";
	if (p->allow_requantize || strcmp(type, "f32") == 0 || strcmp(type, "f16") == 0 ||
	    strcmp(type, "bf16") == 0)
		return 0;
	err_set(e, ERR_USAGE,
		"the source is already quantized (%s): quantizing it again to %s is worse than "
		"quantizing the original",
		have ? have : type, p->quantize);
	return err_hint(e, "use an F16, BF16 or F32 source, or add --allow-requantize");
}

/* llama-quantize needs all shards in one folder under exact names; the source files may be
 * anywhere under any name. */
static int quantize_input(const struct model *m, const char *scratch, char **out, struct err *e)
{
	for (size_t i = 0; m->count > 1 && i < m->count; i++) {
		CLEANUP(mem_free_ptr) char *name = model_file_name("in", "put", i, m->count);
		CLEANUP(mem_free_ptr) char *link = path_join(scratch, name);
		CLEANUP(mem_free_ptr) char *target = path_absolute(m->at[i].path);
		int rc = file_symlink_atomic(target, link, e);
		if (rc < 0)
			return rc;
		if (i == 0)
			*out = STEAL(link);
	}
	if (m->count == 1)
		*out = mem_strdup(m->at[0].path);
	return 0;
}

static void tell_fallbacks(const struct prepare *p, const struct model *m,
			   struct prepare_result *result)
{
	struct gguf_findings findings = { 0 };
	gguf_census_check(m->files, m->count, p->quantize, &findings);
	for (size_t i = 0; i < findings.count; i++) {
		bool known = false;
		for (size_t k = 0; k < result->warning_count; k++)
			known = known || strcmp(result->warnings[k].text, findings.at[i].text) == 0;
		if (!known)
			model_warn(p->report, result, "llama-quantize", findings.at[i].code,
				   findings.at[i].text);
	}
	gguf_findings_release(&findings);
}

static int run_quantize(const struct prepare *p, const struct model *m, const char *scratch,
			const char *output, struct prepare_result *result, struct err *e)
{
	struct gguf_census census;
	CLEANUP(mem_free_ptr) char *input = NULL;
	gguf_census(m->files, m->count, &census);
	int rc = quantize_input(m, scratch, &input, e);
	if (rc < 0)
		return rc;
	struct tools_quantize q = {
		.input = input,
		.output = output,
		.type = p->quantize,
		.imatrix = p->imatrix,
		.allow_requantize = p->allow_requantize,
		.expected_bytes = tools_quantized_bytes(p->quantize, census.elements),
		.cancel = p->cancel,
	};
	rc = file_need_space(scratch, q.expected_bytes, e);
	return rc < 0 ? rc : tools_run_quantize(p->settings, &q, p->report, &result->tool_build, e);
}

int convert_quantize(const struct prepare *p, const char *scratch, struct prepare_result *result,
		     struct model *m, struct err *e)
{
	CLEANUP(mem_free_ptr) char *have = gguf_quantization(m->files, m->count);
	if (have && str_eq_nocase(have, p->quantize)) {
		report_note(p->report, "the source is already %s: nothing to quantize", have);
		return 0;
	}
	CLEANUP(mem_free_ptr) char *output = path_join(scratch, "quantized.gguf");
	int rc = check_requantize(p, have, m, e);
	if (rc == 0)
		rc = run_quantize(p, m, scratch, output, result, e);
	if (rc == 0 && !file_exists(output)) {
		err_set(e, ERR_INTEGRITY, "llama-quantize reported success, but wrote no file");
		return err_hint(e, "run again with -v to see its output");
	}
	if (rc < 0)
		return rc;
	struct obtain_file file = { .path = STEAL(output), .ours = true, .in_work = true };
	struct model made = { 0 };
	rc = model_open(&file, 1, "the output of llama-quantize", p, result, &made, e);
	free(file.path);
	if (rc < 0)
		return rc;
	tell_fallbacks(p, &made, result);
	model_release(m);
	*m = made;
	result->quantized = true;
	return 0;
}

/* ---- install ------------------------------------------------------------------------ */

#define MODE FILE_READ_ONLY /* so that the tree may share the file */

struct staging {
	const struct prepare *p;
	const struct model *m;
	const char *dir;        /* where the files will be */
	struct str_list staged; /* in the scratch folder, under their final names */
	struct str_list *told;  /* of the result */
	bool said;              /* that the source is copied */
};

static void staging_release(struct staging *s)
{
	str_list_release(&s->staged);
}

/* The person's file, given under the name of the result. Another name of the same inode is the
 * person's, too, but one that must not be shared. */
static bool is_in_place(const struct staging *s, size_t i)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, path_base(s->staged.at[i]));
	CLEANUP(mem_free_ptr) char *source = realpath(s->m->at[i].path, NULL);
	CLEANUP(mem_free_ptr) char *result = realpath(path, NULL);
	struct stat st;
	return source && result && strcmp(source, result) == 0 && lstat(path, &st) == 0 &&
	       S_ISREG(st.st_mode);
}

static int make_read_only(const char *path, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	int rc = file_open_read(path, &fd, e);
	if (rc == 0)
		file_make_read_only(fd);
	return rc;
}

/* Shares the file itself: a download, so that it survives whatever ends this run, or the person's
 * own file on request. */
static int stage_link(const struct model_file *f, const char *staged, bool *done, struct err *e)
{
	int rc = file_link(f->path, staged, done, e);
	if (rc == 0 && !*done && f->ours)
		*done = rename(f->path, staged) == 0;
	return rc == 0 && *done && f->in_work ? make_read_only(staged, e) : rc;
}

/* Said once, although companions are sources of their own. */
static void tell_copy(struct staging *s, uint64_t bytes)
{
	char size[SIZE_TEXT];
	if (str_list_has(s->told, "copied"))
		return;
	str_list_add(s->told, "copied");
	report_note(s->p->report, "the source is copied, which takes %s%s",
		    format_size(size, bytes),
		    s->p->link ? ": it cannot be linked here"
			       : "; --link shares it with the result instead");
}

static int sum_sizes(const struct staging *s, size_t first, uint64_t *bytes, struct err *e)
{
	int rc = 0;
	*bytes = 0;
	for (size_t i = first; rc == 0 && i < s->m->count; i++) {
		uint64_t size = 0;
		rc = file_size(s->m->at[i].path, &size, e);
		*bytes += size;
	}
	return rc;
}

/* Checks the sizes and the space once for all shards, before the first is copied. The note about
 * the copy comes first: it names --link, the way out when there is no room for one. */
static int need_copies(struct staging *s, size_t first, struct err *e)
{
	uint64_t bytes, size;
	if (s->said)
		return 0;
	s->said = true;
	int rc = sum_sizes(s, first, &bytes, e);
	if (rc < 0)
		return rc;
	tell_copy(s, bytes);
	for (size_t i = first; rc == 0 && i < s->m->count; i++) {
		rc = file_size(s->m->at[i].path, &size, e);
		if (rc == 0)
			rc = file_need_size(s->staged.at[i], size, e);
	}
	return rc < 0 ? rc : file_need_space(s->dir, bytes, e);
}

/* Makes the file available under its final name in the scratch folder, and hashes it. The person's
 * own file may be edited in place later, so its data is shared only by a reflink. */
static int stage(struct staging *s, size_t i, struct manifest *manifest,
		 struct gguf_findings *found, struct err *e)
{
	const struct model_file *f = &s->m->at[i];
	const char *to = s->staged.at[i];
	bool done = false;
	int rc = f->in_work || s->p->link || is_in_place(s, i)
			 ? stage_link(f, to, &done, e)
			 : file_reflink(f->path, to, MODE, &done, e);
	if (rc == 0 && done)
		return manifest_create_findings(to, s->p->report, s->p->cancel, manifest, found, e);
	if (rc == 0)
		rc = need_copies(s, i, e);
	return rc < 0 ? rc
		      : manifest_create_copy(f->path, to, MODE, s->p->report, s->p->cancel,
					     manifest, found, e);
}

static int stage_all(struct staging *s, struct prepare_result *result, struct manifest *manifests,
		     struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < s->m->count; i++) {
		const struct model_file *f = &s->m->at[i];
		struct gguf_findings found = { 0 };
		rc = stage(s, i, &manifests[i], &found, e);
		model_tell(&found, path_base(s->staged.at[i]), s->p->report, result);
		gguf_findings_release(&found);
		if (rc == 0)
			rc = wanted_check(f->path, &manifests[i].sha256, f->sha256, "file", e);
	}
	return rc;
}

static int install_file(const char *staged, const char *path, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	int rc = file_open_read(staged, &fd, e);
	if (rc == 0)
		rc = file_sync(fd, staged, e);
	return rc < 0 ? rc : file_rename(staged, path, e);
}

int convert_install(const struct prepare *p, struct model *m, const struct str_list *names,
		    const char *scratch, struct prepare_result *result, struct manifest *manifests,
		    struct err *e)
{
	const char *dir = result->output_dir;
	CLEANUP(staging_release) struct staging s = {
		.p = p, .m = m, .dir = dir, .told = &result->told
	};
	for (size_t i = 0; i < m->count; i++)
		str_list_take(&s.staged, path_join(scratch, names->at[i]));
	int rc = stage_all(&s, result, manifests, e);
	if (rc == 0)
		replaced_tell(p, result->variant, manifests, m->count, result);
	for (size_t i = 0; rc == 0 && i < m->count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, manifests[i].name);
		rc = install_file(s.staged.at[i], path, e);
	}
	for (size_t i = 0; rc == 0 && i < m->count; i++) {
		CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s" MANIFEST_SUFFIX, dir,
							      manifests[i].name);
		rc = manifest_save(&manifests[i], path, e);
	}
	if (rc == 0)
		result->made = true;
	return rc;
}
