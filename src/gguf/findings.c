#include "gguf/internal.h"

#include "util/mem.h"

#include <stdarg.h>
#include <stdio.h>

static void add(struct gguf_findings *f, const char *code, bool note, const char *fmt, va_list ap)
{
	if (f->count == GGUF_MAX_FINDINGS) {
		f->dropped++;
		return;
	}
	char text[512];
	vsnprintf(text, sizeof text, fmt, ap);
	f->at = mem_grow(f->at, f->count, &f->cap, sizeof *f->at);
	f->at[f->count++] = (struct gguf_finding){ code, mem_strdup(text), note };
}

void gguf_finding_add(struct gguf_findings *f, const char *code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(f, code, false, fmt, ap);
	va_end(ap);
}

void gguf_finding_note(struct gguf_findings *f, const char *code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(f, code, true, fmt, ap);
	va_end(ap);
}

void gguf_findings_move(struct gguf_findings *to, struct gguf_findings *from)
{
	for (size_t i = 0; i < from->count; i++) {
		to->at = mem_grow(to->at, to->count, &to->cap, sizeof *to->at);
		to->at[to->count++] = from->at[i];
	}
	to->dropped += from->dropped;
	free(from->at);
	*from = (struct gguf_findings){ 0 };
}

void gguf_findings_release(struct gguf_findings *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->at[i].text);
	free(f->at);
	*f = (struct gguf_findings){ 0 };
}
