#include "health/run_internal.h"

#include "publish/tree_pack.h"
#include "publish/tree_places.h"
#include "util/mem.h"

/* ---- the checks ---- */

static struct probe_options options_of(const struct settings_health *s)
{
	static const enum probe_choice choices[] = {
		[SETTINGS_HEALTH_AUTO] = PROBE_DEFAULT,
		[SETTINGS_HEALTH_NO] = PROBE_NO,
		[SETTINGS_HEALTH_YES] = PROBE_YES,
	};
	struct probe_options o = PROBE_OPTIONS;
	o.objects = s->objects;
	o.certificate_warning_s = s->certificate_warning_s;
	o.certificate_critical_s = s->certificate_critical_s;
	o.clock_skew_s = s->clock_skew_s;
	o.quota_percent = s->quota_warning;
	o.cors = s->cors;
	o.cache_control = choices[s->cache_control];
	return o;
}

/* What is remembered of an earlier run is only a help. */
static void load_state(const struct health_run *run, const struct health_mirror *m,
		       struct probe_state *out)
{
	const struct buf *b = &m->known->objects;
	struct err why = ERR_INIT;
	if (b->len && probe_state_parse(b->data, b->len, out, &why) < 0)
		report_warn(run->o->report,
			    "mirror %s: the list of objects found earlier is lost: %s", m->id,
			    why.text);
}

static void save_state(struct health_mirror *m, const struct probe_state *s)
{
	buf_clear(&m->known->objects);
	probe_state_encode(s, &m->known->objects);
	if (m->known->objects.overflow)
		buf_clear(&m->known->objects);
}

static void probe(const struct health_run *run, struct health_mirror *m)
{
	const struct probe_options o = options_of(run->o->settings);
	CLEANUP(probe_state_release) struct probe_state state = { 0 };
	struct err e = ERR_INIT;
	const struct probe_subject subject = {
		.release = run->r->has_subject ? &run->r->subject.tree : NULL,
		.metadata_only = m->origin == HEALTH_FROM_METADATA,
		.state = &state,
		.deadline = &m->deadline,
	};
	load_state(run, m, &state);
	if (probe_mirror(&subject, m->mirror, &o, &m->probe, &e) == 0)
		save_state(m, &state);
}

/* ---- the audit ---- */

static struct rolling *load_audit(const struct health_run *run, const struct health_mirror *m)
{
	const struct buf *b = &m->known->audit;
	struct rolling *r = NULL;
	struct err why = ERR_INIT;
	if (b->len && rolling_parse(b->data, b->len, &r, &why) < 0)
		report_warn(run->o->report, "mirror %s: the audit starts anew: %s", m->id,
			    why.text);
	return r ? r : rolling_new(NULL, run->o->now_s);
}

static void save_audit(struct health_mirror *m, const struct rolling *r)
{
	buf_clear(&m->known->audit);
	rolling_encode(r, &m->known->audit);
}

/* What is not shown is not expected to be there. A mirror of objects shows nothing itself. */
static bool is_expected(const struct health_run *run, const struct health_mirror *m)
{
	if (m->holds == MIRROR_HOLDS_OBJECTS)
		return run->shown >= run->r->subject.tree.version;
	return m->probe.shows == PROBE_SHOWS_SAME;
}

static void read_pieces(const struct health_run *run, struct health_mirror *m, struct rolling *r,
			bool reads)
{
	const struct health_run_options *o = run->o;
	uint64_t ms = o->settings->audit_deadline_s * 1000;
	struct err why = ERR_INIT;
	struct rolling_options how = {
		.budget = reads ? o->settings->audit : 0,
		.window_s = (int64_t)o->settings->coverage_window_s,
		.hot = o->hot,
		.hot_count = o->hot_count,
		.deadline_us = clock_now_us(NULL) + ms * 1000,
		.cancel = &m->deadline.cancel,
	};
	deadline_start(&m->deadline, ms, NULL, o->cancel);
	int rc = rolling_run(r, m->mirror, &run->r->subject.tree, &how, &m->audit, &why);
	if (rc < 0 && !err_is(&why, ERR_CANCELLED))
		report_warn(o->report, "mirror %s: audit: %s", m->id, why.text);
	how.budget = o->settings->audit;
	rolling_find(&m->audit, &how, (unsigned)o->settings->coverage_warning, &m->probe.findings);
}

/* Of a mirror that is down, or with --no-audit, nothing is read; but what is known of it is
 * reported. */
void health_run_audit(struct health_run *run, struct health_mirror *m)
{
	const struct health_run_options *o = run->o;
	bool reads = m->probe.up && !o->no_audit;
	CLEANUP_PTR(rolling_free) struct rolling *r = NULL;
	if (!o->settings->audit || !m->mirror || !run->r->has_subject ||
	    m->holds == MIRROR_HOLDS_METADATA || !is_expected(run, m) ||
	    (!reads && !m->known->audit.len))
		return;
	r = load_audit(run, m);
	read_pieces(run, m, r, reads);
	save_audit(m, r);
	m->audited = true;
	m->known->audit_s = reads ? o->now_s : m->known->audit_s;
}

/* ---- the checks of one mirror ---- */

/* A folder of this machine that is gone is as bad as a server that does not answer. */
static void judge_local(struct health_mirror *m)
{
	for (size_t i = 0; i < m->probe.findings.count; i++) {
		struct health_finding *f = &m->probe.findings.at[i];
		if (f->check == HEALTH_REACH && f->state == HEALTH_UNKNOWN &&
		    !mirror_has_server(m->mirror))
			f->state = HEALTH_CRITICAL;
	}
}

void health_run_check(struct health_run *run, struct health_mirror *m)
{
	/* Readers may well reach what this machine has wrong settings for. */
	if (!m->mirror) {
		health_find(&m->probe.findings, HEALTH_REACH, HEALTH_UNKNOWN, "%s", m->error.text);
		return;
	}
	uint64_t now_ms = clock_now_ms(NULL);
	deadline_start(&m->deadline, run->end_ms > now_ms ? run->end_ms - now_ms : 1, NULL,
		       run->o->cancel);
	probe(run, m);
	judge_local(m);
}

/* What the kinds keep in other shapes than the tree. */
static int prepare_for(struct tree *t, struct mirror *m, struct err *e)
{
	int rc = tree_pack_for(t, m, e);
	return rc < 0 ? rc : tree_places_for(t, m, e);
}

void health_run_prepare(struct health_run *run)
{
	struct health_report *r = run->r;
	for (size_t i = 0; i < r->count; i++) {
		struct err why = ERR_INIT;
		if (r->mirrors[i].mirror &&
		    prepare_for(&r->subject.tree, r->mirrors[i].mirror, &why) < 0)
			report_warn(run->o->report,
				    "mirror %s: some of its files are not checked: %s",
				    r->mirrors[i].id, why.text);
	}
}
