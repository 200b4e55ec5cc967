/*
 * alert: tells people and programs when the health of mirrors changes ([alert.NAME] of ferry.conf).
 *
 * The caller hands over all findings of a run, good and bad; what is new is found here, by
 * comparing them with what each receiver was told. The outbox (tables of the part "alert" of
 * ops.db) has one row for each finding that a receiver was told of, or has yet to be told of; so
 * its size is bounded however long a receiver is down, and what is sent late is what holds now.
 *
 * What a receiver can rely on:
 *  - one notification for each run with changes, which has all of them: problem, worse, better,
 *    recovered; passed (a problem that began and ended while the receiver could not be reached);
 *    reminder (`repeat`). Nothing changed: nothing is sent, but to an Alertmanager, which wants to
 *    hear of active alerts again and again;
 *  - a recovery is only sent for what was announced as a problem, and never before it;
 *  - a notification that was not delivered is sent by the next run, if its changes still hold;
 *  - at least once: a run that is killed after sending and before recording that sends the changes
 *    again. They have the same ids then, and so has the notification if nothing else has changed.
 *
 * A silenced finding is not announced. If it was announced before, then the silence does not end
 * it: a recovery is sent when it recovers.
 *
 * A finding that is "unknown" neither announces nor ends a problem, except with on = unknown.
 *
 * Texts of servers (reasons) are cut, have no control characters, and are escaped as the receiver
 * needs it. Commands get them on standard input only.
 */
#ifndef FERRY_HEALTH_ALERT_H
#define FERRY_HEALTH_ALERT_H

#include "db/db.h"
#include "health/health.h"
#include "http/http.h"
#include "settings/alert.h"
#include "util/report.h"

#define ALERT_FORMAT "model-ferry-alert"
#define ALERT_VERSION 1

/* What holds now, after thresholds; borrowed. */
struct alert_finding {
	const char *repository;
	const char *mirror; /* NULL: it is of the repository as a whole */
	enum health_check check;
	enum health_state state;
	int64_t since_s;    /* that state; 0: not known, which is now */
	const char *reason; /* NULL: none */
	bool silenced;
};

/* Problems that receivers were told of, for runs without a database: those of one process. Starts
 * as { 0 }. */
struct alert_memory {
	struct alert_row *rows;
	size_t count, cap;
};
void alert_memory_release(struct alert_memory *m);

struct alert_env {
	const char *const *covered; /* NULL-ended: of these repositories, all mirrors were looked
				       at: what was announced and is no longer among the findings
				       has ended. NULL: of none, as with --mirror */
	const char *place;   /* where this runs: receivers hear from several; NULL: not said */
	uint64_t interval_s; /* until the next run; 0: not known */
	const char *dir;     /* that commands run in; NULL: this one */
	const struct http_options *http; /* access, netrc; NULL: nothing special */
	const struct cancel *cancel;
	const struct clock *clock;
	const struct random *random;
	struct report *report;       /* output of commands, as details */
	struct alert_memory *memory; /* NULL: none. Only used without a database */
};

enum alert_outcome {
	ALERT_QUIET, /* there was nothing to tell */
	ALERT_SENT,
	ALERT_FAILED, /* the next run tries again */
};
const char *alert_outcome_name(enum alert_outcome o); /* "quiet", "sent", "failed" */

struct alert_result {
	char *name; /* of the section */
	enum settings_alert_kind kind;
	enum alert_outcome outcome;
	size_t changes;          /* that were sent, or could not be */
	size_t active;           /* problems that last */
	char id[33];             /* of the notification; "" if there was none */
	struct err error;        /* if it failed */
	uint64_t failures_total; /* notifications of this alert that failed, ever */
	int64_t failing_since_s; /* of the first of those in a row; 0: it does not fail */
};
struct alert_results {
	struct alert_result *at; /* in the order of the settings */
	size_t count;
	bool failed;  /* one at least */
	bool forgets; /* there was neither database nor memory: the next run announces all problems
			 again, and recoveries are not sent */
};
void alert_results_release(struct alert_results *r);

/*
 * Compares, sends to all alerts at the same time, and records. db may be NULL.
 *
 * An alert that cannot be sent is no error of this function: results say so. Errors are those of
 * the database (then what was sent may be sent again), and ERR_CANCELLED; *out is set then, too.
 * The caller sees to it that two runs do not do this at the same time.
 */
WARN_UNUSED int alert_send(struct db *db, const struct settings_alerts *alerts,
			   const struct alert_finding *findings, size_t count,
			   const struct alert_env *env, struct alert_results *out, struct err *e);

/* What is recorded of the notifications of r->name: fills in failures_total and failing_since_s.
 * Nothing, if no notification was ever recorded there. */
WARN_UNUSED int alert_record(struct db *db, struct alert_result *r, struct err *e);

/* Sends a test notification, which says that it is one, to the alert of this name (NULL: to all),
 * and records nothing. ERR_USAGE if there is none. */
WARN_UNUSED int alert_test(const struct settings_alerts *alerts, const char *name,
			   const struct alert_env *env, struct alert_results *out, struct err *e);

#endif
