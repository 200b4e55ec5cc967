#include "health/run_internal.h"

#include "util/mem.h"

#include <string.h>

static struct health_finding *finding_of(const struct health_findings *f, enum health_check check)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->at[i].check == check)
			return &f->at[i];
	return NULL;
}

/* ---- releases ---- */

static bool shows_a_release(const struct health_mirror *m)
{
	return !m->left_out && !m->stage && m->holds != MIRROR_HOLDS_OBJECTS && m->probe.version;
}

static uint64_t newest_shown(const struct health_report *r)
{
	uint64_t newest = 0;
	for (size_t i = 0; i < r->count; i++)
		if (shows_a_release(&r->mirrors[i]))
			newest = MAX(newest, r->mirrors[i].probe.version);
	return newest;
}

static void drop(struct health_findings *f, enum health_check check)
{
	struct health_finding *found = finding_of(f, check);
	if (!found)
		return;
	free(found->reason);
	*found = f->at[--f->count];
}

/* What was pushed last is all that can be expected of them. */
static void excuse(struct health_mirror *m, uint64_t shown)
{
	struct health_findings *all = &m->probe.findings;
	struct health_finding *f = finding_of(all, HEALTH_RELEASE);
	if (f && m->probe.version == shown) {
		free(f->reason);
		f->state = HEALTH_OK;
		f->reason = mem_printf("shows release %llu, the newest that was pushed",
				       (unsigned long long)shown);
		drop(all, HEALTH_CATALOG);
		drop(all, HEALTH_OBJECTS);
	}
	if (m->holds == MIRROR_HOLDS_OBJECTS)
		drop(all, HEALTH_OBJECTS);
}

/* What is signed and was not pushed is the publisher's task, for some time. */
static void compare_with_tree(struct health_run *run)
{
	struct health_report *r = run->r;
	unsigned long long ours = r->subject.tree.version, shown = run->shown;
	bool fresh = run->o->now_s - r->newest_s <= (int64_t)run->o->settings->lag_s;
	if (shown > ours)
		health_find(&r->findings, HEALTH_RELEASE, HEALTH_WARNING,
			    "a mirror shows release %llu, but the tree is at release %llu: another "
			    "publisher has pushed",
			    shown, ours);
	else if (shown && shown < ours)
		health_find(&r->findings, HEALTH_RELEASE, HEALTH_WARNING,
			    "release %llu is signed, but no mirror shows it: run ferry push", ours);
	for (size_t i = 0; fresh && shown && shown < ours && i < r->count; i++)
		excuse(&r->mirrors[i], shown);
}

static void compare_with_earlier(struct health_report *r)
{
	if (r->subject.tree.version < r->newest)
		health_find(&r->findings, HEALTH_RELEASE, HEALTH_CRITICAL,
			    "the newest release is now %llu, but release %llu was seen before",
			    (unsigned long long)r->subject.tree.version,
			    (unsigned long long)r->newest);
	if (r->subject.origin == HEALTH_SUBJECT_COPY)
		health_find(&r->findings, HEALTH_RELEASE, HEALTH_WARNING,
			    "no mirror could be read, so release %llu of an earlier run is "
			    "expected: %s",
			    (unsigned long long)r->subject.tree.version, r->subject.why.text);
}

/* A mirror that has not shown the newest release for long is worse than one that a push has not
 * reached yet. */
static void judge_lag(struct health_run *run, struct health_mirror *m)
{
	struct health_finding *f = finding_of(&m->probe.findings, HEALTH_RELEASE);
	int64_t since_s = MAX(run->r->newest_s, m->known->newest_s);
	int64_t lag_s = run->o->now_s - since_s;
	char text[DURATION_TEXT];
	if (!f || f->state != HEALTH_WARNING || !m->probe.version ||
	    m->probe.version >= run->r->newest || lag_s < (int64_t)run->o->settings->lag_critical_s)
		return;
	char *reason = mem_printf("%s, for %s", f->reason, format_duration(text, (uint64_t)lag_s));
	free(f->reason);
	f->reason = reason;
	f->state = HEALTH_CRITICAL;
}

void health_run_compare(struct health_run *run)
{
	struct health_report *r = run->r;
	run->shown = newest_shown(r);
	if (!r->has_subject)
		return;
	compare_with_earlier(r);
	if (r->subject.origin == HEALTH_SUBJECT_TREE)
		compare_with_tree(run);
	health_find(&r->findings, HEALTH_RELEASE, HEALTH_OK, "release %llu",
		    (unsigned long long)r->subject.tree.version);
	const struct probe_margins margins = {
		.warning_s = run->o->settings->expiry_warning_s,
		.critical_s = run->o->settings->expiry_critical_s,
	};
	probe_expiry(&r->subject.roles, &margins, run->o->now_s, &r->findings);
}

/* ---- what counts ---- */

static void add_change(struct health_report *r, const char *mirror, enum health_check check,
		       enum health_state from, const struct health_seen *s)
{
	if (from == s->state)
		return;
	r->changes = mem_grow(r->changes, r->change_count, &r->change_cap, sizeof *r->changes);
	r->changes[r->change_count++] = (struct health_change){
		.mirror = mirror,
		.check = check,
		.from = from,
		.to = s->state,
		.reason = s->reason,
		.since_s = s->since_s,
	};
}

/* A check that was not made this time says nothing; unless it is not made any more, although all
 * checks could be. What the audit found stays until it reads the bytes again. */
static bool is_over(const struct health_seen *s, enum health_check check, bool all)
{
	return s->known && all && s->state != HEALTH_OK && check != HEALTH_INTEGRITY &&
	       check != HEALTH_COVERAGE;
}

static enum health_state judge_all(struct health_run *run, struct health_known *k,
				   const struct health_findings *f, bool all)
{
	const struct settings_health *set = run->o->settings;
	const unsigned after[HEALTH_STATES] = { 0, set->after_warning, set->after_critical,
						set->after_unknown };
	enum health_state worst = HEALTH_OK;
	for (int c = 0; c < HEALTH_CHECKS; c++) {
		struct health_seen *s = &k->checks[c];
		const struct health_finding *found = finding_of(f, (enum health_check)c);
		enum health_state from = s->state;
		if (found)
			from = health_judge(s, found->state, found->reason, after, run->o->now_s);
		else if (is_over(s, (enum health_check)c, all))
			from = health_judge(s, HEALTH_OK, "is no longer checked", after,
					    run->o->now_s);
		if (s->known)
			worst = health_worse(worst, s->state);
		add_change(run->r, k->mirror, (enum health_check)c, from, s);
	}
	return worst;
}

void health_run_judge(struct health_run *run)
{
	struct health_report *r = run->r;
	r->known = health_history_of(run->history, "");
	r->state = judge_all(run, r->known, &r->findings, r->has_subject);
	for (size_t i = 0; i < r->count; i++) {
		struct health_mirror *m = &r->mirrors[i];
		if (m->left_out)
			continue;
		if (m->probe.version && m->probe.version >= r->newest)
			m->known->newest_s = run->o->now_s;
		judge_lag(run, m);
		bool all = m->probe.up && m->probe.shows != PROBE_SHOWS_OLDER;
		m->state = judge_all(run, m->known, &m->probe.findings, all);
		if (!m->silence)
			r->state = health_worse(r->state, m->state);
	}
}
