#include "stats/import.h"

#include "stats/batch.h"
#include "stats/closing.h"
#include "stats/session.h"
#include "stats/tables.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

#define BATCH ((size_t)1 << 20) /* requests: 32 MiB */
#define MAX_CLIENTS ((size_t)1 << 19)
#define MAX_MARKS 512
#define FUTURE_S 600       /* clocks differ */
#define OLDEST_S 946684800 /* the year 2000 */
#define OTHER_MIRROR (STATS_MIRRORS - 1)

/* A mark that is not written yet. */
struct mark {
	char name[LOG_MARK_NAME], value[LOG_MARK_VALUE];
};

struct stats_import {
	struct db *db;
	struct stats_import_options options;
	int64_t now_s;
	struct stats_country *country;
	struct stats_known known;
	struct stats_days days;
	struct stats_identities *clients;
	uint16_t mirror;
	struct stats_day day, before; /* of the last request; before.day: -1: not open */
	bool have_day;
	/* Not written yet: */
	struct stats_batch batch;
	struct stats_tally requests, traffic;
	int64_t newest[STATS_MIRRORS];
	uint64_t lines[STATS_LINES];
	struct mark *marks;
	size_t mark_count, mark_cap;
	/* Written: */
	bool wrote; /* requests */
	uint64_t total[STATS_LINES];
};

static const struct {
	const char *name, *result;
} lines[STATS_LINES] = {
	[STATS_LINE_COUNTED] = { "counted", "counted" },
	[STATS_LINE_LATE] = { "late", "late" },
	[STATS_LINE_FUTURE] = { "future", "malformed" },
	[STATS_LINE_FOREIGN] = { "foreign", "foreign" },
	[STATS_LINE_DOCUMENT] = { "document", "excluded" },
	[STATS_LINE_METHOD] = { "method", "excluded" },
	[STATS_LINE_RANGE] = { "range", "excluded" },
	[STATS_LINE_STATUS] = { "status", "excluded" },
	[STATS_LINE_BOT] = { "bot", "excluded" },
	[STATS_LINE_OWN] = { "own", "excluded" },
	[STATS_LINE_MALFORMED] = { "malformed", "malformed" },
};

const char *stats_line_name(enum stats_line l)
{
	return lines[l].name;
}

const char *stats_line_result(enum stats_line l)
{
	return lines[l].result;
}

/* ---- opening ---- */

void stats_import_close(struct stats_import *i)
{
	if (!i)
		return;
	stats_country_close(i->country);
	stats_known_release(&i->known);
	stats_days_release(&i->days);
	stats_identities_free(i->clients);
	stats_batch_release(&i->batch);
	stats_tally_release(&i->requests);
	stats_tally_release(&i->traffic);
	mem_wipe(&i->day, sizeof i->day);
	mem_wipe(&i->before, sizeof i->before);
	free(i->marks);
	free(i);
}

int stats_import_open(struct db *db, const struct stats_import_options *o,
		      struct stats_import **out, struct err *e)
{
	CLEANUP_PTR(stats_import_close) struct stats_import *i = NEW(struct stats_import);
	i->db = db;
	i->options = *o;
	i->now_s = clock_wall_s(o->clock);
	if (!i->options.batch)
		i->options.batch = BATCH;
	int rc = o->country ? stats_country_open(o->country, &i->country, e) : 0;
	i->clients = stats_identities_new(i->country);
	/* What is deleted does not stay in free pages of the file. */
	if (rc == 0 && !db_is_server(db))
		rc = db_exec(db, "PRAGMA secure_delete = ON", e);
	if (rc == 0)
		rc = stats_known_load(&i->known, db, e);
	if (rc == 0)
		rc = stats_days_load(&i->days, db, e);
	if (rc == 0)
		*out = STEAL(i);
	return rc;
}

bool stats_import_knows(const struct stats_import *i)
{
	return i->known.count;
}

/* ---- mirrors ---- */

