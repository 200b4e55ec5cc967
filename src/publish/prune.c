#include "publish/prune.h"

#include "publish/push.h"
#include "publish/release.h"
#include "tuf/name.h"
#include "util/cancel.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/threads.h"

#include <string.h>

void prune_mirror_release(struct prune_mirror *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->items[i].key);
	free(m->items);
	m->items = NULL;
	m->count = m->cap = 0;
}

struct run {
	const struct tree *t;
	struct prune_mirror *mirrors;
	const struct prune_options *o;
	struct prune_keep keep;
};

/* ---- what may go ----------------------------------------------------------------- */

/* "<64 hex digits>.<name>" */
static bool is_hashed(const char *name)
{
	CLEANUP(mem_free_ptr) char *hex = mem_strndup(name, MIN(strlen(name), DIGEST_HEX - 1));
	struct digest ignored;
	return digest_parse(&ignored, hex) && name[DIGEST_HEX - 1] == '.';
}

static uint64_t own_version(const struct tree *t, const char *role)
{
	uint64_t version = 0;
	for (size_t i = 0; i < t->files.count; i++)
		if (t->files.at[i].class == REPOSITORY_METADATA)
			version = MAX(version,
				      tuf_name_version(path_base(t->files.at[i].key), role));
	return version;
}

/* A role that the tree does not have was removed from it. */
static bool is_old_metadata(const struct tree *t, const char *file)
{
	CLEANUP(tuf_name_release) struct tuf_name name = { 0 };
	if (!tuf_name_parse(file, &name) || !name.version || strcmp(name.role, "root") == 0)
		return false;
	uint64_t own = own_version(t, name.role);
	return !own || name.version < own;
}

static bool may_go(const struct run *r, const struct mirror_entry *entry)
{
	const struct prune_time *time = &r->o->time;
	int64_t modified_s = entry->stat.modified_s;
	bool old = modified_s && modified_s <= time->now_s &&
		   (uint64_t)(time->now_s - modified_s) >= time->grace_s;
	if (!old || prune_keep_has(&r->keep, entry->key))
		return false;
	if (str_starts(entry->key, "targets/"))
		return is_hashed(path_base(entry->key));
	return str_starts(entry->key, "metadata/") && !strchr(entry->key + 9, '/') &&
	       is_old_metadata(r->t, entry->key + 9);
}

struct listing {
	const struct run *r;
	struct prune_mirror *m;
};

static int on_entry(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	const struct listing *l = ctx;
	struct prune_mirror *m = l->m;
	int rc = cancel_check(l->r->o->cancel, e);
	if (rc < 0 || !may_go(l->r, entry))
		return rc;
	m->items = mem_grow(m->items, m->count, &m->cap, sizeof *m->items);
	m->items[m->count++] = (struct prune_item){ .key = mem_strdup(entry->key),
						    .size = entry->stat.size };
	m->bytes += entry->stat.size;
	return 0;
}

static int rank(const char *key)
{
	return str_starts(key, "targets/")                    ? 0
	       : tuf_name_version(path_base(key), "snapshot") ? 2
							      : 1;
}

static int compare_items(const void *a, const void *b)
{
	const struct prune_item *x = a, *y = b;
	int order = rank(x->key) - rank(y->key);
	return order ? order : strcmp(x->key, y->key);
}

static int list(const struct run *r, struct prune_mirror *m, struct err *e)
{
	static const char *const folders[] = { "targets/", "metadata/" };
	size_t folder_count = m->holds == MIRROR_HOLDS_OBJECTS ? 1 : 2;
	struct listing l = { r, m };
	struct retry retry = *r->o->retry;
	do {
		prune_mirror_release(m);
		m->bytes = 0;
		for (size_t i = 0; i < folder_count && !e->class; i++)
			(void)!mirror_list(m->mirror, folders[i], on_entry, &l, e);
	} while (e->class && retry_again(&retry, e));
	if (m->count)
		qsort(m->items, m->count, sizeof *m->items, compare_items);
	return -(int)e->class;
}

/* ---- removing -------------------------------------------------------------------- */

/* A dry run comes before the push that shows the release. */
static int check_shown(const struct run *r, struct prune_mirror *m, struct err *e)
{
	struct release now;
	struct retry retry = *r->o->retry;
	do {
		(void)!release_of(m->mirror, r->t, &now, e);
	} while (e->class && retry_again(&retry, e));
	if (e->class)
		return -(int)e->class;
	int rc = release_check(&now, r->t, e);
	if (rc == 0 && now.state != RELEASE_SAME && !r->o->dry_run)
		rc = err_set(e, ERR_CONFLICT, "it no longer shows release %llu",
			     (unsigned long long)r->t->version);
	return rc;
}

