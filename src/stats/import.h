/*
 * stats: access logs become downloads, by model, country and day.
 *
 *   log, log_source   where logs come from, and what their lines say
 *   known             which paths are objects of ours
 *   agent, identity   who asked, as a key
 *   batch             what was read and is not written yet
 *   group, session    requests of a day; what counts as a download
 *   days              the days, their salts, and their end
 *   tables            the database
 *   report, metrics   what is made of it
 *   import            brings them together
 *
 * What always holds here:
 *  - neither addresses nor agents are stored. Clients are keys, made with a salt that is destroyed;
 *  - what a batch of lines counts, and how far the logs were read, is written in one transaction:
 *    nothing is counted twice or lost, whenever the process ends;
 *  - the order in which logs are read makes no difference, as long as they come before the salt of
 *    their day is destroyed;
 *  - only objects that a catalog of ours has, or had, are counted by name. No text of a log is
 *    stored, but the names of countries, two capital letters;
 *  - what logs say is not trusted: dates in the future, forged tokens and wrong sizes change
 *    nothing but the counts of their own lines.
 *
 * This file is an import: any number of logs, then its end.
 *
 * Prefix: stats_import.
 */
#ifndef FERRY_STATS_IMPORT_H
#define FERRY_STATS_IMPORT_H

#include "db/db.h"
#include "stats/log_source.h"
#include "util/clock.h"

/* What became of a line. */
enum stats_line {
	STATS_LINE_COUNTED,
	STATS_LINE_LATE,     /* bytes only: the salt of its day is gone */
	STATS_LINE_FUTURE,   /* later than the clock, or before the year 2000 */
	STATS_LINE_FOREIGN,  /* of no object of ours */
	STATS_LINE_DOCUMENT, /* of metadata, catalog, card or manifest */
	STATS_LINE_METHOD,   /* HEAD, OPTIONS and others but GET */
	STATS_LINE_RANGE,    /* HTTP 416 */
	STATS_LINE_STATUS,   /* neither an answer with bytes nor a failure, as 304 */
	STATS_LINE_BOT,
	STATS_LINE_OWN,       /* our own checks and copies */
	STATS_LINE_MALFORMED, /* in no format */
	STATS_LINES
};
/* "counted", "late", …; stable. */
const char *stats_line_name(enum stats_line l);
/* As ferry_stats_lines_total has it: counted, excluded, foreign, malformed or late. */
const char *stats_line_result(enum stats_line l);

struct stats_import_options {
	const char *country; /* a MaxMind DB file; NULL: none */
	uint64_t keep_s;     /* older days are folded into one; 0: none are */
	size_t batch;        /* requests that are held in memory; 0: the default */
	const struct clock *clock;
	/* A log could not be read, or not to its end; the import goes on. NULL: it ends. */
	void (*failed)(void *ctx, const char *log, const struct err *why);
	void *failed_ctx;
};

struct stats_import_result {
	uint64_t lines[STATS_LINES];
	uint64_t days_closed;
	uint64_t shared; /* sessions of a token that many addresses use */
	uint64_t open;   /* sessions whose window has not ended, and that are not complete */
};

/* The database is borrowed, and has its tables (stats_tables_upgrade()). Not within a
 * transaction. */
struct stats_import;
WARN_UNUSED int stats_import_open(struct db *db, const struct stats_import_options *o,
				  struct stats_import **out, struct err *e);
void stats_import_close(struct stats_import *i); /* what was not written is forgotten */
DEFINE_CLEANUP(struct stats_import, stats_import_close);

/* Whether it knows any object: without, no request could be counted. */
bool stats_import_knows(const struct stats_import *i);
/* Which mirror the following logs are of: a name that path_is_id() accepts. */
WARN_UNUSED int stats_import_mirror(struct stats_import *i, const char *name, struct err *e);
/* Takes requests and marks; valid as long as i. */
struct log_sink stats_import_sink(struct stats_import *i);

/* The end: writes the rest, closes the days that are over, and counts their sessions, and those of
 * the open days. *out: of this import. */
WARN_UNUSED int stats_import_finish(struct stats_import *i, struct stats_import_result *out,
				    struct err *e);

#endif
