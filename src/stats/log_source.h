/*
 * Where logs come from: files, folders, standard input, objects of a bucket; plain, or compressed
 * with gzip, zstd, xz or bzip2, whatever their names. Each line of each log is handed over once,
 * however often it is imported and whatever the log is called by then.
 *
 * The same log: two logs are the same if they begin with the same bytes (up to 4 KiB from the first
 * line on) and have the same bytes (up to 1 KiB) before the place up to which the log was read. So
 * access.log, its later access.log.1 and access.log.2.gz are one log, read on at the place where
 * reading ended, in bytes after decompression. What a server writes into an emptied file
 * (copytruncate) is a new log.
 *
 * What is left for the next time: a last line without a line feed, in a file that is not
 * compressed, may not be complete yet. So is what is behind the place where a compressed log ends
 * too early: what was before it counts, and the rest does when the log is whole.
 *
 * Marks are how it is remembered: short texts under short names, which the caller stores. A mark
 * has nothing of a client in it. They need some 300 bytes for each log, and have to be kept as long
 * as the log could be imported again.
 *
 * A log that cannot be read, or that is in no known format, does not end the import: `failed` gets
 * its error, and the next log follows.
 */
#ifndef FERRY_STATS_LOG_SOURCE_H
#define FERRY_STATS_LOG_SOURCE_H

#include "stats/log.h"
#include "util/cancel.h"
#include "util/clock.h"
#include "util/report.h"

struct mirror;

/* Sizes with the NUL. */
#define LOG_MARK_NAME 96
#define LOG_MARK_VALUE 256

/* settled() is called at least every so many lines. */
#define LOG_BATCH 65536

/* What was read since the last call of settled(), or in all. */
struct log_counts {
	uint64_t lines;     /* = requests + malformed + nothing */
	uint64_t requests;  /* handed over */
	uint64_t malformed; /* in no format, or too long */
	uint64_t nothing;   /* comments, empty lines, events that were no requests */
	uint64_t bytes;     /* of the lines, after decompression */
};

/* Who takes the requests. A negative return of any of these ends the import and is returned. */
struct log_sink {
	request_fn *request;
	/* Between two lines: everything that was handed over so far belongs together, marks
	 * included, and can be committed now. What is not committed at a later failure or a crash
	 * has to be forgotten as a whole, and comes again. `log` names the log for messages (not
	 * escaped). */
	int (*settled)(void *ctx, const char *log, const struct log_counts *since, struct err *e);
	/* The mark of this name: 1 and the value, 0: there is none. It must see what mark_put() has
	 * put, even before a commit. Values are texts. */
	int (*mark_get)(void *ctx, const char *name, char value[LOG_MARK_VALUE], struct err *e);
	int (*mark_put)(void *ctx, const char *name, const char *value, struct err *e);
	/* This log could not be read, or not to its end: why, in a text that names it. NULL: the
	 * import ends with it. */
	int (*failed)(void *ctx, const char *log, const struct err *why, struct err *e);
	void *ctx;
};

struct log_source_options {
	enum log_format format; /* LOG_UNKNOWN: by content */
	const struct cancel *cancel;
	struct report *report; /* a task for each log of known size; NULL: none */
};

/* What an import did, in all. */
struct log_totals {
	struct log_counts counts;
	uint64_t logs;      /* that were looked at */
	uint64_t unchanged; /* of these: nothing new in them */
	uint64_t failed;    /* of these: they could not be read, or not to their end */
	uint64_t skipped;   /* files of a folder that are no access logs (logs of errors) */
	uint64_t torn;      /* last lines that were left for the next time */
};

/* Reads a file, all files of a folder and its sub-folders (the oldest first, by the time of their
 * last change), or with "-" standard input. *t is added to, also on failure. ERR_NOT_FOUND if
 * `where` does not exist: that is an error even with failed(). */
WARN_UNUSED int log_source_read(const char *where, const struct log_source_options *o,
				const struct log_sink *s, struct log_totals *t, struct err *e);

/* Reads all objects of the mirror whose keys begin with prefix, in the order of their keys. The
 * mirror has to be able to list (MIRROR_CAN_LIST), else ERR_USAGE. An object that was read to its
 * end is not read again while its size and ETag are the same. */
WARN_UNUSED int log_source_read_mirror(struct mirror *m, const char *prefix,
				       const struct log_source_options *o, const struct log_sink *s,
				       struct log_totals *t, struct err *e);

#endif
