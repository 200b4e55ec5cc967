#include "publish/pages_build.h"

#include "util/cancel.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RANDOM_BYTES 8

struct pages_build {
	char *dir;    /* the folder, links resolved */
	char *parent; /* of it; in it are, with the name of the folder: */
	char *next;   /* ".site.next.<random>", the new build; NULL: a dry run */
	char *old;    /* ".site.old.<random>", what it replaces, where names cannot be exchanged */
	bool there;   /* the folder exists */
	struct pages was;
	struct pages now;
	struct pages_counts counts;
	int lock;
	const struct cancel *cancel;
};

/* ---- the folder as it is --------------------------------------------------------- */

static int not_ours(const char *dir, const char *file, struct err *e)
{
	if (file)
		err_set(e, ERR_USAGE, "%s/%s was not made by `ferry site`", dir, file);
	else
		err_set(e, ERR_USAGE, "%s has files, and was not made by `ferry site`", dir);
	return err_hint(e, file ? "the folder is replaced as a whole: move the file elsewhere"
				: "the folder is replaced as a whole: give --output a new one, or "
				  "one that is empty");
}

static int compare_paths(const void *a, const void *b)
{
	const struct pages_file *const *x = a, *const *y = b;
	return strcmp((*x)->path, (*y)->path);
}

struct walk {
	const char *dir;
	const struct pages_file **files; /* sorted */
	size_t count;
	unsigned depth;
};

static bool is_listed(const struct walk *w, const char *path)
{
	struct pages_file key = { .path = (char *)(uintptr_t)path };
	const struct pages_file *at = &key;
	return strcmp(path, PAGES_LIST) == 0 ||
	       bsearch(&at, w->files, w->count, sizeof at, compare_paths);
}

/* Below the folder `at` ("" or with '/' at its end). */
static int find_foreign(struct walk *w, const char *at, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *folder = *at ? path_join(w->dir, at) : mem_strdup(w->dir);
	int rc = file_list_dir(folder, &names, e);
	if (rc == 0 && ++w->depth > 64)
		rc = not_ours(w->dir, at, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = mem_printf("%s%s", at, names.at[i]);
		CLEANUP(mem_free_ptr) char *full = path_join(w->dir, path);
		CLEANUP(mem_free_ptr) char *below = mem_printf("%s/", path);
		struct stat st;
		if (lstat(full, &st) == 0 && S_ISDIR(st.st_mode))
			rc = find_foreign(w, below, e);
		else if (!is_listed(w, path) && !file_is_temporary(names.at[i]))
			rc = not_ours(w->dir, path, e);
	}
	w->depth--;
	return rc;
}

static int check_foreign(const struct pages_build *b, struct err *e)
{
	const struct pages *p = &b->was;
	CLEANUP(mem_free_ptr)
	const struct pages_file **files = mem_alloc((p->count + 1) * sizeof *files);
	struct walk w = { .dir = b->dir, .files = files, .count = p->count };
	for (size_t i = 0; i < p->count; i++)
		files[i] = &p->at[i];
	qsort(files, p->count, sizeof *files, compare_paths);
	return find_foreign(&w, "", e);
}

static int check_empty(const struct pages_build *b, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(b->dir, &names, e);
	return rc == 0 && names.count ? not_ours(b->dir, NULL, e) : rc;
}

static int look_at_old(struct pages_build *b, struct err *e)
{
	struct err why = ERR_INIT;
	struct stat st;
	b->there = lstat(b->dir, &st) == 0;
	if (!b->there)
		return 0;
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "%s is not a folder", b->dir);
	if (pages_read(b->dir, &b->was, &why) == 0)
		return check_foreign(b, e);
	if (!err_is(&why, ERR_NOT_FOUND)) {
		*e = why;
		return err_hint(e, "remove the folder, and make the site again");
	}
	return check_empty(b, e);
}

/* ---- beginning ------------------------------------------------------------------- */

/* ".site.next.<random>", ".site.old.<random>": a folder of somebody may have such a name, but for
 * the digits. */
