#include "cli/doctor/doctor.h"

#include "util/mem.h"

#include <stdarg.h>
#include <string.h>

void doctor_result_release(struct doctor_result *r)
{
	free(r->text);
	free(r->hint);
	str_list_release(&r->details);
	str_list_release(&r->next);
	*r = (struct doctor_result){ 0 };
}

static void set(struct doctor_result *r, enum doctor_verdict verdict, const char *fmt, va_list args)
{
	free(r->text);
	r->verdict = verdict;
	r->text = mem_vprintf(fmt, args);
}

void doctor_pass(struct doctor_result *r, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	set(r, DOCTOR_PASS, fmt, args);
	va_end(args);
}

void doctor_fail(struct doctor_result *r, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	set(r, DOCTOR_FAIL, fmt, args);
	va_end(args);
}

void doctor_skip(struct doctor_result *r, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	set(r, DOCTOR_SKIP, fmt, args);
	va_end(args);
}

void doctor_detail(struct doctor_result *r, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	str_list_take(&r->details, mem_vprintf(fmt, args));
	va_end(args);
}

void doctor_detail_error(struct doctor_result *r, const char *id, const struct err *why)
{
	CLEANUP(mem_free_ptr) char *prefix = mem_printf("mirror %s: ", id);
	size_t skip = str_starts(why->text, prefix) ? strlen(prefix) : 0;
	doctor_detail(r, "%s: %s", id, why->text + skip);
}

void doctor_next(struct doctor_result *r, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	CLEANUP(mem_free_ptr) char *command = mem_vprintf(fmt, args);
	va_end(args);
	if (!str_list_has(&r->next, command))
		str_list_take(&r->next, STEAL(command));
}

void doctor_hint(struct doctor_result *r, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	free(r->hint);
	r->hint = mem_vprintf(fmt, args);
	va_end(args);
}
