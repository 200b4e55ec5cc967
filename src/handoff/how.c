#include "handoff/internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* -- which ways ------------------------------------------------------------------------------ */

static void add_way(struct handoff_ways *w, enum store_links_how how)
{
	w->at[w->count++] = how;
}

void handoff_ways_find(const struct handoff *h, struct handoff_ways *out)
{
	struct handoff_ways w = { .root = h->layout.root };
	w.public = h->shared && stat(w.root, &w.of_root) == 0 && w.of_root.st_uid != geteuid();
	bool link_first = h->engine == HANDOFF_HUGGINGFACE || w.public;
	if (!link_first)
		add_way(&w, STORE_LINKS_SYMLINK);
	add_way(&w, STORE_LINKS_HARDLINK);
	add_way(&w, STORE_LINKS_CLONE);
	/* Another user's server could not follow a link into this user's store. */
	if (link_first && !w.public)
		add_way(&w, STORE_LINKS_SYMLINK);
	if (h->copy)
		add_way(&w, STORE_LINKS_COPY);
	*out = w;
}

/* -- one file -------------------------------------------------------------------------------- */

/* What file systems say that have no such thing, or not across their border. */
static bool is_impossible(int sys)
{
	return sys == EPERM || sys == EXDEV || sys == EMLINK || sys == ENOSYS ||
	       sys == EOPNOTSUPP || sys == ENOTSUP || sys == EINVAL;
}

/* The result of symlink() or link() of a name that must be new. */
static int of_new_name(int result, const char *path, bool *done, struct err *e)
{
	int why = errno;
	*done = result == 0;
	if (result == 0) {
		CLEANUP(mem_free_ptr) char *dir = path_dir(path);
		return file_sync_dir(dir, e);
	}
	if (is_impossible(why))
		return 0;
	if (why == EEXIST)
		return err_set(e, ERR_CONFLICT, "%s was made by another program meanwhile", path);
	return err_sys(e, why, "cannot make %s", path);
}

static int make_symlink(const struct handoff_item *item, bool *done, struct err *e)
{
	const char *target = item->target ? item->target : item->blob;
	if (item->action == HANDOFF_MAKE)
		return of_new_name(symlink(target, item->path), item->path, done, e);
	struct err why = ERR_INIT;
	int rc = file_symlink_atomic(target, item->path, &why);
	*done = rc == 0;
	if (rc == 0 || is_impossible(why.sys))
		return 0;
	*e = why;
	return rc;
}

static int make_hardlink(const struct handoff_item *item, bool public, bool *done, struct err *e)
{
	struct stat st;
	*done = false;
	if (public && (stat(item->blob, &st) < 0 || !(st.st_mode & S_IROTH)))
		return 0;
	if (item->action == HANDOFF_MAKE)
		return of_new_name(link(item->blob, item->path), item->path, done, e);
	return file_link(item->blob, item->path, done, e);
}

/* A temporary name beside the path that file_is_temporary() knows. */
static char *temporary_name(const char *path)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	return mem_printf("%s/.%.200s.%06lx.tmp", dir, path_base(path), (long)getpid() & 0xffffff);
}

/* Gives a complete temporary file its name, which nobody may have taken meanwhile. */
static int name_it(const char *temporary, const struct handoff_item *item, struct err *e)
{
	if (item->action == HANDOFF_REPLACE)
		return file_rename(temporary, item->path, e);
	int why = os_rename_exclusive(AT_FDCWD, temporary, AT_FDCWD, item->path);
	bool done;
	errno = why;
	int rc = of_new_name(why ? -1 : 0, item->path, &done, e);
	return rc == 0 && !done ? err_sys(e, why, "cannot make %s", item->path) : rc;
}