static bool is_made_here(const char *name, const char *prefix)
{
	if (!str_starts(name, prefix))
		return false;
	const char *digits = name + strlen(prefix);
	return strlen(digits) == 2 * RANDOM_BYTES &&
	       strspn(digits, "0123456789abcdef") == 2 * RANDOM_BYTES;
}

/* Nothing is removed, or put in the place of a site, that only has the name of an old build. */
static bool is_site(const char *dir)
{
	CLEANUP(pages_release) struct pages was = { 0 };
	struct err ignored = ERR_INIT;
	return pages_read(dir, &was, &ignored) == 0;
}

static void remove_old(const struct pages_build *b)
{
	if (is_site(b->old))
		file_remove_tree(b->old);
	else
		(void)!rmdir(b->old);
}

/* A build without os_exchange() was killed between its two renames, or after them. */
static void restore(const struct pages_build *b, const char *old)
{
	if (!is_site(old))
		return;
	if (file_exists(b->dir))
		file_remove_tree(old);
	else
		(void)!rename(old, b->dir);
}

/* What killed builds left; only while this one has the lock. */
static void remove_leftovers(const struct pages_build *b)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *next = mem_printf(".%s.next.", path_base(b->dir));
	CLEANUP(mem_free_ptr) char *old = mem_printf(".%s.old.", path_base(b->dir));
	struct err ignored = ERR_INIT;
	if (b->lock < 0 || file_list_dir(b->parent, &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(b->parent, names.at[i]);
		if (is_made_here(names.at[i], next))
			file_remove_tree(path);
		else if (is_made_here(names.at[i], old))
			restore(b, path);
	}
}

static int begin(struct pages_build *b, struct err *e)
{
	CLEANUP(mem_free_ptr) char *lock = mem_printf("%s/.%s.lock", b->parent, path_base(b->dir));
	uint8_t random[RANDOM_BYTES];
	char hex[2 * sizeof random + 1];
	int rc = file_mkdirs(b->parent, FILE_PUBLIC_DIR_MODE, e);
	if (rc == 0)
		rc = file_lock(lock, 0, b->cancel, &b->lock, e);
	if (rc < 0)
		return rc;
	remove_leftovers(b);
	rc = look_at_old(b, e);
	if (rc == 0 && !os_random(random, sizeof random))
		rc = err_set(e, ERR_SYSTEM, "the system gives no random bytes");
	if (rc < 0)
		return rc;
	hex_encode(hex, random, sizeof random);
	b->next = mem_printf("%s/.%s.next.%s", b->parent, path_base(b->dir), hex);
	b->old = mem_printf("%s/.%s.old.%s", b->parent, path_base(b->dir), hex);
	return file_mkdirs(b->next, FILE_PUBLIC_DIR_MODE, e);
}

/* The folder itself may be a link, or its name end in "..". */
static char *resolve(const char *dir)
{
	char *real = realpath(dir, NULL);
	return real ? real : path_absolute(dir);
}

int pages_build_open(const char *dir, bool dry_run, const struct cancel *cancel,
		     struct pages_build **out, struct err *e)
{
	CLEANUP_PTR(pages_build_close) struct pages_build *b = mem_alloc(sizeof *b);
	b->lock = -1;
	b->cancel = cancel;
	b->dir = resolve(dir);
	b->parent = path_dir(b->dir);
	if (strcmp(b->dir, "/") == 0)
		return not_ours(b->dir, NULL, e);
	int rc = dry_run ? look_at_old(b, e) : begin(b, e);
	if (rc < 0)
		return rc;
	*out = STEAL(b);
	return 0;
}

void pages_build_close(struct pages_build *b)
{
	if (!b)
		return;
	if (b->next)
		file_remove_tree(b->next);
	file_close(&b->lock);
	pages_release(&b->was);
	pages_release(&b->now);
	free(b->next);
	free(b->old);
	free(b->parent);
	free(b->dir);
	free(b);
}

/* ---- files ----------------------------------------------------------------------- */

/* Has the old build the same bytes under this path? */
static bool is_same(const char *old, const void *data, size_t len, struct stat *st)
{
	CLEANUP(buf_release) struct buf was = BUF_INIT(PAGES_MAX_FILE);
	struct err ignored = ERR_INIT;
	return lstat(old, st) == 0 && S_ISREG(st->st_mode) && (uint64_t)st->st_size == len &&
	       file_read_all(old, &was, &ignored) == 0 && was.len == len &&
	       (len == 0 || memcmp(was.data, data, len) == 0);
}

