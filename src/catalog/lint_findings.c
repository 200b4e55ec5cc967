#include "catalog/lint.h"

#include "util/mem.h"

#include <stdarg.h>
#include <stdio.h>

const char *lint_level_name(enum lint_level level)
{
	static const char *const names[] = { "note", "warning", "error" };
	return names[level];
}

void lint_add(struct lint_findings *f, enum lint_level level, const char *where, const char *fmt,
	      ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	f->at = mem_grow(f->at, f->count, &f->cap, sizeof *f->at);
	f->at[f->count++] = (struct lint_finding){
		.level = level,
		.where = mem_strdup(where),
		.text = mem_strdup(text),
	};
	f->levels[level]++;
}

void lint_release(struct lint_findings *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->at[i].where);
		free(f->at[i].text);
	}
	free(f->at);
	*f = (struct lint_findings){ 0 };
}
