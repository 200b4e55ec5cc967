/*
 * history: what `ferry health` remembers between runs, in ops.db: what was found of each check,
 * silences, uptime by day, and the state of the audit.
 *
 * What always holds here:
 *  - a run reads all that it needs before it asks a mirror, and writes all that it found in one
 *    transaction at its end: a run that was stopped leaves nothing;
 *  - it is pruned by age with each run.
 *
 * Errors are those of db.h.
 */
#ifndef FERRY_HEALTH_HISTORY_H
#define FERRY_HEALTH_HISTORY_H

#include "db/db.h"
#include "health/judge.h"

#define HEALTH_HISTORY_MAX_STATE (2 * MIB) /* of a mirror's audit, or of its objects */

struct health_silence {
	char *mirror;
	int64_t from_s, until_s;
	char *reason; /* or "" */
};

struct health_silences {
	struct health_silence *at;
	size_t count, cap;
};
void health_silences_release(struct health_silences *s);

/* A mirror, or with the name "" the repository. */
struct health_known {
	char *mirror;
	struct health_seen checks[HEALTH_CHECKS];
	int64_t newest_s;          /* when it was last seen with the newest release; 0: never */
	int64_t audit_s;           /* when the audit last ran; 0: never */
	struct buf audit, objects; /* states of rolling.h and of probe.h; empty: none */
};

/* Of one repository. */
struct health_history {
	struct health_known **at; /* their addresses stay the same */
	size_t count, cap;
	uint64_t release;  /* the newest that was ever seen; 0: none */
	int64_t release_s; /* when it was first seen */
	int64_t run_s;     /* when the last run began; 0: there was none */
};
#define HEALTH_HISTORY_INIT BRACES(0)
void health_history_release(struct health_history *h);
/* Finds it, or adds one of which nothing is known. */
struct health_known *health_history_of(struct health_history *h, const char *mirror);

/* A mirror in a run, for the days. */
struct health_result {
	const char *mirror;
	enum health_state state; /* that counts; HEALTH_OK if it is silenced */
	bool up, silenced;
	uint64_t first_byte_us; /* 0: not measured */
};

/* For alerts, and the list of what has happened. */
struct health_change {
	const char *mirror; /* "": the repository */
	enum health_check check;
	enum health_state from, to;
	const char *reason;
	int64_t since_s;
};

struct health_record {
	int64_t start_s;
	uint64_t duration_ms;
	enum health_state state;
	const struct health_result *results;
	size_t result_count;
	const struct health_change *changes;
	size_t change_count;
	uint64_t keep_s;
};

/* Opens ops.db and brings its tables to their newest form. */
WARN_UNUSED int health_history_open(const char *path, const struct cancel *cancel, struct db **out,
				    struct err *e);
WARN_UNUSED int health_history_load(struct db *d, const char *repository,
				    struct health_history *out, struct err *e);
WARN_UNUSED int health_history_save(struct db *d, const char *repository,
				    const struct health_history *h, const struct health_record *r,
				    struct err *e);

/* The silences that have not ended at now_s. */
WARN_UNUSED int health_history_silences(struct db *d, int64_t now_s, struct health_silences *out,
					struct err *e);
/* Begins one, or changes the one of this mirror; until_s <= from_s ends it. *was: whether there
 * was one. */
WARN_UNUSED int health_history_silence(struct db *d, const struct health_silence *s, bool *was,
				       struct err *e);
/* Appends the names of all mirrors that were ever seen, of any repository. */
WARN_UNUSED int health_history_mirrors(struct db *d, struct str_list *out, struct err *e);

/* A mirror on a day (UTC), for the uptime. */
struct health_day {
	const char *repository, *mirror;
	int64_t day_s; /* when it began */
	uint64_t runs, up, silenced, states[HEALTH_STATES];
	uint64_t first_byte_us; /* the mean; 0: not measured */
};
/* In the order of repository, mirror and day, from since_s on. repository, mirror: NULL: all. A
 * negative return ends it and is returned. */
typedef int health_day_fn(void *ctx, const struct health_day *day, struct err *e);
WARN_UNUSED int health_history_days(struct db *d, const char *repository, const char *mirror,
				    int64_t since_s, health_day_fn *fn, void *ctx, struct err *e);

/* What has changed, the newest first; at most `limit`. */
struct health_event {
	const char *repository;
	struct health_change change;
	int64_t at_s;
};
typedef int health_event_fn(void *ctx, const struct health_event *event, struct err *e);
WARN_UNUSED int health_history_events(struct db *d, const char *repository, const char *mirror,
				      int64_t since_s, uint64_t limit, health_event_fn *fn,
				      void *ctx, struct err *e);

#endif
