/* Shared by the files of alerts alone. */
#ifndef FERRY_HEALTH_ALERT_INTERNAL_H
#define FERRY_HEALTH_ALERT_INTERNAL_H

#include "health/alert.h"
#include "json/json.h"

#define ALERT_PAYLOAD_MAX (16 * MIB)
#define ALERT_ID 33

/* What one receiver was told, and is yet to be told, of one finding. */
struct alert_row {
	char *alert, *repository;
	char *mirror; /* "": of the repository as a whole */
	enum health_check check;

	enum health_state told; /* HEALTH_OK: of no problem */
	int64_t told_since_s, told_at_s;

	/* The change that was not delivered yet. With told == next == HEALTH_OK, the problem came
	 * and went meanwhile. */
	bool pending;
	enum health_state next;
	int64_t next_since_s;
	enum health_state worst; /* of what was not delivered */
	int64_t began_s;         /* when that began */

	char *reason;            /* of the problem; escaped, one line */
	char *current;           /* what is said of it now; NULL: nothing. Not recorded */
	enum health_state state; /* of this run, below the threshold, too. Not recorded */
	bool seen, silenced;     /* in this run. Not recorded */
};
struct alert_rows {
	struct alert_row *at;
	size_t count, cap;
};
void alert_rows_release(struct alert_rows *r);
struct alert_row *alert_rows_add(struct alert_rows *r, const char *alert, const char *repository,
				 const char *mirror, enum health_check check);

/* ---- alert_book.c: the outbox ---- */

WARN_UNUSED int alert_book_open(struct db *db, struct err *e);
WARN_UNUSED int alert_book_load(struct db *db, const char *alert, struct alert_rows *out,
				struct err *e);
/* Replaces all rows of the alert, but for those with nothing to remember. */
WARN_UNUSED int alert_book_save(struct db *db, const char *alert, const struct alert_rows *rows,
				struct err *e);
/* Counts a notification, and fills in failures_total and failing_since_s. */
WARN_UNUSED int alert_book_count(struct db *db, struct alert_result *r, int64_t now_s,
				 struct err *e);
/* The same rows in memory: what was there moves out, and in again. */
void alert_book_recall(struct alert_memory *m, const char *alert, struct alert_rows *out);
void alert_book_remember(struct alert_memory *m, struct alert_rows *rows);

/* ---- alert_compare.c: what is new ---- */

struct alert_scope {
	const struct settings_alert *alert;
	const struct alert_finding *findings;
	size_t count;
	const char *const *covered;
	int64_t now_s;
};
/* Brings the rows to what the findings say. True if a row has changed. */
bool alert_compare(const struct alert_scope *s, struct alert_rows *rows);
/* Was the repository of this row looked at in this run? */
bool alert_compare_is_here(const struct alert_scope *s, const struct alert_row *row);
/* The rows after their changes were delivered. */
void alert_compare_delivered(struct alert_rows *rows, int64_t now_s, uint64_t repeat_s);

enum alert_event {
	ALERT_NOTHING,
	ALERT_PROBLEM,
	ALERT_WORSE,
	ALERT_BETTER,
	ALERT_RECOVERED,
	ALERT_PASSED,
	ALERT_REMINDER,
};
const char *alert_event_name(enum alert_event v);
enum alert_event alert_event_of(const struct alert_row *row, int64_t now_s, uint64_t repeat_s);
/* Identifies the change: the same until it is delivered. */
void alert_event_id(const struct alert_row *row, enum alert_event v, const char *place,
		    char out[ALERT_ID]);
/* What lasts after the changes: HEALTH_OK if nothing does. */
enum health_state alert_row_lasts(const struct alert_row *row, int64_t *since_s);

/* ---- payloads: appended to `out` ---- */

struct alert_notice {
	const struct settings_alert *alert;
	const struct alert_rows *rows; /* of the repositories of this run */
	int64_t now_s;
	uint64_t interval_s;
	const char *place; /* or NULL */
	bool test;
	/* Made by alert_document(): */
	size_t changes, active;
	char id[ALERT_ID];
	json_t *document;
};
void alert_notice_release(struct alert_notice *n);
/* The document for commands and webhooks (schemas/alert.schema.json). */
void alert_document(struct alert_notice *n);
WARN_UNUSED int alert_slack(const struct alert_notice *n, struct buf *out, struct err *e);
WARN_UNUSED int alert_alertmanager(const struct alert_notice *n, struct buf *out, struct err *e);

/* ---- alert_deliver.c ---- */

/* Sends the payload; from any thread. */
WARN_UNUSED int alert_deliver(const struct settings_alert *a, const struct alert_env *env,
			      const struct buf *payload, struct err *e);

#endif
