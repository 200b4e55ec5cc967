#include "publish/inventory.h"

#include "util/cancel.h"
#include "util/mem.h"
#include "util/threads.h"

#include <string.h>

/* A stat for each key costs no more than a listing when they are few, or when the listing is likely
 * to contain so many times as many. */
#define LIST_FROM 32
#define LIST_AT_MOST 64

/* repository.json, the index and the like, without which metadata alone leads nowhere. */
static bool is_document(const struct repository_file *f)
{
	return !str_starts(f->key, "targets/" CARD_TARGETS);
}

bool inventory_wants(enum mirror_holds holds, bool packs, const struct repository_file *f)
{
	bool object = f->class == REPOSITORY_OBJECT;
	if (packs ? f->pack_key != NULL : f->is_pack)
		return false;
	switch (holds) {
	case MIRROR_HOLDS_ALL:
		return true;
	case MIRROR_HOLDS_OBJECTS:
		/* New ones come with each signature, which releases have no room for. */
		return object && !(packs && is_document(f));
	case MIRROR_HOLDS_METADATA:
		return !object || is_document(f);
	}
	return false;
}

enum inventory_state inventory_judge(const struct repository_file *f, const struct digest *root,
				     const struct mirror_stat *st)
{
	if (st->size != f->size)
		return INVENTORY_SIZE;
	if (st->has_sha256)
		return digest_equal(&st->sha256, &f->sha256) ? INVENTORY_OK : INVENTORY_CONTENT;
	if (st->has_pieces_sha256 && root && digest_equal(&st->pieces_sha256, root))
		return INVENTORY_OK;
	return INVENTORY_UNVERIFIED;
}

static int judge(const struct tree *t, const struct repository_file *f, struct inventory_item *item,
		 struct err *e)
{
	CLEANUP(tree_pieces_release) struct tree_pieces p = { 0 };
	if (item->stat.has_pieces_sha256 && !item->stat.has_sha256 && item->stat.size == f->size) {
		int rc = tree_pieces_load(t, f, &p, e);
		if (rc < 0)
			return rc;
	}
	item->state = inventory_judge(f, p.at ? &p.root : NULL, &item->stat);
	item->other_parts = item->state == INVENTORY_UNVERIFIED && p.at;
	return 0;
}

int inventory_stat(struct mirror *m, const struct tree *t, const struct repository_file *f,
		   struct inventory_item *out, struct err *e)
{
	struct inventory_item item = { .state = INVENTORY_MISSING };
	int rc = mirror_stat_key(m, f->key, &item.stat, e);
	if (rc == -ERR_NOT_FOUND) {
		err_clear(e);
		rc = 0;
	} else if (rc == 0) {
		rc = judge(t, f, &item, e);
	}
	if (rc == 0)
		*out = item;
	return rc;
}

struct listing {
	const struct tree *t;
	const bool *wanted;
	struct inventory_item *items;
	const struct cancel *cancel;
};

static int on_entry(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	struct listing *l = ctx;
	const struct repository_file *f = tree_find(l->t, entry->key);
	if (!f || !l->wanted[tree_index(l->t, f)])
		return cancel_check(l->cancel, e);
	struct inventory_item *item = &l->items[tree_index(l->t, f)];
	item->stat = entry->stat;
	return judge(l->t, f, item, e);
}

