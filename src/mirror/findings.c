#include "mirror/findings.h"

#include "util/mem.h"

#include <stdarg.h>
#include <stdio.h>

void mirror_findings_add(struct mirror_findings *f, const char *what,
			 enum mirror_finding_state state, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	f->at = mem_grow(f->at, f->count, &f->cap, sizeof *f->at);
	f->at[f->count++] = (struct mirror_finding){
		.what = mem_strdup(what),
		.state = state,
		.text = mem_strdup(text),
	};
}

void mirror_findings_fault(struct mirror_findings *f, const char *what, const struct err *why)
{
	mirror_findings_add(f, what, MIRROR_FINDING_LACKS, "%s", why->text);
	f->at[f->count - 1].class = why->class;
	if (why->hint[0])
		f->at[f->count - 1].hint = mem_strdup(why->hint);
}

void mirror_findings_release(struct mirror_findings *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->at[i].what);
		free(f->at[i].text);
		free(f->at[i].hint);
	}
	free(f->at);
	*f = (struct mirror_findings){ 0 };
}

const char *mirror_finding_name(enum mirror_finding_state state)
{
	static const char *const names[] = { "ok", "lacks", "changed", "would-change", "by-hand" };
	return names[state];
}
