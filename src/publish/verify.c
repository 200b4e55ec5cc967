#include "publish/verify.h"

#include "util/threads.h"
#include "publish/push.h"
#include "publish/verified.h"
#include "util/cancel.h"
#include "util/mem.h"

#include <string.h>

/* After this many unreadable files in a row, the mirror is given up. */
#define GIVE_UP_AFTER 3

void verify_mirror_release(struct verify_mirror *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->files[i].error);
	mem_free_ptr(&m->files);
	m->count = 0;
}

struct checker {
	const struct tree *tree;
	const struct verify_options *o;
	struct verify_mirror *m;
	const char *task;
	uint64_t random; /* state of the generator */
};

/* splitmix64: small and portable. Each object of each mirror has its own state, so that a seed
 * determines the pieces regardless of the order of work. */
static uint64_t pick_below(struct checker *c, uint64_t below)
{
	uint64_t z = c->random += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % below;
}

static void random_start(struct checker *c, const struct repository_file *f)
{
	struct digest d;
	CLEANUP(mem_free_ptr) char *name = mem_printf("%llu %s %s", (unsigned long long)c->o->seed,
						      c->m->id, f->key);
	sha256_of(name, strlen(name), &d);
	memcpy(&c->random, d.bytes, sizeof c->random);
}

/* Chooses `want` of `count` pieces at random, in ascending order. */
static size_t draw(struct checker *c, uint32_t count, uint64_t want, uint32_t *out)
{
	size_t n = 0;
	for (uint32_t i = 0; i < count && n < want; i++)
		if (pick_below(c, count - i) < want - n)
			out[n++] = i;
	return n;
}

/* ---- one file ------------------------------------------------------------------- */

static int read_file(struct checker *c, struct verify_file *v, bool all, struct err *e)
{
	CLEANUP(tree_pieces_release) struct tree_pieces p = { 0 };
	CLEANUP(mem_free_ptr) uint32_t *which = NULL;
	struct audit_how how = { c->o->report, c->task, c->o->cancel, c->o->retry };
	int rc = tree_pieces_load(c->tree, v->file, &p, e);
	if (rc < 0) {
		/* A fault of the local tree, not of the mirror: there is nothing to compare
		 * with. */
		if (err_is(e, ERR_NOT_FOUND))
			err_class_set(e, ERR_SYSTEM);
		err_context(e, "this copy of the repository");
		c->m->error = *e;
		return -(int)e->class;
	}
	all = all || !p.at || p.grid.count <= c->o->samples;
	if (all) {
		rc = audit_full(c->m->mirror, v->file, &p, &how, &v->audit, e);
	} else {
		which = mem_alloc(c->o->samples * sizeof *which);
		random_start(c, v->file);
		size_t n = draw(c, p.grid.count, c->o->samples, which);
		rc = audit_some(c->m->mirror, v->file, &p, which, n, &how, &v->audit, e);
	}
	c->m->bytes_read += v->audit.bytes;
	if (rc < 0)
		return rc;
	v->verdict = audit_is_ok(&v->audit) ? VERIFY_OK : VERIFY_CORRUPT;
	v->how = all ? VERIFY_BY_BYTES : VERIFY_BY_SAMPLE;
	return 0;
}

/* A plain catalog.json that differs belongs to another release. */
static void judge_pointer(const struct checker *c, struct verify_file *v)
{
	enum release_state state = c->m->release.state;
	if (v->verdict != VERIFY_CORRUPT && v->verdict != VERIFY_WRONG_SIZE)
		return;
	if (state == RELEASE_OLDER)
		v->verdict = VERIFY_STALE;
	else if (state == RELEASE_NEWER || state == RELEASE_OTHER)
		v->verdict = VERIFY_FOREIGN;
}

static void judge_timestamp(const struct checker *c, struct verify_file *v)
{
	static const enum verify_verdict verdicts[] = {
		[RELEASE_NONE] = VERIFY_MISSING,  [RELEASE_DAMAGED] = VERIFY_CORRUPT,
		[RELEASE_OLDER] = VERIFY_STALE,   [RELEASE_SAME] = VERIFY_OK,
		[RELEASE_NEWER] = VERIFY_FOREIGN, [RELEASE_OTHER] = VERIFY_FOREIGN,
	};
	v->verdict = verdicts[c->m->release.state];
	v->how = VERIFY_BY_BYTES;
	v->audit.whole_differs = v->verdict == VERIFY_CORRUPT;
}

