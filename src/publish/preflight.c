#include "publish/preflight.h"

#include "mirror/record.h"
#include "publish/speed.h"
#include "tuf/claim.h"
#include "tuf/metadata.h"
#include "tuf/name.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/threads.h"

#include <stdio.h>
#include <string.h>

/* Metadata that expires sooner is worth a warning. */
#define SOON_S (6 * 3600)

void preflight_release(struct preflight *p)
{
	for (size_t i = 0; i < p->count; i++)
		mirror_findings_release(&p->mirrors[i].findings);
	free(p->mirrors);
	mirror_findings_release(&p->release);
	*p = (struct preflight){
		.remove = p->remove,
		.every = p->every,
		.now_s = p->now_s,
	};
}

/* Sets e to the most serious fault, with the name of its check in front. */
static bool gravest(const struct mirror_findings *f, struct err *e)
{
	const struct mirror_finding *worst = NULL;
	for (size_t i = 0; i < f->count; i++)
		if (f->at[i].class &&
		    (!worst || push_gravity(f->at[i].class) > push_gravity(worst->class)))
			worst = &f->at[i];
	if (!worst)
		return false;
	err_set(e, worst->class, "%s", worst->text);
	if (worst->hint)
		err_hint(e, "%s", worst->hint);
	return true;
}

/* ---- a mirror -------------------------------------------------------------------- */

static bool is_put(const struct push_step *s)
{
	return s->action == STEP_PUT || s->action == STEP_REPLACE;
}

/* As it was in an earlier push, else as `ferry mirror probe` has measured it. */
static uint64_t speed_of(const struct push_mirror *m, const struct push_options *o)
{
	CLEANUP(mirror_record_release) struct mirror_record record = { 0 };
	uint64_t speed = speed_read(o->record_dir, m->id);
	if (speed)
		return speed;
	mirror_record_load(m->mirror, &record);
	(void)!mirror_record_measured(&record, MIRROR_RECORD_UPLOAD, &speed);
	return speed;
}

/* What is read back first may have to be sent as well. */
static struct mirror_need need_of(const struct push_mirror *m, const struct push_options *o,
				  const struct preflight *p)
{
	struct mirror_need need = { .bytes = m->plan.put_bytes, .remove = p->remove };
	uint64_t speed = speed_of(m, o);
	for (size_t i = 0; i < m->plan.count; i++)
		if (is_put(&m->plan.steps[i]))
			need.largest = MAX(need.largest, m->plan.steps[i].file->size);
	need.write = p->every || !push_plan_is_empty(&m->plan);
	if (speed)
		need.seconds = need.bytes / speed;
	return need;
}

static void tell_time(const struct mirror_need *need, struct mirror_findings *out)
{
	char length[DURATION_TEXT], size[SIZE_TEXT];
	if (need->seconds)
		mirror_findings_add(out, "time", MIRROR_FINDING_OK, "about %s for %s",
				    format_duration(length, need->seconds),
				    format_size(size, need->bytes));
}

static void check_object(const struct push_mirror *m, const struct repository_file *f,
			 struct mirror_findings *out)
{
	struct err why = ERR_INIT;
	char a[SIZE_TEXT], b[SIZE_TEXT];
	uint64_t limit = m->mirror->max_object;
	if (f->size <= limit)
		return;
	err_set(&why, ERR_USAGE, "%s has %s (%llu bytes), more than the mirror's limit of %s",
		f->key, format_size(a, f->size), (unsigned long long)f->size,
		format_size(b, limit));
	err_hint(&why, "%s",
		 f->class == REPOSITORY_OBJECT && m->holds != MIRROR_HOLDS_METADATA
			 ? "publish a smaller variant or split the file into shards, or let the "
			   "mirror hold no model files (holds = metadata)"
			 : "raise max-object in ferry.conf if the host takes larger files, or use "
			   "a mirror of another kind");
	mirror_findings_fault(out, "object size", &why);
}

/* All that are too large, those included that are there already. */
static void check_objects(const struct push_mirror *m, struct mirror_findings *out)
{
	char text[SIZE_TEXT];
	size_t before = out->count;
	for (size_t i = 0; m->mirror->max_object && i < m->plan.count; i++)
		if (is_put(&m->plan.steps[i]))
			check_object(m, m->plan.steps[i].file, out);
	if (m->mirror->max_object && out->count == before)
		mirror_findings_add(out, "object size", MIRROR_FINDING_OK, "at most %s",
				    format_size(text, m->mirror->max_object));
}

/* The mirror's name has a column of its own. */
static void fault_of(const struct push_mirror *m, struct mirror_findings *out)
{
	CLEANUP(mem_free_ptr) char *prefix = mem_printf("mirror %s: ", m->id);
	struct err why = { .class = m->error.class };
	size_t skip = str_starts(m->error.text, prefix) ? strlen(prefix) : 0;
	snprintf(why.text, sizeof why.text, "%s", m->error.text + skip);
	memcpy(why.hint, m->error.hint, sizeof why.hint);
	mirror_findings_fault(out, "access", &why);
}

