#include "fetch/journal.h"

#include "store/partials.h"
#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define TRIES 10
/* Room for every piece several times: a piece that was damaged later is recorded again. */
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

/* A file that has another name is somebody's, and not for us to write to. */
static int remove_foreign(const char *path, struct err *e)
{
	struct stat st;
	if (lstat(path, &st) < 0 || (S_ISREG(st.st_mode) && st.st_nlink <= 1))
		return 0;
	return file_remove(path, e);
}

enum state {
	NONE, /* or only a part of a header, after which nothing can stand */
	OURS,
	OTHER, /* damaged, of another file or version, or not to be read */
};

static int load(const char *path, const struct grid *grid, const struct digest *sha256,
		bool *claimed, size_t *len, enum state *state, struct err *e)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(MAX_BYTES);
	struct err why = ERR_INIT;
	struct stat st;
	*len = 0;
	*state = NONE;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", path);
	*state = OTHER;
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		return 0;
	int rc = file_read_all(path, &b, &why);
	if (rc == -ERR_INTEGRITY || why.sys == EACCES)
		return 0;
	if (rc < 0) {
		*e = why;
		return rc;
	}
	*len = b.len;
	*state = b.len < JOURNAL_HEADER                                     ? NONE
		 : journal_parse(buf_str(&b), b.len, grid, sha256, claimed) ? OURS
									    : OTHER;
	return 0;
}

int journal_read(const char *path, const struct grid *grid, const struct digest *sha256,
		 bool *claimed, bool *ours, struct err *e)
{
	size_t len;
	enum state state;
	int rc = load(path, grid, sha256, claimed, &len, &state, e);
	*ours = rc == 0 && state == OURS;
	return rc;
}

/* Where locks hold nobody back, another process may be at the same. */
static int create(struct journal *j, struct err *e)
{
	for (int tries = 0; j->fd < 0; tries++) {
		int rc = file_remove(j->path, e);
		if (rc < 0)
			return rc;
		j->fd = open(j->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			     FILE_MODE);
		if (j->fd < 0 && (errno != EEXIST || tries >= TRIES))
			return err_sys(e, errno, "cannot write %s", j->path);
	}
	return 0;
}

static int begin(struct journal *j, struct err *e)
{
	int rc = create(j, e);
	if (rc < 0)
		return rc;
	j->is_new = true;
	j->at = JOURNAL_HEADER;
	return file_write(j->fd, j->header, sizeof j->header, j->path, e);
}

static int go_on(struct journal *j, size_t len, struct err *e)
{
	static const int flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	j->fd = open(j->path, flags);
	if (j->fd < 0 && errno == EACCES) {
		/* Another user's, in a store for a group. */
		int rc = file_copy(j->path, j->path, FILE_MODE, NULL, e);
		if (rc < 0)
			return rc;
		j->fd = open(j->path, flags);
	}
	if (j->fd < 0 && errno == ENOENT)
		return begin(j, e);
	if (j->fd < 0)
		return err_sys(e, errno, "cannot write %s", j->path);
	/* A torn record at the end is written over. */
	j->at = len - (len - JOURNAL_HEADER) % JOURNAL_RECORD;
	return 0;
}

static int open_any(struct journal *j, const struct grid *grid, const struct digest *sha256,
		    bool *claimed, struct err *e)
{
	size_t len;
	enum state state;
	int rc = remove_foreign(j->path, e);
	if (rc == 0)
		rc = load(j->path, grid, sha256, claimed, &len, &state, e);
	if (rc == 0 && state == OTHER)
		rc = store_partial_set_aside(j->path, &j->set_aside, e);
	if (rc < 0)
		return rc;
	return state == OURS ? go_on(j, len, e) : begin(j, e);
}

int journal_open(const char *path, const struct grid *grid, const struct digest *sha256,
		 bool *claimed, struct journal *out, struct err *e)
{
	CLEANUP(journal_close) struct journal j = JOURNAL_INIT;
	make_header(j.header, grid, sha256);
	j.path = mem_strdup(path);
	int rc = open_any(&j, grid, sha256, claimed, e);
	if (rc < 0)
		return rc;
	*out = j;
	j = (struct journal)JOURNAL_INIT;
	return 0;
}

int journal_add(struct journal *j, uint32_t piece, struct err *e)
{
	uint8_t record[JOURNAL_RECORD];
	make_record(record, j->header, piece);
	uint64_t at = atomic_fetch_add(&j->at, JOURNAL_RECORD);
	return file_pwrite(j->fd, record, sizeof record, at, j->path, e);
}

void journal_close(struct journal *j)
{
	file_close(&j->fd);
	mem_free_ptr(&j->path);
	mem_free_ptr(&j->set_aside);
}