/* Its number; the last one is for all further ones. */
static int find_mirror(struct db *db, const char *name, int64_t *number, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db,
			    "INSERT INTO stats_mirror (id, name, newest) "
			    "SELECT (SELECT COUNT(*) FROM stats_mirror), CAST($1 AS TEXT), 0 "
			    "WHERE (SELECT COUNT(*) FROM stats_mirror) < 63 "
			    "ON CONFLICT (name) DO NOTHING",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, name);
	rc = db_run(s, NULL, e);
	if (rc == 0)
		rc = db_prepare(db, "SELECT id FROM stats_mirror WHERE name = $1", &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, name);
	rc = db_step(s, e);
	*number = rc > 0 ? db_i64(s, 0) : OTHER_MIRROR;
	db_reset(s);
	return MIN(rc, 0);
}

int stats_import_mirror(struct stats_import *i, const char *name, struct err *e)
{
	int64_t number = OTHER_MIRROR;
	int rc = db_begin(i->db, e);
	if (rc == 0)
		rc = find_mirror(i->db, name, &number, e);
	if (rc == 0)
		rc = db_commit(i->db, e);
	if (rc < 0)
		db_rollback(i->db);
	i->mirror = (uint16_t)number;
	return rc;
}

/* ---- a request ---- */

static bool is_sent(unsigned status)
{
	return status == 200 || status == 206;
}

/* Whether it is one that counts, apart from its time. */
static enum stats_line judge(const struct request *r, const struct stats_agent *a)
{
	if (a->class == STATS_AGENT_OWN)
		return STATS_LINE_OWN;
	if (a->class == STATS_AGENT_BOT)
		return STATS_LINE_BOT;
	if (r->method != REQUEST_GET)
		return STATS_LINE_METHOD;
	if (r->status == 416)
		return STATS_LINE_RANGE;
	return is_sent(r->status) || r->status >= 400 ? STATS_LINE_COUNTED : STATS_LINE_STATUS;
}

/* A whole answer begins with the first byte, whether the log says so or not. */
static void read_bytes(const struct request *r, struct stats_batch_request *out)
{
	out->kind = STATS_BYTES;
	out->bytes = r->bytes;
	if (r->status >= 400) {
		out->kind = STATS_FAILED;
		out->bytes = 0;
	} else if (r->has_range && r->last >= r->first && r->last != UINT64_MAX) {
		out->kind = STATS_RANGE;
		out->first = r->first;
		out->bytes = r->last - r->first + 1;
	} else if (r->status == 200 && r->bytes) {
		out->kind = STATS_RANGE;
	}
}

/* The list of days moves when it grows, so the last day is kept as a copy. */
static int find_day(struct stats_import *i, int64_t number, struct err *e)
{
	const struct stats_day *day, *before;
	if (i->have_day && i->day.day == number)
		return 0;
	int rc = stats_days_get(&i->days, i->db, number, &day, e);
	if (rc < 0)
		return rc;
	i->have_day = true;
	i->day = *day;
	before = stats_days_find(&i->days, number - 1);
	i->before = before && before->open ? *before : (struct stats_day){ .day = -1 };
	return 0;
}

static void tally(struct stats_import *i, const struct request *r, uint32_t object,
		  enum stats_line line, int64_t day)
{
	bool sent = line == STATS_LINE_COUNTED && is_sent(r->status);
	enum stats_request_outcome outcome = line != STATS_LINE_COUNTED ? STATS_REQUEST_OTHER
					     : sent                     ? STATS_REQUEST_OK
									: STATS_REQUEST_FAILED;
	struct stats_tally_key key = { day, i->mirror, outcome, r->status, 0 };
	stats_tally_add(&i->requests, &key, 1, r->bytes);
	i->newest[i->mirror] = MAX(i->newest[i->mirror], r->time_s);
	if (!sent)
		return;
	key = (struct stats_tally_key){ day, (uint32_t)i->known.at[object].id, i->mirror, 0, 0 };
	stats_tally_add(&i->traffic, &key, 1, r->bytes);
}

