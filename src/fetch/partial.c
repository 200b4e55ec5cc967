#include "fetch/partial.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

/* One attempt; *own is false if the file got another name meanwhile: a neighbour's doing, or
 * another process is just giving it that of the blob. */
static int try_open(struct partial *p, struct stat *st, bool *own, struct err *e)
{
	if (lstat(p->path, st) == 0 &&
	    (!is_own(st) || (uint64_t)st->st_size > p->pieces.grid.size)) {
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

/* Another process may have the file open, so it is only extended, never truncated. */
static int open_part(struct partial *p, struct err *e)
{
	uint64_t size = p->pieces.grid.size;
	struct stat st;
	bool own = false;
	p->path = store_part_path(p->store, p->pieces.sha256);
	for (int tries = 0; !own; tries++) {
		int rc = tries < TRIES
				 ? try_open(p, &st, &own, e)
				 : err_set(e, ERR_SYSTEM, "%s: somebody else replaces it", p->path);
		if (rc < 0)
			return rc;
	}
	if ((uint64_t)st.st_size < size && os_has_holes(p->path) &&
	    ftruncate(p->fd, (off_t)size) < 0)
		return err_sys(e, errno, "cannot write %s", p->path);
	return 0;
}

/* Checks the piece on disk. */
static int look_at(struct partial *p, uint32_t index, bool *right, struct err *e)
{
	partial_alive(p);
	return pieces_read(&p->pieces, index, p->fd, p->path, p->store->cancel, right, e);
}

/* Advances the digest of the whole file as far as pieces are present. A piece that has changed
 * since is missing again. */
static int catch_up(struct partial *p, struct err *e)
{
	const uint32_t *next = &p->pieces.next;
	while (*next < p->pieces.grid.count && p->have[*next]) {
		bool right;
		int rc = look_at(p, *next, &right, e);
		if (rc < 0)
			return rc;
		if (!right) {
			p->have[*next] = false;
			p->missing++;
		}
	}
	return 0;
}

static int check_claims(struct partial *p, const char *journal, struct err *e)
{
	const struct grid *grid = &p->pieces.grid;
	CLEANUP(mem_free_ptr) bool *claimed = mem_alloc(grid->count + 1);
	int rc = journal_read(journal, grid, p->pieces.sha256, claimed, e);
	for (uint32_t i = 0; rc == 0 && i < grid->count; i++) {
		bool right = false;
		if (claimed[i])
			rc = look_at(p, i, &right, e);
		if (rc < 0 || !right)
			continue;
		p->have[i] = true;
		p->missing--;
		p->kept += grid_length(grid, i);
	}
	return rc;
}

static void remove_leftovers(const struct store *s, const struct digest *sha256)
{
	char *const paths[] = { store_part_path(s, sha256), store_journal_path(s, sha256),
				store_lock_path(s, sha256) };
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		unlink(paths[i]);
		free(paths[i]);
	}
}

void partial_tidy(const struct store *s, const struct digest *sha256)
{
	CLEANUP(mem_free_ptr) char *part = store_part_path(s, sha256);
	CLEANUP(mem_free_ptr) char *lock_path = store_lock_path(s, sha256);
	CLEANUP(file_close) int fd = -1;
	struct err ignored = ERR_INIT;
	if (!s->read_only && (file_exists(part) || file_exists(lock_path)) &&
	    file_lock(lock_path, 0, NULL, &fd, &ignored) == 0)
		remove_leftovers(s, sha256);
}

/* A blob that store_verify() found damaged is mostly correct: it becomes the partial, with every
 * piece recorded. Not if it has a second name, because that may be the user's file. */
static int adopt_damaged(struct partial *p, const char *journal, struct err *e)
{
	CLEANUP(mem_free_ptr) char *damaged = store_damaged_path(p->store, p->pieces.sha256);
	CLEANUP(mem_free_ptr) char *part = store_part_path(p->store, p->pieces.sha256);
	CLEANUP(journal_close) struct journal j = JOURNAL_INIT;
	struct stat st;
	if (file_exists(part) || lstat(damaged, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_nlink != 1 || (uint64_t)st.st_size != p->pieces.grid.size)
		return 0;
	make_writable(damaged);
	if (rename(damaged, part) < 0)
		return 0;
	int rc = journal_open(journal, &p->pieces.grid, p->pieces.sha256, &j, e);
	for (uint32_t i = 0; rc == 0 && i < p->pieces.grid.count; i++)
		rc = journal_add(&j, i, e);
	return rc;
}

static int drop_foreign_lock(const struct partial *p, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = store_lock_path(p->store, p->pieces.sha256);
	struct stat st;
	return lstat(path, &st) < 0 || is_own(&st) ? 0 : file_remove(path, e);
}

static int fill(struct partial *p, struct report *report, bool *done, struct err *e)
{
	int rc = drop_foreign_lock(p, e);
	if (rc == 0)
		rc = partial_lock(p, report, e);
	if (rc < 0)
		return rc;
	*done = store_has(p->store, p->pieces.sha256, p->pieces.grid.size);
	if (*done) {
		remove_leftovers(p->store, p->pieces.sha256);
		return 0;
	}
	CLEANUP(mem_free_ptr) char *journal = store_journal_path(p->store, p->pieces.sha256);
	rc = adopt_damaged(p, journal, e);
	if (rc == 0)
		rc = open_part(p, e);
	if (rc == 0)
		rc = check_claims(p, journal, e);
	if (rc == 0)
		rc = journal_open(journal, &p->pieces.grid, p->pieces.sha256, &p->journal, e);
	return rc;
}

int partial_open(const struct store *s, const char *name, const struct digest *sha256,
		 const struct grid *grid, const struct digest *pieces, struct report *report,
		 struct partial *out, bool *done, struct err *e)
{
	CLEANUP(partial_close) struct partial p = PARTIAL_INIT;
	p.store = s;
	p.name = name;
	pieces_init(&p.pieces, grid, pieces, sha256);
	p.missing = grid->count;
	p.have = mem_alloc(grid->count + 1);
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
	file_close(&p->fd);
	file_close(&p->lock_fd);
	journal_close(&p->journal);
	mem_free_ptr(&p->path);
	mem_free_ptr(&p->have);
	*p = (struct partial)PARTIAL_INIT;
}

uint64_t partial_missing_bytes(const struct partial *p)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < p->pieces.grid.count; i++)
		if (!p->have[i])
			bytes += grid_length(&p->pieces.grid, i);
	return bytes;
}

