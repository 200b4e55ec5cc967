/*
 * One log, read on from where it was left: finds its mark, and hands over what is behind it.
 */
#ifndef FERRY_STATS_LOG_FOLLOW_H
#define FERRY_STATS_LOG_FOLLOW_H

#include "stats/log_source.h"
#include "stats/log_stream.h"

struct log_follow {
	struct log_stream *stream;
	const char *name; /* for messages */
	bool whole;       /* its last line is complete also without a line feed */
	enum log_format format;
	const struct log_sink *sink;
	const struct cancel *cancel;
	void (*progress)(void *ctx); /* bytes were read; NULL: nothing is called */
	void *progress_ctx;
};

/* What was found in it. */
struct log_followed {
	struct log_counts counts; /* that were settled */
	bool changed;             /* there was something new in it */
	bool torn;                /* a last line was left */
	bool is_error_log;        /* it was not read because it is a log of errors */
};

/* *out is filled also on failure; what was settled by then stays. An error of the sink, and a
 * signal, sets *fatal: the import cannot go on. */
WARN_UNUSED int log_follow(const struct log_follow *f, struct log_followed *out, bool *fatal,
			   struct err *e);

#endif
