#include "handoff/internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <unistd.h>

/* What is at the path of an item, and whose it is. */
struct finding {
	const struct store *store;
	const struct store_layouts *all;
	struct handoff *handoff;
};

bool handoff_is_shared(const struct store_layouts *all, const char *id, const char *path)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->at[i].id, id) != 0 && store_layout_find(&all->at[i], path))
			return true;
	return false;
}

/* The entry of a record of this user; the one of this layout first. */
static const struct store_links_file *find_ours(const struct finding *x, const char *path,
						const struct store_layout **whose)
{
	const struct store_links_file *found = NULL;
	struct err ignored = ERR_INIT;
	for (size_t i = 0; i < x->all->count; i++) {
		const struct store_layout *l = &x->all->at[i];
		const struct store_links_file *f = store_layout_find(l, path);
		bool this = strcmp(l->id, x->handoff->layout.id) == 0;
		if (!f || (found && !this) ||
		    store_links_check_owner(x->store, l->id, &ignored) < 0)
			continue;
		found = f;
		*whose = l;
	}
	return found;
}

static bool leads_to(const struct store_links_file *f, const struct handoff_item *item)
{
	struct stat st;
	const char *want = item->target ? item->target : item->blob;
	if (lstat(f->path, &st) < 0 || !S_ISLNK(st.st_mode))
		return true;
	return want && f->target && strcmp(want, f->target) == 0;
}

static int conflict(const struct handoff_item *item, struct err *e)
{
	err_set(e, ERR_CONFLICT, "%s exists, and is not one of ferry's links", item->path);
	return err_hint(e, "%s",
			item->hint ? item->hint
				   : "move it away, or choose another name (--name) or "
				     "another folder (--to)");
}

static int conflict_with(const struct store_layout *l, const struct handoff_item *item,
			 struct err *e)
{
	err_set(e, ERR_CONFLICT, "%s is a link to %s/%s:%s", item->path, l->repository, l->model,
		l->variant);
	return err_hint(e, "choose another name (--name) or another folder (--to), or run `ferry "
			   "store unlink` first");
}

static int look_at_ours(const struct finding *x, const struct store_layout *whose,
			const struct store_links_file *f, struct handoff_item *item, struct err *e)
{
	enum store_links_state state = store_links_state(x->store, f);
	bool same = digest_equal(&f->sha256, &item->sha256);
	if (same && state == STORE_LINKS_OK && leads_to(f, item)) {
		item->action = HANDOFF_KEEP;
		item->how = f->how;
		return 0;
	}
	item->action = HANDOFF_REPLACE;
	return !same && strcmp(whose->id, x->handoff->layout.id) != 0
		       ? conflict_with(whose, item, e)
		       : 0;
}

static bool is_same_file(const char *path, const char *other)
{
	struct stat a, b;
	return other && stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* Another program's file with the same bytes. */
static bool has_same_bytes(const struct finding *x, const struct handoff_item *item)
{
	struct stat st;
	struct digest d;
	uint64_t size;
	struct err ignored = ERR_INIT;
	struct report *report = x->store->report;
	if (is_same_file(item->path, item->blob))
		return true;
	if (stat(item->path, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != item->size)
		return false;
	report_begin(report, item->path, item->size, 0);
	bool same = sha256_of_file(item->path, x->store->cancel, &d, &size, &ignored) == 0 &&
		    digest_equal(&d, &item->sha256);
	report_advance(report, item->path, (int64_t)item->size);
	report_end(report, item->path, same);
	return same;
}

static int look_at_item(const struct finding *x, struct handoff_item *item, struct err *e)
{
	const struct store_layout *whose = NULL;
	const struct store_links_file *f = find_ours(x, item->path, &whose);
	item->action = HANDOFF_MAKE;
	if (!file_exists(item->path))
		return item->existing ? conflict(item, e) : 0;
	if (f && store_links_state(x->store, f) != STORE_LINKS_CHANGED)
		return look_at_ours(x, whose, f, item, e);
	if (!has_same_bytes(x, item))
		return conflict(item, e);
	item->action = HANDOFF_USE;
	return 0;
}

static int load_before(const struct store *s, const char *id, struct store_layout *before,
		       struct err *e)
{
	struct err why = ERR_INIT;
	int rc = store_links_load(s, id, before, &why);
	if (rc == -ERR_NOT_FOUND)
		return 0;
	if (rc == 0)
		return store_links_check_owner(s, id, e);
	*e = why;
	return err_hint(e, "delete it: what it has a record of then counts as another program's");
}

int handoff_classify(const struct store *s, struct handoff *h, struct store_layout *before,
		     struct err *e)
{
	CLEANUP(store_layouts_release) struct store_layouts all = { 0 };
	struct finding x = { .store = s, .all = &all, .handoff = h };
	int rc = load_before(s, h->layout.id, before, e);
	if (rc == 0)
		rc = store_links_list(s, &all, e);
	for (size_t i = 0; rc == 0 && i < h->count; i++)
		rc = look_at_item(&x, &h->items[i], e);
	return rc;
}
