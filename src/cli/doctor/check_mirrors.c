/* What the mirrors hold, and how readers get it. */
#include "cli/doctor/doctor.h"

#include "mirror/kinds.h"
#include "util/mem.h"

#include <string.h>

/* ---- what they hold ---- */

static size_t bad_files(const struct verify_mirror *m)
{
	size_t count = 0;
	for (enum verify_verdict v = 0; v < VERIFY_VERDICTS; v++)
		if (verify_verdict_is_bad(v))
			count += m->verdicts[v];
	return count;
}

/* "3 files are missing or wrong, the first: KEY: missing" */
static void tell_files(struct doctor_result *r, const struct verify_mirror *m)
{
	CLEANUP(buf_release) struct buf why = BUF_INIT(4 * KIB);
	size_t bad = bad_files(m), i = 0;
	while (i < m->count && !verify_verdict_is_bad(m->files[i].verdict))
		i++;
	if (i == m->count)
		return;
	verify_describe(&m->files[i], &why);
	CLEANUP(mem_free_ptr) char *key = cli_shortened(m->files[i].file->key, 40);
	doctor_detail(r, "%s: %zu file%s wrong; the first: %s: %s", m->id, bad,
		      bad == 1 ? " is" : "s are", key, verify_verdict_name(m->files[i].verdict));
}

/* Adds what is wrong with it; false if nothing is. */
static bool judge(struct doctor_result *r, const struct verify_mirror *m)
{
	size_t before = r->details.count, lost = m->verdicts[VERIFY_UNREACHABLE];
	if (err_is(&m->error, ERR_CANCELLED) || m->verdicts[VERIFY_NOT_CHECKED])
		doctor_detail(r, "%s: did not answer in time", m->id);
	else if (m->error.class)
		doctor_detail_error(r, m->id, &m->error);
	else if (m->elsewhere)
		doctor_detail(r, "%s: holds another repository", m->id);
	else if (bad_files(m))
		tell_files(r, m);
	else if (lost)
		doctor_detail(r, "%s: %zu file%s could not be read", m->id, lost,
			      lost == 1 ? "" : "s");
	for (size_t i = 0; i < m->readers.count; i++)
		doctor_detail(r, "%s: %s", m->id, m->readers.at[i].text);
	if (bad_files(m) && !m->elsewhere && !m->error.class)
		doctor_next(r, "ferry push --mirror %s", m->id);
	else if (r->details.count > before)
		doctor_next(r, "ferry mirror probe %s", m->id);
	return r->details.count > before;
}

int doctor_check_primary(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			 struct err *e)
{
	int rc = facts_verify(subject, e);
	(void)d;
	if (rc < 0)
		return rc;
	if (!subject->mirror_count) {
		doctor_fail(r, "no mirror is for readers");
		doctor_next(r, "ferry mirror add NAME");
		return 0;
	}
	const struct verify_mirror *m = &subject->mirrors[subject->primary];
	if (judge(r, m))
		doctor_fail(r, "%s does not have all of release %llu", m->id,
			    (unsigned long long)subject->pushed.version);
	else
		doctor_pass(r, "%s has all %zu files of release %llu", m->id, m->held,
			    (unsigned long long)subject->pushed.version);
	return 0;
}

int doctor_check_mirrors(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			 struct err *e)
{
	size_t bad = 0, others = 0;
	int rc = facts_verify(subject, e);
	(void)d;
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < subject->mirror_count; i++) {
		others += i != subject->primary;
		bad += i != subject->primary && judge(r, &subject->mirrors[i]);
	}
	if (!others) {
		doctor_skip(r, "there is only one mirror: nothing serves readers when it is down");
		doctor_next(r, "ferry mirror add NAME");
	} else if (bad)
		doctor_fail(r, "%zu of %zu other mirror%s not in step", bad, others,
			    others == 1 ? " is" : "s are");
	else
		doctor_pass(r, "%zu other mirror%s in step with release %llu", others,
			    others == 1 ? " is" : "s are",
			    (unsigned long long)subject->pushed.version);
	return 0;
}

