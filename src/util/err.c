#include "util/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int returned(const struct err *e)
{
	return -(int)e->class;
}

int err_set(struct err *e, enum err_class class, const char *fmt, ...)
{
	if (e->class != ERR_NONE)
		return returned(e);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	e->class = class;
	e->sys = 0;
	return returned(e);
}

int err_sys(struct err *e, int sys, const char *fmt, ...)
{
	if (e->class != ERR_NONE)
		return returned(e);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	size_t len = strlen(e->text);
	snprintf(e->text + len, sizeof e->text - len, ": %s", strerror(sys));
	e->inner = MIN(len + 2, sizeof e->text - 1);
	e->class = sys == ENOENT || sys == ENOTDIR ? ERR_NOT_FOUND : ERR_SYSTEM;
	e->sys = sys;
	if (sys == ENOSPC || sys == EDQUOT)
		err_hint(e, "free some space or choose another disk, then run the same command "
			    "again: finished work is kept");
	else if (sys == EFBIG)
		err_hint(e, ERR_HINT_FILE_SIZE);
	else if (sys == EROFS)
		err_hint(e, "the file system is mounted read-only; choose another place");
	return returned(e);
}

int err_context(struct err *e, const char *fmt, ...)
{
	if (e->class == ERR_NONE || e->class == ERR_CANCELLED)
		return returned(e);
	char text[sizeof e->text];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t len = strlen(text);
	snprintf(text + len, sizeof text - len, ": %s", e->text);
	memcpy(e->text, text, sizeof text);
	e->inner = MIN(len + 2, sizeof text - 1);
	e->core = MIN(e->core + len + 2, sizeof text - 1);
	return returned(e);
}

int err_hint(struct err *e, const char *fmt, ...)
{
	if (e->class == ERR_NONE || e->hint[0] != '\0')
		return returned(e);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof e->hint, fmt, ap);
	va_end(ap);
	return returned(e);
}

int err_cause(struct err *e, enum err_cause cause, uint64_t retry_after_s)
{
	if (e->class == ERR_NONE || e->cause != CAUSE_NONE)
		return returned(e);
	e->cause = cause;
	e->retry_after_s = retry_after_s;
	return returned(e);
}

int err_class_set(struct err *e, enum err_class class)
{
	if (e->class != ERR_NONE)
		e->class = class;
	return returned(e);
}

void err_clear(struct err *e)
{
	*e = (struct err)ERR_INIT;
}

const char *err_class_name(enum err_class class)
{
	switch (class) {
	case ERR_NONE:
		return "none";
	case ERR_FAULT:
		return "fault";
	case ERR_USAGE:
		return "usage";
	case ERR_NOT_FOUND:
		return "not-found";
	case ERR_NETWORK:
		return "network";
	case ERR_AUTH:
		return "auth";
	case ERR_INTEGRITY:
		return "integrity";
	case ERR_SYSTEM:
		return "system";
	case ERR_CONFLICT:
		return "conflict";
	case ERR_CANCELLED:
		return "cancelled";
	case ERR_BUG:
		return "bug";
	}
	return "bug";
}

bool err_class_parse(const char *name, enum err_class *out)
{
	static const enum err_class all[] = {
		ERR_FAULT,     ERR_USAGE,  ERR_NOT_FOUND, ERR_NETWORK,   ERR_AUTH,
		ERR_INTEGRITY, ERR_SYSTEM, ERR_CONFLICT,  ERR_CANCELLED, ERR_BUG,
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (strcmp(err_class_name(all[i]), name) != 0)
			continue;
		*out = all[i];
		return true;
	}
	return false;
}

bool err_is_transient(const struct err *e)
{
	/* A portal answers the same until somebody logs in. */
	return e->class == ERR_NETWORK && e->cause != CAUSE_PORTAL;
}