static int make_bytes(const struct store *s, const struct handoff_item *item, bool copy,
		      bool public, bool *done, struct err *e)
{
	CLEANUP(mem_free_ptr) char *temporary = temporary_name(item->path);
	mode_t mode = FILE_READ_ONLY | (public ? FILE_FOR_ALL : 0);
	int rc = 0;
	if (copy) {
		report_begin(s->report, item->path, item->size, 0);
		rc = file_copy(item->blob, temporary, mode, s->cancel, e);
		report_advance(s->report, item->path, rc == 0 ? (int64_t)item->size : 0);
		report_end(s->report, item->path, rc == 0);
		*done = rc == 0;
	} else
		rc = file_reflink(item->blob, temporary, mode, done, e);
	if (rc == 0 && *done)
		rc = name_it(temporary, item, e);
	if (rc < 0)
		unlink(temporary);
	return rc;
}

static int make_text(const struct handoff_item *item, bool public, struct err *e)
{
	CLEANUP(file_new_abort) struct file_new f = FILE_NEW_INIT;
	mode_t mode = public ? FILE_PUBLIC_MODE : FILE_MODE;
	int rc = file_new_open(&f, item->path, mode, e);
	if (rc == 0)
		rc = file_write(f.fd, item->text, strlen(item->text), item->path, e);
	if (rc < 0)
		return rc;
	return item->action == HANDOFF_REPLACE ? file_new_commit(&f, e)
					       : file_new_commit_exclusive(&f, e);
}

static int make_so(const struct store *s, enum store_links_how how, const struct handoff_item *item,
		   bool public, bool *done, struct err *e)
{
	switch (how) {
	case STORE_LINKS_SYMLINK:
		return make_symlink(item, done, e);
	case STORE_LINKS_HARDLINK:
		return make_hardlink(item, public, done, e);
	default:
		return make_bytes(s, item, how == STORE_LINKS_COPY, public, done, e);
	}
}

/* The server must be able to write into the folders, and to remove the files; a hard link is the
 * store's own file. */
static void give(const struct handoff_ways *w, const char *path, bool folder)
{
	struct stat st;
	if (lstat(path, &st) < 0 || st.st_uid != geteuid() || st.st_uid == w->of_root.st_uid)
		return;
	if (geteuid() == 0)
		(void)!lchown(path, w->of_root.st_uid, w->of_root.st_gid);
	else if (folder && (w->of_root.st_mode & S_IWGRP))
		chmod(path, (st.st_mode | S_IWGRP) & 07777);
}

static void give_folders(const struct handoff_ways *w, const char *path)
{
	size_t len = strlen(w->root);
	char *dir = path_dir(path);
	while (strlen(dir) > len && strncmp(dir, w->root, len) == 0) {
		give(w, dir, true);
		char *above = path_dir(dir);
		free(dir);
		dir = above;
	}
	free(dir);
}

static int make_in_some_way(const struct store *s, const struct handoff_ways *w,
			    struct handoff_item *item, struct err *e)
{
	bool done = false;
	int rc = 0;
	/* What leads to another item is always tried as a symbolic link first. */
	if (item->target) {
		item->how = STORE_LINKS_SYMLINK;
		rc = make_symlink(item, &done, e);
	}
	for (size_t i = 0; rc == 0 && !done && i < w->count; i++) {
		item->how = w->at[i];
		rc = make_so(s, item->how, item, w->public, &done, e);
	}
	if (rc < 0 || done)
		return rc;
	return err_set(e, ERR_SYSTEM, "%s cannot be made as a link to the store's file",
		       item->path);
}

int handoff_make_item(const struct store *s, const struct handoff_ways *w,
		      struct handoff_item *item, struct err *e)
{
	int rc = file_mkdirs_for(item->path, w->public ? FILE_PUBLIC_DIR_MODE : FILE_DIR_MODE, e);
	if (rc == 0)
		rc = item->text ? make_text(item, w->public, e) : make_in_some_way(s, w, item, e);
	if (w->public)
		give_folders(w, item->path);
	if (rc == 0 && w->public && item->how != STORE_LINKS_HARDLINK)
		give(w, item->path, false);
	return rc;
}
