#include "fetch/delta_header.h"
#include "fetch/delta_internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <string.h>

/* ---- what is open ---- */

void delta_files_release(struct delta_files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		file_close(&f->at[i].fd);
		manifest_release(&f->at[i].manifest);
		free(f->at[i].path);
	}
	free(f->at);
	*f = (struct delta_files){ 0 };
}

void delta_close(struct delta *d)
{
	if (!d)
		return;
	delta_files_release(&d->files);
	file_close(&d->scratch);
	pthread_mutex_destroy(&d->lock);
	free(d->tensors);
	free(d->pieces);
	free(d->parts);
	free(d->dir);
	free(d);
}

/* ---- what files with a manifest have ---- */

/* A tensor or a piece of a file of the store. */
struct has {
	struct digest sha256;
	uint64_t size;
	size_t file;
	uint64_t at;
};

static int by_content(const void *a, const void *b)
{
	const struct has *x = a, *y = b;
	int order = memcmp(&x->sha256, &y->sha256, sizeof x->sha256);
	if (order == 0 && x->size != y->size)
		order = x->size < y->size ? -1 : 1;
	return order;
}

/* Of equal contents, the first one is that of the best file. */
static int by_rank(const void *a, const void *b)
{
	const struct has *x = a, *y = b;
	int order = by_content(a, b);
	if (order == 0 && x->file != y->file)
		order = x->file < y->file ? -1 : 1;
	if (order == 0 && x->at != y->at)
		order = x->at < y->at ? -1 : 1;
	return order;
}

struct contents {
	struct has *at;
	size_t count;
};

static bool has_pieces(const struct delta *d, const struct delta_file *f)
{
	return f->has_manifest && f->manifest.grid.piece_length == d->wanted->grid.piece_length;
}

static void add_content(struct contents *c, const struct digest *sha256, uint64_t size, size_t file,
			uint64_t at)
{
	c->at[c->count++] = (struct has){ *sha256, size, file, at };
}

/* All tensors, or all pieces. */
static void collect(const struct delta *d, bool pieces, struct contents *c)
{
	size_t most = 1;
	for (size_t i = 0; i < d->files.count; i++)
		most += pieces ? d->files.at[i].manifest.grid.count
			       : d->files.at[i].manifest.tensor_count;
	c->at = mem_alloc(most * sizeof *c->at);
	for (size_t i = 0; i < d->files.count; i++) {
		const struct manifest *m = &d->files.at[i].manifest;
		for (size_t k = 0; !pieces && k < m->tensor_count; k++)
			add_content(c, &m->tensors[k].sha256, m->tensors[k].size, i,
				    m->tensors[k].offset);
		for (uint32_t k = 0; pieces && has_pieces(d, &d->files.at[i]) && k < m->grid.count;
		     k++)
			add_content(c, &m->pieces[k], grid_length(&m->grid, k), i,
				    grid_offset(&m->grid, k));
	}
	qsort(c->at, c->count, sizeof *c->at, by_rank);
}

static void look_up(const struct contents *c, const struct digest *sha256, uint64_t size,
		    struct delta_where *out)
{
	struct has key = { .sha256 = *sha256, .size = size };
	const struct has *h = bsearch(&key, c->at, c->count, sizeof *c->at, by_content);
	while (h && h > c->at && by_content(h - 1, &key) == 0)
		h--;
	if (h)
		*out = (struct delta_where){ .found = true, .file = h->file, .at = h->at };
}

static void find_tensors(struct delta *d)
{
	struct contents c = { 0 };
	collect(d, false, &c);
	for (size_t i = 0; i < d->wanted->tensor_count; i++)
		look_up(&c, &d->wanted->tensors[i].sha256, d->wanted->tensors[i].size,
			&d->tensors[i]);
	free(c.at);
}

static void find_pieces(struct delta *d)
{
	struct contents c = { 0 };
	collect(d, true, &c);
	for (uint32_t i = 0; i < d->wanted->grid.count; i++)
		look_up(&c, &d->wanted->pieces[i], grid_length(&d->wanted->grid, i), &d->pieces[i]);
	free(c.at);
}

/* ---- the parts ---- */

