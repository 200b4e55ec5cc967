#include "mirror/file.h"

#include "hash/pieces.h"
#include "mirror/folder.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHUNK MIB

/* -- the partial ----------------------------------------------------------------- */

/* The partial file; its name contains the hash of its content. */
struct part {
	int dir, fd;
	char name[DIGEST_HEX + 8];
	uint64_t size; /* of what is there from before */
	bool drop;     /* the next upload cannot use it */
};

static void part_release(struct part *p)
{
	if (p->fd >= 0 && p->drop)
		unlinkat(p->dir, p->name, 0);
	file_close(&p->fd);
	file_close(&p->dir);
}

/* Another publisher of a group left it, for himself alone. Unless he is writing it now, it makes
 * room for a new one. */
static int part_replace(struct part *p, struct err *e)
{
	CLEANUP(file_close) int fd = openat(p->dir, p->name,
					    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int rc = fd < 0 ? 0 : mirror_file_take(fd, e);
	if (rc == 0 && unlinkat(p->dir, p->name, 0) < 0 && errno != ENOENT)
		rc = err_sys(e, errno, "cannot write the partial file %s", p->name);
	return rc;
}

/* Opens and locks; *again is set when the name meanwhile belongs to another file. */
static int part_try(struct part *p, bool *again, struct err *e)
{
	struct stat mine, named;
	*again = false;
	p->fd = openat(p->dir, p->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		       FILE_MODE);
	if (p->fd < 0 && errno == EACCES) {
		*again = true;
		return part_replace(p, e);
	}
	if (p->fd < 0)
		return err_sys(e, errno, "cannot write the partial file %s", p->name);
	int rc = mirror_file_take(p->fd, e);
	if (rc < 0)
		return rc;
	if (fstat(p->fd, &mine) < 0 || !S_ISREG(mine.st_mode))
		return err_set(e, ERR_SYSTEM, "the partial file %s is not a regular file", p->name);
	/* The previous holder of the lock may have renamed the file, or given it both names (a
	 * file with two names is complete): it must not be written to. */
	*again = fstatat(p->dir, p->name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
		 named.st_ino != mine.st_ino;
	if (!*again && mine.st_nlink > 1) {
		unlinkat(p->dir, p->name, 0);
		*again = true;
	}
	p->size = (uint64_t)mine.st_size;
	return 0;
}

static int part_open(struct part *p, int root, const char *name, struct err *e)
{
	*p = (struct part){ .dir = -1, .fd = -1 };
	snprintf(p->name, sizeof p->name, "%s", name);
	int rc = folder_open_dir(root, FILE_MIRROR_PRIVATE "/partial/x", FOLDER_MAKE, &p->dir, e);
	bool again = true;
	while (rc == 0 && again) {
		file_close(&p->fd);
		rc = part_try(p, &again, e);
	}
	return rc;
}

/* -- its pieces ------------------------------------------------------------------ */

/* The pieces that the partial file already has. */
static int find_pieces(struct part *p, struct mirror_upload *u, struct err *e)
{
	const struct grid *grid = &u->how.grid;
	struct pieces pieces;
	int rc = 0;
	if (p->size > grid->size && ftruncate(p->fd, (off_t)grid->size) < 0)
		return err_sys(e, errno, "%s", p->name);
	p->size = MIN(p->size, grid->size);
	pieces_init(&pieces, grid, mirror_upload_digest(u, 0), NULL);
	for (uint32_t i = 0; i < grid->count && rc == 0; i++) {
		bool right = false;
		if (grid_offset(grid, i) + grid_length(grid, i) <= p->size)
			rc = pieces_read(&pieces, i, p->fd, p->name, u->mirror->env.cancel, &right,
					 e);
		if (right)
			mirror_upload_found(u, i);
	}
	return rc;
}

static int write_piece(const struct part *p, struct mirror_upload *u, uint32_t piece,
		       const char *data, uint64_t *written, struct err *e)
{
	uint64_t offset = grid_offset(&u->how.grid, piece), len = grid_length(&u->how.grid, piece);
	for (*written = 0; *written < len;) {
		size_t n = (size_t)MIN(CHUNK, len - *written);
		int rc = cancel_check(u->mirror->env.cancel, e);
		if (rc == 0)
			rc = rate_take(u->mirror->env.rate, n, u->mirror->env.cancel, e);
		if (rc == 0)
			rc = file_pwrite(p->fd, data + *written, n, offset + *written, p->name, e);
		if (rc < 0)
			return rc;
		*written += n;
		mirror_upload_advance(u, (int64_t)n);
	}
	return 0;
}

/* -- the final name -------------------------------------------------------------- */

static int check_condition(int root, const char *key, const struct mirror_put *how, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	struct mirror_stat st;
	struct err local = ERR_INIT;
	if (!how->only_if_absent && !how->only_if_etag)
		return 0;
	int rc = folder_open_file(root, key, &fd, &st, &local);
	if (rc < 0 && !err_is(&local, ERR_NOT_FOUND)) {
		*e = local;
		return rc;
	}
	if (rc == 0 && how->only_if_absent)
		return err_set(e, ERR_CONFLICT, "exists already");
	if (how->only_if_etag && (rc < 0 || strcmp(st.etag, how->only_if_etag) != 0))
		return err_set(e, ERR_CONFLICT, "was changed by another publisher");
	return 0;
}

/* Readers are other users: above all a web server's. */
static enum folder_make admit_readers(const struct file_mirror *f, int fd)
{
	if (f->closed)
		file_close_to_others(fd);
	else
		file_make_public(fd);
	return f->closed ? FOLDER_MAKE_CLOSED : FOLDER_MAKE_PUBLIC;
}

static int rename_part(const struct part *p, int dir, const char *key, bool exclusive)
{
	if (exclusive)
		return os_rename_exclusive(p->dir, p->name, dir, path_base(key));
	return renameat(p->dir, p->name, dir, path_base(key)) < 0 ? errno : 0;
}

static int name_failed(int sys, bool exclusive, struct err *e)
{
	if (sys == EEXIST && exclusive)
		return err_set(e, ERR_CONFLICT, "exists already");
	err_sys(e, sys, "cannot rename the complete file");
	if (sys == EISDIR)
		err_hint(e, "a folder has its name: remove it, then run the same command again");
	return err_class_set(e, ERR_SYSTEM);
}

/* Under the lock. */
static int name_part(struct part *p, const struct file_mirror *f, const char *key,
		     enum folder_make make, const struct mirror_put *how, int *dir, struct err *e)
{
	int rc = check_condition(f->root, key, how, e);
	int sys = ENOENT;
	/* Another process's remove() may have deleted the folder since it was opened. */
	for (int tries = 0; rc == 0 && sys == ENOENT && tries < 3; tries++) {
		if (*dir < 0)
			rc = folder_open_dir(f->root, key, make, dir, e);
		if (rc < 0)
			return rc;
		sys = rename_part(p, *dir, key, how->only_if_absent);
		if (sys == ENOENT)
			file_close(dir);
	}
	return rc < 0 || sys == 0 ? rc : name_failed(sys, how->only_if_absent, e);
}

static int lock_and_name(struct mirror *m, struct part *p, const char *key, enum folder_make make,
			 const struct mirror_put *how, int *dir, struct err *e)
{
	CLEANUP(mirror_file_unlock) struct mirror_file_lock lock = MIRROR_FILE_LOCK_INIT;
	int rc = mirror_file_lock(m, &lock, e);
	return rc < 0 ? rc : name_part(p, m->state, key, make, how, dir, e);
}

/* Syncs outside of the lock: then the file system brings those of several threads to the disk
 * together. */
static int commit(struct mirror *m, struct part *p, const char *key, const struct mirror_put *how,
		  struct err *e)
{
	const struct file_mirror *f = m->state;
	enum folder_make make = admit_readers(f, p->fd);
	CLEANUP(file_close) int dir = -1;
	int rc = file_sync(p->fd, p->name, e);
	if (rc == 0)
		rc = folder_open_dir(f->root, key, make, &dir, e);
	if (rc == 0)
		rc = lock_and_name(m, p, key, make, how, &dir, e);
	if (rc == 0)
		rc = file_sync(dir, key, e);
	if (rc < 0 && err_is(e, ERR_CONFLICT))
		p->drop = true;
	return rc;
}

static int stat_part(const struct part *p, struct mirror_stat *out, struct err *e)
{
	struct stat st;
	if (fstat(p->fd, &st) < 0)
		return err_sys(e, errno, "%s", p->name);
	folder_stat(&st, out);
	return 0;
}

/* -- the upload ------------------------------------------------------------------ */

static int open_part(struct mirror *m, struct mirror_upload *u, struct part *p, struct err *e)
{
	const struct file_mirror *f = m->state;
	char hex[DIGEST_HEX], name[DIGEST_HEX + 8];
	snprintf(name, sizeof name, "%s.part", digest_hex(hex, &u->how.sha256));
	int rc = mirror_file_refuse_private(u->key, e);
	if (rc == 0)
		rc = mirror_file_root(m, true, e);
	if (rc == 0) /* before the work, and again when it is done */
		rc = check_condition(f->root, u->key, &u->how, e);
	if (rc == 0)
		rc = part_open(p, f->root, name, e);
	return rc < 0 && err_is(e, ERR_SYSTEM) ? err_context(e, "in %s", f->path) : rc;
}

int mirror_file_upload_open(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	const struct file_mirror *f = c->mirror->state;
	CLEANUP(part_release) struct part p = { .dir = -1, .fd = -1 };
	int rc = open_part(c->mirror, u, &p, e);
	if (rc == 0)
		rc = find_pieces(&p, u, e);
	if (rc == 0 && u->how.grid.size > p.size)
		rc = file_need_space(f->path, u->how.grid.size - p.size, e);
	if (rc < 0)
		return rc;
	struct part *kept = NEW(struct part);
	*kept = p;
	u->state = kept;
	p = (struct part){ .dir = -1, .fd = -1 };
	return 0;
}

int mirror_file_upload_put(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			   const void *data, struct err *e)
{
	uint64_t written;
	(void)c;
	int rc = write_piece(u->state, u, piece, data, &written, e);
	if (rc < 0)
		mirror_upload_advance(u, -(int64_t)written);
	return rc;
}

int mirror_file_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
			      struct mirror_stat *out, struct err *e)
{
	struct part *p = u->state;
	int rc = commit(c->mirror, p, u->key, &u->how, e);
	if (rc == 0)
		rc = stat_part(p, out, e);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&c->mirror->lock);
	mirror_file_note_held(c->mirror);
	pthread_mutex_unlock(&c->mirror->lock);
	/* Each piece was verified in memory and written completely. */
	out->has_sha256 = !u->how.pieces || u->how.grid.count == 0;
	out->has_pieces_sha256 = !out->has_sha256;
	if (out->has_sha256)
		out->sha256 = u->how.sha256;
	else
		grid_root(u->how.pieces, u->how.grid.count, &out->pieces_sha256);
	return 0;
}

