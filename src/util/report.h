/*
 * Progress and messages of long work. Engines emit events; the command line draws them
 * (cli/frame/progress.c), tests record them.
 *
 * A task is one unit of long work with a known or unknown number of bytes, or of files, named for
 * people ("fetch phi-2-q4_k_m.gguf"). A run of several tasks may say first what it is going to do
 * (report_whole()), and while it runs which mirror gives the bytes (report_source()): these are the
 * bytes of the tasks once more, seen from the mirrors. Any thread may call these functions; with a
 * NULL report they do nothing.
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
	REPORT_SOURCE,  /* source, bytes: more than before; state, or NULL: as it was */
	REPORT_WHOLE,   /* count: of files; total: of all their bytes */
	REPORT_WAIT,    /* task: what is waited for; ok: it is there */
};

struct report_event {
	enum report_kind kind;
	const char *task; /* identifies the task: the same text in all its events */
	int64_t bytes;
	uint64_t total;
	bool files; /* BEGIN: the task counts files, not bytes */
	bool ok;
	const char *text; /* plain, unescaped; may hold foreign bytes */
	const char *source, *state;
	size_t count;
};

struct report {
	void (*emit)(struct report *r, const struct report_event *event);
};

void report_begin(struct report *r, const char *task, uint64_t total, uint64_t done);
/* A task that counts files. */
void report_begin_files(struct report *r, const char *task, uint64_t total);
void report_advance(struct report *r, const char *task, int64_t bytes);
void report_end(struct report *r, const char *task, bool ok);
/* The mirror `id` sent bytes, or (negative) what it sent turned out to be of no use. state: NULL:
 * as before; "": it is active; else a short word: "waiting", "slow", "banned", "failed". */
void report_source(struct report *r, const char *id, int64_t bytes, const char *state);
/* Before the first task of a run: how many files come, each a task, and the bytes of all of them.
 * What is there already counts, too: begin and end its task. After the last of several, and also
 * when the run failed: no files and no bytes. */
void report_whole(struct report *r, size_t files, uint64_t bytes);
/* What may take long although it has no progress, and is not worth a word if it does not: "the
 * metadata of demo". Then, in any case, report_waited(). */
void report_wait(struct report *r, const char *what);
void report_waited(struct report *r, const char *what);
void report_note(struct report *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void report_warn(struct report *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void report_detail(struct report *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
