#include "publish/pages_send.h"

#include "publish/inventory.h"
#include "publish/push.h"
#include "publish/release.h"
#include "publish/verified.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/threads.h"

#include <string.h>

const char *pages_outcome_name(enum pages_outcome o)
{
	static const char *const names[] = {
		[PAGES_FAILED] = "failed",   [PAGES_LEFT_OUT] = "left-out",
		[PAGES_PLANNED] = "planned", [PAGES_UP_TO_DATE] = "up-to-date",
		[PAGES_SENT] = "sent",       [PAGES_BEHIND] = "behind",
	};
	return names[o];
}

void pages_mirror_release(struct pages_mirror *m)
{
	for (size_t i = 0; i < m->old_count; i++)
		free(m->old[i].key);
	free(m->old);
	free(m->reason);
	m->reason = NULL;
	m->old = NULL;
	m->old_count = m->old_cap = 0;
}

/* A file of the build, on one mirror. */
struct item {
	struct repository_file file; /* as the record has it; its key is owned */
	const struct pages_file *page;
	unsigned rank;
	bool there;  /* the same bytes */
	bool listed; /* perhaps others */
	struct mirror_stat stat;
};

struct send {
	const struct pages *p;
	const struct tree *t;
	const struct pages_send_options *o;
	struct pages_mirror *m;
	struct item *items; /* in the order of p */
	struct item **by_key;
	size_t count;
	unsigned rank;           /* that is being sent */
	struct pages_left *left; /* what is below site/; only to prune */
	size_t left_count, left_cap;
	char *task;
	pthread_mutex_t lock; /* of what follows, and the numbers of m */
	struct verified record;
	struct err error;
};

/* ---- which files ------------------------------------------------------------------ */

/* site/site.h has the order. */
static unsigned rank_of(const char *path)
{
	static const char *const folders[] = { "assets/", "models/", "page/", "by/" };
	if (strcmp(path, "index.html") == 0)
		return 5;
	for (unsigned i = 0; i < ARRAY_LEN(folders); i++)
		if (str_starts(path, folders[i]))
			return MIN(i, 2);
	return strchr(path, '/') ? 3 : 4;
}
#define RANKS 6

static int compare_items(const void *a, const void *b)
{
	const struct item *const *x = a, *const *y = b;
	return strcmp((*x)->file.key, (*y)->file.key);
}

static void send_init(struct send *s)
{
	const struct pages *p = s->p;
	s->count = p->count;
	s->items = mem_alloc((p->count + 1) * sizeof *s->items);
	s->by_key = mem_alloc((p->count + 1) * sizeof *s->by_key);
	for (size_t i = 0; i < p->count; i++) {
		s->items[i] = (struct item){
			.file = { .key = mem_printf(PAGES_PREFIX "%s", p->at[i].path),
				  .class = REPOSITORY_POINTER,
				  .size = p->at[i].size,
				  .sha256 = p->at[i].sha256 },
			.page = &p->at[i],
			.rank = rank_of(p->at[i].path),
		};
		s->by_key[i] = &s->items[i];
	}
	qsort(s->by_key, s->count, sizeof *s->by_key, compare_items);
	pthread_mutex_init(&s->lock, NULL);
	verified_open(&s->record, s->o->record_dir, s->m->id, s->m->mirror->url);
}

static void forget_left(struct send *s)
{
	for (size_t i = 0; i < s->left_count; i++)
		free(s->left[i].key);
	free(s->left);
	s->left = NULL;
	s->left_count = s->left_cap = 0;
}

static void send_release(struct send *s)
{
	forget_left(s);
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i].file.key);
	free(s->items);
	free(s->by_key);
	free(s->task);
	verified_close(&s->record);
	pthread_mutex_destroy(&s->lock);
}

/* ---- several threads -------------------------------------------------------------- */

static void note_error(struct send *s, const struct err *e)
{
	pthread_mutex_lock(&s->lock);
	if (!s->error.class)
		s->error = *e;
	pthread_mutex_unlock(&s->lock);
}

static bool goes_on(struct send *s)
{
	struct err e = ERR_INIT;
	if (cancel_check(s->o->cancel, &e) < 0)
		note_error(s, &e);
	pthread_mutex_lock(&s->lock);
	bool yes = !s->error.class;
	pthread_mutex_unlock(&s->lock);
	return yes;
}

static int each(struct send *s, void (*fn)(void *ctx, size_t i), struct err *e)
{
	threads_run(mirror_threads(s->m->mirror), s->count, fn, s);
	if (s->error.class)
		*e = s->error;
	return -(int)e->class;
}

/* ---- what is there ---------------------------------------------------------------- */

