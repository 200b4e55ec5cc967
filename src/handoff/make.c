#include "handoff/internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

/* A layout while it is made. */
struct making {
	const struct store *store;
	struct handoff *handoff;
	struct store_layout before; /* the record that is there; empty if there is none */
	struct store_layouts all;
	struct handoff_ways ways;
	size_t made; /* items that were gone through */
	int lock;
};

static void making_release(struct making *m)
{
	store_layout_release(&m->before);
	store_layouts_release(&m->all);
	file_close(&m->lock);
}

/* -- errors that say what to do -------------------------------------------------------------- */

static bool is_refusal(int sys)
{
	return sys == EACCES || sys == EPERM || sys == EROFS;
}

static int explain_owner(const char *root, struct err *e)
{
	struct stat st;
	const struct passwd *who = stat(root, &st) == 0 && st.st_uid != geteuid()
					   ? getpwuid(st.st_uid)
					   : NULL;
	if (!who)
		return err_hint(e, "choose another folder with --to DIR");
	return err_hint(e,
			"it is %s's, who runs the server. Let the group write there: `sudo usermod "
			"-aG %s $USER; sudo chmod -R g+rwX %.200s`, log in again. Or run your own "
			"server, with another OLLAMA_MODELS",
			who->pw_name, who->pw_name, root);
}

static int explain(const struct handoff *h, struct err *e)
{
	if (!is_refusal(e->sys))
		return -(int)e->class;
	err_class_set(e, ERR_SYSTEM);
	return h->engine == HANDOFF_OLLAMA ? explain_owner(h->layout.root, e)
					   : err_hint(e, "choose another folder with --to DIR");
}

static int check_folders(const struct store *s, const struct handoff *h, struct err *e)
{
	if (s->read_only)
		return err_set(e, ERR_SYSTEM,
			       "the store %s cannot be written to, so the links could not be "
			       "recorded",
			       s->home);
	if (file_can_write_in(h->layout.root))
		return 0;
	err_sys(e, errno == EROFS ? EROFS : EACCES, "cannot write in %s", h->layout.root);
	return explain(h, e);
}

/* Nothing but a copy is possible: how much that would be. */
static int explain_copy(const struct handoff *h, bool public, struct err *e)
{
	char size[SIZE_TEXT];
	uint64_t bytes = 0;
	const char *why = public ? "the server's user cannot read the store's files, or the file "
				   "systems have no links between the two folders"
				 : "the file systems have no links or reflinks between the two "
				   "folders";
	for (size_t i = 0; i < h->count; i++)
		if (h->items[i].blob && !h->items[i].target &&
		    h->items[i].action <= HANDOFF_REPLACE)
			bytes += h->items[i].size;
	if (h->copy || e->class != ERR_SYSTEM || e->sys)
		return -(int)e->class;
	return err_hint(e, "%s; --copy copies the files: %s", why, format_size(size, bytes));
}

/* -- the record ------------------------------------------------------------------------------ */

static void add_item(struct store_layout *l, const struct handoff_item *item)
{
	const char *target = item->target ? item->target : item->blob;
	store_layout_add(l, mem_strdup(item->path), item->how, &item->sha256, item->size,
			 target ? mem_strdup(target) : NULL);
}

static void copy_names(struct store_layout *to, const struct store_layout *from)
{
	*to = (struct store_layout){
		.engine = mem_strdup(from->engine),
		.root = mem_strdup(from->root),
		.name = mem_strdup(from->name),
		.repository = mem_strdup(from->repository),
		.model = mem_strdup(from->model),
		.variant = mem_strdup(from->variant),
		.version = from->version,
		.made_s = from->made_s,
	};
	store_layout_identify(to);
}

/* Everything that may be there until it is complete: what it gets, and what it had. */
static int record_intention(const struct making *m, struct err *e)
{
	CLEANUP(store_layout_release) struct store_layout l = { 0 };
	copy_names(&l, &m->handoff->layout);
	for (size_t i = 0; i < m->handoff->count; i++) {
		struct handoff_item *item = &m->handoff->items[i];
		if (item->action != HANDOFF_KEEP && !item->text)
			item->how = item->target ? STORE_LINKS_SYMLINK : m->ways.at[0];
		if (item->action != HANDOFF_USE)
			add_item(&l, item);
	}
	for (size_t i = 0; i < m->before.count; i++) {
		const struct store_links_file *f = &m->before.files[i];
		if (!store_layout_find(&l, f->path))
			store_layout_add(&l, mem_strdup(f->path), f->how, &f->sha256, f->size,
					 f->target ? mem_strdup(f->target) : NULL);
	}
	return store_links_save(m->store, &l, e);
}

