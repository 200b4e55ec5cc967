/* What the sources of logs share. */
#ifndef FERRY_STATS_LOG_SOURCE_INTERNAL_H
#define FERRY_STATS_LOG_SOURCE_INTERNAL_H

#include "stats/log_source.h"

struct log_import {
	const struct log_source_options *o;
	const struct log_sink *s;
	struct log_totals *t;
	bool in_folder;
};

/* An open log. */
struct log_one {
	int fd;
	const char *name;
	bool whole;       /* nobody writes to it any more */
	const char *done; /* the name of a mark for a whole or compressed log that was read to its
			     end; or "" */
};

WARN_UNUSED int log_source_one(struct log_import *i, const struct log_one *one, struct err *e);
/* 1: a log with this name of a mark was read to its end before, and is counted as unchanged. 0: it
 * was not; or the name is "". */
WARN_UNUSED int log_source_was_read(struct log_import *i, const char *done, struct err *e);
/* Hands the error to the sink. 0, or a negative class if the import has to end. */
WARN_UNUSED int log_source_failed(struct log_import *i, const char *name, int rc, struct err *e);

#endif
