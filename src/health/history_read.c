/* What people ask the history for: silences, uptime by day, what has changed. */
#include "health/history.h"
#include "util/mem.h"

#define DAY 86400

/* ---- silences ---- */

void health_silences_release(struct health_silences *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->at[i].mirror);
		free(s->at[i].reason);
	}
	free(s->at);
	*s = (struct health_silences){ 0 };
}

int health_history_silences(struct db *d, int64_t now_s, struct health_silences *out, struct err *e)
{
	CLEANUP(health_silences_release) struct health_silences all = { 0 };
	struct db_statement *s = NULL;
	int rc = db_prepare(d,
			    "SELECT mirror, from_s, until_s, reason FROM health_silences"
			    " WHERE until_s > $1 ORDER BY mirror",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 1, now_s);
	while ((rc = db_step(s, e)) > 0) {
		all.at = mem_grow(all.at, all.count, &all.cap, sizeof *all.at);
		all.at[all.count++] = (struct health_silence){
			.mirror = mem_strdup(db_text(s, 0)),
			.from_s = db_i64(s, 1),
			.until_s = db_i64(s, 2),
			.reason = mem_strdup(db_text(s, 3)),
		};
	}
	if (rc < 0)
		return rc;
	*out = all;
	all = (struct health_silences){ 0 };
	return 0;
}

static int silence_end(struct db *d, const char *mirror, int64_t now_s, bool *was, struct err *e)
{
	struct db_statement *s = NULL;
	uint64_t changed = 0;
	int rc = db_prepare(d, "DELETE FROM health_silences WHERE mirror = $1 AND until_s > $2", &s,
			    e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, mirror);
	db_bind_i64(s, 2, now_s);
	rc = db_run(s, &changed, e);
	if (rc == 0)
		*was = changed > 0;
	return rc;
}

int health_history_silence(struct db *d, const struct health_silence *silence, bool *was,
			   struct err *e)
{
	struct db_statement *s = NULL;
	int rc = silence_end(d, silence->mirror, silence->from_s, was, e);
	if (rc < 0 || silence->until_s <= silence->from_s)
		return rc;
	rc = db_prepare(d,
			"INSERT INTO health_silences (mirror, from_s, until_s, reason)"
			" VALUES ($1, $2, $3, $4) ON CONFLICT (mirror) DO UPDATE SET"
			" from_s = excluded.from_s, until_s = excluded.until_s,"
			" reason = excluded.reason",
			&s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, silence->mirror);
	db_bind_i64(s, 2, silence->from_s);
	db_bind_i64(s, 3, silence->until_s);
	db_bind_text(s, 4, silence->reason ? silence->reason : "");
	return db_run(s, NULL, e);
}

/* ---- lists ---- */

int health_history_mirrors(struct db *d, struct str_list *out, struct err *e)
{
	struct db_statement *s = NULL;
	int rc = db_prepare(d,
			    "SELECT DISTINCT mirror FROM health_mirrors WHERE mirror <> ''"
			    " ORDER BY mirror",
			    &s, e);
	while (rc == 0 && (rc = db_step(s, e)) > 0) {
		str_list_add(out, db_text(s, 0));
		rc = 0;
	}
	return rc;
}

static uint64_t number(const struct db_statement *s, unsigned column)
{
	int64_t v = db_i64(s, column);
	return v > 0 ? (uint64_t)v : 0;
}

static void take_day(const struct db_statement *s, struct health_day *day)
{
	uint64_t timed = number(s, 10);
	*day = (struct health_day){
		.repository = db_text(s, 0),
		.mirror = db_text(s, 1),
		.day_s = db_i64(s, 2) * DAY,
		.runs = number(s, 3),
		.up = number(s, 4),
		.silenced = number(s, 5),
		.first_byte_us = timed ? number(s, 11) / timed : 0,
	};
	for (unsigned i = HEALTH_OK; i <= HEALTH_UNKNOWN; i++)
		day->states[i] = number(s, 6 + i);
}

/* Of which repository and mirror, as $1 to $4: text that is NULL has no type in PostgreSQL. */
static void bind_whose(struct db_statement *s, const char *repository, const char *mirror)
{
	db_bind_i64(s, 1, repository == NULL);
	db_bind_text(s, 2, repository ? repository : "");
	db_bind_i64(s, 3, mirror == NULL);
	db_bind_text(s, 4, mirror ? mirror : "");
}

#define WHOSE " WHERE ($1 = 1 OR repository = $2) AND ($3 = 1 OR mirror = $4)"

int health_history_days(struct db *d, const char *repository, const char *mirror, int64_t since_s,
			health_day_fn *fn, void *ctx, struct err *e)
{
	struct db_statement *s = NULL;
	int rc = db_prepare(d,
			    "SELECT repository, mirror, day, runs, up, silenced, ok, warning,"
			    " critical, unknown, timed, first_byte_us FROM health_days" WHOSE
			    " AND day >= $5 ORDER BY repository, mirror, day",
			    &s, e);
	if (rc < 0)
		return rc;
	bind_whose(s, repository, mirror);
	db_bind_i64(s, 5, since_s / DAY);
	while ((rc = db_step(s, e)) > 0) {
		struct health_day day;
		take_day(s, &day);
		rc = fn(ctx, &day, e);
		if (rc < 0)
			break;
	}
	db_reset(s);
	return rc;
}

static bool take_event(const struct db_statement *s, struct health_event *event)
{
	*event = (struct health_event){
		.repository = db_text(s, 0),
		.at_s = db_i64(s, 3),
		.change = { .mirror = db_text(s, 1),
			    .since_s = db_i64(s, 4),
			    .from = (enum health_state)MIN(number(s, 5), HEALTH_UNKNOWN),
			    .to = (enum health_state)MIN(number(s, 6), HEALTH_UNKNOWN),
			    .reason = db_text(s, 7) },
	};
	return health_check_parse(db_text(s, 2), &event->change.check);
}

int health_history_events(struct db *d, const char *repository, const char *mirror, int64_t since_s,
			  uint64_t limit, health_event_fn *fn, void *ctx, struct err *e)
{
	struct db_statement *s = NULL;
	int rc = db_prepare(d,
			    "SELECT repository, mirror, name, at_s, since_s, before_state,"
			    " after_state, reason FROM health_changes" WHOSE
			    " AND at_s >= $5 ORDER BY at_s DESC, repository, mirror, name LIMIT $6",
			    &s, e);
	if (rc < 0)
		return rc;
	bind_whose(s, repository, mirror);
	db_bind_i64(s, 5, since_s);
	db_bind_i64(s, 6, (int64_t)limit);
	while ((rc = db_step(s, e)) > 0) {
		struct health_event event;
		rc = take_event(s, &event) ? fn(ctx, &event, e) : 0;
		if (rc < 0)
			break;
	}
	db_reset(s);
	return rc;
}