static int remove_item(const struct run *r, struct prune_mirror *m, struct prune_item *item,
		       struct err *e)
{
	struct retry retry = *r->o->retry;
	int rc = cancel_check(r->o->cancel, e);
	if (rc < 0)
		return rc;
	do {
		(void)!mirror_remove(m->mirror, item->key, e);
	} while (e->class && retry_again(&retry, e));
	if (e->class)
		return -(int)e->class;
	item->removed = true;
	m->removed++;
	m->removed_bytes += item->size;
	return 0;
}

static int remove_all(const struct run *r, struct prune_mirror *m, struct err *e)
{
	CLEANUP(mem_free_ptr) char *task = mem_printf("prune %s", m->id);
	int rc = 0;
	if (!m->count || r->o->dry_run)
		return 0;
	report_begin(r->o->report, task, m->bytes, 0);
	for (size_t i = 0; rc == 0 && i < m->count; i++) {
		rc = remove_item(r, m, &m->items[i], e);
		if (rc == 0)
			report_advance(r->o->report, task, (int64_t)m->items[i].size);
	}
	report_end(r->o->report, task, rc == 0);
	return rc;
}

/* For kinds that group what is removed, as in a commit. If that fails, nothing is removed. */
static int publish(const struct run *r, struct prune_mirror *m, struct err *e)
{
	CLEANUP(mirror_findings_release) struct mirror_findings found = { 0 };
	const struct mirror_publication what = {
		.name = "pruned",
		.version = r->t->version,
		.shown = true,
		.report = r->o->report,
	};
	struct retry retry = *r->o->retry;
	if (!m->removed || !m->mirror->ops->removes_later)
		return 0;
	do {
		(void)!mirror_publish(m->mirror, &what, &found, e);
	} while (e->class && retry_again(&retry, e));
	for (size_t i = 0; e->class && i < m->count; i++)
		m->items[i].removed = false;
	if (e->class)
		m->removed = m->removed_bytes = 0;
	return -(int)e->class;
}

static int check_able(const struct prune_mirror *m, struct err *e)
{
	if (mirror_can(m->mirror, MIRROR_CAN_LIST | MIRROR_CAN_WRITE))
		return 0;
	return err_set(e, ERR_USAGE,
		       "mirrors of kind %s cannot be listed, so nothing can be pruned "
		       "there",
		       m->mirror->ops->kind);
}

static void prune(void *ctx, size_t i)
{
	struct run *r = ctx;
	struct prune_mirror *m = &r->mirrors[i];
	if (!m->chosen || m->error.class)
		return;
	int rc = check_able(m, &m->error);
	if (rc == 0)
		rc = list(r, m, &m->error);
	if (rc == 0 && m->holds != MIRROR_HOLDS_OBJECTS)
		rc = check_shown(r, m, &m->error);
	if (rc == 0)
		rc = remove_all(r, m, &m->error);
	if (rc == 0)
		rc = publish(r, m, &m->error);
	if (rc < 0)
		err_context(&m->error, "mirror %s: pruning", m->id);
}

/* ---- the run --------------------------------------------------------------------- */

static int find_keep(struct run *r, size_t count, struct err *e)
{
	CLEANUP(mem_free_ptr) struct mirror **readers = mem_alloc((count + 1) * sizeof *readers);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		struct prune_mirror *m = &r->mirrors[i];
		if (m->holds == MIRROR_HOLDS_OBJECTS)
			continue;
		if (!m->mirror) {
			err_set(e, m->error.class, "%s", m->error.text);
			err_context(e, "nothing was removed, because mirror %s cannot be read",
				    m->id);
			return err_hint(e,
					"clients take metadata from one mirror and objects from "
					"another: repair the mirror, or remove it from ferry.conf");
		}
		readers[n++] = m->mirror;
	}
	return prune_keep_find(r->t, readers, n, &r->o->time, r->o->retry, &r->keep, e);
}

static int worst(const struct prune_mirror *mirrors, size_t count, struct err *e)
{
	const struct err *found = NULL;
	for (size_t i = 0; i < count; i++)
		if (mirrors[i].chosen && mirrors[i].error.class &&
		    (!found || push_gravity(mirrors[i].error.class) > push_gravity(found->class)))
			found = &mirrors[i].error;
	if (!found)
		return 0;
	*e = *found;
	return -(int)e->class;
}

int prune_run(const struct tree *t, struct prune_mirror *mirrors, size_t count,
	      const struct prune_options *o, struct err *e)
{
	struct run r = { .t = t, .mirrors = mirrors, .o = o };
	int rc = find_keep(&r, count, e);
	if (rc == 0)
		threads_run(o->threads, count, prune, &r);
	prune_keep_release(&r.keep);
	return rc < 0 ? rc : worst(mirrors, count, e);
}
