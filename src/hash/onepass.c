#include "hash/onepass.h"

#include "hash/sha256_chain.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#define BLOCK_SIZE (1 * MIB)
#define BLOCKS 8

#define MAX_LANES 4
/* One more than the lanes, because reading is a job, too. */
#define MAX_WORKERS (MAX_LANES + 1)

/* A list of segments to hash; for the whole file, it has one entry. */
typedef struct digest *segment_at(struct onepass *p, size_t index, uint64_t *offset,
				  uint64_t *size);

struct row {
	segment_at *at;
	size_t count; /* of segments */
	size_t index; /* the first segment that is not finished */
	struct sha256_chain chain;
};

/* One list, or two that are hashed together, or the caller's look at the bytes. */
struct lane {
	struct row rows[2];
	bool looks;
	uint64_t done; /* blocks; guarded by ring.lock */
	bool busy;     /* a worker is at it; guarded by ring.lock */
};

struct ring {
	struct onepass *p;
	int fd;
	const char *what;
	struct report *report;
	struct err *e;  /* of the worker that reads */
	uint8_t *data;  /* BLOCKS blocks, or fewer when the file has fewer */
	uint64_t total; /* blocks of the file */
	struct lane lanes[MAX_LANES];
	unsigned lane_count;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	uint64_t filled; /* blocks that were read */
	bool reading;    /* a worker is at it */
	int rc;          /* of reading; the others stop when it fails */
};

static struct digest *whole_at(struct onepass *p, size_t index, uint64_t *offset, uint64_t *size)
{
	(void)index;
	*offset = 0;
	*size = p->grid.size;
	return &p->whole;
}

static struct digest *piece_at(struct onepass *p, size_t index, uint64_t *offset, uint64_t *size)
{
	*offset = grid_offset(&p->grid, (uint32_t)index);
	*size = grid_length(&p->grid, (uint32_t)index);
	return &p->pieces[index];
}

static struct digest *range_at(struct onepass *p, size_t index, uint64_t *offset, uint64_t *size)
{
	*offset = p->ranges[index].offset;
	*size = p->ranges[index].size;
	return &p->ranges[index].digest;
}

static uint8_t *block_data(const struct ring *r, uint64_t block)
{
	return r->data + block % BLOCKS * BLOCK_SIZE;
}

static size_t block_length(const struct ring *r, uint64_t block)
{
	return (size_t)MIN(BLOCK_SIZE, r->p->grid.size - block * BLOCK_SIZE);
}

/* Is `at` in a segment? Reduces *to to the next offset where that changes. */
static bool row_takes(const struct row *row, struct onepass *p, uint64_t at, uint64_t *to)
{
	uint64_t offset, size;
	if (row->index == row->count)
		return false;
	row->at(p, row->index, &offset, &size);
	*to = MIN(*to, at < offset ? offset : offset + size);
	return at >= offset;
}

/* Finishes the segments that end at `end` or before. */
static void row_close(struct row *row, struct onepass *p, uint64_t end)
{
	uint64_t offset, size;
	for (; row->index < row->count; row->index++) {
		struct digest *out = row->at(p, row->index, &offset, &size);
		if (offset + size > end)
			return;
		sha256_chain_final(&row->chain, out);
	}
}

static void lane_add(struct lane *l, struct onepass *p, const uint8_t *data, uint64_t start,
		     size_t len)
{
	struct row *a = &l->rows[0], *b = &l->rows[1];
	uint64_t end = start + len, to;
	for (uint64_t at = start; at < end; at = to) {
		to = end;
		bool in_a = row_takes(a, p, at, &to), in_b = row_takes(b, p, at, &to);
		const uint8_t *bytes = data + (at - start);
		size_t n = (size_t)(to - at);
		if (in_a && in_b)
			sha256_chain_add_both(&a->chain, &b->chain, bytes, n);
		else if (in_a || in_b)
			sha256_chain_add(in_a ? &a->chain : &b->chain, bytes, n);
		row_close(a, p, to);
		row_close(b, p, to);
	}
}

