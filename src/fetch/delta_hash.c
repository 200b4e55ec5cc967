/* Tensors of a file without a manifest, found by hashing those that may be equal. */
#include "fetch/delta_internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/threads.h"

#include <string.h>

#define SAMPLE 8  /* tensors; if none of them is equal, the others are not hashed */
#define THREADS 4 /* at most: the disk is the limit */

/* A tensor of the new file, and the one of the same name, type and shape here. */
struct pair {
	size_t wanted;
	uint64_t at;
};

struct hashing {
	struct delta *d;
	size_t file;
	int fd;
	struct pair *pairs;
	size_t count;
	const char *task;
	atomic_size_t equal;
	pthread_mutex_t lock; /* of why */
	struct err why;       /* it was cancelled */
};

static bool is_alike(const struct manifest_tensor *w, const struct gguf_tensor *t)
{
	return t && t->size == w->size && t->dimensions == w->dimensions &&
	       memcmp(t->shape, w->shape, sizeof t->shape) == 0 &&
	       strcmp(t->type->name, w->type) == 0;
}

static void pair_up(struct hashing *h, const struct gguf *g)
{
	const struct delta *d = h->d;
	h->pairs = mem_alloc((d->wanted->tensor_count + 1) * sizeof *h->pairs);
	for (size_t i = 0; i < d->wanted->tensor_count; i++) {
		const struct manifest_tensor *w = &d->wanted->tensors[i];
		const struct gguf_tensor *t = gguf_find_tensor(g, w->name);
		if (!d->tensors[i].found && is_alike(w, t))
			h->pairs[h->count++] = (struct pair){ i, t->offset };
	}
}

static int hash(struct hashing *h, const struct pair *p, struct digest *out, struct err *e)
{
	const struct manifest_tensor *t = &h->d->wanted->tensors[p->wanted];
	CLEANUP_PTR(sha256_free) struct sha256 *s = sha256_new();
	CLEANUP(mem_free_ptr) uint8_t *data = mem_alloc(MIB);
	int rc = 0;
	for (uint64_t done = 0; rc == 0 && done < t->size;) {
		size_t len = (size_t)MIN(t->size - done, (uint64_t)MIB);
		rc = cancel_check(h->d->cancel, e);
		if (rc == 0)
			rc = file_pread(h->fd, data, len, p->at + done, "the store", e);
		if (rc == 0)
			sha256_add(s, data, len);
		report_advance(h->d->report, h->task, (int64_t)len);
		done += len;
	}
	sha256_final(s, out);
	return rc;
}

static void hash_pair(struct hashing *h, size_t i)
{
	const struct pair *p = &h->pairs[i];
	struct delta_where *to = &h->d->tensors[p->wanted];
	struct err e = ERR_INIT;
	struct digest d;
	int rc = hash(h, p, &d, &e);
	if (rc == -ERR_CANCELLED) {
		pthread_mutex_lock(&h->lock);
		h->why = e;
		pthread_mutex_unlock(&h->lock);
	}
	if (rc < 0 || !digest_equal(&d, &h->d->wanted->tensors[p->wanted].sha256))
		return;
	*to = (struct delta_where){ .found = true, .file = h->file, .at = p->at };
	atomic_fetch_add(&h->equal, 1);
}

/* A fixed order without a pattern: tensors of one size are then of different layers. */
static uint64_t shuffled(size_t i)
{
	return (uint64_t)(i + 1) * 0x9e3779b97f4a7c15U;
}

static int by_size(const void *a, const void *b, void *ctx)
{
	const struct pair *x = a, *y = b;
	const struct manifest *m = ctx;
	uint64_t sx = m->tensors[x->wanted].size, sy = m->tensors[y->wanted].size;
	if (sx != sy)
		return sx > sy ? -1 : 1;
	return shuffled(x->wanted) < shuffled(y->wanted) ? -1 : 1;
}

/* Moves one tensor of each of the largest sizes to the front: of a model that was trained further,
 * only some kinds of tensors may be others. Returns how many. */
static size_t choose_sample(struct hashing *h)
{
	const struct manifest *m = h->d->wanted;
	size_t sample = 0;
	uint64_t size = 0;
	if (h->count)
		os_sort(h->pairs, h->count, sizeof *h->pairs, by_size, (void *)m);
	for (size_t i = 0; i < h->count && sample < SAMPLE; i++) {
		struct pair p = h->pairs[i];
		if (i > 0 && m->tensors[p.wanted].size == size)
			continue;
		size = m->tensors[p.wanted].size;
		h->pairs[i] = h->pairs[sample];
		h->pairs[sample++] = p;
	}
	return sample;
}

/* The pairs from `first` on. */
struct batch {
	struct hashing *h;
	size_t first;
};

static void hash_of_batch(void *ctx, size_t i)
{
	struct batch *b = ctx;
	hash_pair(b->h, b->first + i);
}

static int hash_pairs(struct hashing *h, size_t from, size_t to, struct err *e)
{
	struct batch b = { h, from };
	threads_run(MIN(os_processors(), THREADS), to - from, hash_of_batch, &b);
	if (h->why.class)
		*e = h->why;
	return -(int)h->why.class;
}

static int hash_all(struct hashing *h, struct err *e)
{
	size_t sample = choose_sample(h);
	int rc = hash_pairs(h, 0, sample, e);
	if (rc == 0 && atomic_load(&h->equal))
		rc = hash_pairs(h, sample, h->count, e);
	return rc;
}

static void note_header(struct delta_file *f, const struct gguf *g)
{
	struct gguf_metadata m;
	gguf_metadata(g, &m);
	f->header_size = g->tensor_count ? g->tensors[0].offset : 0;
	f->has_tokenizer = m.has_tokenizer;
	f->tokenizer = m.tokenizer_sha256;
}

int delta_hash_tensors(struct delta *d, size_t file, struct err *e)
{
	struct delta_file *f = &d->files.at[file];
	CLEANUP(file_close) int fd = -1;
	CLEANUP_PTR(gguf_free) struct gguf *g = NULL;
	struct err none = ERR_INIT;
	struct hashing h = { .d = d, .file = file, .why = ERR_INIT };
	uint64_t size;
	if (file_open_regular(f->path, &fd, &size, &none) < 0 || size != f->size ||
	    gguf_open_fd(fd, f->path, &g, &none) < 0)
		return 0;
	note_header(f, g);
	pair_up(&h, g);
	CLEANUP(mem_free_ptr) char *task = mem_printf("%s in the store", d->wanted->name);
	h.fd = fd;
	h.task = task;
	pthread_mutex_init(&h.lock, NULL);
	report_begin(d->report, task, 0, 0);
	int rc = hash_all(&h, e);
	report_end(d->report, task, rc == 0);
	pthread_mutex_destroy(&h.lock);
	free(h.pairs);
	return rc;
}
