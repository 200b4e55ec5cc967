#include "repository/take.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static int judge(const struct manifest *m, const char *path, const struct manifest_verdict *v,
		 struct err *e)
{
	if (v->fault == MANIFEST_OK)
		return 0;
	if (v->fault == MANIFEST_MISSING) {
		err_set(e, ERR_NOT_FOUND, "%s is listed in the card, but missing", path);
		return err_hint(e, "put it back, or prepare it again");
	}
	if (v->fault == MANIFEST_SIZE)
		err_set(e, ERR_INTEGRITY, "%s has %llu bytes, but %llu according to its manifest",
			path, (unsigned long long)v->actual_size, (unsigned long long)m->grid.size);
	else if (v->has_piece)
		err_set(e, ERR_INTEGRITY,
			"%s does not match its manifest; the first wrong piece is %u (at byte "
			"%llu)",
			path, v->piece, (unsigned long long)v->piece_offset);
	else
		err_set(e, ERR_INTEGRITY, "%s does not match its manifest", path);
	return err_hint(e, "it has changed since it was prepared: remove it and prepare it again");
}

static int check_file(struct take *t, const struct manifest *m, const char *path, struct err *e)
{
	struct manifest_verdict v;
	int rc = manifest_check(m, path, t->look.report, t->look.cancel, &v, e);
	return rc < 0 ? rc : judge(m, path, &v, e);
}

/* Sync the bytes before the object gets its name. */
static int sync_file(const char *path, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	int rc = file_open_read(path, &fd, e);
	return rc < 0 ? rc : file_sync(fd, path, e);
}

/* `ferry prepare` makes its files read-only. A link, symbolic or hard, leads to somebody else's
 * file. */
bool take_shares(const struct take *t, const char *from)
{
	struct stat st;
	if (t->how->copy || t->how->link)
		return t->how->link;
	return lstat(from, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	       !(st.st_mode & 0222);
}

/* A linked file has the mode that its own maker's umask gave it. */
static int publish_object(const char *path, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	int rc = file_open_read(path, &fd, e);
	if (rc == 0)
		file_make_public(fd);
	return rc;
}

static int share(struct take *t, const char *from, const char *to, struct err *e)
{
	int rc = sync_file(from, e);
	if (rc == 0)
		rc = file_link_or_copy(from, to, OBJECT_MODE, t->look.cancel, e);
	return rc < 0 ? rc : publish_object(to, e);
}

/* Before the first copy: the space for all. A wrong object stays until the copy replaces it. */
static int need_copies(struct take *t, uint64_t size_bytes, const char *to, struct err *e)
{
	char size[SIZE_TEXT];
	uint64_t bytes = MAX(t->to_copy, size_bytes);
	if (t->said)
		return 0;
	t->said = true;
	if (!t->how->copy)
		report_note(t->look.report,
			    "files that others may write to, or that have other names, are copied, "
			    "which takes %s; --link shares them with the tree instead",
			    format_size(size, bytes));
	int rc = file_need_size(to, size_bytes, e);
	return rc < 0 ? rc : file_need_space(to, bytes, e);
}

/* What is checked is the copy: a clone is hashed, other bytes as they are written. */
static int copy_checked(struct take *t, const struct manifest *m, const char *from, const char *to,
			struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	CLEANUP(file_new_abort) struct file_new new = FILE_NEW_INIT;
	struct manifest_verdict v = { .fault = MANIFEST_SIZE };
	int rc = file_open_regular(from, &fd, &v.actual_size, e);
	if (rc == 0 && v.actual_size != m->grid.size)
		return judge(m, from, &v, e);
	if (rc == 0)
		rc = file_new_open(&new, to, OBJECT_MODE, e);
	if (rc < 0)
		return rc;
	bool cloned = os_clone(new.fd, fd);
	rc = cloned ? 0 : need_copies(t, m->grid.size, to, e);
	if (rc == 0)
		rc = manifest_check_open(m, cloned ? new.fd : fd, from, cloned ? NULL : &new.fd,
					 t->look.report, t->look.cancel, &v, e);
	if (rc == 0)
		rc = judge(m, from, &v, e);
	return rc < 0 ? rc : file_new_commit(&new, e);
}

/* After a refusal, the tree is as it was: the folders of the model and of all models. */
static void remove_empty_folders(const char *object)
{
	CLEANUP(mem_free_ptr) char *model = path_dir(object);
	CLEANUP(mem_free_ptr) char *models = path_dir(model);
	file_remove_dir_if_empty(model);
	file_remove_dir_if_empty(models);
}

/* What is no file is in the way: a pipe, a link, a folder. */
static int clear_place(const char *to, struct err *e)
{
	struct stat st;
	if (lstat(to, &st) < 0 || S_ISREG(st.st_mode) || remove(to) == 0)
		return 0;
	err_sys(e, errno, "%s is not a file and cannot be removed", to);
	return err_hint(e, "move it out of the tree");
}

int take_file(struct take *t, const struct manifest *m, const char *from, const char *to,
	      bool *repaired, struct err *e)
{
	struct mark mark;
	enum object_state state;
	int rc = object_state(&t->look, to, m->grid.size, &m->sha256, &state, e);
	if (rc < 0)
		return rc;
	if (!mark_of(from, true, &mark))
		return check_file(t, m, from, e);
	bool known = seen_knows(&t->look.seen, &m->sha256, &mark);
	bool copies = state != OBJECT_RIGHT && !take_shares(t, from);
	*repaired = *repaired || state != OBJECT_RIGHT;
	if (!known && !copies)
		rc = check_file(t, m, from, e);
	if (rc == 0 && state != OBJECT_RIGHT)
		rc = file_mkdirs_for(to, FILE_PUBLIC_DIR_MODE, e);
	if (rc == 0 && state == OBJECT_WRONG)
		rc = clear_place(to, e);
	if (rc == 0 && state != OBJECT_RIGHT)
		rc = copies ? copy_checked(t, m, from, to, e) : share(t, from, to, e);
	if (rc < 0) {
		remove_empty_folders(to);
		return rc;
	}
	seen_add(&t->look.seen, &m->sha256, &mark);
	if (mark_of(to, false, &mark))
		seen_add(&t->look.seen, &m->sha256, &mark);
	return 0;
}