static void add_part(struct delta *d, struct delta_origin p)
{
	struct delta_origin *last = d->part_count ? &d->parts[d->part_count - 1] : NULL;
	if (!p.length)
		return;
	if (last && last->file == p.file && last->offset + last->length == p.offset &&
	    last->at + last->length == p.at && p.file != DELTA_SCRATCH) {
		last->length += p.length;
		return;
	}
	d->parts = mem_grow(d->parts, d->part_count, &d->part_cap, sizeof *d->parts);
	d->parts[d->part_count++] = p;
}

/* What is between two tensors that are in the store, or behind the last one. */
static void add_padding(struct delta *d, size_t before, uint64_t to)
{
	const struct manifest_tensor *t = &d->wanted->tensors[before];
	const struct delta_where *w = &d->tensors[before];
	uint64_t from = t->offset + t->size;
	bool last = before + 1 == d->wanted->tensor_count;
	const struct delta_where *next = last ? NULL : &d->tensors[before + 1];
	if (from == to || to - from > DELTA_ZEROS)
		return;
	if (next && next->file == w->file && next->at == w->at + (to - t->offset))
		add_part(d, (struct delta_origin){ from, to - from, w->file, w->at + t->size });
	else
		add_part(d, (struct delta_origin){ from, to - from, DELTA_SCRATCH, 0 });
}

static void add_tensors(struct delta *d)
{
	const struct manifest *m = d->wanted;
	for (size_t i = 0; i < m->tensor_count; i++) {
		const struct manifest_tensor *t = &m->tensors[i];
		const struct delta_where *w = &d->tensors[i];
		bool last = i + 1 == m->tensor_count;
		if (!w->found)
			continue;
		add_part(d, (struct delta_origin){ t->offset, t->size, w->file, w->at });
		if (last || d->tensors[i + 1].found)
			add_padding(d, i, last ? m->grid.size : t[1].offset);
	}
}

static void add_pieces(struct delta *d)
{
	const struct grid *grid = &d->wanted->grid;
	for (uint32_t i = 0; d->pieces && i < grid->count; i++)
		if (d->pieces[i].found)
			add_part(d,
				 (struct delta_origin){ grid_offset(grid, i), grid_length(grid, i),
							d->pieces[i].file, d->pieces[i].at });
}

/* The end of the parts that follow each other without a gap, from this one on. */
static size_t run_end(const struct delta *d, size_t i)
{
	do
		i++;
	while (i < d->part_count &&
	       d->parts[i].offset == d->parts[i - 1].offset + d->parts[i - 1].length);
	return i;
}

/* A short run between two gaps would make one download two. */
static void drop_short_runs(struct delta *d)
{
	size_t kept = 0;
	d->bytes = 0;
	for (size_t i = 0, next; i < d->part_count; i = next) {
		next = run_end(d, i);
		uint64_t from = d->parts[i].offset;
		uint64_t to = d->parts[next - 1].offset + d->parts[next - 1].length;
		if (to - from < DELTA_JOIN && from > 0 && to < d->wanted->grid.size)
			continue;
		memmove(&d->parts[kept], &d->parts[i], (next - i) * sizeof *d->parts);
		kept += next - i;
		d->bytes += to - from;
	}
	d->part_count = kept;
}

void delta_arrange(struct delta *d)
{
	d->part_count = 0;
	if (d->has_header)
		add_part(d, (struct delta_origin){ 0, d->wanted->header_size, DELTA_SCRATCH,
						   DELTA_ZEROS });
	add_tensors(d);
	add_pieces(d);
	drop_short_runs(d);
}

/* ---- making it ---- */

static void read_manifest(struct delta_file *f)
{
	const json_t *tokenizer = json_object_get(f->manifest.gguf, "tokenizer");
	struct err none = ERR_INIT;
	f->header_size = f->manifest.tensor_count ? f->manifest.header_size : 0;
	f->has_tokenizer = json_is_object(tokenizer) &&
			   json_get_hex(tokenizer, "", "sha256", f->tokenizer.bytes, DIGEST_SIZE,
					&none) == 0;
}

/* The first file with the tokenizer that the manifest has the digest of. */
static size_t find_donor(const struct delta *d)
{
	struct delta_file wanted = { .manifest = *d->wanted };
	read_manifest(&wanted);
	for (size_t i = 0; wanted.has_tokenizer && i < d->files.count; i++) {
		const struct delta_file *f = &d->files.at[i];
		if (f->header_size && f->has_tokenizer &&
		    digest_equal(&f->tokenizer, &wanted.tokenizer))
			return i;
	}
	return DELTA_SCRATCH;
}

