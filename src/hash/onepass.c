#include "hash/onepass.h"

#include "util/cancel.h"
#include "util/mem.h"
#include "util/os.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#define BLOCK_SIZE (1 * MIB)
#define BLOCKS 8

enum { LANE_WHOLE, LANE_PIECES, LANE_RANGES, LANES };
/* One more than the lanes: reading is a job, too. */
#define MAX_WORKERS (LANES + 1)

/* Every lane hashes a row of segments: the whole file is a row of one. */
typedef struct digest *segment_at(struct onepass *p, size_t index, uint64_t *offset,
				  uint64_t *size);

struct lane {
	segment_at *at;
	size_t count;           /* of segments */
	size_t index;           /* the first segment that is not finished */
	struct sha256 *sha;
	uint64_t done;          /* blocks; guarded by ring.lock */
	bool busy;              /* a worker is at it; guarded by ring.lock */
};

struct ring {
	struct onepass *p;
	int fd;
	const char *what;
	struct report *report;
	struct err *e;          /* of the worker that reads */
	uint8_t *data;          /* BLOCKS blocks, or fewer when the file has fewer */
	uint64_t total;         /* blocks of the file */
	struct lane lanes[LANES];

	pthread_mutex_t lock;   /* guards what follows */
	pthread_cond_t changed;
	uint64_t filled;        /* blocks that were read */
	bool reading;           /* a worker is at it */
	int rc;                 /* of reading; the others stop when it fails */
};

static struct digest *whole_at(struct onepass *p, size_t index, uint64_t *offset,
			       uint64_t *size)
{
	(void)index;
	*offset = 0;
	*size = p->grid.size;
	return &p->whole;
}

static struct digest *piece_at(struct onepass *p, size_t index, uint64_t *offset,
			       uint64_t *size)
{
	*offset = grid_offset(&p->grid, (uint32_t)index);
	*size = grid_length(&p->grid, (uint32_t)index);
	return &p->pieces[index];
}

static struct digest *range_at(struct onepass *p, size_t index, uint64_t *offset,
			       uint64_t *size)
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

/* Feeds what the bytes hold of each segment, and closes those that end in them. */
static void lane_add(struct lane *l, struct onepass *p, const uint8_t *data, uint64_t start,
		     size_t len)
{
	uint64_t end = start + len, offset, size;
	for (; l->index < l->count; l->index++) {
		struct digest *out = l->at(p, l->index, &offset, &size);
		uint64_t from = MAX(offset, start), to = MIN(offset + size, end);
		if (from < to)
			sha256_add(l->sha, data + (from - start), (size_t)(to - from));
		if (offset + size > end)
			return;
		sha256_final(l->sha, out);
	}
}

static int read_changed(const char *what, struct err *e)
{
	err_set(e, ERR_INTEGRITY, "%s changed while it was read", what);
	return err_hint(e, "run the command again when nothing writes to the file");
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
	int rc = cancel_check(r->e);
	if (rc < 0)
		return rc;
	ssize_t n = read_at(r, block_data(r, block), len, block * BLOCK_SIZE);
	if (n < 0)
		return (int)n;
	if ((size_t)n < len)
		return read_changed(r->what, r->e);
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

/* The lane farthest behind that has something to hash and no worker, or NULL. */
static struct lane *ring_pick_lane(struct ring *r)
{
	struct lane *found = NULL;
	for (struct lane *l = r->lanes; l < r->lanes + LANES; l++)
		if (!l->busy && l->done < r->filled && (!found || l->done < found->done))
			found = l;
	return found;
}

static bool ring_may_read(const struct ring *r)
{
	uint64_t least = r->filled;
	for (unsigned i = 0; i < LANES; i++)
		least = MIN(least, r->lanes[i].done);
	return !r->reading && r->filled < r->total && r->filled < least + BLOCKS;
}

static bool ring_finished(const struct ring *r)
{
	bool all = true;
	for (unsigned i = 0; i < LANES; i++)
		all = all && r->lanes[i].done == r->total;
	return all || r->rc < 0;
}

static void work_hash(struct ring *r, struct lane *l)
{
	uint64_t block = l->done;
	l->busy = true;
	pthread_mutex_unlock(&r->lock);
	lane_add(l, r->p, block_data(r, block), block * BLOCK_SIZE, block_length(r, block));
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
		struct lane *l = ring_pick_lane(r);
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

/* The calling thread works, too: where no other can be started, it does all of it. */
static void ring_run(struct ring *r)
{
	pthread_t others[MAX_WORKERS];
	unsigned cores = MIN(os_processors(), MAX_WORKERS), count = 0;
	unsigned want = (unsigned)MIN(cores, r->total);
	while (count + 1 < want && pthread_create(&others[count], NULL, work, r) == 0)
		count++;
	work(r);
	while (count)
		pthread_join(others[--count], NULL);
}

static void ring_init(struct ring *r)
{
	struct onepass *p = r->p;
	r->total = (p->grid.size + BLOCK_SIZE - 1) / BLOCK_SIZE;
	r->data = mem_alloc(MIN(r->total, BLOCKS) * BLOCK_SIZE);
	r->lanes[LANE_WHOLE] = (struct lane){ .at = whole_at, .count = 1 };
	r->lanes[LANE_PIECES] = (struct lane){ .at = piece_at,
					       .count = p->pieces ? p->grid.count : 0 };
	r->lanes[LANE_RANGES] = (struct lane){ .at = range_at, .count = p->range_count };
	for (unsigned i = 0; i < LANES; i++)
		r->lanes[i].sha = sha256_new();
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
}

static void ring_release(struct ring *r)
{
	for (unsigned i = 0; i < LANES; i++)
		sha256_free(r->lanes[i].sha);
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
			return err_set(e, ERR_BUG, "%s: range %zu to hash is out of place",
				       what, i);
	}
	return 0;
}

int onepass_run(struct onepass *p, int fd, const char *what, struct report *report,
		struct err *e)
{
	int rc = check_ranges(p, what, e);
	if (rc < 0)
		return rc;
	struct ring r = { .p = p, .fd = fd, .what = what, .report = report, .e = e };
	ring_init(&r);
	/* Advice only: where it fails, reading works all the same. */
	os_will_read_all(fd);
	report_begin(report, what, p->grid.size, 0);
	ring_run(&r);
	/* What is left lies at the end of the file and is empty. */
	for (unsigned i = 0; i < LANES && r.rc == 0; i++)
		lane_add(&r.lanes[i], p, NULL, p->grid.size, 0);
	rc = r.rc < 0 ? r.rc : read_end(&r);
	ring_release(&r);
	report_end(report, what, rc == 0);
	return rc;
}