static int take_object(struct stats_import *i, const struct request *r, uint32_t object,
		       struct err *e)
{
	uint64_t number;
	int64_t day = r->time_s / STATS_DAY_S;
	if (r->time_s > i->now_s + FUTURE_S || r->time_s < OLDEST_S) {
		i->lines[STATS_LINE_FUTURE]++;
		return 0;
	}
	struct stats_agent agent = stats_identities_agent(i->clients, r, &number);
	enum stats_line line = judge(r, &agent);
	tally(i, r, object, line, day);
	int rc = line == STATS_LINE_COUNTED ? find_day(i, day, e) : 0;
	if (rc == 0 && line == STATS_LINE_COUNTED && !i->day.open)
		line = STATS_LINE_LATE;
	if (rc == 0)
		i->lines[line]++;
	if (rc < 0 || line != STATS_LINE_COUNTED)
		return rc;
	struct stats_batch_request q = {
		.object = object,
		.second = (uint32_t)(r->time_s % STATS_DAY_S),
		.mirror = i->mirror,
	};
	read_bytes(r, &q);
	q.identity = stats_identities_find(i->clients, r, &agent, number, &i->day,
					   i->before.day < 0 ? NULL : &i->before);
	stats_batch_add(&i->batch, &q);
	return 0;
}

static int on_request(void *ctx, const struct request *r, struct err *e)
{
	struct stats_import *i = ctx;
	uint32_t object = 0;
	switch (stats_known_find(&i->known, r->path.at, r->path.len, &object)) {
	case STATS_KNOWN_OBJECT:
		return take_object(i, r, object, e);
	case STATS_KNOWN_DOCUMENT:
		i->lines[STATS_LINE_DOCUMENT]++;
		return 0;
	case STATS_KNOWN_FOREIGN:
		break;
	}
	i->lines[STATS_LINE_FOREIGN]++;
	return 0;
}

/* ---- writing ---- */

static int write_newest(struct stats_import *i, struct err *e)
{
	struct db_statement *s;
	int rc = 0;
	for (unsigned m = 0; m < STATS_MIRRORS && rc == 0; m++) {
		if (!i->newest[m])
			continue;
		rc = db_prepare(i->db,
				"UPDATE stats_mirror SET newest = $1 WHERE id = $2 AND newest < $1",
				&s, e);
		if (rc == 0) {
			db_bind_i64(s, 1, i->newest[m]);
			db_bind_i64(s, 2, m);
			rc = db_run(s, NULL, e);
		}
	}
	return rc;
}

static int write_marks(struct stats_import *i, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(i->db,
			    "INSERT INTO stats_mark (name, value) VALUES ($1, $2) "
			    "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
			    &s, e);
	for (size_t k = 0; k < i->mark_count && rc == 0; k++) {
		db_bind_text(s, 1, i->marks[k].name);
		db_bind_text(s, 2, i->marks[k].value);
		rc = db_run(s, NULL, e);
	}
	return rc;
}

static int write_lines(struct stats_import *i, uint64_t late, struct err *e)
{
	int rc = 0;
	/* Of days that another import closed meanwhile. */
	i->lines[STATS_LINE_COUNTED] -= late;
	i->lines[STATS_LINE_LATE] += late;
	for (int l = 0; l < STATS_LINES && rc == 0; l++)
		rc = stats_add_line(i->db, lines[l].name, i->lines[l], e);
	return rc;
}

static int write_all(struct stats_import *i, struct err *e)
{
	uint64_t late = 0;
	int rc = db_is_server(i->db) ? stats_days_load(&i->days, i->db, e) : 0;
	if (rc == 0)
		rc = stats_batch_write(&i->batch, i->clients, &i->known, &i->days, i->db, &late, e);
	if (rc == 0)
		rc = stats_add_requests(i->db, &i->requests, e);
	if (rc == 0)
		rc = stats_add_traffic(i->db, &i->traffic, e);
	if (rc == 0)
		rc = write_lines(i, late, e);
	if (rc == 0)
		rc = write_newest(i, e);
	/* Even if this import does not reach its end. */
	if (rc == 0 && i->wrote)
		rc = stats_tables_put(i->db, "live_due", 0, e);
	return rc < 0 ? rc : write_marks(i, e);
}