static bool wants_more(const struct delta *d)
{
	for (size_t i = 0; i < d->wanted->tensor_count; i++)
		if (!d->tensors[i].found)
			return true;
	return false;
}

static int find(struct delta *d, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < d->files.count; i++)
		if (d->files.at[i].has_manifest)
			read_manifest(&d->files.at[i]);
	if (d->wanted->tensor_count)
		find_tensors(d);
	else
		find_pieces(d);
	for (size_t i = 0; rc == 0 && i < d->files.count && wants_more(d); i++)
		if (!d->files.at[i].has_manifest)
			rc = delta_hash_tensors(d, i, e);
	d->donor = find_donor(d);
	for (size_t i = 0; i < d->files.count; i++)
		manifest_release(&d->files.at[i].manifest);
	delta_arrange(d);
	return rc;
}

int delta_make(const struct manifest *wanted, struct delta_files *files, const char *dir,
	       const struct cancel *cancel, struct report *report, struct delta **out,
	       struct err *e)
{
	CLEANUP_PTR(delta_close) struct delta *d = NEW(struct delta);
	d->wanted = wanted;
	d->dir = mem_strdup(dir);
	d->cancel = cancel;
	d->report = report;
	d->files = *files;
	d->scratch = -1;
	*files = (struct delta_files){ 0 };
	pthread_mutex_init(&d->lock, NULL);
	d->tensors = mem_alloc((wanted->tensor_count + 1) * sizeof *d->tensors);
	if (!wanted->tensor_count)
		d->pieces = mem_alloc((wanted->grid.count + 1) * sizeof *d->pieces);
	int rc = find(d, e);
	if (rc == 0)
		*out = d->bytes ? STEAL(d) : NULL;
	return rc;
}

/* ---- using it ---- */

int delta_scratch(struct delta *d)
{
	static const uint8_t zeros[DELTA_ZEROS];
	struct err none = ERR_INIT;
	pthread_mutex_lock(&d->lock);
	if (d->scratch < 0) {
		d->scratch = os_nameless_file(d->dir);
		if (d->scratch >= 0 &&
		    file_pwrite(d->scratch, zeros, sizeof zeros, 0, d->dir, &none) < 0)
			file_close(&d->scratch);
	}
	int fd = d->scratch;
	pthread_mutex_unlock(&d->lock);
	return fd;
}

/* The open file, or -1. */
static int open_file(struct delta *d, size_t index)
{
	if (index == DELTA_SCRATCH)
		return delta_scratch(d);
	struct delta_file *f = &d->files.at[index];
	struct err none = ERR_INIT;
	uint64_t size;
	pthread_mutex_lock(&d->lock);
	if (f->fd < 0 && !f->unusable)
		f->unusable = file_open_regular(f->path, &f->fd, &size, &none) < 0 ||
			      size != f->size;
	int fd = f->unusable ? -1 : f->fd;
	pthread_mutex_unlock(&d->lock);
	return fd;
}

/* The first part that ends behind the offset. */
static size_t first_part(const struct delta *d, uint64_t offset)
{
	size_t from = 0, to = d->part_count;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (d->parts[middle].offset + d->parts[middle].length > offset)
			to = middle;
		else
			from = middle + 1;
	}
	return from;
}

size_t delta_parts(struct delta *d, uint64_t offset, uint64_t length, struct delta_part *out,
		   size_t max)
{
	size_t count = 0;
	if (atomic_load(&d->distrusted))
		return 0;
	for (size_t i = first_part(d, offset); i < d->part_count && count < max; i++) {
		const struct delta_origin *p = &d->parts[i];
		if (p->offset >= offset + length)
			break;
		uint64_t skip = p->offset < offset ? offset - p->offset : 0;
		uint64_t end = MIN(p->offset + p->length, offset + length);
		int fd = open_file(d, p->file);
		if (fd >= 0)
			out[count++] = (struct delta_part){
				.offset = p->offset + skip,
				.length = end - p->offset - skip,
				.fd = fd,
				.at = p->at + skip,
			};
	}
	return count;
}

void delta_distrust(struct delta *d)
{
	atomic_store(&d->distrusted, true);
}

uint64_t delta_bytes(const struct delta *d)
{
	bool likely = d->donor != DELTA_SCRATCH && !d->has_tried;
	return d->bytes + (likely ? delta_header_spares(d->wanted) : 0);
}

uint64_t delta_received(const struct delta *d)
{
	return d->received;
}
