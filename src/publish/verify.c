#include "publish/verify.h"

#include "publish/push.h"
#include "publish/verified.h"
#include "publish/verify_work.h"
#include "util/cancel.h"
#include "util/mem.h"
#include "util/threads.h"

#include <string.h>

/* ---- one mirror ----------------------------------------------------------------- */

struct run {
	const struct tree *tree;
	const struct verify_options *o;
	struct verify_mirror *mirrors;
	pthread_mutex_t loading;
};

/* What the mirror shows, and what it lists. */
static int look(const struct run *r, struct verify_mirror *m, const bool *wanted,
		struct inventory_item *items, bool *known, struct err *e)
{
	struct retry retry = *r->o->retry;
	bool shows = wanted[tree_index(r->tree, r->tree->timestamp)];
	do {
		if (shows)
			(void)!release_of(m->mirror, r->tree, &m->release, e);
		if (!e->class && shows && m->release.state != RELEASE_SAME &&
		    m->release.state != RELEASE_NONE)
			(void)!release_is_elsewhere(m->mirror, r->tree, &m->elsewhere, e);
		if (!e->class)
			(void)!inventory_list(m->mirror, r->tree, wanted, items, known, e);
	} while (e->class && retry_again(&retry, e));
	m->showed = shows && !e->class;
	if (m->elsewhere)
		m->release.state = RELEASE_OTHER;
	return -(int)e->class;
}

/* What is small is read by the first share only: so no file is in two reports. */
static bool is_ours(const struct share *s, const struct repository_file *f)
{
	return share_has(s, f) && (f->class == REPOSITORY_OBJECT || s->index <= 1);
}

void verify_record(const struct tree *t, const struct verify_mirror *m, const char *record_dir)
{
	struct verified record;
	if (!m->mirror)
		return;
	verified_open(&record, record_dir, m->id, m->mirror->url);
	for (size_t i = 0; i < m->count; i++)
		if (m->files[i].verdict == VERIFY_CORRUPT)
			verified_withdraw(&record, &t->files.at[i]);
	verified_close(&record);
}

/* Bytes that are right are of no use to readers who may not read them. */
static void check_readers(const struct verify_options *o, struct verify_mirror *m)
{
	struct err ignored = ERR_INIT;
	if (m->error.class || o->share.index > 1 ||
	    mirror_readers(m->mirror, &m->readers, &ignored) < 0)
		return;
	for (size_t i = 0; i < m->readers.count; i++)
		report_warn(o->report, "mirror %s: %s; %s", m->id, m->readers.at[i].text,
			    m->readers.at[i].hint);
}

static void check_mirror(void *ctx, size_t index)
{
	struct run *r = ctx;
	struct verify_mirror *m = &r->mirrors[index];
	size_t n = m->count;
	CLEANUP(mem_free_ptr) bool *wanted = mem_alloc((n + 1) * sizeof *wanted);
	CLEANUP(mem_free_ptr) bool *known = mem_alloc((n + 1) * sizeof *known);
	CLEANUP(mem_free_ptr) struct inventory_item *items = mem_alloc((n + 1) * sizeof *items);
	for (size_t i = 0; i < n; i++) {
		const struct repository_file *f = &r->tree->files.at[i];
		bool held = inventory_wants(m->holds, m->mirror && m->mirror->ops->packs, f);
		held = held && (!m->mirror || mirror_has(m->mirror, f->key));
		wanted[i] = held && is_ours(&r->o->share, f);
		m->held += held;
		m->verdicts[VERIFY_NONE] += !wanted[i];
	}
	if (!m->error.class && look(r, m, wanted, items, known, &m->error) < 0 &&
	    m->error.cause != CAUSE_PAGE)
		err_hint(&m->error,
			 "the mirror could not be reached, so nothing is known about it");
	m->expired = release_has_version(&m->release) && m->release.expires_s <= r->o->now_s;
	struct verify_work work = { r->tree, r->o, m, wanted, items, known, &r->loading };
	verify_work_run(&work);
	check_readers(r->o, m);
	verify_record(r->tree, m, r->o->record_dir);
}

/* ---- all ------------------------------------------------------------------------ */

int verify_run(const struct tree *t, struct verify_mirror *mirrors, size_t count,
	       const struct verify_options *o, struct err *e)
{
	struct run r = { .tree = t, .o = o, .mirrors = mirrors };
	for (size_t i = 0; i < count; i++) {
		mirrors[i].count = t->files.count;
		mirrors[i].files = mem_alloc((t->files.count + 1) * sizeof *mirrors[i].files);
		for (size_t k = 0; k < t->files.count; k++)
			mirrors[i].files[k].file = &t->files.at[k];
	}
	pthread_mutex_init(&r.loading, NULL);
	threads_run(o->threads, count, check_mirror, &r);
	pthread_mutex_destroy(&r.loading);
	return cancel_check(o->cancel, e) < 0 ? -ERR_CANCELLED : verify_sum_up(mirrors, count, e);
}