bool partial_next_run(const struct partial *p, uint32_t *first, uint32_t *count)
{
	uint32_t i = p->pieces.next;
	while (i < p->pieces.grid.count && p->have[i])
		i++;
	*first = i;
	while (i < p->pieces.grid.count && !p->have[i])
		i++;
	*count = i - *first;
	return *count > 0;
}

int partial_put(struct partial *p, const struct pieces_check *check, const void *data, bool *right,
		struct err *e)
{
	const struct grid *grid = &p->pieces.grid;
	uint32_t index = check->index;
	size_t len = (size_t)grid_length(grid, index);
	*right = pieces_end(&p->pieces, check);
	if (!*right)
		return 0;
	int rc = file_pwrite(p->fd, data, len, grid_offset(grid, index), p->path, e);
	if (rc == 0)
		rc = journal_add(&p->journal, index, e);
	if (rc < 0 || p->have[index])
		return rc;
	p->have[index] = true;
	p->missing--;
	return catch_up(p, e);
}

int partial_finish(struct partial *p, struct err *e)
{
	if (p->missing)
		return err_set(e, ERR_BUG, "%s: pieces are missing at the end", p->name);
	if (!pieces_are_whole(&p->pieces)) {
		err_set(e, ERR_INTEGRITY,
			"%s: every piece matches the manifest, but the SHA-256 of the whole file "
			"does not",
			p->name);
		return err_hint(e, "the publisher's manifest is inconsistent: tell the publisher");
	}
	int rc = file_sync(p->fd, p->path, e);
	return rc < 0 ? rc : store_commit(p->store, p->pieces.sha256, p->fd, e);
}