static int read_changed(const char *what, struct err *e)
{
	err_set(e, ERR_INTEGRITY, "%s changed while it was read", what);
	return err_hint(e, "run the command again when no program writes to the file");
}

/* Up to len bytes; fewer only at the end of the file. */
static ssize_t read_at(struct ring *r, uint8_t *data, size_t len, uint64_t offset)
{
	size_t got = 0;
	while (got < len) {
		ssize_t n = pread(r->fd, data + got, len - got, (off_t)(offset + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(r->e, errno, "%s", r->what);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static int read_block(struct ring *r, uint64_t block)
{
	size_t len = block_length(r, block);
	int rc = cancel_check(r->p->cancel, r->e);
	if (rc < 0)
		return rc;
	ssize_t n = read_at(r, block_data(r, block), len, block * BLOCK_SIZE);
	if (n < 0)
		return (int)n;
	if ((size_t)n < len)
		return read_changed(r->what, r->e);
	if (r->p->copy_to && (rc = file_pwrite(*r->p->copy_to, block_data(r, block), len,
					       block * BLOCK_SIZE, r->what, r->e)) < 0)
		return err_context(r->e, "cannot write the copy");
	report_advance(r->report, r->what, (int64_t)len);
	return 0;
}

static int read_end(struct ring *r)
{
	uint8_t more;
	ssize_t n = read_at(r, &more, 1, r->p->grid.size);
	if (n < 0)
		return (int)n;
	return n > 0 ? read_changed(r->what, r->e) : 0;
}

/* Its header was read before: bytes that were written since belong to another version. */
static int check_unchanged(struct ring *r, const struct stat *before)
{
	struct stat now;
	if (fstat(r->fd, &now) < 0)
		return err_sys(r->e, errno, "%s", r->what);
	return os_modified_ns(&now) == os_modified_ns(before) ? 0 : read_changed(r->what, r->e);
}

/* The lane farthest behind that has something to hash and no worker, or NULL. */
static struct lane *ring_pick_lane(struct ring *r)
{
	struct lane *found = NULL;
	for (struct lane *l = r->lanes; l < r->lanes + r->lane_count; l++)
		if (!l->busy && l->done < r->filled && (!found || l->done < found->done))
			found = l;
	return found;
}

static bool ring_may_read(const struct ring *r)
{
	uint64_t least = r->filled;
	for (unsigned i = 0; i < r->lane_count; i++)
		least = MIN(least, r->lanes[i].done);
	return !r->reading && r->filled < r->total && r->filled < least + BLOCKS;
}

/* A lane has taken the last block that was read, so its worker would soon wait for the reader. */
static bool ring_should_read(const struct ring *r)
{
	uint64_t taken = 0;
	for (unsigned i = 0; i < r->lane_count; i++)
		taken = MAX(taken, r->lanes[i].done + r->lanes[i].busy);
	return taken == r->filled && ring_may_read(r);
}

static bool ring_finished(const struct ring *r)
{
	bool all = true;
	for (unsigned i = 0; i < r->lane_count; i++)
		all = all && r->lanes[i].done == r->total;
	return all || r->rc < 0;
}

static void work_hash(struct ring *r, struct lane *l)
{
	uint64_t block = l->done;
	l->busy = true;
	pthread_mutex_unlock(&r->lock);
	const uint8_t *data = block_data(r, block);
	if (l->looks)
		r->p->look(r->p->look_ctx, data, block_length(r, block));
	else
		lane_add(l, r->p, data, block * BLOCK_SIZE, block_length(r, block));
	pthread_mutex_lock(&r->lock);
	l->busy = false;
	l->done++;
	pthread_cond_broadcast(&r->changed);
}

static void work_read(struct ring *r)
{
	uint64_t block = r->filled;
	r->reading = true;
	pthread_mutex_unlock(&r->lock);
	int rc = read_block(r, block);
	pthread_mutex_lock(&r->lock);
	r->reading = false;
	if (rc < 0)
		r->rc = rc;
	else
		r->filled++;
	pthread_cond_broadcast(&r->changed);
}

static void *work(void *arg)
{
	struct ring *r = arg;
	pthread_mutex_lock(&r->lock);
	while (!ring_finished(r)) {
		struct lane *l = ring_should_read(r) ? NULL : ring_pick_lane(r);
		if (l)
			work_hash(r, l);
		else if (ring_may_read(r))
			work_read(r);
		else
			pthread_cond_wait(&r->changed, &r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* The calling thread works, too: if no other thread can be started, it does everything. */
static void ring_run(struct ring *r)
{
	pthread_t others[MAX_WORKERS];
	unsigned workers = MIN(os_processors(), r->lane_count + 1), count = 0;
	unsigned want = (unsigned)MIN(workers, r->total);
	while (count + 1 < want && pthread_create(&others[count], NULL, work, r) == 0)
		count++;
	work(r);
	while (count)
		pthread_join(others[--count], NULL);
}

static void ring_lane(struct ring *r, struct row first, struct row second)
{
	struct lane *l = &r->lanes[r->lane_count++];
	*l = (struct lane){ .rows = { first, second } };
	sha256_chain_init(&l->rows[0].chain);
	sha256_chain_init(&l->rows[1].chain);
}

/* The pieces are hashed with the whole file where that costs little; otherwise they have their
 * own lane. */
static void ring_lanes(struct ring *r)
{
	static const struct row none;
	const struct row whole = { .at = whole_at, .count = 1 };
	const struct row pieces = { .at = piece_at, .count = r->p->pieces ? r->p->grid.count : 0 };
	const struct row ranges = { .at = range_at, .count = r->p->range_count };
	ring_lane(r, whole, sha256_chain_is_paired() ? pieces : none);
	if (pieces.count && !sha256_chain_is_paired())
		ring_lane(r, pieces, none);
	if (ranges.count)
		ring_lane(r, ranges, none);
	if (r->p->look) {
		ring_lane(r, none, none);
		r->lanes[r->lane_count - 1].looks = true;
	}
}

static void ring_init(struct ring *r)
{
	r->total = (r->p->grid.size + BLOCK_SIZE - 1) / BLOCK_SIZE;
	r->data = mem_alloc(MIN(r->total, BLOCKS) * BLOCK_SIZE);
	ring_lanes(r);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
}

static void ring_release(struct ring *r)
{
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r->data);
}

static int check_ranges(const struct onepass *p, const char *what, struct err *e)
{
	uint64_t end = 0;
	for (size_t i = 0; i < p->range_count; i++) {
		const struct hash_range *range = &p->ranges[i];
		if (range->offset < end || !add_u64(range->offset, range->size, &end) ||
		    end > p->grid.size)
			return err_set(e, ERR_BUG,
				       "%s: range %zu is out of order or outside the file", what,
				       i);
	}
	return 0;
}

int onepass_run(struct onepass *p, int fd, const char *what, struct report *report, struct err *e)
{
	int rc = check_ranges(p, what, e);
	if (rc < 0)
		return rc;
	struct ring r = { .p = p, .fd = fd, .what = what, .report = report, .e = e };
	struct stat before;
	if (fstat(fd, &before) < 0)
		return err_sys(e, errno, "%s", what);
	ring_init(&r);
	/* Advice only: reading works without it. */
	os_will_read_all(fd);
	report_begin(report, what, p->grid.size, 0);
	ring_run(&r);
	/* The remaining segments are at the end of an empty file. */
	for (unsigned i = 0; i < 2 * r.lane_count && r.rc == 0; i++)
		row_close(&r.lanes[i / 2].rows[i % 2], p, p->grid.size);
	rc = r.rc < 0 ? r.rc : read_end(&r);
	if (rc == 0 && p->copy_to)
		rc = check_unchanged(&r, &before);
	ring_release(&r);
	report_end(report, what, rc == 0);
	return rc;
}
