#include "fetch/partial.h"

#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* The process was killed after the partial became read-only and before it became the blob. */
static int open_writable(const char *path, int *fd)
{
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (*fd < 0 && errno == EACCES && chmod(path, 0644) == 0)
		*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	return *fd;
}

/* Another process may have the file open, so it is only extended, never truncated. */
static int open_part(struct partial *p, struct err *e)
{
	uint64_t size = p->pieces.grid.size;
	struct stat st;
	p->path = store_part_path(p->store, p->pieces.sha256);
	if (lstat(p->path, &st) == 0 && (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > size)) {
		int rc = file_remove(p->path, e);
		if (rc < 0)
			return rc;
	}
	if (open_writable(p->path, &p->fd) < 0 || fstat(p->fd, &st) < 0)
		return err_sys(e, errno, "cannot write %s", p->path);
	if ((uint64_t)st.st_size < size && ftruncate(p->fd, (off_t)size) < 0)
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
	if (chmod(damaged, 0644) < 0 || rename(damaged, part) < 0)
		return 0;
	int rc = journal_open(journal, &p->pieces.grid, p->pieces.sha256, &j, e);
	for (uint32_t i = 0; rc == 0 && i < p->pieces.grid.count; i++)
		rc = journal_add(&j, i, e);
	return rc;
}

static int fill(struct partial *p, struct report *report, bool *done, struct err *e)
{
	int rc = partial_lock(p, report, e);
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
