#include "fetch/partial.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRIES 10

/* A file that has another name may be anything that its owner can write: it is left alone. Without
 * any name, another process has just finished it. */
static bool is_own(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink <= 1;
}

/* The process was killed after the partial became read-only and before it became the blob. */
static void make_writable(const char *path)
{
	CLEANUP(file_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	if (fd >= 0 && fstat(fd, &st) == 0 && is_own(&st) &&
	    fchmod(fd, (st.st_mode & 0777) | S_IWUSR) < 0)
		file_close(&fd);
}

static int open_writable(const char *path, int *fd, struct err *e)
{
	static const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	*fd = open(path, flags, FILE_MODE);
	if (*fd < 0 && errno == EACCES) {
		make_writable(path);
		*fd = open(path, flags, FILE_MODE);
	}
	if (*fd < 0 && errno == EACCES) {
		/* Another user's, in a store for a group: a copy can go on. */
		int rc = file_copy(path, path, FILE_MODE, NULL, e);
		if (rc < 0)
			return rc;
		*fd = open(path, flags, FILE_MODE);
	}
	return *fd < 0 ? err_sys(e, errno, "cannot write %s", path) : 0;
}

/* One attempt; *own is false if the file got another name meanwhile: a neighbour's doing. */
static int try_open(struct partial *p, struct stat *st, bool *own, struct err *e)
{
	store_partial_disentangle(p->store, &p->names);
	if (lstat(p->path, st) == 0 && !is_own(st)) {
		int removed = file_remove(p->path, e);
		if (removed < 0)
			return removed;
	}
	int rc = open_writable(p->path, &p->fd, e);
	if (rc < 0)
		return rc;
	if (fstat(p->fd, st) < 0)
		return err_sys(e, errno, "cannot write %s", p->path);
	*own = is_own(st);
	if (!*own)
		file_close(&p->fd);
	return 0;
}

static int open_part(struct partial *p, struct err *e)
{
	struct stat st;
	bool own = false;
	for (int tries = 0; !own; tries++) {
		int rc = tries < TRIES ? try_open(p, &st, &own, e)
				       : err_set(e, ERR_SYSTEM, "%s: another process replaces it",
						 p->path);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* After the claims are read: what this adds was never written. */
static int set_size(struct partial *p, struct err *e)
{
	uint64_t size = p->pieces.grid.size;
	struct stat st;
	if (fstat(p->fd, &st) < 0)
		return err_sys(e, errno, "cannot write %s", p->path);
	bool other = os_has_holes(p->path) ? (uint64_t)st.st_size != size
					   : (uint64_t)st.st_size > size;
	if (other && ftruncate(p->fd, (off_t)size) < 0)
		return err_sys(e, errno, "cannot write %s", p->path);
	return 0;
}

void partial_tidy(const struct store *s, const struct digest *sha256)
{
	store_partials_tidy(s, sha256);
}

/* A blob that store_verify() found damaged is mostly correct: it becomes the partial. Not if it has
 * a second name, because that may be the user's file. */
static void adopt_damaged(struct partial *p)
{
	CLEANUP(mem_free_ptr) char *damaged = store_damaged_path(p->store, p->pieces.sha256);
	struct stat st;
	if (file_exists(p->path) || lstat(damaged, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_nlink != 1 || (uint64_t)st.st_size != p->pieces.grid.size)
		return;
	make_writable(damaged);
	if (rename(damaged, p->path) == 0)
		unlink(p->names.journal);
}

/* Another process was faster. */
static void give_up(struct partial *p)
{
	unlink(p->names.lock);
	store_partial_unlock(&p->lock_fd);
	store_partials_tidy(p->store, p->pieces.sha256);
}

static int read_claims(struct partial *p, struct report *report, struct err *e)
{
	const struct grid *grid = &p->pieces.grid;
	int rc = journal_open(p->names.journal, grid, p->pieces.sha256, p->claimed, &p->journal, e);
	if (rc < 0)
		return rc;
	partial_claims(p->fd, grid, !p->journal.is_new, p->claimed);
	if (p->journal.set_aside)
		report_warn(report,
			    "%s: its journal is damaged, or of another file or version: renamed to "
			    "%s; all that was downloaded is hashed to find the good pieces",
			    p->name, p->journal.set_aside);
	return 0;
}

static int fill(struct partial *p, struct report *report, bool *done, struct err *e)
{
	int rc = partial_lock(p, report, e);
	if (rc < 0)
		return rc;
	p->path = p->names.part;
	*done = store_has(p->store, p->pieces.sha256, p->pieces.grid.size);
	if (*done) {
		give_up(p);
		return 0;
	}
	adopt_damaged(p);
	rc = open_part(p, e);
	if (rc < 0)
		return rc;
	p->direct_fd = os_open_direct(p->fd);
	rc = read_claims(p, report, e);
	return rc < 0 ? rc : set_size(p, e);
}

int partial_open(const struct store *s, const char *name, const struct digest *sha256,
		 const struct grid *grid, const struct digest *pieces, struct report *report,
		 struct partial *out, bool *done, struct err *e)
{
	CLEANUP(partial_close) struct partial p = PARTIAL_INIT;
	p.store = s;
	p.name = name;
	pieces_init(&p.pieces, grid, pieces, sha256);
	p.claimed = mem_alloc(grid->count + 1);
	*done = false;
	int rc = fill(&p, report, done, e);
	if (rc < 0 || *done)
		return rc;
	*out = p;
	p = (struct partial)PARTIAL_INIT;
	return 0;
}

void partial_close(struct partial *p)
{
	file_close(&p->direct_fd);
	file_close(&p->fd);
	store_partial_unlock(&p->lock_fd);
	journal_close(&p->journal);
	store_partial_release(&p->names);
	mem_free_ptr(&p->claimed);
	*p = (struct partial)PARTIAL_INIT;
}

/* The disk is full: how much is missing? */
static int explain(const struct partial *p, struct err *e)
{
	char need[SIZE_TEXT], have[SIZE_TEXT];
	struct err ignored = ERR_INIT;
	struct stat st;
	uint64_t space = 0;
	int sys = e->sys;
	if ((sys != ENOSPC && sys != EDQUOT) || fstat(p->fd, &st) < 0)
		return -(int)e->class;
	uint64_t there = MIN((uint64_t)st.st_blocks * 512, p->pieces.grid.size);
	(void)!file_space(p->path, &space, &ignored);
	err_clear(e);
	err_set(e, ERR_SYSTEM, "%s: %s: it needs another %s, %s is free", p->path, strerror(sys),
		format_size(need, p->pieces.grid.size - there), format_size(have, space));
	e->sys = sys;
	return err_hint(e, "free some space, then run the same command again: it goes on with the "
			   "pieces that are there");
}

int partial_write(struct partial *p, uint32_t piece, const struct pool_piece *bytes, struct err *e)
{
	uint64_t offset = grid_offset(&p->pieces.grid, piece);
	bool written = bytes->data &&
		       os_write_direct(p->direct_fd, bytes->data, (size_t)bytes->size, offset);
	int rc = written ? 0 : pool_copy_to(bytes, p->fd, offset, p->path, e);
	if (rc == 0 && p->journal.fd >= 0)
		rc = journal_add(&p->journal, piece, e);
	if (rc == 0 && !written)
		os_write_back(p->fd, offset, bytes->size);
	return rc < 0 ? explain(p, e) : 0;
}

int partial_check(const struct partial *p, struct err *e)
{
	if (pieces_are_whole(&p->pieces))
		return 0;
	err_set(e, ERR_INTEGRITY,
		"%s: every piece matches the manifest, but the SHA-256 of the whole file does not",
		p->name);
	return err_hint(e, "the publisher's manifest is inconsistent: tell the publisher");
}

/* After a failure, the system may hold bytes in memory that the disk does not have, and take them
 * for written. Then the next run must read those of the disk. */
static int sync_part(const struct partial *p, struct err *e)
{
	int rc = file_sync(p->fd, p->path, e);
	if (rc == 0)
		return 0;
	os_forget_cached(p->fd);
	return explain(p, e);
}

int partial_finish(struct partial *p, struct err *e)
{
	int rc = partial_check(p, e);
	if (rc == 0)
		rc = sync_part(p, e);
	return rc < 0 ? rc : store_commit(p->store, &p->names, p->fd, e);
}