static int check_file(struct checker *c, struct verify_file *v, const struct inventory_item *item,
		      struct err *e)
{
	enum repository_class class = v->file->class;
	v->actual_size = item->stat.size;
	if (class == REPOSITORY_TIMESTAMP) {
		judge_timestamp(c, v);
		return 0;
	}
	int rc = 0;
	bool readable = false;
	switch (item->state) {
	case INVENTORY_MISSING:
		v->verdict = VERIFY_MISSING;
		break;
	case INVENTORY_SIZE:
		v->verdict = VERIFY_WRONG_SIZE;
		break;
	case INVENTORY_CONTENT:
		v->verdict = VERIFY_CORRUPT;
		v->how = VERIFY_BY_DIGEST;
		v->audit.whole_differs = true;
		readable = true;
		break;
	case INVENTORY_UNVERIFIED:
		v->verdict = VERIFY_UNVERIFIED;
		readable = true;
		break;
	case INVENTORY_OK:
		v->verdict = VERIFY_OK;
		v->how = VERIFY_BY_DIGEST;
		readable = true;
		break;
	}
	bool small = class != REPOSITORY_OBJECT;
	if (readable && (small || c->o->mode != VERIFY_QUICK)) {
		enum verify_verdict told = v->verdict;
		rc = read_file(c, v, small || c->o->mode == VERIFY_FULL, e);
		/* A correct sample does not override a wrong digest. */
		if (rc == 0 && told == VERIFY_CORRUPT && v->how == VERIFY_BY_SAMPLE &&
		    v->verdict == VERIFY_OK) {
			v->verdict = VERIFY_CORRUPT;
			v->how = VERIFY_BY_DIGEST;
			v->audit.whole_differs = true;
		}
	}
	if (rc == 0 && class == REPOSITORY_POINTER)
		judge_pointer(c, v);
	return rc;
}

/* ---- one mirror ----------------------------------------------------------------- */

static int take_inventory(struct checker *c, const bool *wanted, struct inventory_item *items,
			  struct err *e)
{
	struct retry retry = *c->o->retry;
	do {
		if (c->m->holds != MIRROR_HOLDS_OBJECTS)
			(void)!release_of(c->m->mirror, c->tree, &c->m->release, e);
		if (!e->class)
			(void)!inventory_mirror(c->m->mirror, c->tree, wanted, items, e);
	} while (e->class && retry_again(&retry, e));
	return -(int)e->class;
}

static uint64_t bytes_to_read(const struct checker *c, const bool *wanted)
{
	uint64_t total = 0;
	for (size_t i = 0; i < c->tree->files.count; i++) {
		const struct repository_file *f = &c->tree->files.at[i];
		struct grid g;
		struct err ignored = ERR_INIT;
		if (!wanted[i] || (f->class == REPOSITORY_OBJECT && c->o->mode == VERIFY_QUICK) ||
		    grid_for(f->size, &g, &ignored) < 0)
			continue;
		bool sampled = f->class == REPOSITORY_OBJECT && c->o->mode == VERIFY_SAMPLE;
		total += sampled ? MIN(f->size, c->o->samples * g.piece_length) : f->size;
	}
	return total;
}

static void check_files(struct checker *c, const bool *wanted, const struct inventory_item *items)
{
	unsigned in_a_row = 0;
	for (size_t i = 0; i < c->m->count; i++) {
		struct verify_file *v = &c->m->files[i];
		struct err e = ERR_INIT;
		if (!wanted[i])
			continue;
		if (c->m->error.class || cancel_check(c->o->cancel, &c->m->error) < 0) {
			v->verdict = VERIFY_UNREACHABLE;
			v->error = mem_strdup(c->m->error.text);
			continue;
		}
		if (check_file(c, v, &items[i], &e) == 0) {
			in_a_row = 0;
			continue;
		}
		/* It was removed after the inventory. */
		v->verdict = err_is(&e, ERR_NOT_FOUND) ? VERIFY_MISSING : VERIFY_UNREACHABLE;
		if (v->verdict == VERIFY_UNREACHABLE)
			v->error = mem_strdup(e.text);
		if (v->verdict == VERIFY_UNREACHABLE && ++in_a_row >= GIVE_UP_AFTER)
			c->m->error = e;
	}
}

struct run {
	const struct tree *tree;
	const struct verify_options *o;
	struct verify_mirror *mirrors;
};

static void record_corrupt(const struct run *r, const struct verify_mirror *m)
{
	struct verified record;
	if (!m->mirror)
		return;
	verified_open(&record, r->o->record_dir, m->id, m->mirror->url);
	for (size_t i = 0; i < m->count; i++)
		if (m->files[i].verdict == VERIFY_CORRUPT)
			verified_withdraw(&record, m->files[i].file);
	verified_close(&record);
}

static void check_mirror(void *ctx, size_t index)
{
	struct run *r = ctx;
	struct verify_mirror *m = &r->mirrors[index];
	struct checker c = { .tree = r->tree, .o = r->o, .m = m };
	size_t n = m->count;
	CLEANUP(mem_free_ptr) bool *wanted = mem_alloc((n + 1) * sizeof *wanted);
	CLEANUP(mem_free_ptr) struct inventory_item *items = mem_alloc((n + 1) * sizeof *items);
	for (size_t i = 0; i < n; i++)
		wanted[i] = inventory_wants(m->holds, r->tree->files.at[i].class);
	if (!m->error.class && take_inventory(&c, wanted, items, &m->error) < 0)
		err_hint(&m->error,
			 "the mirror could not be reached, so nothing is known about it");
	CLEANUP(mem_free_ptr) char *task = mem_printf("verify %s", m->id);
	uint64_t total = m->error.class ? 0 : bytes_to_read(&c, wanted);
	if (total) {
		c.task = task;
		report_begin(r->o->report, task, total, 0);
	}
	check_files(&c, wanted, items);
	record_corrupt(r, m);
	for (size_t i = 0; i < n; i++)
		m->verdicts[m->files[i].verdict]++;
	bool told = m->release.state != RELEASE_NONE && m->release.state != RELEASE_DAMAGED;
	m->expired = told && m->release.expires_s <= r->o->now_s;
	if (total)
		report_end(r->o->report, task, !m->error.class && !verify_is_bad(m));
}

