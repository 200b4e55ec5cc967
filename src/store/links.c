#include "store/links.h"

#include "store/record.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/owner.h"
#include "util/path.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ID_DIGITS (STORE_LINKS_ID - 1)
#define LOCK_WAIT_MS 60000

const char *store_links_state_name(enum store_links_state state)
{
	static const char *const names[] = {
		[STORE_LINKS_OK] = "ok",
		[STORE_LINKS_BROKEN] = "broken",
		[STORE_LINKS_CHANGED] = "changed",
		[STORE_LINKS_GONE] = "gone",
	};
	return names[state];
}

void store_layouts_release(struct store_layouts *l)
{
	for (size_t i = 0; i < l->count; i++)
		store_layout_release(&l->at[i]);
	free(l->at);
	*l = (struct store_layouts){ 0 };
}

/* -- its record ------------------------------------------------------------------------------ */

static char *record_path(const struct store *s, const char *id)
{
	return mem_printf("%s/links/%s.json", s->home, id);
}

int store_links_save(const struct store *s, const struct store_layout *l, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = record_path(s, l->id);
	CLEANUP(json_release) json_t *object = store_links_json(l);
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = json_write_file(path, object, FILE_MODE, e);
	return rc < 0 && e->sys == EACCES ? err_hint(e, FILE_GROUP_HINT) : rc;
}

int store_links_forget(const struct store *s, const char *id, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = record_path(s, id);
	return file_remove(path, e);
}

int store_links_load(const struct store *s, const char *id, struct store_layout *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = record_path(s, id);
	CLEANUP(buf_release) struct buf text = BUF_INIT(2 * RECORD_MAX_BYTES);
	CLEANUP(store_layout_release) struct store_layout l = { 0 };
	int rc = file_read_all(path, &text, e);
	if (rc == 0)
		rc = store_links_parse(buf_str(&text), text.len, path, &l, e);
	/* A record that was renamed would be found by no layout that is made again. */
	if (rc == 0 && strcmp(l.id, id) != 0)
		rc = err_set(e, ERR_INTEGRITY, "%s is the record of another layout", path);
	if (rc < 0)
		return rc;
	*out = l;
	l = (struct store_layout){ 0 };
	return 0;
}

int store_links_check_owner(const struct store *s, const char *id, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = record_path(s, id);
	struct err why = ERR_INIT;
	if (owner_check(path, NULL, &why) == 0)
		return 0;
	*e = why;
	return err_class_set(e, ERR_CONFLICT);
}

int store_links_lock(const struct store *s, int *fd, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->home, "links/lock");
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	return rc < 0 ? rc : file_lock(path, LOCK_WAIT_MS, s->cancel, fd, e);
}

/* -- all of them ----------------------------------------------------------------------------- */

/* "0123456789abcdef.json" → "0123456789abcdef" */
static bool is_record(const char *name, char id[STORE_LINKS_ID])
{
	uint8_t raw[ID_DIGITS / 2];
	if (strlen(name) != ID_DIGITS + strlen(".json") || !str_ends(name, ".json"))
		return false;
	memcpy(id, name, ID_DIGITS);
	id[ID_DIGITS] = '\0';
	return hex_decode(raw, sizeof raw, id, false);
}

static int compare_layouts(const void *a, const void *b)
{
	const struct store_layout *x = a, *y = b;
	int order = strcmp(x->engine, y->engine);
	if (!order)
		order = strcmp(x->root, y->root);
	return order ? order : strcmp(x->name, y->name);
}

static void take_record(const struct store *s, const char *id, struct store_layouts *all)
{
	struct store_layout l = { 0 };
	struct err why = ERR_INIT;
	int rc = store_links_load(s, id, &l, &why);
	if (rc == -ERR_NOT_FOUND)
		return;
	if (rc < 0) {
		all->damaged++;
		report_warn(s->report, "%s; links that it has a record of are not known", why.text);
		return;
	}
	all->at = mem_grow(all->at, all->count, &all->cap, sizeof l);
	all->at[all->count++] = l;
}

int store_links_list(const struct store *s, struct store_layouts *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_join(s->home, "links");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct store_layouts all = { 0 };
	char id[STORE_LINKS_ID];
	int rc = file_list_dir(dir, &names, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < names.count; i++)
		if (is_record(names.at[i], id))
			take_record(s, id, &all);
	if (all.count)
		qsort(all.at, all.count, sizeof *all.at, compare_layouts);
	*out = all;
	return 0;
}

/* -- what is at a path ----------------------------------------------------------------------- */

static bool is_link_to(const char *path, const char *target)
{
	char text[4096];
	ssize_t len = readlink(path, text, sizeof text);
	return len > 0 && (size_t)len < sizeof text && (size_t)len == strlen(target) &&
	       memcmp(text, target, (size_t)len) == 0;
}

static bool has_size(const char *path, uint64_t size)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

static bool is_same_file(const char *path, const char *other)
{
	struct stat a, b;
	return stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static bool is_as_marked(const char *path, const struct mark *was)
{
	struct mark is;
	return mark_of(path, false, &is) && is.size == was->size &&
	       is.modified_ns == was->modified_ns && is.inode == was->inode;
}

/* What the engine may write itself (refs/main of the Hugging Face cache) is ours while it has our
 * bytes. */
static bool is_as_made(const struct store *s, const struct store_links_file *f)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, &f->sha256);
	struct stat st;
	if (lstat(f->path, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != f->size)
		return false;
	if (f->how == STORE_LINKS_WRITTEN || !f->made)
		return is_same_file(f->path, blob) || sha256_file_is(f->path, &f->sha256);
	return f->how != STORE_LINKS_SYMLINK && is_as_marked(f->path, &f->mark);
}

static enum store_links_state link_state(const struct store_links_file *f)
{
	if (!f->target || (f->made && f->how != STORE_LINKS_SYMLINK) ||
	    !is_link_to(f->path, f->target))
		return STORE_LINKS_CHANGED;
	return has_size(f->path, f->size) ? STORE_LINKS_OK : STORE_LINKS_BROKEN;
}

enum store_links_state store_links_state(const struct store *s, const struct store_links_file *f)
{
	struct stat st;
	if (lstat(f->path, &st) < 0)
		return STORE_LINKS_GONE;
	if (S_ISLNK(st.st_mode))
		return link_state(f);
	return is_as_made(s, f) ? STORE_LINKS_OK : STORE_LINKS_CHANGED;
}

enum store_links_state store_layout_state(const struct store *s, const struct store_layout *l)
{
	enum store_links_state worst = STORE_LINKS_OK;
	for (size_t i = 0; i < l->count; i++)
		worst = MAX(worst, store_links_state(s, &l->files[i]));
	return worst;
}

bool store_links_need(const struct store *s, const struct store_layouts *all,
		      const struct digest *d)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, d);
	for (size_t i = 0; i < all->count; i++)
		for (size_t k = 0; k < all->at[i].count; k++) {
			const struct store_links_file *f = &all->at[i].files[k];
			if (digest_equal(&f->sha256, d) && is_same_file(f->path, blob))
				return true;
		}
	return all->damaged > 0;
}