static int keep_time(const char *path, const struct stat *was)
{
	const struct timespec times[2] = { os_modified(was), os_modified(was) };
	return utimensat(AT_FDCWD, path, times, 0);
}

static int put(const struct pages_build *b, const char *path, const void *data, size_t len,
	       const char *old, const struct stat *was, struct err *e)
{
	CLEANUP(mem_free_ptr) char *to = path_join(b->next, path);
	int rc = file_mkdirs_for(to, FILE_PUBLIC_DIR_MODE, e);
	if (rc < 0 || (was && linkat(AT_FDCWD, old, AT_FDCWD, to, 0) == 0))
		return rc;
	rc = file_write_unsynced(to, data, len, FILE_PUBLIC_MODE, e);
	if (rc == 0 && was)
		(void)!keep_time(to, was);
	return rc;
}

int pages_build_add(struct pages_build *b, const char *path, const void *data, size_t len,
		    struct err *e)
{
	CLEANUP(mem_free_ptr) char *old = path_join(b->dir, path);
	struct digest sha256;
	struct stat was;
	int rc = cancel_check(b->cancel, e);
	if (rc < 0)
		return rc;
	if (!path_is_key(path) || b->now.count >= PAGES_MAX_FILES || len > PAGES_MAX_FILE)
		return err_set(e, ERR_USAGE, "%s: a site cannot have such a file", path);
	bool was_there = b->there && lstat(old, &was) == 0;
	bool same = was_there && is_same(old, data, len, &was);
	sha256_of(data, len, &sha256);
	pages_add(&b->now, path, len, &sha256);
	b->counts.files++;
	b->counts.bytes += len;
	b->counts.fresh += !was_there;
	b->counts.changed += was_there && !same;
	return b->next ? put(b, path, data, len, old, same ? &was : NULL, e) : 0;
}

/* ---- the new build takes the name ------------------------------------------------ */

static int move_twice(const struct pages_build *b)
{
	if (rename(b->dir, b->old) < 0)
		return errno;
	if (rename(b->next, b->dir) == 0)
		return 0;
	int why = errno;
	(void)!rename(b->old, b->dir);
	return why;
}

/* Somebody may have put a file into it while the new build was being made. */
static int check_again(const struct pages_build *b, struct err *e)
{
	if (!b->there)
		return 0;
	return b->was.dir ? check_foreign(b, e) : check_empty(b, e);
}

/* What is replaced then has the name of the new build, or that of the old one. */
static int replace(struct pages_build *b, struct err *e)
{
	int rc = check_again(b, e);
	if (rc < 0)
		return rc;
	int why = b->there ? os_exchange(b->next, b->dir) : rename(b->next, b->dir) < 0 ? errno : 0;
	if (b->there && os_lacks(why))
		why = move_twice(b);
	if (why) {
		err_sys(e, why, "cannot replace %s", b->dir);
		return why == EBUSY ? err_hint(e, "it is a mount point: give --output a folder "
						  "within it")
				    : -(int)e->class;
	}
	return file_sync_dir(b->parent, e);
}

static size_t removed(const struct pages_build *b)
{
	size_t kept = b->counts.files - b->counts.fresh;
	return b->was.count > kept ? b->was.count - kept : 0;
}

int pages_build_commit(struct pages_build *b, uint64_t release, struct pages *out,
		       struct pages_counts *counts, struct err *e)
{
	b->counts.removed = removed(b);
	b->now.release = release;
	int rc = b->next ? pages_write(&b->now, b->next, e) : 0;
	if (rc == 0 && b->next)
		rc = file_sync_all(b->next, e);
	if (rc == 0 && b->next)
		rc = replace(b, e);
	if (rc < 0)
		return rc;
	if (b->next)
		remove_old(b);
	*counts = b->counts;
	*out = b->now;
	out->dir = mem_strdup(b->dir);
	b->now = (struct pages){ 0 };
	return 0;
}