void mirror_file_upload_close(struct mirror_upload *u)
{
	part_release(u->state);
	mem_free_ptr(&u->state);
}

int mirror_file_upload_abandon(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct part *p = u->state;
	(void)c;
	if (unlinkat(p->dir, p->name, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "%s", p->name);
	return 0;
}

/* -- copied pieces --------------------------------------------------------------- */

bool mirror_file_copies_from(const struct mirror *m, const struct mirror *from)
{
	return from->ops == m->ops;
}

static int copy_range(const struct part *p, uint64_t to, int from, uint64_t offset, uint64_t len,
		      const struct cancel *cancel, struct err *e)
{
	uint64_t at = os_copy_range(p->fd, to, from, offset, len);
	CLEANUP(mem_free_ptr) char *data = at < len ? mem_alloc(CHUNK) : NULL;
	int rc = 0;
	for (size_t n; rc == 0 && at < len; at += n) {
		n = (size_t)MIN(CHUNK, len - at);
		rc = cancel_check(cancel, e);
		if (rc == 0)
			rc = file_pread(from, data, n, offset + at, "the source", e);
		if (rc == 0)
			rc = file_pwrite(p->fd, data, n, to + at, p->name, e);
	}
	return rc;
}

/* from->data would prove nothing more. */
static int verify_copy(const struct part *p, struct mirror_upload *u, uint32_t piece, struct err *e)
{
	struct pieces pieces;
	bool right = false;
	pieces_init(&pieces, &u->how.grid, mirror_upload_digest(u, 0), NULL);
	int rc = pieces_read(&pieces, piece, p->fd, p->name, u->mirror->env.cancel, &right, e);
	if (rc == 0 && !right)
		rc = err_set(e, ERR_INTEGRITY, "the copy of piece %u has wrong bytes",
			     (unsigned)piece);
	return rc;
}

int mirror_file_upload_copy(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			    const struct mirror_source *from, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	struct mirror_stat st;
	struct part *p = u->state;
	uint64_t len = grid_length(&u->how.grid, piece);
	int rc = mirror_file_open_object(from->mirror, from->key, &fd, &st, e);
	if (rc < 0)
		return err_context(e, "%s", from->key);
	if (from->offset > st.size || len > st.size - from->offset)
		rc = err_set(e, ERR_INTEGRITY, "%s has only %llu bytes", from->key,
			     (unsigned long long)st.size);
	if (rc == 0)
		rc = copy_range(p, grid_offset(&u->how.grid, piece), fd, from->offset, len,
				c->mirror->env.cancel, e);
	if (rc == 0)
		rc = verify_copy(p, u, piece, e);
	if (rc == 0)
		mirror_upload_advance(u, (int64_t)len);
	return rc;
}

/* -- copy ------------------------------------------------------------------------ */

static int copy_into(int from, struct part *p, uint64_t size, const struct cancel *cancel,
		     struct err *e)
{
	if (os_clone(p->fd, from))
		return 0;
	CLEANUP(mem_free_ptr) char *data = mem_alloc(CHUNK);
	for (uint64_t at = 0; at < size; at += CHUNK) {
		size_t n = (size_t)MIN(CHUNK, size - at);
		int rc = cancel_check(cancel, e);
		if (rc == 0)
			rc = file_pread(from, data, n, at, "the file", e);
		if (rc == 0)
			rc = file_pwrite(p->fd, data, n, at, p->name, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A second name of the same bytes, in the place of the new file: nobody writes into a file that has
 * its name. False: it was not possible; the new file is as it was. */
static bool link_into(int root, const char *from, int source, struct part *p)
{
	struct stat is, want;
	char name[sizeof p->name + 8];
	snprintf(name, sizeof name, "%s.link", p->name);
	if (linkat(root, from, p->dir, name, 0) < 0)
		return false;
	int fd = openat(p->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bool same = fd >= 0 && fstat(fd, &is) == 0 && fstat(source, &want) == 0 &&
		    is.st_ino == want.st_ino && is.st_dev == want.st_dev &&
		    renameat(p->dir, name, p->dir, p->name) == 0;
	if (!same) {
		unlinkat(p->dir, name, 0);
		file_close(&fd);
		return false;
	}
	file_close(&p->fd);
	p->fd = fd;
	return true;
}

int mirror_file_copy(struct mirror_connection *c, const char *from, const char *to, struct err *e)
{
	static const struct mirror_put plain = { 0 };
	const struct file_mirror *f = c->mirror->state;
	CLEANUP(part_release) struct part p = { .dir = -1, .fd = -1 };
	CLEANUP(file_close) int source = -1;
	struct mirror_stat st;
	char name[DIGEST_HEX];
	snprintf(name, sizeof name, "copy-%ld-%lx.part", (long)getpid(),
		 (unsigned long)(uintptr_t)c);
	int rc = mirror_file_refuse_private(to, e);
	if (rc == 0)
		rc = mirror_file_refuse_private(from, e);
	if (rc == 0)
		rc = mirror_file_root(c->mirror, false, e);
	if (rc == 0)
		rc = folder_open_file(f->root, from, &source, &st, e);
	if (rc == 0)
		rc = part_open(&p, f->root, name, e);
	if (rc == 0 && ftruncate(p.fd, 0) < 0)
		rc = err_sys(e, errno, "%s", name);
	if (rc == 0 && !link_into(f->root, from, source, &p))
		rc = copy_into(source, &p, st.size, c->mirror->env.cancel, e);
	if (rc == 0)
		rc = commit(c->mirror, &p, to, &plain, e);
	p.drop = rc < 0;
	return rc;
}