static int by_listing(struct mirror *m, const struct tree *t, const bool *wanted,
		      struct inventory_item *items, struct err *e)
{
	static const char *const prefixes[] = { "targets/", "metadata/" };
	struct listing l = { t, wanted, items, m->env.cancel };
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		int rc = mirror_list(m, prefixes[i], on_entry, &l, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Can a stat give more information than the listing? */
static bool stat_helps(const struct mirror *m, const struct repository_file *f,
		       const struct inventory_item *item, bool listed)
{
	bool in_prefix = str_starts(f->key, "targets/") || str_starts(f->key, "metadata/");
	if (!listed || !in_prefix)
		return true;
	return item->state == INVENTORY_UNVERIFIED &&
	       (mirror_can(m, MIRROR_CAN_SHA256) || mirror_can(m, MIRROR_CAN_PIECES_SHA256));
}

int inventory_list(struct mirror *m, const struct tree *t, const bool *wanted,
		   struct inventory_item *items, bool *known, struct err *e)
{
	size_t count = 0;
	for (size_t i = 0; i < t->files.count; i++) {
		count += wanted[i];
		known[i] = false;
		if (wanted[i])
			items[i] = (struct inventory_item){ .state = INVENTORY_MISSING };
	}
	bool listed = mirror_can(m, MIRROR_CAN_LIST) && count >= LIST_FROM &&
		      count >= t->files.count / LIST_AT_MOST;
	int rc = listed ? by_listing(m, t, wanted, items, e) : 0;
	for (size_t i = 0; rc == 0 && i < t->files.count; i++)
		known[i] = wanted[i] && !stat_helps(m, &t->files.at[i], &items[i], listed);
	return rc;
}

/* The stats that are left to do; several threads take one after the other. */
struct stats {
	struct mirror *m;
	const struct tree *t;
	struct inventory_item *items;
	const size_t *which;
	struct inventory_how *how;
	pthread_mutex_t lock; /* of how->retries and what follows */
	struct err error;     /* the first one, after which none is begun */
};

static bool again(struct stats *s, struct retry *retry, struct err *e)
{
	bool yes = retry_again(retry, e);
	pthread_mutex_lock(&s->lock);
	s->how->retries += yes;
	pthread_mutex_unlock(&s->lock);
	return yes;
}

static int ask(struct stats *s, size_t file, struct err *e)
{
	struct retry retry = *s->how->retry;
	int rc = cancel_check(s->m->env.cancel, e);
	if (rc < 0)
		return rc;
	do {
		(void)!inventory_stat(s->m, s->t, &s->t->files.at[file], &s->items[file], e);
	} while (e->class && again(s, &retry, e));
	s->items[file].asked = true;
	return -(int)e->class;
}

static void take_stat(void *ctx, size_t i)
{
	struct stats *s = ctx;
	struct err e = ERR_INIT;
	size_t file = s->which[i];
	pthread_mutex_lock(&s->lock);
	bool failed = s->error.class;
	pthread_mutex_unlock(&s->lock);
	if (failed || ask(s, file, &e) == 0)
		return;
	pthread_mutex_lock(&s->lock);
	if (!s->error.class)
		s->error = e;
	pthread_mutex_unlock(&s->lock);
}

/* Sets `which` to the files that must be asked about, and returns how many there are. */
static size_t to_ask(const struct tree *t, const bool *wanted, const bool *known,
		     const struct inventory_how *how, const struct inventory_item *items,
		     size_t *which)
{
	size_t count = 0;
	for (size_t i = 0; i < t->files.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		bool versioned = f->class == REPOSITORY_OBJECT || f->class == REPOSITORY_METADATA;
		bool vouched = how->record && versioned && items[i].state == INVENTORY_UNVERIFIED &&
			       verified_vouches(how->record, f, &items[i].stat);
		if (wanted[i] && !known[i] && !vouched)
			which[count++] = i;
	}
	return count;
}

int inventory_mirror(struct mirror *m, const struct tree *t, const bool *wanted,
		     struct inventory_how *how, struct inventory_item *items, struct err *e)
{
	size_t n = t->files.count;
	CLEANUP(mem_free_ptr) bool *known = mem_alloc((n + 1) * sizeof *known);
	CLEANUP(mem_free_ptr) size_t *which = mem_alloc((n + 1) * sizeof *which);
	struct stats s = { .m = m, .t = t, .how = how, .items = items, .which = which };
	struct retry retry = *how->retry;
	pthread_mutex_init(&s.lock, NULL);
	do {
		(void)!inventory_list(m, t, wanted, items, known, e);
	} while (e->class && again(&s, &retry, e));
	if (!e->class)
		threads_run(mirror_threads(m), to_ask(t, wanted, known, how, items, which),
			    take_stat, &s);
	pthread_mutex_destroy(&s.lock);
	if (s.error.class)
		*e = s.error;
	return -(int)e->class;
}