static void forget(struct stats_import *i)
{
	for (int l = 0; l < STATS_LINES; l++)
		i->total[l] += i->lines[l];
	memset(i->lines, 0, sizeof i->lines);
	memset(i->newest, 0, sizeof i->newest);
	stats_tally_clear(&i->requests);
	stats_tally_clear(&i->traffic);
	stats_identities_clear(i->clients);
	i->mark_count = 0;
	i->have_day = false;
}

static int write_batch(struct stats_import *i, struct err *e)
{
	i->wrote |= i->batch.count > 0;
	int rc = db_begin(i->db, e);
	if (rc == 0)
		rc = write_all(i, e);
	if (rc == 0)
		rc = db_commit(i->db, e);
	if (rc < 0) {
		db_rollback(i->db);
		return rc;
	}
	forget(i);
	return 0;
}

/* ---- the sink ---- */

static int on_settled(void *ctx, const char *log, const struct log_counts *since, struct err *e)
{
	struct stats_import *i = ctx;
	(void)log;
	i->lines[STATS_LINE_MALFORMED] += since->malformed;
	bool full = i->batch.count >= i->options.batch || i->mark_count >= MAX_MARKS ||
		    stats_identities_count(i->clients) >= MAX_CLIENTS;
	return full ? write_batch(i, e) : 0;
}

static struct mark *find_mark(const struct stats_import *i, const char *name)
{
	for (size_t k = i->mark_count; k > 0; k--)
		if (strcmp(i->marks[k - 1].name, name) == 0)
			return &i->marks[k - 1];
	return NULL;
}

static int on_mark_get(void *ctx, const char *name, char value[LOG_MARK_VALUE], struct err *e)
{
	const struct stats_import *i = ctx;
	const struct mark *m = find_mark(i, name);
	if (m) {
		memcpy(value, m->value, LOG_MARK_VALUE);
		return 1;
	}
	struct db_statement *s;
	int rc = db_prepare(i->db, "SELECT value FROM stats_mark WHERE name = $1", &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, name);
	rc = db_step(s, e);
	if (rc > 0)
		snprintf(value, LOG_MARK_VALUE, "%s", db_text(s, 0));
	db_reset(s);
	return rc;
}

static int on_mark_put(void *ctx, const char *name, const char *value, struct err *e)
{
	struct stats_import *i = ctx;
	struct mark *m = find_mark(i, name);
	if (strlen(name) >= LOG_MARK_NAME || strlen(value) >= LOG_MARK_VALUE)
		return err_set(e, ERR_BUG, "a mark is too long");
	if (!m) {
		i->marks = mem_grow(i->marks, i->mark_count, &i->mark_cap, sizeof *i->marks);
		m = &i->marks[i->mark_count++];
		snprintf(m->name, sizeof m->name, "%s", name);
	}
	snprintf(m->value, sizeof m->value, "%s", value);
	return 0;
}

static int on_failed(void *ctx, const char *log, const struct err *why, struct err *e)
{
	const struct stats_import *i = ctx;
	(void)e;
	i->options.failed(i->options.failed_ctx, log, why);
	return 0;
}

struct log_sink stats_import_sink(struct stats_import *i)
{
	return (struct log_sink){
		.request = on_request,
		.settled = on_settled,
		.mark_get = on_mark_get,
		.mark_put = on_mark_put,
		.failed = i->options.failed ? on_failed : NULL,
		.ctx = i,
	};
}

/* ---- the end ---- */

/* Counters of Prometheus must never go back. A late request can still turn a partial download into
 * a complete one: then its counter waits until it is right again. */
