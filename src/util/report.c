#include "util/report.h"

#include <stdarg.h>
#include <stdio.h>

static void emit(struct report *r, const struct report_event *event)
{
	if (r)
		r->emit(r, event);
}

void report_begin(struct report *r, const char *task, uint64_t total, uint64_t done)
{
	emit(r,
	     &(struct report_event){
		     .kind = REPORT_BEGIN, .task = task, .total = total, .bytes = (int64_t)done });
}

void report_begin_files(struct report *r, const char *task, uint64_t total)
{
	emit(r, &(struct report_event){
			.kind = REPORT_BEGIN, .task = task, .total = total, .files = true });
}

void report_advance(struct report *r, const char *task, int64_t bytes)
{
	emit(r, &(struct report_event){ .kind = REPORT_ADVANCE, .task = task, .bytes = bytes });
}

void report_end(struct report *r, const char *task, bool ok)
{
	emit(r, &(struct report_event){ .kind = REPORT_END, .task = task, .ok = ok });
}

void report_source(struct report *r, const char *id, int64_t bytes, const char *state)
{
	emit(r, &(struct report_event){
			.kind = REPORT_SOURCE, .source = id, .bytes = bytes, .state = state });
}

void report_whole(struct report *r, size_t files, uint64_t bytes)
{
	emit(r, &(struct report_event){ .kind = REPORT_WHOLE, .count = files, .total = bytes });
}

void report_wait(struct report *r, const char *what)
{
	emit(r, &(struct report_event){ .kind = REPORT_WAIT, .task = what });
}

void report_waited(struct report *r, const char *what)
{
	emit(r, &(struct report_event){ .kind = REPORT_WAIT, .task = what, .ok = true });
}

static void say(struct report *r, enum report_kind kind, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void say(struct report *r, enum report_kind kind, const char *fmt, va_list ap)
{
	char text[1024];
	if (!r)
		return;
	vsnprintf(text, sizeof text, fmt, ap);
	emit(r, &(struct report_event){ .kind = kind, .text = text });
}

#define SAY(r, kind, fmt) \
	do { \
		va_list ap; \
		va_start(ap, fmt); \
		say(r, kind, fmt, ap); \
		va_end(ap); \
	} while (0)

void report_note(struct report *r, const char *fmt, ...)
{
	SAY(r, REPORT_NOTE, fmt);
}
void report_warn(struct report *r, const char *fmt, ...)
{
	SAY(r, REPORT_WARN, fmt);
}
void report_detail(struct report *r, const char *fmt, ...)
{
	SAY(r, REPORT_DETAIL, fmt);
}
