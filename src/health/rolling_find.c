#include "health/rolling.h"

#include "util/mem.h"
#include "util/text.h"

#define DAY_S 86400

void rolling_report_release(struct rolling_report *r)
{
	free(r->first.key);
	free(r->error);
	*r = (struct rolling_report){ 0 };
}

/* ---- integrity ------------------------------------------------------------------ */

static void say_first(const struct rolling_report *r, struct buf *out)
{
	buf_adds(out, r->first.key);
	if (!r->first.whole)
		buf_addf(out, ": piece %u (bytes %llu-%llu)", r->first.piece,
			 (unsigned long long)r->first.offset,
			 (unsigned long long)(r->first.offset + r->first.length - 1));
	uint64_t others = r->faults[r->first.kind] - 1;
	if (others)
		buf_addf(out, " and %llu more piece%s", (unsigned long long)others,
			 others > 1 ? "s" : "");
}

static void find_fault(const struct rolling_report *r, struct health_findings *out)
{
	static const char *const what[ROLLING_FAULTS] = { "wrong bytes in", "missing:" };
	enum health_state bad = r->others_files ? HEALTH_WARNING : HEALTH_CRITICAL;
	CLEANUP(buf_release) struct buf first = BUF_INIT(4 * KIB);
	say_first(r, &first);
	if (r->first.kind != ROLLING_UNREAD)
		health_find(out, HEALTH_INTEGRITY, bad, "%s %s", what[r->first.kind],
			    buf_str(&first));
	else
		health_find(out, HEALTH_INTEGRITY, HEALTH_WARNING,
			    "for several runs, could not read %s%s%s", buf_str(&first),
			    r->error ? ": " : "", r->error ? r->error : "");
}

static void find_integrity(const struct rolling_report *r, struct health_findings *out)
{
	const struct rolling_totals *t = &r->totals;
	uint64_t read = t->right + t->wrong + t->missing;
	if (r->first.key && (r->first.kind != ROLLING_UNREAD || r->unread_long))
		find_fault(r, out);
	else if (!read)
		health_find(out, HEALTH_INTEGRITY, HEALTH_UNKNOWN, "no piece has been read yet%s%s",
			    r->error ? ": " : "", r->error ? r->error : "");
	else
		health_find(out, HEALTH_INTEGRITY, HEALTH_OK,
			    "no wrong bytes are known; %llu "
			    "pieces have been read",
			    (unsigned long long)read);
}

/* ---- coverage ------------------------------------------------------------------- */

static void say_time(struct buf *out, int64_t s)
{
	char text[DURATION_TEXT];
	if (s >= 2 * DAY_S)
		buf_addf(out, "%lld days", (long long)(s / DAY_S));
	else
		buf_adds(out, format_duration(text, (uint64_t)MAX(s, 0)));
}

/* 99.9 % is not all. */
static unsigned percent(uint64_t part, uint64_t of)
{
	return (unsigned)((double)part * 100 / (double)of);
}

static void say_coverage(const struct rolling_report *r, const struct rolling_options *o,
			 struct buf *out)
{
	const struct rolling_coverage *c = &r->coverage;
	buf_addf(out, "%u %% of all bytes were verified in the last ",
		 percent(c->verified, c->bytes));
	say_time(out, o->window_s);
	if (c->never) {
		buf_addf(out, ", %u %% not yet", MAX(1, percent(c->never, c->bytes)));
	} else if (c->oldest_s) {
		buf_adds(out, ", the oldest check is ");
		say_time(out, clock_wall_s(o->clock) - c->oldest_s);
		buf_adds(out, " old");
	}
}

void rolling_find(const struct rolling_report *r, const struct rolling_options *o,
		  unsigned warn_percent, struct health_findings *out)
{
	const struct rolling_coverage *c = &r->coverage;
	CLEANUP(buf_release) struct buf text = BUF_INIT(4 * KIB);
	if (!o->budget || !c->bytes)
		return;
	find_integrity(r, out);
	say_coverage(r, o, &text);
	bool late = percent(c->bytes - c->overdue, c->bytes) < warn_percent;
	if (late && r->promise_days * DAY_S > (uint64_t)o->window_s)
		buf_addf(&text, "; with this budget, all of it takes up to %llu days",
			 (unsigned long long)r->promise_days);
	health_find(out, HEALTH_COVERAGE, late ? HEALTH_WARNING : HEALTH_OK, "%s", buf_str(&text));
}
