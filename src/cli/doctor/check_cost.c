/* What the mirrors cost. */
#include "cli/doctor/doctor.h"

#include "cli/costs.h"

#define DAY 86400

static void tell(const struct costs *c, struct doctor_result *r)
{
	const struct settings_cost *s = &c->settings;
	char total[COST_TEXT], budget[COST_TEXT];
	cost_rounded(total, c->sum.total);
	cost_rounded(budget, s->budget);
	if (c->unpriced == c->count)
		doctor_skip(r, "no price of a mirror is known");
	else if (!s->has_budget)
		doctor_skip(r, "no budget is set; a month costs %s %s", total, s->currency);
	else if (c->sum.total > s->budget)
		doctor_fail(r, "a month costs %s %s, more than the budget of %s", total,
			    s->currency, budget);
	else
		doctor_pass(r, "a month costs %s %s of the budget of %s", total, s->currency,
			    budget);
}

static void advise(const struct costs *c, struct doctor_result *r)
{
	if (c->unpriced == c->count) {
		doctor_hint(r, "write a [price.NAME] into ferry.conf, and a budget into [cost]");
		return;
	}
	for (size_t i = 0; i < c->count; i++)
		if (!c->at[i].price)
			doctor_detail(r, "%s: no price is known", c->at[i].settings->id);
	if (!c->settings.has_budget)
		doctor_hint(r, "write a budget into [cost] of ferry.conf");
	else if (r->verdict == DOCTOR_FAIL)
		doctor_next(r, "ferry cost");
}

/* Without asking the mirrors what they hold: other checks wait for them long enough. */
int doctor_check_cost(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
		      struct err *e)
{
	const struct publisher_opts who = { .name = subject->settings->name };
	const struct costs_how how = {
		.period = { d->now_s / DAY - COSTS_DAYS, d->now_s / DAY },
		.now_s = d->now_s,
	};
	CLEANUP(publisher_release) struct publisher p = { 0 };
	CLEANUP(costs_release) struct costs c = { 0 };
	struct cli quiet = d->quiet;
	int rc = publisher_open(&quiet, &who, true, false, &p, e);
	if (rc == 0)
		rc = costs_read(&quiet, &p, &how, &c, e);
	if (rc < 0)
		return rc;
	tell(&c, r);
	advise(&c, r);
	return 0;
}
