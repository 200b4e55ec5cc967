#include "cli/health/health.h"

#include "util/mem.h"

#include <string.h>

static const char *origin_name(enum health_origin o)
{
	static const char *const names[] = { "settings", "catalog", "metadata" };
	return names[o];
}

static void put_time(json_t *o, const char *key, int64_t time_s)
{
	if (time_s)
		json_put_time(o, key, time_s);
}

static void put_number(json_t *o, const char *key, uint64_t value)
{
	if (value)
		json_put_u64(o, key, value);
}

/* ---- findings ---- */

/* Those of this run; and faults of earlier ones that it could not look at again. */
static void put_findings(json_t *o, const struct health_findings *found,
			 const struct health_known *k)
{
	json_t *list = json_put_array(o, "findings");
	for (int c = 0; c < HEALTH_CHECKS; c++) {
		const struct health_seen *s = &k->checks[c];
		bool now = false;
		for (size_t i = 0; i < found->count; i++)
			now |= found->at[i].check == (enum health_check)c;
		if (!s->known || (!now && s->state == HEALTH_OK))
			continue;
		json_t *f = json_push_object(list);
		json_put_string(f, "check", health_check_name((enum health_check)c));
		json_put_string(f, "state", health_state_name(s->state));
		json_put_string(f, "found", now ? health_state_name(s->found) : NULL);
		json_put(f, "reason", json_string_lossy(s->reason, strlen(s->reason)));
		json_put_time(f, "since", s->since_s);
		if (s->found != s->state && s->found != HEALTH_OK)
			json_put_u64(f, "runs", s->runs[s->found]);
	}
}

/* ---- one mirror ---- */

static void put_times(json_t *o, const struct probe *p)
{
	if (!p->has_times)
		return;
	json_t *t = json_put_object(o, "times_us");
	json_put_u64(t, "resolve", p->times.resolve);
	json_put_u64(t, "connect", p->times.connect);
	json_put_u64(t, "tls", p->times.tls);
	json_put_u64(t, "first_byte", p->times.first_byte);
	json_put_u64(t, "total", p->times.total);
}

static void put_probe(json_t *o, const struct health_report *r, const struct health_mirror *m)
{
	const struct probe *p = &m->probe;
	put_number(o, "release", p->version);
	if (p->version && r->newest)
		json_put_u64(o, "lag", r->newest > p->version ? r->newest - p->version : 0);
	put_time(o, "newest_seen", m->known->newest_s);
	put_times(o, p);
	put_time(o, "certificate_expires", p->certificate_expires_s);
	if (p->has_clock)
		json_put(o, "clock_skew_s", json_integer(p->clock_skew_s));
	if (p->has_quota) {
		json_t *q = json_put_object(o, "quota");
		json_put_u64(q, "limit", p->quota_limit);
		json_put_u64(q, "left", p->quota_left);
	}
	if (p->objects) {
		json_t *objects = json_put_object(o, "objects");
		json_put_u64(objects, "total", p->objects);
		json_put_u64(objects, "checked", p->objects_checked);
		json_put_u64(objects, "missing", p->objects_missing);
	}
}

/* In percent, rounded down: what is not complete is not 100.00. */
static void put_percent(json_t *o, const char *key, uint64_t part, uint64_t whole)
{
	uint64_t parts = whole ? (uint64_t)((double)part / (double)whole * 10000) : 10000;
	if (part < whole)
		parts = MIN(parts, 9999);
	CLEANUP(mem_free_ptr) char *text = mem_printf("%llu.%02llu",
						      (unsigned long long)parts / 100,
						      (unsigned long long)parts % 100);
	json_put_string(o, key, text);
}

static void put_totals(json_t *o, const struct rolling_totals *t)
{
	json_put_u64(o, "right", t->right);
	json_put_u64(o, "wrong", t->wrong);
	json_put_u64(o, "missing", t->missing);
	json_put_u64(o, "unread", t->unread);
	json_put_u64(o, "bytes", t->bytes);
}

static void put_audit(json_t *m, const struct rolling_report *r, uint64_t window_s)
{
	const struct rolling_coverage *c = &r->coverage;
	json_t *o = json_put_object(m, "audit");
	json_put_u64(o, "pieces", r->pieces);
	json_put_u64(o, "bytes", r->bytes);
	put_number(o, "promise_days", r->promise_days);
	put_percent(o, "coverage_percent", c->verified, c->bytes);
	json_put_u64(o, "window_s", window_s);
	json_put_u64(o, "total_pieces", c->pieces);
	json_put_u64(o, "total_bytes", c->bytes);
	json_put_u64(o, "verified_bytes", c->verified);
	json_put_u64(o, "never_bytes", c->never);
	put_time(o, "oldest", c->oldest_s);
	json_put_u64(o, "wrong_pieces", r->faults[ROLLING_WRONG]);
	json_put_u64(o, "missing_pieces", r->faults[ROLLING_MISSING]);
	json_put_u64(o, "unread_pieces", r->faults[ROLLING_UNREAD]);
	json_put_u64(o, "mended", r->mended);
	put_time(o, "began", r->began_s);
	put_totals(json_put_object(o, "counted"), &r->totals);
}