/* ---- how readers get it ---- */

/* The others are those of `primary`, `mirrors` and `expiry`. */
static bool is_of_server(enum health_check c)
{
	return c == HEALTH_REACH || c == HEALTH_CERTIFICATE || c == HEALTH_RANGES ||
	       c == HEALTH_HEADERS || c == HEALTH_CLOCK || c == HEALTH_QUOTA;
}

static bool judge_server(struct doctor_result *r, const struct health_mirror *m)
{
	size_t before = r->details.count;
	for (size_t i = 0; i < m->probe.findings.count; i++) {
		const struct health_finding *f = &m->probe.findings.at[i];
		bool bad = f->state == HEALTH_WARNING || f->state == HEALTH_CRITICAL ||
			   (f->state == HEALTH_UNKNOWN && f->check == HEALTH_REACH);
		if (is_of_server(f->check) && bad)
			doctor_detail(r, "%s: %s: %s", m->id, health_check_name(f->check),
				      f->reason);
	}
	CLEANUP(mem_free_ptr) char *id = text_shell_quoted(m->id);
	if (r->details.count == before && !m->probe.up)
		doctor_detail(r, "%s: what was asked for is not there", m->id);
	/* A place of metadata has no name but its URL, whose secrets are not shown. */
	if (r->details.count > before && strstr(m->id, "://"))
		doctor_next(r, "ferry health --no-audit");
	else if (r->details.count > before)
		doctor_next(r, "ferry health --no-audit --mirror %s", id);
	return r->details.count > before;
}

static bool knows(const struct catalog *c, const char *id, const char *url)
{
	for (size_t i = 0; i < c->mirror_count; i++)
		if (strcmp(c->mirrors[i].id, id) == 0 && str_same(c->mirrors[i].url, url))
			return true;
	return false;
}

/* Clients use what is signed. Adds the mirrors that are elsewhere by ferry.conf, or that only one
 * of both has; the number of them. */
static size_t compare_with_settings(const struct health_report *h, struct doctor_result *r)
{
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	CLEANUP(json_release) json_t *ours = NULL;
	struct err ignored = ERR_INIT; /* of `settings` */
	const json_t *one;
	size_t before = r->details.count, i;
	if (!h->has_subject ||
	    settings_mirrors_catalog(&h->settings, kinds, &ours, NULL, &ignored) < 0)
		return 0;
	json_array_foreach (ours, i, one)
		if (!knows(&h->subject.catalog, json_text(one, "id"), json_text(one, "url")))
			doctor_detail(r, "%s: readers do not know of it, or of where it is",
				      json_text(one, "id"));
	for (i = 0; i < h->count; i++)
		if (h->mirrors[i].origin == HEALTH_FROM_CATALOG)
			doctor_detail(r, "%s: is signed, but not in ferry.conf", h->mirrors[i].id);
	if (r->details.count > before)
		doctor_next(r, "ferry catalog sign && ferry push");
	return r->details.count - before;
}

int doctor_check_servers(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			 struct err *e)
{
	size_t bad = 0;
	int rc = facts_health(subject, e);
	(void)d;
	if (rc < 0)
		return rc;
	size_t n = subject->health.count;
	for (size_t i = 0; i < n; i++)
		bad += judge_server(r, &subject->health.mirrors[i]);
	size_t unsigned_ = compare_with_settings(&subject->health, r);
	if (!bad && unsigned_)
		doctor_fail(r, "the signed list of mirrors is not that of ferry.conf");
	else if (bad)
		doctor_fail(r, "%zu of %zu mirror%s not answer as readers need", bad, n,
			    n == 1 ? " does" : "s do");
	else
		doctor_pass(r, "%zu mirror%s answer%s as readers need it", n, n == 1 ? "" : "s",
			    n == 1 ? "s" : "");
	return 0;
}