static int raise_totals(struct db *db, struct err *e)
{
	static const char head[] = "INSERT INTO stats_total (metric, label, second, value) ";
	static const char tail[] = " ON CONFLICT (metric, label, second) DO UPDATE SET value = "
				   "CASE WHEN excluded.value > stats_total.value "
				   "THEN excluded.value ELSE stats_total.value END";
	static const char *const selects[] = {
		"SELECT 'downloads', o.model, CASE d.outcome WHEN 0 THEN 'complete' "
		"WHEN 1 THEN 'partial' ELSE 'failed' END, CAST(SUM(d.downloads) AS BIGINT) "
		"FROM stats_download d JOIN stats_object o ON o.id = d.object "
		"WHERE o.part = 0 AND d.outcome < 3 GROUP BY o.model, d.outcome",
		"SELECT 'variants', o.model, o.variant, CAST(SUM(d.downloads) AS BIGINT) "
		"FROM stats_download d JOIN stats_object o ON o.id = d.object "
		"WHERE o.part = 0 AND d.outcome = 0 GROUP BY o.model, o.variant",
		"SELECT 'countries', d.country, '', CAST(SUM(d.downloads) AS BIGINT) "
		"FROM stats_download d JOIN stats_object o ON o.id = d.object "
		"WHERE o.part = 0 AND d.outcome = 0 GROUP BY d.country",
		"SELECT 'clients', d.client, '', CAST(SUM(d.downloads) AS BIGINT) "
		"FROM stats_download d JOIN stats_object o ON o.id = d.object "
		"WHERE o.part = 0 AND d.outcome = 0 GROUP BY d.client",
	};
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(selects) && rc == 0; i++) {
		CLEANUP(mem_free_ptr) char *sql = mem_printf("%s%s%s", head, selects[i], tail);
		rc = db_exec(db, sql, e);
	}
	return rc;
}

static int fold(struct stats_import *i, struct err *e)
{
	uint64_t keep = i->options.keep_s;
	return keep ? stats_tables_fold(i->db, (i->now_s - (int64_t)keep) / STATS_DAY_S, e) : 0;
}

/* The sessions of open days, unless they are those that the last import has counted. */
static int count_live(struct stats_import *i, struct stats_closing *c, struct err *e)
{
	int64_t due_s = 0, open = 0;
	int rc = stats_tables_get(i->db, "live_due", &due_s, e);
	if (rc == 0 && i->now_s < due_s && !c->days_closed) {
		rc = stats_tables_get(i->db, "open", &open, e);
		c->open = (uint64_t)open;
		return rc;
	}
	c->due_s = INT64_MAX;
	if (rc == 0)
		rc = stats_closing_live(c, e);
	if (rc == 0)
		rc = stats_tables_put(i->db, "live_due", c->due_s, e);
	if (rc == 0)
		rc = stats_tables_put(i->db, "open", (int64_t)c->open, e);
	return rc < 0 ? rc : raise_totals(i->db, e);
}

static int conclude(struct stats_import *i, struct stats_closing *c, struct err *e)
{
	int rc = db_begin(i->db, e);
	if (rc == 0)
		rc = count_live(i, c, e);
	if (rc == 0)
		rc = fold(i, e);
	if (rc == 0)
		rc = stats_tables_put(i->db, "last_import", i->now_s, e);
	if (rc == 0)
		rc = db_commit(i->db, e);
	if (rc < 0)
		db_rollback(i->db);
	return rc;
}

int stats_import_finish(struct stats_import *i, struct stats_import_result *out, struct err *e)
{
	struct stats_closing c = {
		.db = i->db,
		.known = &i->known,
		.days = &i->days,
		.now_s = i->now_s,
	};
	int rc = write_batch(i, e);
	if (rc == 0)
		rc = stats_closing_days(&c, e);
	if (rc == 0)
		rc = conclude(i, &c, e);
	if (rc < 0)
		return rc;
	*out = (struct stats_import_result){
		.days_closed = c.days_closed,
		.shared = c.shared,
		.open = c.open,
	};
	memcpy(out->lines, i->total, sizeof out->lines);
	return 0;
}
