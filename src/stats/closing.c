#include "stats/closing.h"

#include "stats/batch.h"
#include "stats/session.h"
#include "stats/tables.h"
#include "util/mem.h"

/* The sessions of one day, or of all that are open. */
struct counter {
	struct stats_closing *closing;
	int64_t day, object;
	bool live;
	struct stats_tally downloads, served;
};

static void counter_release(struct counter *c)
{
	stats_tally_release(&c->downloads);
	stats_tally_release(&c->served);
}

/* Complete is final; anything else is open until its window has ended. */
static uint32_t outcome_of(const struct counter *c, const struct stats_session *s)
{
	int64_t end = c->day * STATS_DAY_S + s->second + STATS_WINDOW_S;
	bool open = c->live && s->outcome != STATS_COMPLETE && c->closing->now_s < end;
	if (open)
		c->closing->due_s = MIN(c->closing->due_s, end);
	return open ? STATS_OPEN_OUTCOME : s->outcome;
}

static int count(void *ctx, const struct stats_session *s, struct err *e)
{
	struct counter *c = ctx;
	(void)e;
	uint32_t outcome = outcome_of(c, s);
	struct stats_tally_key key = {
		.day = c->day,
		.a = (uint32_t)c->object,
		.b = (uint32_t)(uint8_t)s->country[0] << 8 | (uint8_t)s->country[1],
		.c = s->agent,
		.d = outcome,
	};
	stats_tally_add(&c->downloads, &key, 1, s->bytes);
	for (uint32_t m = 0; m < STATS_MIRRORS; m++)
		if (s->mirrors >> m & 1) {
			key = (struct stats_tally_key){ c->day, (uint32_t)c->object, m, outcome,
							0 };
			stats_tally_add(&c->served, &key, 1, 0);
		}
	c->closing->open += outcome == STATS_OPEN_OUTCOME;
	c->closing->shared += s->shared;
	return 0;
}

static uint64_t size_of(const struct stats_known *k, int64_t id)
{
	for (size_t i = 0; i < k->count; i++)
		if (k->at[i].id == id)
			return k->at[i].size;
	return 0;
}

/* ---- lists of what is stored ---- */

struct numbers {
	int64_t *at;
	size_t count, cap;
};

static void numbers_release(struct numbers *n)
{
	free(n->at);
}

/* The first column of the rows; day: $1, if the statement has it. */
static int read_numbers(struct db *db, const char *sql, const int64_t *day, struct numbers *out,
			struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db, sql, &s, e);
	if (rc < 0)
		return rc;
	if (day)
		db_bind_i64(s, 1, *day);
	while ((rc = db_step(s, e)) > 0) {
		out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
		out->at[out->count++] = db_i64(s, 0);
	}
	return rc;
}

static int run_for_day(struct db *db, const char *sql, int64_t day, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db, sql, &s, e);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 1, day);
	return db_run(s, NULL, e);
}

static int add_counts(struct counter *c, struct db *db, struct err *e)
{
	int rc = stats_add_downloads(db, &c->downloads, c->live, e);
	return rc < 0 ? rc : stats_add_served(db, &c->served, c->live, e);
}

/* ---- closing ---- */

static int close_object(struct counter *c, struct db *db, struct err *e)
{
	CLEANUP(stats_groups_release) struct stats_groups day = { 0 }, next = { 0 };
	int rc = stats_batch_load(db, c->day, c->object, &day, e);
	if (rc == 0)
		rc = stats_batch_load(db, c->day + 1, c->object, &next, e);
	if (rc == 0)
		rc = stats_sessions_each(&day, &next, size_of(c->closing->known, c->object), count,
					 c, e);
	return rc < 0 || !next.count ? rc : stats_batch_store(db, c->day + 1, c->object, &next, e);
}

static int close_day(struct stats_closing *closing, int64_t day, struct err *e)
{
	struct db *db = closing->db;
	CLEANUP(numbers_release) struct numbers objects = { 0 };
	CLEANUP(counter_release) struct counter c = { .closing = closing, .day = day };
	int rc = read_numbers(db, "SELECT object FROM stats_open WHERE day = $1", &day, &objects,
			      e);
	for (size_t i = 0; i < objects.count && rc == 0; i++) {
		c.object = objects.at[i];
		rc = close_object(&c, db, e);
	}
	if (rc == 0)
		rc = run_for_day(db, "DELETE FROM stats_open WHERE day = $1", day, e);
	if (rc == 0)
		rc = run_for_day(db, "DELETE FROM stats_download WHERE live = 1 AND day = $1", day,
				 e);
	if (rc == 0)
		rc = run_for_day(db, "DELETE FROM stats_served WHERE live = 1 AND day = $1", day,
				 e);
	if (rc == 0)
		rc = add_counts(&c, db, e);
	return rc < 0 ? rc : stats_day_close(closing->days, db, day, e);
}

int stats_closing_days(struct stats_closing *c, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < c->days->count && rc == 0; i++) {
		const struct stats_day *d = &c->days->at[i];
		if (!d->open || !stats_day_is_over(d->day, c->now_s))
			continue;
		rc = db_begin(c->db, e);
		if (rc == 0)
			rc = close_day(c, d->day, e);
		if (rc == 0)
			rc = db_commit(c->db, e);
		if (rc < 0)
			db_rollback(c->db);
		else
			c->days_closed++;
	}
	/* Another process may keep the log of changes, in which the salts were. */
	if (rc == 0 && c->days_closed && !db_is_server(c->db))
		rc = db_exec(c->db, "PRAGMA wal_checkpoint(TRUNCATE)", e);
	return rc;
}

/* ---- the open days ---- */

static int count_object(struct counter *c, struct db *db, const struct numbers *days, struct err *e)
{
	CLEANUP(stats_groups_release) struct stats_groups day = { 0 }, next = { 0 };
	int64_t loaded = -1; /* which day is in `next` */
	int rc = 0;
	for (size_t i = 0; i < days->count && rc == 0; i++) {
		c->day = days->at[i];
		stats_groups_release(&day);
		if (loaded == c->day) {
			day = next;
			next = (struct stats_groups){ 0 };
		} else {
			rc = stats_batch_load(db, c->day, c->object, &day, e);
		}
		stats_groups_release(&next);
		loaded = c->day + 1;
		if (rc == 0)
			rc = stats_batch_load(db, loaded, c->object, &next, e);
		if (rc == 0)
			rc = stats_sessions_each(&day, &next, size_of(c->closing->known, c->object),
						 count, c, e);
	}
	return rc;
}

int stats_closing_live(struct stats_closing *closing, struct err *e)
{
	struct db *db = closing->db;
	CLEANUP(numbers_release) struct numbers objects = { 0 };
	CLEANUP(counter_release) struct counter c = { .closing = closing, .live = true };
	int rc = read_numbers(db, "SELECT DISTINCT object FROM stats_open", NULL, &objects, e);
	for (size_t i = 0; i < objects.count && rc == 0; i++) {
		CLEANUP(numbers_release) struct numbers days = { 0 };
		c.object = objects.at[i];
		rc = read_numbers(db, "SELECT day FROM stats_open WHERE object = $1 ORDER BY day",
				  &c.object, &days, e);
		if (rc == 0)
			rc = count_object(&c, db, &days, e);
	}
	if (rc == 0)
		rc = db_exec(db, "DELETE FROM stats_download WHERE live = 1", e);
	if (rc == 0)
		rc = db_exec(db, "DELETE FROM stats_served WHERE live = 1", e);
	return rc < 0 ? rc : add_counts(&c, db, e);
}