static int record_result(const struct making *m, struct err *e)
{
	CLEANUP(store_layout_release) struct store_layout l = { 0 };
	copy_names(&l, &m->handoff->layout);
	l.complete = true;
	for (size_t i = 0; i < m->handoff->count; i++) {
		const struct handoff_item *item = &m->handoff->items[i];
		if (item->action == HANDOFF_USE)
			continue;
		add_item(&l, item);
		struct store_links_file *f = &l.files[l.count - 1];
		f->made = true;
		if (f->how != STORE_LINKS_SYMLINK && !mark_of(f->path, false, &f->mark))
			return err_set(e, ERR_CONFLICT, "%s was removed by another program",
				       f->path);
	}
	return l.count ? store_links_save(m->store, &l, e) : store_links_forget(m->store, l.id, e);
}

/* -- making ---------------------------------------------------------------------------------- */

static bool is_done(const struct making *m)
{
	size_t kept = 0;
	for (size_t i = 0; i < m->handoff->count; i++) {
		if (m->handoff->items[i].action < HANDOFF_KEEP)
			return false;
		kept += m->handoff->items[i].action == HANDOFF_KEEP;
	}
	return kept == m->before.count && (m->before.complete || !kept) &&
	       (!kept || (m->before.version == m->handoff->layout.version &&
			  strcmp(m->before.variant, m->handoff->layout.variant) == 0));
}

static int make_items(struct making *m, struct err *e)
{
	int rc = 0;
	for (; rc == 0 && m->made < m->handoff->count; m->made += rc == 0) {
		struct handoff_item *item = &m->handoff->items[m->made];
		if (item->action < HANDOFF_KEEP)
			rc = handoff_make_item(m->store, &m->ways, item, e);
	}
	return rc;
}

static bool has_path(const struct handoff *h, const char *path)
{
	for (size_t i = 0; i < h->count; i++)
		if (strcmp(h->items[i].path, path) == 0)
			return true;
	return false;
}

/* Files that the older layout of this name had. */
static int remove_stale(const struct making *m, struct err *e)
{
	CLEANUP(handoff_removed_release) struct handoff_removed ignored = { 0 };
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < m->before.count; i++) {
		const struct store_links_file *f = &m->before.files[i];
		if (has_path(m->handoff, f->path))
			continue;
		rc = handoff_remove_file(m->store, &m->all, m->before.id, f, &ignored, e);
		if (rc == 0)
			handoff_remove_folders(m->handoff->layout.root, f->path);
	}
	return rc;
}

/* An engine that was just started may have removed what no model of its own needed yet. */
static int check_items(const struct making *m, struct err *e)
{
	for (size_t i = 0; i < m->handoff->count; i++) {
		const struct handoff_item *item = &m->handoff->items[i];
		struct stat st;
		if (stat(item->path, &st) == 0)
			continue;
		err_set(e, ERR_CONFLICT, "%s was removed by another program", item->path);
		return err_hint(e, "run the same command again");
	}
	return 0;
}

/* After a failure: nothing new stays. What was replaced stays recorded. */
static void take_back(const struct making *m)
{
	struct err ignored = ERR_INIT;
	bool replaced = false;
	if (m->made < m->handoff->count)
		handoff_remove_folders(m->handoff->layout.root, m->handoff->items[m->made].path);
	for (size_t i = m->made; i-- > 0;) {
		const struct handoff_item *item = &m->handoff->items[i];
		replaced = replaced || item->action == HANDOFF_REPLACE;
		if (item->action != HANDOFF_MAKE)
			continue;
		unlink(item->path);
		handoff_remove_folders(m->handoff->layout.root, item->path);
	}
	if (!replaced && !m->before.count)
		(void)!store_links_forget(m->store, m->handoff->layout.id, &ignored);
	else if (!replaced)
		(void)!store_links_save(m->store, &m->before, &ignored);
}

static int make_all(struct making *m, struct err *e)
{
	int rc = record_intention(m, e);
	if (rc < 0)
		return rc;
	handoff_remove_temporaries(&m->before);
	struct err why = ERR_INIT;
	rc = make_items(m, &why);
	if (rc == 0)
		rc = check_items(m, &why);
	if (rc < 0) {
		take_back(m);
		*e = why;
		explain(m->handoff, e);
		return explain_copy(m->handoff, m->ways.public, e);
	}
	rc = remove_stale(m, e);
	return rc < 0 ? rc : record_result(m, e);
}

int handoff_make(const struct store *s, struct handoff *h, struct err *e)
{
	CLEANUP(making_release) struct making m = { .store = s, .handoff = h, .lock = -1 };
	int rc = s->read_only ? check_folders(s, h, e) : store_links_lock(s, &m.lock, e);
	/* Under the lock: another process may have made or removed some of it. */
	if (rc == 0)
		rc = handoff_classify(s, h, &m.before, e);
	if (rc == 0)
		rc = store_links_list(s, &m.all, e);
	if (rc < 0 || is_done(&m))
		return rc;
	rc = check_folders(s, h, e);
	if (rc < 0)
		return rc;
	handoff_ways_find(h, &m.ways);
	return make_all(&m, e);
}
