#include "health/health.h"

#include "util/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a reason, beyond which it is cut: it may quote a server. */
#define REASON_BYTES 500

const char *health_state_name(enum health_state s)
{
	static const char *const names[] = { "ok", "warning", "critical", "unknown" };
	return names[s];
}

enum health_state health_worse(enum health_state a, enum health_state b)
{
	static const int gravity[] = {
		[HEALTH_OK] = 0, [HEALTH_UNKNOWN] = 1, [HEALTH_WARNING] = 2, [HEALTH_CRITICAL] = 3
	};
	return gravity[b] > gravity[a] ? b : a;
}

const char *health_check_name(enum health_check c)
{
	static const char *const names[HEALTH_CHECKS] = {
		[HEALTH_REACH] = "reach",         [HEALTH_CERTIFICATE] = "certificate",
		[HEALTH_RELEASE] = "release",     [HEALTH_EXPIRY] = "expiry",
		[HEALTH_CATALOG] = "catalog",     [HEALTH_OBJECTS] = "objects",
		[HEALTH_RANGES] = "ranges",       [HEALTH_HEADERS] = "headers",
		[HEALTH_CLOCK] = "clock",         [HEALTH_QUOTA] = "quota",
		[HEALTH_INTEGRITY] = "integrity", [HEALTH_COVERAGE] = "coverage",
	};
	return names[c];
}

void health_findings_release(struct health_findings *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->at[i].reason);
	free(f->at);
	*f = (struct health_findings){ 0 };
}

/* Makes one line of it, and cuts a long one between two characters. */
static char *reason_from(char *text)
{
	size_t len = strlen(text);
	for (char *c = text; *c; c++)
		if (*c == '\n' || *c == '\r' || *c == '\t')
			*c = ' ';
	while (len && text[len - 1] == ' ')
		text[--len] = '\0';
	if (len <= REASON_BYTES)
		return mem_strdup(text);
	len = REASON_BYTES;
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	text[len] = '\0';
	return mem_printf("%s…", text);
}

static struct health_finding *finding_of(struct health_findings *f, enum health_check check)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->at[i].check == check)
			return &f->at[i];
	return NULL;
}

void health_find(struct health_findings *f, enum health_check check, enum health_state state,
		 const char *fmt, ...)
{
	char text[2048];
	struct health_finding *old = finding_of(f, check);
	if (old && health_worse(old->state, state) == old->state)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (!old) {
		f->at = mem_grow(f->at, f->count, &f->cap, sizeof *f->at);
		old = &f->at[f->count++];
		old->reason = NULL;
	}
	free(old->reason);
	*old = (struct health_finding){ check, state, reason_from(text) };
}
