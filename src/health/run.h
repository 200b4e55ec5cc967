/*
 * run: one look at all mirrors of a repository, and what has changed since the last one.
 *
 * The mirrors are those of ferry.conf, those of the signed catalog that ferry.conf does not have,
 * and the places that clients read the metadata from. Each is looked at in a thread of its own,
 * which ends at the mirror's deadline, whatever the server does; then some bytes are read for the
 * audit, with a deadline of its own. What is expected of them is the subject (subject.h).
 *
 * A silenced mirror is looked at as all others; but its faults count for nobody.
 */
#ifndef FERRY_HEALTH_RUN_H
#define FERRY_HEALTH_RUN_H

#include "health/history.h"
#include "health/probe.h"
#include "health/rolling.h"
#include "health/subject.h"
#include "settings/health.h"
#include "util/report.h"

struct health_run_options {
	const struct conf *conf;
	const struct settings_repository *repository;
	const struct settings_health *settings;
	const char *const *only; /* names of mirrors, perhaps of other repositories; none: all */
	size_t only_count;
	const struct health_silences *silences;
	bool no_audit;
	const struct rolling_hot *hot; /* what people fetch most, for the audit */
	size_t hot_count;
	const char *state_dir;   /* for the copies of repositories */
	const char *records_dir; /* of what probing mirrors found out (mirror.h); or NULL */
	int64_t now_s;
	const struct cancel *cancel;
	struct report *report;
};

enum health_origin {
	HEALTH_FROM_SETTINGS, /* [mirror.NAME] */
	HEALTH_FROM_CATALOG,  /* of the signed catalog */
	HEALTH_FROM_METADATA, /* `metadata` of [repository.NAME] */
};

struct health_mirror {
	char *id;
	const char *kind; /* "" if it is not known */
	char *url;        /* that readers use, without secrets; or NULL */
	char *region;     /* or NULL */
	uint64_t priority;
	enum mirror_holds holds;
	enum health_origin origin;
	bool stage;
	bool left_out; /* it was not chosen, and not looked at */
	bool primary;  /* none has a better priority, and it is for readers */

	struct mirror *mirror;    /* NULL: it could not be opened, */
	struct err error;         /* for this reason */
	struct deadline deadline; /* its token ends the calls of the mirror */
	struct mirror *source;    /* the same place once more, to read the subject from; or NULL */
	struct deadline source_deadline;
	struct rate rate;

	struct probe probe; /* with all findings, also those of the audit */
	bool audited;       /* in this run; then: */
	struct rolling_report audit;

	const struct health_silence *silence; /* borrowed; or NULL */
	struct health_known *known;           /* of the history; has what counts */
	enum health_state state;              /* that counts, silence or not */
};

/* How fast the audit read from it in this run, in bytes per second; 0: not measured. */
uint64_t health_mirror_speed(const struct health_mirror *m);

/* One repository. It must not be moved while the mirrors are open. */
struct health_report {
	const struct settings_repository *repository; /* borrowed */
	bool has_subject;
	struct health_subject subject;
	uint64_t newest;                 /* the newest release that was ever seen; 0: none */
	int64_t newest_s;                /* when it was first seen */
	struct health_findings findings; /* on the repository */
	struct health_known *known;      /* the same in the history */
	struct health_mirror *mirrors;   /* their addresses stay the same */
	size_t count;
	enum health_state state; /* the worst that counts, silenced mirrors left out */
	int64_t start_s;
	uint64_t duration_ms;
	struct health_change *changes; /* borrow from the history and the mirrors */
	size_t change_count, change_cap;

	/* The run's own. */
	struct settings_mirrors settings;
	struct http_access_list access;
};
void health_report_release(struct health_report *r);

/* Looks at everything, and brings the history up to date. ERR_USAGE for settings that cannot be
 * used; ERR_CANCELLED after a signal. Whatever is wrong with mirrors is no error. */
WARN_UNUSED int health_run(const struct health_run_options *o, struct health_history *history,
			   struct health_report *out, struct err *e);

/* What the run adds to the history. The results go to *results, which the caller frees. */
void health_report_record(const struct health_report *r, uint64_t keep_s,
			  struct health_result **results, struct health_record *out);

#endif