static void add_left(struct send *s, const struct mirror_entry *entry, bool current)
{
	s->left = mem_grow(s->left, s->left_count, &s->left_cap, sizeof *s->left);
	s->left[s->left_count++] = (struct pages_left){ .key = mem_strdup(entry->key),
							.size = entry->stat.size,
							.modified_s = entry->stat.modified_s,
							.current = current };
}

static bool may_go(const struct send *s, const struct pages_left *f)
{
	const struct prune_time *time = &s->o->time;
	/* The list stays where the folder is a mirror itself. */
	return !f->current && strcmp(f->key, PAGES_PREFIX PAGES_LIST) != 0 && f->modified_s &&
	       f->since_s <= time->now_s && (uint64_t)(time->now_s - f->since_s) >= time->grace_s;
}

/* When it was sent; one that is still to be sent is sent now. */
static int64_t sent_s(const struct send *s, const char *key)
{
	struct item wanted = { .file.key = (char *)(uintptr_t)key }, *at = &wanted;
	struct item **found = bsearch(&at, s->by_key, s->count, sizeof at, compare_items);
	return found && (*found)->there ? (*found)->stat.modified_s : s->o->time.now_s;
}

static void find_old(struct send *s)
{
	struct pages_mirror *m = s->m;
	for (size_t i = 0; i < s->left_count; i++)
		if (s->left[i].current)
			s->left[i].modified_s = sent_s(s, s->left[i].key);
	pages_old_find(s->left, s->left_count, sent_s(s, PAGES_PREFIX "index.html"));
	for (size_t i = 0; i < s->left_count; i++) {
		const struct pages_left *f = &s->left[i];
		if (!may_go(s, f))
			continue;
		m->old = mem_grow(m->old, m->old_count, &m->old_cap, sizeof *m->old);
		m->old[m->old_count++] = (struct pages_old){ mem_strdup(f->key), f->size, false };
		m->old_bytes += f->size;
	}
}

static int on_entry(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	struct send *s = ctx;
	struct item key = { .file.key = (char *)(uintptr_t)entry->key }, *at = &key;
	struct item **found = bsearch(&at, s->by_key, s->count, sizeof at, compare_items);
	if (found) {
		(*found)->listed = true;
		(*found)->stat = entry->stat;
	}
	if ((s->o->prune || s->o->prune_only) && str_starts(entry->key, PAGES_PREFIX))
		add_left(s, entry, found != NULL);
	return cancel_check(s->o->cancel, e);
}

static void forget_listing(struct send *s)
{
	for (size_t i = 0; i < s->count; i++)
		s->items[i].listed = false;
	forget_left(s);
}

static int list(struct send *s, struct err *e)
{
	struct retry retry = *s->o->retry;
	do {
		forget_listing(s);
		(void)!mirror_list(s->m->mirror, PAGES_PREFIX, on_entry, s, e);
	} while (e->class && retry_again(&retry, e));
	return -(int)e->class;
}

static bool is_same(struct send *s, struct item *item)
{
	pthread_mutex_lock(&s->lock);
	bool vouched = verified_vouches(&s->record, &item->file, &item->stat);
	pthread_mutex_unlock(&s->lock);
	return vouched || inventory_judge(&item->file, NULL, &item->stat) == INVENTORY_OK;
}

static int stat_item(struct send *s, struct item *item, struct err *e)
{
	struct retry retry = *s->o->retry;
	do {
		(void)!mirror_stat_key(s->m->mirror, item->file.key, &item->stat, e);
	} while (e->class && retry_again(&retry, e));
	if (!err_is(e, ERR_NOT_FOUND))
		return -(int)e->class;
	err_clear(e);
	item->listed = false;
	return 0;
}

static void record_item(struct send *s, struct item *item)
{
	pthread_mutex_lock(&s->lock);
	if (!verified_vouches(&s->record, &item->file, &item->stat))
		verified_add(&s->record, &item->file, &item->stat);
	pthread_mutex_unlock(&s->lock);
}

/* Of what this machine did not send: the digest that the mirror keeps. */
static void compare(void *ctx, size_t i)
{
	struct send *s = ctx;
	struct item *item = &s->items[i];
	struct err e = ERR_INIT;
	if (!item->listed || item->stat.size != item->page->size)
		return;
	item->there = is_same(s, item);
	if (item->there || !mirror_can(s->m->mirror, MIRROR_CAN_SHA256) || !goes_on(s))
		return;
	if (stat_item(s, item, &e) < 0)
		note_error(s, &e);
	else if (item->listed && (item->there = is_same(s, item)))
		record_item(s, item);
}

