#include "fetch/journal.h"

#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Room for every piece several times, because several processes may record the same ones. */
#define MAX_BYTES (JOURNAL_HEADER + 64 * GRID_MAX_PIECES * JOURNAL_RECORD)

static void put_le(uint8_t *at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_le(const uint8_t *at, size_t len)
{
	uint64_t value = 0;
	for (size_t i = 0; i < len; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

static void make_header(uint8_t out[JOURNAL_HEADER], const struct grid *grid,
			const struct digest *sha256)
{
	memset(out, 0, JOURNAL_HEADER);
	memcpy(out, "ferryjnl", 8);
	put_le(out + 8, 1, 4);
	put_le(out + 16, grid->size, 8);
	put_le(out + 24, grid->piece_length, 8);
	memcpy(out + 32, sha256->bytes, DIGEST_SIZE);
}

static void make_record(uint8_t out[JOURNAL_RECORD], const uint8_t header[JOURNAL_HEADER],
			uint32_t piece)
{
	uint8_t text[JOURNAL_HEADER + 8];
	struct digest d;
	put_le(out, piece, 8);
	memcpy(text, header, JOURNAL_HEADER);
	memcpy(text + JOURNAL_HEADER, out, 8);
	sha256_of(text, sizeof text, &d);
	memcpy(out + 8, d.bytes, 8);
}

bool journal_parse(const void *data, size_t len, const struct grid *grid,
		   const struct digest *sha256, bool *claimed)
{
	uint8_t header[JOURNAL_HEADER];
	make_header(header, grid, sha256);
	if (len < JOURNAL_HEADER || memcmp(data, header, JOURNAL_HEADER) != 0)
		return false;
	const uint8_t *bytes = data;
	for (size_t at = JOURNAL_HEADER; at + JOURNAL_RECORD <= len; at += JOURNAL_RECORD) {
		uint8_t want[JOURNAL_RECORD];
		uint64_t piece = get_le(bytes + at, 8);
		if (piece >= grid->count)
			continue;
		make_record(want, header, (uint32_t)piece);
		if (memcmp(bytes + at, want, JOURNAL_RECORD) == 0)
			claimed[piece] = true;
	}
	return true;
}

/* A file that has another name is somebody's, and not for us to write to. Without any name, another
 * process has just finished with it. */
static bool is_own(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink <= 1;
}

static int remove_foreign(const char *path, struct err *e)
{
	struct stat st;
	return lstat(path, &st) < 0 || is_own(&st) ? 0 : file_remove(path, e);
}

/* Reads the journal, and checks whether it begins with the right header. */
static int load(const char *path, const struct grid *grid, const struct digest *sha256,
		bool *claimed, size_t *len, bool *ours, struct err *e)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(MAX_BYTES);
	struct err why = ERR_INIT;
	struct stat st;
	*ours = false;
	*len = 0;
	if (lstat(path, &st) == 0 && !is_own(&st))
		return 0;
	int rc = file_read_all(path, &b, &why);
	if (rc == -ERR_NOT_FOUND || rc == -ERR_INTEGRITY)
		return 0;
	if (rc < 0) {
		*e = why;
		return rc;
	}
	*ours = journal_parse(buf_str(&b), b.len, grid, sha256, claimed);
	*len = b.len;
	return 0;
}

int journal_read(const char *path, const struct grid *grid, const struct digest *sha256,
		 bool *claimed, struct err *e)
{
	size_t len;
	bool ours;
	return load(path, grid, sha256, claimed, &len, &ours, e);
}

/* Written in place: a torn header counts as none and is written again; no records follow it yet. */
static int begin(const struct journal *j, struct err *e)
{
	CLEANUP(file_close) int fd =
		open(j->path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, FILE_MODE);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "%s", j->path);
	if (!is_own(&st))
		return err_set(e, ERR_SYSTEM, "%s was replaced meanwhile", j->path);
	if (ftruncate(fd, 0) < 0)
		return err_sys(e, errno, "%s", j->path);
	return file_write(fd, j->header, sizeof j->header, j->path, e);
}

/* One attempt. *gone: another process completed the file and removed the journal meanwhile (where
 * locks do not work). */
static int try_open(struct journal *j, const struct grid *grid, const struct digest *sha256,
		    bool *gone, struct err *e)
{
	static const uint8_t zeros[JOURNAL_RECORD];
	CLEANUP(mem_free_ptr) bool *claimed = mem_alloc(grid->count + 1);
	size_t len;
	bool ours;
	int rc = remove_foreign(j->path, e);
	/* Another user's, in a store for a group. */
	if (rc == 0 && access(j->path, W_OK) < 0 && errno == EACCES)
		rc = file_copy(j->path, j->path, FILE_MODE, NULL, e);
	if (rc == 0)
		rc = load(j->path, grid, sha256, claimed, &len, &ours, e);
	if (rc == 0 && !ours)
		rc = begin(j, e);
	if (rc < 0)
		return rc;
	j->fd = open(j->path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	*gone = j->fd < 0 && errno == ENOENT;
	if (*gone)
		return 0;
	if (j->fd < 0)
		return err_sys(e, errno, "%s", j->path);
	/* After a torn record, the next ones must be aligned again. */
	size_t torn = ours ? len % JOURNAL_RECORD : 0;
	return torn ? file_write(j->fd, zeros, JOURNAL_RECORD - torn, j->path, e) : 0;
}

int journal_open(const char *path, const struct grid *grid, const struct digest *sha256,
		 struct journal *out, struct err *e)
{
	CLEANUP(journal_close) struct journal j = JOURNAL_INIT;
	bool gone = true;
	make_header(j.header, grid, sha256);
	j.path = mem_strdup(path);
	while (gone) {
		int rc = try_open(&j, grid, sha256, &gone, e);
		if (rc < 0)
			return rc;
	}
	*out = j;
	j = (struct journal)JOURNAL_INIT;
	return 0;
}

int journal_add(struct journal *j, uint32_t piece, struct err *e)
{
	uint8_t record[JOURNAL_RECORD];
	make_record(record, j->header, piece);
	return file_write(j->fd, record, sizeof record, j->path, e);
}

void journal_close(struct journal *j)
{
	file_close(&j->fd);
	mem_free_ptr(&j->path);
}