static void put_silence(json_t *o, const struct health_silence *s)
{
	if (!s)
		return;
	json_t *silence = json_put_object(o, "silenced");
	json_put_time(silence, "until", s->until_s);
	json_put_string(silence, "reason", *s->reason ? s->reason : NULL);
}

static json_t *mirror_json(const struct health_report *r, const struct health_mirror *m,
			   uint64_t window_s)
{
	json_t *o = json_object();
	json_put_string(o, "id", m->id);
	json_put_string(o, "kind", *m->kind ? m->kind : NULL);
	json_put_string(o, "url", m->url);
	json_put_string(o, "region", m->region);
	json_put_u64(o, "priority", m->priority);
	json_put_string(o, "holds", holds_name(m->holds));
	json_put_string(o, "origin", origin_name(m->origin));
	json_put_bool(o, "primary", m->primary);
	json_put_string(o, "state", health_state_name(m->state));
	json_put_bool(o, "up", m->probe.up);
	put_silence(o, m->silence);
	put_probe(o, r, m);
	put_number(o, "read_bytes_per_second", health_mirror_speed(m));
	if (m->audited)
		put_audit(o, &m->audit, window_s);
	put_findings(o, &m->probe.findings, m->known);
	return o;
}

/* ---- one repository ---- */

static void put_subject(json_t *o, const struct health_report *r)
{
	static const char *const origins[] = { "tree", "mirror", "copy" };
	const struct health_subject *s = &r->subject;
	put_number(o, "newest", r->newest);
	put_time(o, "newest_seen", r->newest_s);
	if (!r->has_subject)
		return;
	json_put_u64(o, "release", s->tree.version);
	json_put_string(o, "from", origins[s->origin]);
	json_put_string(o, "from_mirror", s->mirror);
	json_put_u64(o, "models", s->models);
	json_put_u64(o, "variants", s->variants);
	json_put_u64(o, "bytes", s->bytes);
	json_t *roles = json_put_array(o, "roles");
	for (size_t i = 0; i < s->roles.count; i++) {
		json_t *role = json_push_object(roles);
		json_put_string(role, "role", s->roles.at[i].name);
		json_put_u64(role, "version", s->roles.at[i].version);
		json_put_time(role, "expires", s->roles.at[i].expires_s);
	}
}

/* The worst first, then in the order of ferry.conf. */
static void put_mirrors(json_t *list, const struct health_report *r, uint64_t window_s)
{
	static const enum health_state order[] = { HEALTH_CRITICAL, HEALTH_WARNING, HEALTH_UNKNOWN,
						   HEALTH_OK };
	for (size_t s = 0; s < 2 * HEALTH_STATES; s++)
		for (size_t i = 0; i < r->count; i++) {
			const struct health_mirror *m = &r->mirrors[i];
			bool silenced = s >= HEALTH_STATES;
			if (!m->left_out && (m->silence != NULL) == silenced &&
			    m->state == order[s % HEALTH_STATES])
				json_push(list, mirror_json(r, m, window_s));
		}
}

static json_t *repository_json(const struct health_report *r, uint64_t window_s)
{
	json_t *o = json_object();
	json_put_string(o, "name", r->repository->name);
	json_put_string(o, "state", health_state_name(r->state));
	put_subject(o, r);
	json_put_u64(o, "duration_ms", r->duration_ms);
	put_findings(o, &r->findings, r->known);
	put_mirrors(json_put_array(o, "mirrors"), r, window_s);
	return o;
}

json_t *document_of(const struct checkup *c)
{
	json_t *document = cli_document(c->cli);
	json_put_string(document, "place", c->place);
	json_put_time(document, "time", c->now_s);
	json_put_string(document, "state", health_state_name(checkup_state(c)));
	json_put_bool(document, "history", c->db != NULL);
	json_t *list = json_put_array(document, "repositories");
	for (size_t i = 0; i < c->count; i++)
		json_push(list, repository_json(&c->reports[i], c->settings.coverage_window_s));
	if (c->alerts.count)
		json_put(document, "alerts", alerts_json(c));
	return document;
}

bool document_is_implied(const json_t *mirror, const json_t *finding)
{
	return strcmp(json_text(mirror, "state"), "unknown") != 0 &&
	       strcmp(json_text(finding, "state"), "unknown") == 0 &&
	       str_starts(json_text(finding, "reason"), "not checked: ");
}
