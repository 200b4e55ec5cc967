#include "prepare/model.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

void model_release(struct model *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->at[i].path);
		free(m->at[i].name);
		gguf_report_release(&m->at[i].report);
	}
	free(m->at);
	free(m->files);
	*m = (struct model){ 0 };
}

void model_warn(struct report *report, struct prepare_result *result, const char *file,
		const char *code, const char *text)
{
	result->warnings = mem_grow(result->warnings, result->warning_count, &result->warning_cap,
				    sizeof *result->warnings);
	result->warnings[result->warning_count++] = (struct prepare_warning){
		.file = mem_strdup(file),
		.code = mem_strdup(code),
		.text = mem_strdup(text),
	};
	report_warn(report, "%s: %s", file, text);
}

void model_tell(const struct gguf_findings *f, const char *what, struct report *report,
		struct prepare_result *result)
{
	for (size_t i = 0; i < f->count; i++) {
		/* The file will get another name. */
		if (str_starts(f->at[i].code, "name"))
			continue;
		if (f->at[i].note && !str_list_has(&result->told, f->at[i].code)) {
			str_list_add(&result->told, f->at[i].code);
			report_note(report, "%s: %s", what, f->at[i].text);
		} else if (f->at[i].note) {
			report_detail(report, "%s: %s", what, f->at[i].text);
		} else {
			model_warn(report, result, what, f->at[i].code, f->at[i].text);
		}
	}
}

static void drop_kind(struct gguf_findings *f)
{
	size_t kept = 0;
	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(f->at[i].code, "kind") == 0)
			free(f->at[i].text);
		else
			f->at[kept++] = f->at[i];
	}
	f->count = kept;
}

static int open_file(struct model_file *f, bool companion, const char *what,
		     const struct prepare *p, struct prepare_result *result, struct err *e)
{
	struct gguf_input source;
	CLEANUP(file_close) int fd = -1;
	uint64_t size;
	int rc = file_open_regular(f->path, &fd, &size, e);
	if (rc == 0)
		rc = gguf_input_fd(&source, &fd, what, e);
	if (rc == 0)
		rc = gguf_check(&source, what, p->allow_foreign_types, &f->report, e);
	if (rc < 0)
		return rc;
	if (f->report.verdict == GGUF_REFUSED) {
		*e = f->report.reason;
		return -(int)e->class;
	}
	if (companion)
		drop_kind(&f->report.findings);
	model_tell(&f->report.findings, what, p->report, result);
	return 0;
}

static int by_split(const void *pa, const void *pb)
{
	const struct model_file *a = pa, *b = pb;
	uint64_t x = 0, y = 0;
	gguf_get_u64(a->report.file, "split.no", &x);
	gguf_get_u64(b->report.file, "split.no", &y);
	return x < y ? -1 : x > y;
}

static int check_shards(const struct model *m, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	for (size_t i = 0; i < m->count; i++)
		str_list_add(&names, m->at[i].name ? m->at[i].name : path_base(m->at[i].path));
	return gguf_shards_check(m->files, (const char *const *)names.at, m->count, e);
}

/* What is seen only over all shards. */
static void check_blocks(const struct model *m, struct report *report,
			 struct prepare_result *result)
{
	struct gguf_findings findings = { 0 };
	if (m->count > 1)
		gguf_blocks_check(m->files, m->count, &findings);
	model_tell(&findings, path_base(m->at[0].path), report, result);
	gguf_findings_release(&findings);
}

int model_open(struct obtain_file *files, size_t count, const char *what, const struct prepare *p,
	       struct prepare_result *result, struct model *out, struct err *e)
{
	CLEANUP(model_release) struct model m = { .at = mem_alloc(count * sizeof *m.at) };
	int rc = 0;
	for (; rc == 0 && m.count < count; m.count++) {
		struct obtain_file *f = &files[m.count];
		struct model_file *to = &m.at[m.count];
		*to = (struct model_file){
			.path = STEAL(f->path),
			.name = STEAL(f->name),
			.in_work = f->in_work,
			.ours = f->ours,
			.sha256 = f->sha256,
		};
		rc = open_file(to, f->companion,
			       what      ? what
			       : f->ours ? path_base(to->path)
					 : to->path,
			       p, result, e);
	}
	if (rc < 0)
		return rc;
	qsort(m.at, m.count, sizeof *m.at, by_split);
	m.files = mem_alloc(m.count * sizeof *m.files);
	for (size_t i = 0; i < m.count; i++)
		m.files[i] = m.at[i].report.file;
	rc = check_shards(&m, e);
	if (rc < 0)
		return rc;
	check_blocks(&m, p->report, result);
	*out = m;
	m = (struct model){ 0 };
	return 0;
}

char *model_file_name(const char *name, const char *variant, size_t index, size_t count)
{
	if (count < 2)
		return mem_printf("%s-%s.gguf", name, variant);
	return mem_printf("%s-%s-%05zu-of-%05zu.gguf", name, variant, index + 1, count);
}
