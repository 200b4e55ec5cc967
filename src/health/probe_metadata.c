/* Which release a mirror shows, and whether its plain catalog belongs to it. */
#include "health/probe_run.h"

#include "publish/inventory.h"
#include "tuf/claim.h"
#include "util/mem.h"

#include <string.h>

typedef unsigned long long ull;

static void find_release(struct probe_run *r, enum health_state state, const char *text)
{
	health_find(&r->out->findings, HEALTH_RELEASE, state, "%s", text);
}

static bool same_bytes(const struct probe_run *r)
{
	const struct tree *t = r->s->release;
	const struct buf *signed_ = tree_small(t, t->timestamp);
	return signed_->len == r->timestamp.len &&
	       memcmp(signed_->data, r->timestamp.data, signed_->len) == 0;
}

static void older(struct probe_run *r)
{
	struct probe *p = r->out;
	uint64_t newest = r->s->release->version;
	p->shows = PROBE_SHOWS_OLDER;
	p->lag = newest - p->version;
	health_find(&p->findings, HEALTH_RELEASE,
		    p->lag >= r->o.lag_critical ? HEALTH_CRITICAL : HEALTH_WARNING,
		    "shows release %llu, but %llu is the newest: %llu behind", (ull)p->version,
		    (ull)newest, (ull)p->lag);
}

static void compare(struct probe_run *r)
{
	struct probe *p = r->out;
	uint64_t newest = r->s->release->version;
	if (p->version < newest) {
		older(r);
	} else if (p->version > newest) {
		p->shows = PROBE_SHOWS_NEWER;
		health_find(&p->findings, HEALTH_RELEASE, HEALTH_WARNING,
			    "claims release %llu, which was not verified; %llu is the newest that "
			    "was",
			    (ull)p->version, (ull)newest);
	} else if (!same_bytes(r)) {
		p->shows = PROBE_SHOWS_OTHER;
		health_find(&p->findings, HEALTH_RELEASE, HEALTH_CRITICAL,
			    "its " PROBE_RUN_TIMESTAMP " claims release %llu, but is not the one "
			    "that is signed",
			    (ull)p->version);
	} else {
		p->shows = PROBE_SHOWS_SAME;
		health_find(&p->findings, HEALTH_RELEASE, HEALTH_OK, "shows release %llu",
			    (ull)p->version);
	}
}

void probe_metadata(struct probe_run *r)
{
	struct tuf_claim claim;
	struct err why = ERR_INIT;
	char span[PROBE_RUN_SPAN];
	if (!r->timestamp.len)
		return;
	if (tuf_claim_parse(r->timestamp.data, r->timestamp.len, PROBE_RUN_TIMESTAMP, &claim,
			    &why) < 0) {
		find_release(r, HEALTH_CRITICAL, why.text);
		return;
	}
	r->out->version = claim.version;
	r->out->expires_s = claim.expires_s;
	if (r->s->release)
		compare(r);
	int64_t ago_s = clock_wall_s(r->o.clock) - claim.expires_s;
	if (ago_s >= 0 && r->out->shows != PROBE_SHOWS_OTHER)
		health_find(&r->out->findings, HEALTH_RELEASE, HEALTH_CRITICAL,
			    "shows release %llu, which expired %s ago: clients refuse it",
			    (ull)claim.version, probe_run_span(span, ago_s));
}

/* ---- catalog.json and its signature ------------------------------------------------------ */

/* Up to this size it is read whole in each run; of a larger one, some parts at random. */
#define WHOLE_MAX MIB
#define PART_BYTES (64 * KIB)
#define PARTS 3

/* The bytes that arrive, compared with the signed ones from `at` on. */
struct compared {
	const struct buf *want;
	size_t at;
	bool differs;
};

static int compare_bytes(void *ctx, const void *data, size_t len, struct err *e)
{
	struct compared *c = ctx;
	c->differs = len > c->want->len - c->at || memcmp(c->want->data + c->at, data, len) != 0;
	if (c->differs) /* it may be of any length */
		return err_set(e, ERR_INTEGRITY, "it is not as signed");
	c->at += len;
	return 0;
}

static int compare_range(struct probe_run *r, const struct repository_file *f, struct compared *c,
			 uint64_t offset, uint64_t length, struct err *e)
{
	const struct mirror_sink sink = { compare_bytes, c };
	struct mirror_range range = { .key = f->key, .offset = offset, .length = length };
	c->at = (size_t)offset;
	int rc = probe_run_time_left(r, &range.deadline_ms, e);
	return rc < 0 ? rc : mirror_get(probe_run_mirror(r), &range, &sink, e);
}

static int compare_parts(struct probe_run *r, const struct repository_file *f, struct compared *c,
			 struct err *e)
{
	struct mirror_stat st;
	int rc = mirror_stat_key(probe_run_mirror(r), f->key, &st, e);
	if (rc == 0 &&
	    (st.size != f->size || (st.has_sha256 && !digest_equal(&st.sha256, &f->sha256))))
		c->differs = true;
	for (int i = 0; rc == 0 && !c->differs && i < PARTS; i++)
		rc = compare_range(r, f, c, random_below(NULL, f->size - PART_BYTES + 1),
				   PART_BYTES, e);
	return rc;
}

static int check_pointer(struct probe_run *r, const struct repository_file *f, struct err *e)
{
	struct compared c = { .want = tree_small(r->s->release, f) };
	struct err why = ERR_INIT;
	int rc = f->size > WHOLE_MAX ? compare_parts(r, f, &c, &why)
				     : compare_range(r, f, &c, 0, UINT64_MAX, &why);
	bool shorter = f->size <= WHOLE_MAX && c.at < c.want->len;
	if (rc == -ERR_NOT_FOUND)
		health_find(&r->out->findings, HEALTH_CATALOG, HEALTH_WARNING, "it has no %s",
			    f->key);
	else if (c.differs || (rc == 0 && shorter))
		health_find(&r->out->findings, HEALTH_CATALOG, HEALTH_CRITICAL,
			    "%s is not the one that is signed", f->key);
	else if (rc < 0)
		return probe_run_fault(r, HEALTH_CATALOG, HEALTH_WARNING, &why, e);
	return 0;
}

int probe_pointers(struct probe_run *r, struct err *e)
{
	const struct tree *t = r->s->release;
	size_t checked = 0;
	if (!t || r->out->shows != PROBE_SHOWS_SAME || r->s->metadata_only)
		return 0;
	for (size_t i = 0; i < t->files.count && !r->lost; i++) {
		const struct repository_file *f = &t->files.at[i];
		if (f->class != REPOSITORY_POINTER ||
		    !inventory_wants(r->m->holds, r->m->ops->packs, f))
			continue;
		int rc = check_pointer(r, f, e);
		if (rc < 0)
			return rc;
		checked++;
	}
	if (checked && !r->lost)
		health_find(&r->out->findings, HEALTH_CATALOG, HEALTH_OK,
			    "catalog.json is as signed");
	return 0;
}