/* ---- all ------------------------------------------------------------------------ */

bool verify_verdict_is_bad(enum verify_verdict v)
{
	return v == VERIFY_MISSING || v == VERIFY_WRONG_SIZE || v == VERIFY_CORRUPT ||
	       v == VERIFY_STALE || v == VERIFY_FOREIGN;
}

bool verify_is_bad(const struct verify_mirror *m)
{
	for (int v = 0; v < VERIFY_VERDICTS; v++)
		if (m->verdicts[v] && verify_verdict_is_bad((enum verify_verdict)v))
			return true;
	return m->expired;
}

static int sum_up(const struct verify_mirror *mirrors, size_t count, const struct cancel *cancel,
		  struct err *e)
{
	const struct err *worst = NULL;
	unsigned bad = 0, lost = 0;
	static const struct err unread = {
		.class = ERR_NETWORK,
		.text = "some files could not be read",
	};
	for (size_t i = 0; i < count; i++) {
		const struct verify_mirror *m = &mirrors[i];
		const struct err *why = m->error.class                    ? &m->error
					: m->verdicts[VERIFY_UNREACHABLE] ? &unread
									  : NULL;
		bad += verify_is_bad(m);
		lost += why != NULL;
		if (why && (!worst || push_gravity(why->class) > push_gravity(worst->class)))
			worst = why;
	}
	int rc = cancel_check(cancel, e);
	if (rc < 0)
		return rc;
	if (bad)
		return err_set(e, ERR_FAULT, "%u of %zu mirrors have faults", bad, count);
	if (!worst)
		return 0;
	err_set(e, worst->class, "%u of %zu mirrors could not be verified: %s", lost, count,
		worst->text);
	return err_hint(e, "no faults were found on the others; try again later");
}

int verify_run(const struct tree *t, struct verify_mirror *mirrors, size_t count,
	       const struct verify_options *o, struct err *e)
{
	struct run r = { t, o, mirrors };
	for (size_t i = 0; i < count; i++) {
		mirrors[i].count = t->files.count;
		mirrors[i].files = mem_alloc((t->files.count + 1) * sizeof *mirrors[i].files);
		for (size_t k = 0; k < t->files.count; k++)
			mirrors[i].files[k].file = &t->files.at[k];
	}
	threads_run(o->threads, count, check_mirror, &r);
	return sum_up(mirrors, count, o->cancel, e);
}

const char *verify_verdict_name(enum verify_verdict v)
{
	static const char *const names[] = { "none",    "ok",         "unverified",
					     "missing", "wrong-size", "corrupt",
					     "stale",   "foreign",    "unreachable" };
	return names[v];
}

const char *verify_how_name(enum verify_how h)
{
	static const char *const names[] = { "size", "digest", "sample", "bytes" };
	return names[h];
}

static void describe_ok(const struct verify_file *f, struct buf *out)
{
	if (f->how == VERIFY_BY_DIGEST)
		buf_adds(out, "digest reported by the mirror");
	else if (f->how == VERIFY_BY_SAMPLE)
		buf_addf(out, "%u pieces sampled", f->audit.pieces);
	else
		buf_adds(out, "all bytes");
}

void verify_describe(const struct verify_file *f, struct buf *out)
{
	switch (f->verdict) {
	case VERIFY_OK:
		describe_ok(f, out);
		break;
	case VERIFY_UNVERIFIED:
		buf_adds(out, "only the size was compared");
		break;
	case VERIFY_WRONG_SIZE:
		buf_addf(out, "%llu bytes instead of %llu", (unsigned long long)f->actual_size,
			 (unsigned long long)f->file->size);
		break;
	case VERIFY_CORRUPT:
		if (f->how == VERIFY_BY_DIGEST)
			buf_adds(out, "the mirror reports another digest");
		else
			audit_describe(&f->audit, out);
		break;
	case VERIFY_STALE:
		buf_adds(out, "of an older release");
		break;
	case VERIFY_FOREIGN:
		buf_adds(out, "of another publisher's release");
		break;
	case VERIFY_UNREACHABLE:
		buf_adds(out, f->error ? f->error : "not read");
		break;
	case VERIFY_NONE:
	case VERIFY_MISSING:
	case VERIFY_VERDICTS:
		break;
	}
}
