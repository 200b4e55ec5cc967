/* What only shows when the mirrors are used: speed, limits, and whether each can replace the
 * others. */
#include "cli/doctor/doctor.h"

#include "health/sample.h"
#include "util/mem.h"

#include <string.h>

#define SAMPLE_BYTES (8 * MIB)
#define SAMPLE_MS 5000

/* The largest object of the release that this mirror has. */
static const struct repository_file *object_of(const struct doctor_subject *s,
					       const struct doctor_place *p, bool largest)
{
	const struct repository_file *found = NULL;
	for (size_t i = 0; i < s->tree.files.count; i++) {
		const struct repository_file *f = &s->tree.files.at[i];
		bool better = !found || (largest ? f->size > found->size : f->size < found->size);
		if (f->class == REPOSITORY_OBJECT && f->manifest_key && better &&
		    mirror_has(p->mirror, f->key))
			found = f;
	}
	return found;
}

static bool serves_objects(const struct doctor_place *p)
{
	return p->entry && p->entry->holds != MIRROR_HOLDS_METADATA;
}

/* ---- speed ---- */

static int measure(const struct doctor_subject *s, const struct doctor_place *p,
		   struct doctor_result *r, struct err *e)
{
	struct sample_speed speed;
	char rate[SIZE_TEXT];
	const struct repository_file *f = p->mirror ? object_of(s, p, true) : NULL;
	struct err why = p->error;
	if (!why.class && !f)
		return 0;
	int rc = why.class ? -(int)why.class
			   : sample_read(p->mirror, f->key, MIN(f->size, SAMPLE_BYTES), SAMPLE_MS,
					 NULL, &speed, &why);
	if (err_is(&why, ERR_CANCELLED)) {
		*e = why;
		return rc;
	}
	if (rc < 0) {
		doctor_detail_error(r, p->id, &why);
		return 1;
	}
	doctor_detail(r, "%s: %s/s, first byte after %llu ms", p->id,
		      format_size(rate, sample_rate(&speed)),
		      (unsigned long long)speed.first_us / 1000);
	return 0;
}

/* One after the other, so that they do not slow each other down. */
int doctor_check_speed(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
		       struct err *e)
{
	size_t bad = 0;
	int rc = readers_places(subject, e);
	(void)d;
	for (size_t i = 0; rc >= 0 && i < subject->place_count; i++)
		if (serves_objects(&subject->places[i])) {
			rc = measure(subject, &subject->places[i], r, e);
			bad += rc > 0;
		}
	if (rc < 0)
		return rc;
	if (bad)
		doctor_fail(r, "%zu of %zu mirrors could not be measured", bad, r->details.count);
	else if (!r->details.count)
		doctor_skip(r, "readers get no model files from any mirror");
	else
		doctor_pass(r, "measured from this machine only");
	if (!bad && r->details.count)
		doctor_hint(r, "for other places: run `ferry health --json` there, and join the "
			       "reports with `ferry health --merge`");
	return 0;
}

/* ---- limits ---- */

static bool is_web(const struct doctor_place *p)
{
	return str_starts(p->from, "https://") || str_starts(p->from, "http://");
}

/* Nobody can set a limit of their own for releases, repositories and registries of others, nor for
 * an endpoint of AWS. */
static bool limits_itself(const struct doctor_place *p)
{
	static const char *const kinds[] = { "github", "git", "oci" };
	const char *kind = p->entry->kind;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kind, kinds[i]))
			return true;
	return !strcmp(kind, "s3") && strstr(p->from, ".amazonaws.com/");
}

static void help_limit(const struct doctor_place *p, struct doctor_result *r)
{
	CLEANUP(mem_free_ptr) char *id = text_shell_quoted(p->id);
	bool r2 = !strcmp(p->entry->kind, "r2");
	doctor_next(r, "ferry mirror config %s --mirror %s", r2 ? "cloudflare" : "nginx", id);
}

/* LIMIT_FOUND is also a mirror that has nothing to ask for. */
enum { LIMIT_FOUND, LIMIT_NONE, LIMIT_UNKNOWN, LIMITS };

static int try_limit(struct doctor *d, const struct doctor_subject *s, const struct doctor_place *p,
		     struct doctor_result *r, struct err *e)
{
	struct sample_limit limit = { 0 };
	struct err why = p->error;
	const struct repository_file *f = p->mirror ? object_of(s, p, false) : NULL;
	if (!why.class && !f)
		return 0;
	int rc = why.class ? -(int)why.class
			   : sample_until_limited(p->mirror, f->key, d->o->rate_limits, &limit,
						  &why);
	if (err_is(&why, ERR_CANCELLED)) {
		*e = why;
		return rc;
	}
	if (rc < 0) {
		CLEANUP(mem_free_ptr) char *id = text_shell_quoted(p->id);
		doctor_detail_error(r, p->id, &why);
		doctor_next(r, "ferry health --no-audit --mirror %s", id);
		return LIMIT_UNKNOWN;
	}
	if (!limit.limited)
		help_limit(p, r);
	if (limit.limited)
		doctor_detail(r, "%s: 429 after %llu requests%s", p->id,
			      (unsigned long long)limit.requests,
			      limit.retry_after_s ? ", with Retry-After" : "");
	else
		doctor_detail(r, "%s: no limit within %llu requests", p->id,
			      (unsigned long long)limit.requests);
	return limit.limited ? LIMIT_FOUND : LIMIT_NONE;
}

static void judge_limits(struct doctor_result *r, const size_t counts[], size_t asked)
{
	if (!asked)
		doctor_skip(r, "no mirror is on a web server whose limits you can set");
	else if (counts[LIMIT_NONE])
		doctor_fail(r, "%zu of %zu web servers do not limit requests", counts[LIMIT_NONE],
			    asked);
	else if (counts[LIMIT_UNKNOWN])
		doctor_fail(r, "%zu of %zu web servers could not be asked", counts[LIMIT_UNKNOWN],
			    asked);
	else
		doctor_pass(r, "all %zu web server%s limit requests", asked, asked == 1 ? "" : "s");
	if (counts[LIMIT_NONE])
		doctor_hint(r, "the configuration that these commands print limits requests; "
			       "there is one for haproxy, too");
}

int doctor_check_limits(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			struct err *e)
{
	size_t counts[LIMITS] = { 0 }, asked = 0;
	if (!d->o->rate_limits) {
		doctor_skip(r, "not tried: it takes many requests");
		doctor_next(r, "ferry doctor rate-limits --rate-limits 500");
		return 0;
	}
	int rc = readers_places(subject, e);
	for (size_t i = 0; rc >= 0 && i < subject->place_count; i++)
		if (serves_objects(&subject->places[i]) && is_web(&subject->places[i]) &&
		    !limits_itself(&subject->places[i])) {
			rc = try_limit(d, subject, &subject->places[i], r, e);
			counts[MAX(rc, 0)]++;
			asked++;
		}
	if (rc < 0)
		return rc;
	judge_limits(r, counts, asked);
	return 0;
}