static int plan(struct send *s, struct err *e)
{
	struct pages_mirror *m = s->m;
	int rc = list(s, e);
	if (rc == 0)
		rc = each(s, compare, e);
	for (size_t i = 0; i < s->count; i++) {
		m->files += !s->items[i].there;
		m->bytes += s->items[i].there ? 0 : s->items[i].page->size;
	}
	if (rc == 0)
		find_old(s);
	return rc;
}

/* ---- sending ---------------------------------------------------------------------- */

static const char *type_of(const char *path)
{
	static const struct {
		const char *ending, *type;
	} types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".svg", "image/svg+xml" },
		{ "feed.xml", "application/atom+xml; charset=utf-8" },
		{ ".xml", "application/xml" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".png", "image/png" },
		{ ".ico", "image/x-icon" },
	};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_ends(path, types[i].ending))
			return types[i].type;
	return NULL;
}

static int read_page(const struct send *s, const struct item *item, struct buf *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->p->dir, item->page->path);
	struct digest sha256;
	int rc = file_read_all(path, out, e);
	if (rc < 0)
		return rc;
	sha256_of(out->data, out->len, &sha256);
	return digest_equal(&sha256, &item->page->sha256)
		       ? 0
		       : err_set(e, ERR_CONFLICT, "%s was changed while it was being sent", path);
}

static int put_pieces(struct send *s, struct item *item, const struct mirror_put *how,
		      const char *data, struct err *e)
{
	CLEANUP_PTR(mirror_upload_close) struct mirror_upload *u = NULL;
	int rc = mirror_upload_open(s->m->mirror, item->file.key, how, &u, e);
	for (uint32_t i = 0; rc == 0 && i < how->grid.count; i++)
		if (!mirror_upload_has(u, i))
			rc = mirror_upload_put(u, i, data + grid_offset(&how->grid, i), e);
	return rc < 0 ? rc : mirror_upload_commit(u, &item->stat, e);
}

static int put_once(struct send *s, struct item *item, const struct buf *data, struct err *e)
{
	struct mirror_put how = {
		.sha256 = item->page->sha256,
		.content_type = type_of(item->page->path),
		.immutable = item->rank == 0,
		.report = s->o->report,
		.task = s->task,
	};
	int rc = grid_for(data->len, &how.grid, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr)
	struct digest *pieces = mem_alloc((how.grid.count + 1) * sizeof *pieces);
	for (uint32_t i = 0; i < how.grid.count; i++)
		sha256_of(data->data + grid_offset(&how.grid, i), (size_t)grid_length(&how.grid, i),
			  &pieces[i]);
	how.pieces = pieces;
	return put_pieces(s, item, &how, data->data, e);
}

/* Some kinds report time and etag, which the record needs, only when they are asked. */
static int check_sent(struct send *s, struct item *item, struct err *e)
{
	int rc = !item->stat.etag[0] && !item->stat.modified_s ? stat_item(s, item, e) : 0;
	enum inventory_state found = inventory_judge(&item->file, NULL, &item->stat);
	if (rc == 0 && (found == INVENTORY_SIZE || found == INVENTORY_CONTENT))
		rc = err_set(e, ERR_INTEGRITY, "%s: the mirror has other bytes than were sent",
			     item->file.key);
	return rc;
}

static int send_item(struct send *s, struct item *item, struct err *e)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT(PAGES_MAX_FILE);
	struct retry retry = *s->o->retry;
	int rc = read_page(s, item, &data, e);
	if (rc < 0)
		return rc;
	item->listed = true;
	do {
		if (put_once(s, item, &data, e) == 0)
			(void)!check_sent(s, item, e);
	} while (e->class && retry_again(&retry, e));
	if (e->class)
		return -(int)e->class;
	record_item(s, item);
	pthread_mutex_lock(&s->lock);
	s->m->written++;
	s->m->written_bytes += data.len;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static void send_one(void *ctx, size_t i)
{
	struct send *s = ctx;
	struct item *item = &s->items[i];
	struct err e = ERR_INIT;
	if (item->there || item->rank != s->rank || !goes_on(s))
		return;
	if (send_item(s, item, &e) < 0)
		note_error(s, &e);
}

static int send_all(struct send *s, struct err *e)
{
	int rc = 0;
	if (!s->m->files)
		return 0;
	s->task = mem_printf("site %s", s->m->id);
	report_begin(s->o->report, s->task, s->m->bytes, 0);
	for (s->rank = 0; rc == 0 && s->rank < RANKS; s->rank++)
		rc = each(s, send_one, e);
	report_end(s->o->report, s->task, rc == 0);
	return rc;
}

/* ---- removing --------------------------------------------------------------------- */

