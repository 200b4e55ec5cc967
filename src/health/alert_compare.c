#include "health/alert_internal.h"

#include "hash/sha256.h"
#include "util/mem.h"

#include <string.h>

#define REASON_MAX 400

static unsigned grade(enum health_state s)
{
	static const unsigned grades[] = {
		[HEALTH_OK] = 0,
		[HEALTH_UNKNOWN] = 1,
		[HEALTH_WARNING] = 2,
		[HEALTH_CRITICAL] = 3,
	};
	return grades[s];
}

/* What this alert makes of a state: HEALTH_OK below its threshold. What could not be checked is as
 * it was, if that is not a problem of its own. */
static enum health_state seen_by(const struct settings_alert *a, enum health_state s,
				 enum health_state told)
{
	static const unsigned least[] = {
		[SETTINGS_ALERT_ON_UNKNOWN] = 1,
		[SETTINGS_ALERT_ON_WARNING] = 2,
		[SETTINGS_ALERT_ON_CRITICAL] = 3,
	};
	if (s == HEALTH_UNKNOWN && a->on != SETTINGS_ALERT_ON_UNKNOWN)
		return told;
	return grade(s) >= least[a->on] ? s : HEALTH_OK;
}

/* ---- rows -------------------------------------------------------------------------------- */

static bool is_in_scope(const struct settings_alert *a, const struct alert_finding *f)
{
	if (a->repository && strcmp(a->repository, f->repository) != 0)
		return false;
	return !a->mirrors.count || (f->mirror && str_list_has(&a->mirrors, f->mirror));
}

static struct alert_row *find_row(struct alert_rows *rows, const struct alert_finding *f)
{
	const char *mirror = f->mirror ? f->mirror : "";
	for (size_t i = 0; i < rows->count; i++) {
		struct alert_row *row = &rows->at[i];
		if (row->check == f->check && strcmp(row->mirror, mirror) == 0 &&
		    strcmp(row->repository, f->repository) == 0)
			return row;
	}
	return NULL;
}

/* A text of a server: cut, between two characters, and without control characters. */
static char *one_line(const char *text)
{
	size_t len = text ? strlen(text) : 0;
	CLEANUP(buf_release) struct buf out = BUF_INIT(8 * REASON_MAX + 8);
	bool cut = len > REASON_MAX;
	for (len = MIN(len, REASON_MAX); cut && len && ((unsigned char)text[len] & 0xc0) == 0x80;)
		len--;
	text_escape(&out, text ? text : "", len);
	buf_adds(&out, cut ? "…" : "");
	return mem_strdup(buf_str(&out));
}

static void note(struct alert_row *row, const struct alert_finding *f)
{
	row->seen = true;
	row->silenced = f->silenced;
	row->state = f->state;
	free(row->current);
	row->current = one_line(f->reason);
}

/* ---- changes ----------------------------------------------------------------------------- */

/* The problem's own words, for its recovery. */
static void keep_reason(struct alert_row *row)
{
	free(row->reason);
	row->reason = mem_strdup(row->current ? row->current : "");
}

static void expect_nothing(struct alert_row *row)
{
	row->pending = false;
	row->worst = HEALTH_OK;
	row->began_s = 0;
}

static void expect(struct alert_row *row, enum health_state next, int64_t since_s)
{
	row->pending = true;
	row->next = next;
	row->next_since_s = since_s;
	if (grade(next) > grade(row->worst))
		row->worst = next;
	if (next != HEALTH_OK && !row->began_s)
		row->began_s = since_s;
}

/* As it was told, before the change was: of a problem, nothing is to be told. One that nobody was
 * told of has passed. */
static bool bring_back(struct alert_row *row, int64_t since_s)
{
	if (row->told != HEALTH_OK) {
		expect_nothing(row);
		return true;
	}
	if (row->next == HEALTH_OK)
		return false;
	row->next = HEALTH_OK;
	row->next_since_s = since_s;
	return true;
}

/* True if the row has changed. */
static bool bring_to(struct alert_row *row, enum health_state next, int64_t since_s)
{
	bool pending = row->pending;
	if (row->silenced && (next != HEALTH_OK || row->told == HEALTH_OK)) {
		expect_nothing(row);
		return pending;
	}
	if (next == row->told)
		return pending && bring_back(row, since_s);
	if (pending && row->next == next)
		return false;
	expect(row, next, since_s);
	return true;
}

static bool take_finding(const struct alert_scope *s, struct alert_rows *rows,
			 const struct alert_finding *f)
{
	struct alert_row *row = find_row(rows, f);
	enum health_state told = row ? row->told : HEALTH_OK;
	enum health_state next = seen_by(s->alert, f->state, told);
	int64_t since_s = f->since_s && f->since_s < s->now_s ? f->since_s : s->now_s;
	if (!row && (next == HEALTH_OK || f->silenced))
		return false;
	if (!row)
		row = alert_rows_add(rows, s->alert->name, f->repository, f->mirror, f->check);
	note(row, f);
	/* What could not be checked leaves also what was not told yet as it is. */
	if (f->state == HEALTH_UNKNOWN && s->alert->on != SETTINGS_ALERT_ON_UNKNOWN &&
	    row->pending && !row->silenced)
		return false;
	bool changed = bring_to(row, next, since_s);
	if (next != HEALTH_OK && next == f->state)
		keep_reason(row);
	return changed;
}

