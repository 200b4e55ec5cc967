#include "fetch/partial.h"

#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* A partial that was killed between becoming read-only and becoming the blob. */
static int open_writable(const char *path, int *fd)
{
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (*fd < 0 && errno == EACCES && chmod(path, 0644) == 0)
		*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	return *fd;
}

/* Another process may have the file open, so it is only ever extended, never cut. */
static int open_part(struct partial *p, struct err *e)
{
	struct stat st;
	p->path = store_part_path(p->store, &p->sha256);
	if (lstat(p->path, &st) == 0 &&
	    (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > p->grid.size)) {
		int rc = file_remove(p->path, e);
		if (rc < 0)
			return rc;
	}
	if (open_writable(p->path, &p->fd) < 0 || fstat(p->fd, &st) < 0)
		return err_sys(e, errno, "cannot write %s", p->path);
	if ((uint64_t)st.st_size < p->grid.size && ftruncate(p->fd, (off_t)p->grid.size) < 0)
		return err_sys(e, errno, "cannot write %s", p->path);
	return 0;
}

/* Adds the bytes of a piece, as they are on the disk, to a hash. */
static int hash_piece(const struct partial *p, uint32_t index, struct sha256 *into,
		      struct err *e)
{
	enum { CHUNK = 1 << 20 };
	uint64_t offset = grid_offset(&p->grid, index), left = grid_length(&p->grid, index);
	CLEANUP(mem_free_ptr) char *data = mem_alloc(MIN(left, CHUNK));
	while (left) {
		size_t len = (size_t)MIN(left, CHUNK);
		int rc = cancel_check(p->store->cancel, e);
		if (rc == 0)
			rc = file_pread(p->fd, data, len, offset, p->path, e);
		if (rc < 0)
			return rc;
		sha256_add(into, data, len);
		offset += len;
		left -= len;
	}
	return 0;
}

/* The whole-file digest goes on as far as the pieces are there. */
static int catch_up(struct partial *p, struct err *e)
{
	while (p->whole_next < p->grid.count && p->have[p->whole_next]) {
		int rc = hash_piece(p, p->whole_next, p->whole, e);
		if (rc < 0)
			return rc;
		p->whole_next++;
	}
	return 0;
}

static int check_claims(struct partial *p, const char *journal, struct err *e)
{
	CLEANUP_PTR(sha256_free) struct sha256 *hash = sha256_new();
	CLEANUP(mem_free_ptr) bool *claimed = mem_alloc(p->grid.count + 1);
	int rc = journal_read(journal, &p->grid, &p->sha256, claimed, e);
	for (uint32_t i = 0; rc == 0 && i < p->grid.count; i++) {
		struct digest d;
		if (!claimed[i])
			continue;
		sha256_reset(hash);
		rc = hash_piece(p, i, hash, e);
		if (rc < 0)
			break;
		sha256_final(hash, &d);
		if (!digest_equal(&d, &p->pieces[i]))
			continue;
		p->have[i] = true;
		p->missing--;
		p->kept += grid_length(&p->grid, i);
		/* Now, while the bytes are still in the page cache. */
		rc = catch_up(p, e);
	}
	return rc;
}

static int lock(struct partial *p, struct report *report, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = store_lock_path(p->store, &p->sha256);
	struct err why = ERR_INIT;
	int rc = file_lock(path, false, NULL, &p->lock_fd, &why);
	if (rc == -ERR_CONFLICT) {
		report_note(report, "%s: another process is fetching it; waiting", p->name);
		return file_lock(path, true, p->store->cancel, &p->lock_fd, e);
	}
	if (rc < 0)
		*e = why;
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
	    file_lock(lock_path, false, NULL, &fd, &ignored) == 0)
		remove_leftovers(s, sha256);
}

/* A blob that store_verify() found damaged is mostly right: it becomes the partial, with every
 * piece claimed. Not where it has a second name, for then it is somebody's file. */