static int remove_old(struct send *s, struct err *e)
{
	for (size_t i = 0; i < s->m->old_count; i++) {
		struct pages_old *old = &s->m->old[i];
		struct retry retry = *s->o->retry;
		if (cancel_check(s->o->cancel, e) < 0)
			return -(int)e->class;
		do {
			(void)!mirror_remove(s->m->mirror, old->key, e);
		} while (e->class && retry_again(&retry, e));
		if (e->class)
			return -(int)e->class;
		old->removed = true;
		s->m->removed++;
		s->m->removed_bytes += old->size;
	}
	return 0;
}

/* For kinds whose files become visible together. */
static int publish(struct send *s, struct err *e)
{
	CLEANUP(mirror_findings_release) struct mirror_findings found = { 0 };
	const struct mirror_publication what = {
		.name = "site",
		.version = s->p->release,
		.shown = true,
		.report = s->o->report,
	};
	struct retry retry = *s->o->retry;
	if (!s->m->written && !s->m->removed)
		return 0;
	do {
		(void)!mirror_publish(s->m->mirror, &what, &found, e);
	} while (e->class && retry_again(&retry, e));
	return -(int)e->class;
}

/* ---- one mirror ------------------------------------------------------------------- */

/* The reason why the mirror cannot have a site; NULL: it can. The caller frees. */
static char *unfit(const struct pages_mirror *m)
{
	const struct mirror_ops *ops = m->mirror->ops;
	if (!mirror_can(m->mirror, MIRROR_CAN_WRITE))
		return mem_printf("its kind, %s, is read-only", ops->kind);
	if (ops->no_metadata || ops->wants_models || !mirror_can(m->mirror, MIRROR_CAN_LIST))
		return mem_printf("its kind, %s, has no place for pages", ops->kind);
	if (m->holds == MIRROR_HOLDS_OBJECTS)
		return mem_strdup("it holds objects only, and shows no release");
	return NULL;
}

static int check_release(const struct send *s, bool *same, struct err *e)
{
	struct release now;
	struct retry retry = *s->o->retry;
	do {
		(void)!release_of(s->m->mirror, s->t, &now, e);
	} while (e->class && retry_again(&retry, e));
	if (e->class)
		return -(int)e->class;
	*same = now.state == RELEASE_SAME;
	if (*same || s->o->prune_only)
		return 0;
	int rc = release_check(&now, s->t, e);
	if (rc < 0)
		return rc;
	err_set(e, ERR_NOT_FOUND, "mirror %s does not show release %llu, which the site is of (%s)",
		s->m->id, (unsigned long long)s->t->version, release_state_name(now.state));
	return err_hint(e, "run `ferry push` first");
}

static enum pages_outcome outcome_of(const struct send *s, bool same)
{
	const struct pages_mirror *m = s->m;
	if (s->o->prune_only && (m->files || !same))
		return PAGES_BEHIND;
	if (!m->files && !m->old_count)
		return PAGES_UP_TO_DATE;
	return s->o->dry_run ? PAGES_PLANNED : PAGES_SENT;
}

static int work(struct send *s, struct err *e)
{
	bool same = false;
	int rc = check_release(s, &same, e);
	if (rc == 0)
		rc = plan(s, e);
	if (rc < 0)
		return rc;
	s->m->outcome = outcome_of(s, same);
	if (s->m->outcome != PAGES_SENT)
		return 0;
	rc = send_all(s, e);
	if (rc == 0)
		rc = remove_old(s, e);
	return rc < 0 ? rc : publish(s, e);
}

struct run {
	const struct pages *p;
	const struct tree *t;
	const struct pages_send_options *o;
	struct pages_mirror *mirrors;
};

static void one_mirror(void *ctx, size_t i)
{
	struct run *r = ctx;
	struct pages_mirror *m = &r->mirrors[i];
	m->outcome = PAGES_FAILED;
	if (m->error.class)
		return;
	m->reason = unfit(m);
	if (m->reason) {
		m->outcome = PAGES_LEFT_OUT;
		return;
	}
	struct send s = { .p = r->p, .t = r->t, .o = r->o, .m = m };
	send_init(&s);
	if (work(&s, &m->error) < 0)
		m->outcome = PAGES_FAILED;
	send_release(&s);
}

int pages_send(const struct pages *p, const struct tree *t, struct pages_mirror *mirrors,
	       size_t count, const struct pages_send_options *o, struct err *e)
{
	struct run r = { p, t, o, mirrors };
	const struct err *worst = NULL;
	threads_run(o->threads, count, one_mirror, &r);
	for (size_t i = 0; i < count; i++)
		if (mirrors[i].error.class &&
		    (!worst || push_gravity(mirrors[i].error.class) > push_gravity(worst->class)))
			worst = &mirrors[i].error;
	if (worst)
		*e = *worst;
	return -(int)e->class;
}