/* ---- what is gone ------------------------------------------------------------------------ */

static bool is_covered(const struct alert_scope *s, const struct alert_row *row)
{
	for (size_t i = 0; s->covered && s->covered[i]; i++)
		if (strcmp(s->covered[i], row->repository) == 0)
			return true;
	return false;
}

bool alert_compare_is_here(const struct alert_scope *s, const struct alert_row *row)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->findings[i].repository, row->repository) == 0)
			return true;
	return is_covered(s, row);
}

/* A mirror that cannot be read has not lost its other problems because they cannot be seen. */
static bool is_out_of_sight(const struct alert_scope *s, const struct alert_row *row)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct alert_finding *f = &s->findings[i];
		if (f->mirror && f->check == HEALTH_REACH && f->state != HEALTH_OK &&
		    strcmp(f->mirror, row->mirror) == 0 && is_in_scope(s->alert, f) &&
		    strcmp(f->repository, row->repository) == 0)
			return true;
	}
	return false;
}

static bool end_the_unseen(const struct alert_scope *s, struct alert_rows *rows)
{
	bool changed = false;
	for (size_t i = 0; i < rows->count; i++) {
		struct alert_row *row = &rows->at[i];
		if (row->seen || !is_covered(s, row) || is_out_of_sight(s, row))
			continue;
		row->state = HEALTH_OK;
		free(row->current);
		row->current = mem_strdup("no longer checked");
		changed = bring_to(row, HEALTH_OK, s->now_s) || changed;
	}
	return changed;
}

bool alert_compare(const struct alert_scope *s, struct alert_rows *rows)
{
	bool changed = false;
	for (size_t i = 0; i < rows->count; i++)
		rows->at[i].state = rows->at[i].told;
	for (size_t i = 0; i < s->count; i++)
		if (is_in_scope(s->alert, &s->findings[i]))
			changed = take_finding(s, rows, &s->findings[i]) || changed;
	return end_the_unseen(s, rows) || changed;
}

/* ---- events ------------------------------------------------------------------------------ */

const char *alert_event_name(enum alert_event v)
{
	static const char *const names[] = {
		[ALERT_NOTHING] = "nothing",     [ALERT_PROBLEM] = "problem",
		[ALERT_WORSE] = "worse",         [ALERT_BETTER] = "better",
		[ALERT_RECOVERED] = "recovered", [ALERT_PASSED] = "passed",
		[ALERT_REMINDER] = "reminder",
	};
	return names[v];
}

enum alert_event alert_event_of(const struct alert_row *row, int64_t now_s, uint64_t repeat_s)
{
	if (row->pending && row->told == HEALTH_OK)
		return row->next != HEALTH_OK ? ALERT_PROBLEM : ALERT_PASSED;
	if (row->pending && row->next == HEALTH_OK)
		return ALERT_RECOVERED;
	if (row->pending)
		return grade(row->next) > grade(row->told) ? ALERT_WORSE : ALERT_BETTER;
	if (repeat_s && row->told != HEALTH_OK && row->seen && !row->silenced &&
	    now_s - row->told_at_s >= (int64_t)repeat_s)
		return ALERT_REMINDER;
	return ALERT_NOTHING;
}

void alert_event_id(const struct alert_row *row, enum alert_event v, const char *place,
		    char out[ALERT_ID])
{
	struct digest d;
	bool passed = v == ALERT_PASSED, again = v == ALERT_REMINDER;
	enum health_state state = passed ? row->worst : again ? row->told : row->next;
	int64_t when_s = passed ? row->began_s : again ? row->told_at_s : row->next_since_s;
	CLEANUP(mem_free_ptr)
	char *text = mem_printf("%s\n%s\n%s\n%s\n%s\n%d\n%lld\n", place ? place : "",
				row->repository, row->mirror, health_check_name(row->check),
				alert_event_name(v), (int)state, (long long)when_s);
	sha256_of(text, strlen(text), &d);
	hex_encode(out, d.bytes, (ALERT_ID - 1) / 2);
}

enum health_state alert_row_lasts(const struct alert_row *row, int64_t *since_s)
{
	*since_s = row->pending ? row->next_since_s : row->told_since_s;
	return row->pending ? row->next : row->told;
}

void alert_compare_delivered(struct alert_rows *rows, int64_t now_s, uint64_t repeat_s)
{
	for (size_t i = 0; i < rows->count; i++) {
		struct alert_row *row = &rows->at[i];
		enum alert_event v = alert_event_of(row, now_s, repeat_s);
		if (v == ALERT_NOTHING)
			continue;
		row->told_at_s = now_s;
		if (!row->pending)
			continue;
		row->told = row->next;
		row->told_since_s = row->next_since_s;
		expect_nothing(row);
	}
}