struct checks {
	struct preflight *p;
	struct push_mirror *mirrors;
	const struct push_options *o;
};

static void check_mirror(void *ctx, size_t i)
{
	struct checks *c = ctx;
	struct push_mirror *m = &c->mirrors[i];
	struct preflight_mirror *out = &c->p->mirrors[i];
	if (m->error.class) {
		fault_of(m, &out->findings);
		return;
	}
	if (m->count_only || !mirror_can(m->mirror, MIRROR_CAN_WRITE))
		return;
	out->need = need_of(m, c->o, c->p);
	tell_time(&out->need, &out->findings);
	check_objects(m, &out->findings);
	if (out->need.write || out->need.remove)
		(void)!mirror_preflight(m->mirror, &out->need, &out->findings, &m->error);
	if (!m->error.class)
		out->faulty = gravest(&out->findings, &m->error);
	if (out->faulty)
		err_context(&m->error, "mirror %s", m->id);
}

/* ---- the release ----------------------------------------------------------------- */

static const char *what_renews(const char *role)
{
	if (strcmp(role, "timestamp") == 0 || strcmp(role, "snapshot") == 0)
		return "`ferry catalog refresh` renews it; then push";
	return strcmp(role, "targets") == 0 || strcmp(role, "root") == 0
		       ? "`ferry catalog renew` renews it; then push"
		       : "its signers renew it (ferry catalog renew); then push";
}

/* Clients refuse everything without the four top-level roles, and of others only their files. */
static void expires(struct preflight *p, const char *key, const char *role, int64_t left_s,
		    uint64_t push_s)
{
	char left[DURATION_TEXT], length[DURATION_TEXT];
	enum tuf_type ignored;
	bool top = tuf_type_from_name(role, &ignored);
	uint64_t distance_s = (uint64_t)(left_s < 0 ? -left_s : left_s);
	struct err why = ERR_INIT;
	format_duration(left, distance_s);
	if (left_s <= 0)
		err_set(&why, ERR_INTEGRITY, "%s expired %s ago: clients refuse it", key, left);
	else if (distance_s < push_s)
		err_set(&why, ERR_INTEGRITY, "%s expires in %s, but the push is likely to take %s",
			key, left, format_duration(length, push_s));
	if (why.class && top) {
		err_hint(&why, "%s", what_renews(role));
		mirror_findings_fault(&p->release, "expiry", &why);
	} else if (why.class) {
		mirror_findings_add(&p->release, "expiry", MIRROR_FINDING_LACKS, "%s", why.text);
	} else if (distance_s < SOON_S) {
		mirror_findings_add(&p->release, "expiry", MIRROR_FINDING_LACKS, "%s expires in %s",
				    key, left);
	} else {
		mirror_findings_add(&p->release, "expiry", MIRROR_FINDING_OK, "%s expires in %s",
				    key, left);
	}
}

static bool is_newest_root(const struct tree *t, const struct repository_file *f)
{
	uint64_t own = tuf_name_version(path_base(f->key), "root"), newest = 0;
	for (size_t i = 0; i < t->files.count; i++) {
		const struct repository_file *other = &t->files.at[i];
		if (other->class == REPOSITORY_METADATA)
			newest = MAX(newest, tuf_name_version(path_base(other->key), "root"));
	}
	return own == newest;
}

static void check_expiry(struct preflight *p, const struct tree *t, const struct repository_file *f,
			 uint64_t push_s)
{
	CLEANUP(tuf_name_release) struct tuf_name name = { 0 };
	const struct buf *bytes = tree_small(t, f);
	struct err ignored = ERR_INIT;
	struct tuf_claim claim;
	if ((f->class != REPOSITORY_METADATA && f->class != REPOSITORY_TIMESTAMP) ||
	    !tuf_name_parse(path_base(f->key), &name) ||
	    tuf_claim_parse(buf_str(bytes), bytes->len, f->key, &claim, &ignored) < 0)
		return;
	if (strcmp(name.role, "root") != 0 || is_newest_root(t, f))
		expires(p, f->key, name.role, claim.expires_s - p->now_s, push_s);
}

/* Objects may be sent, and old releases repaired, whatever the newest metadata says. */
static bool shows_release(const struct push_options *o)
{
	return !o->only && !o->repair;
}

void preflight_run(struct preflight *p, const struct tree *t, struct push_mirror *mirrors,
		   size_t count, const struct push_options *o)
{
	struct checks c = { p, mirrors, o };
	uint64_t longest_s = 0;
	preflight_release(p);
	p->mirrors = mem_alloc((count + 1) * sizeof *p->mirrors);
	p->count = count;
	threads_run(o->threads, count, check_mirror, &c);
	for (size_t i = 0; i < count; i++)
		longest_s = MAX(longest_s, p->mirrors[i].need.seconds);
	for (size_t i = 0; shows_release(o) && i < t->files.count; i++)
		check_expiry(p, t, &t->files.at[i], longest_s);
	(void)gravest(&p->release, &p->error);
}