static int adopt_damaged(struct partial *p, const char *journal, struct err *e)
{
	CLEANUP(mem_free_ptr) char *damaged = store_damaged_path(p->store, &p->sha256);
	CLEANUP(mem_free_ptr) char *part = store_part_path(p->store, &p->sha256);
	CLEANUP(journal_close) struct journal j = JOURNAL_INIT;
	struct stat st;
	if (file_exists(part) || lstat(damaged, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_nlink != 1 || (uint64_t)st.st_size != p->grid.size)
		return 0;
	if (chmod(damaged, 0644) < 0 || rename(damaged, part) < 0)
		return 0;
	int rc = journal_open(journal, &p->grid, &p->sha256, &j, e);
	for (uint32_t i = 0; rc == 0 && i < p->grid.count; i++)
		rc = journal_add(&j, i, e);
	return rc;
}

static int fill(struct partial *p, struct report *report, bool *done, struct err *e)
{
	int rc = lock(p, report, e);
	if (rc < 0)
		return rc;
	*done = store_has(p->store, &p->sha256, p->grid.size);
	if (*done) {
		remove_leftovers(p->store, &p->sha256);
		return 0;
	}
	CLEANUP(mem_free_ptr) char *journal = store_journal_path(p->store, &p->sha256);
	rc = adopt_damaged(p, journal, e);
	if (rc == 0)
		rc = open_part(p, e);
	if (rc == 0)
		rc = check_claims(p, journal, e);
	if (rc == 0)
		rc = journal_open(journal, &p->grid, &p->sha256, &p->journal, e);
	return rc;
}

int partial_open(const struct store *s, const char *name, const struct digest *sha256,
		 const struct grid *grid, const struct digest *pieces, struct report *report,
		 struct partial *out, bool *done, struct err *e)
{
	CLEANUP(partial_close) struct partial p = PARTIAL_INIT;
	p.store = s;
	p.name = name;
	p.sha256 = *sha256;
	p.grid = *grid;
	p.pieces = pieces;
	p.missing = grid->count;
	p.have = mem_alloc(grid->count + 1);
	p.whole = sha256_new();
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
	sha256_free(p->whole);
	*p = (struct partial)PARTIAL_INIT;
}

uint64_t partial_missing_bytes(const struct partial *p)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < p->grid.count; i++)
		if (!p->have[i])
			bytes += grid_length(&p->grid, i);
	return bytes;
}

bool partial_next_run(const struct partial *p, uint32_t *first, uint32_t *count)
{
	uint32_t i = p->whole_next;
	while (i < p->grid.count && p->have[i])
		i++;
	*first = i;
	while (i < p->grid.count && !p->have[i])
		i++;
	*count = i - *first;
	return *count > 0;
}

int partial_put(struct partial *p, uint32_t index, const void *data, struct err *e)
{
	size_t len = (size_t)grid_length(&p->grid, index);
	int rc = file_pwrite(p->fd, data, len, grid_offset(&p->grid, index), p->path, e);
	if (rc == 0)
		rc = journal_add(&p->journal, index, e);
	if (rc < 0 || p->have[index])
		return rc;
	p->have[index] = true;
	p->missing--;
	if (index == p->whole_next) {
		sha256_add(p->whole, data, len);
		p->whole_next++;
	}
	return catch_up(p, e);
}

int partial_finish(struct partial *p, struct err *e)
{
	struct digest d;
	int rc = catch_up(p, e);
	if (rc < 0)
		return rc;
	if (p->whole_next < p->grid.count)
		return err_set(e, ERR_BUG, "%s: finished with pieces missing", p->name);
	sha256_final(p->whole, &d);
	if (!digest_equal(&d, &p->sha256)) {
		err_set(e, ERR_INTEGRITY, "%s: every piece is as the manifest says, but the whole "
			"file's SHA-256 is not", p->name);
		return err_hint(e, "the publisher's manifest contradicts itself: tell the publisher");
	}
	rc = file_sync(p->fd, p->path, e);
	return rc < 0 ? rc : store_commit(p->store, &p->sha256, p->fd, e);
}
