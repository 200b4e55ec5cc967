/*
 * Progress and messages of long work. Engines emit events; the command line draws them
 * (cli/frame/progress.c), tests record them.
 *
 * A task is one unit of long work with a known or unknown number of bytes, or of files, named for
 * people ("fetch phi-2-q4_k_m.gguf"). Any thread may call these functions; with a NULL report they
 * do nothing.
 */
#ifndef FERRY_UTIL_REPORT_H
#define FERRY_UTIL_REPORT_H

#include "util/base.h"

enum report_kind {
	REPORT_BEGIN,   /* task, total (0: unknown), bytes: already done before */
	REPORT_ADVANCE, /* task, bytes: more than before; negative takes back */
	REPORT_END,     /* task, ok */
	REPORT_NOTE,    /* text: worth a line, e.g. "resuming at 40 %" */
	REPORT_WARN,    /* text: something is wrong, work goes on */
	REPORT_DETAIL,  /* text: shown with -v */
};

struct report_event {
	enum report_kind kind;
	const char *task; /* identifies the task: the same text in all its events */
	int64_t bytes;
	uint64_t total;
	bool files; /* BEGIN: the task counts files, not bytes */
	bool ok;
	const char *text; /* plain, unescaped; may hold foreign bytes */
};

struct report {
	void (*emit)(struct report *r, const struct report_event *event);
};

void report_begin(struct report *r, const char *task, uint64_t total, uint64_t done);
/* A task that counts files. */
void report_begin_files(struct report *r, const char *task, uint64_t total);
void report_advance(struct report *r, const char *task, int64_t bytes);
void report_end(struct report *r, const char *task, bool ok);
void report_note(struct report *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void report_warn(struct report *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void report_detail(struct report *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
