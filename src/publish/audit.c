#include "publish/audit.h"

#include "util/cancel.h"

bool audit_is_ok(const struct audit *a)
{
	return !a->bad_count && !a->whole_differs && !a->cut_short;
}

void audit_describe(const struct audit *a, struct buf *out)
{
	if (a->bad_count)
		buf_addf(out, "piece %u (bytes %llu-%llu)", a->bad[0].index,
			 (unsigned long long)a->bad[0].offset,
			 (unsigned long long)(a->bad[0].offset + a->bad[0].length - 1));
	if (a->bad_count > 1)
		buf_addf(out, " and %u more", a->bad_count - 1);
	if (a->whole_differs)
		buf_adds(out, "the file as a whole");
	if (a->cut_short)
		buf_addf(out, "%sfewer bytes than its size", out->len ? ", " : "");
}

/* Hashes a stream that starts at piece `index`, piece after piece. */
struct hasher {
	const struct tree_pieces *p;
	struct sha256 *sha;
	uint32_t index;
	uint64_t left;          /* bytes of this piece; without pieces: of the file */
	struct audit *a;
	const struct audit_how *how;
};

static void advance(const struct hasher *h, int64_t bytes)
{
	if (h->how->task)
		report_advance(h->how->report, h->how->task, bytes);
}

static void hasher_at(struct hasher *h, uint32_t index)
{
	h->index = index;
	if (!h->p->at)
		h->left = h->p->grid.size;
	else
		h->left = index < h->p->grid.count ? grid_length(&h->p->grid, index) : 0;
	sha256_reset(h->sha);
}

static void piece_done(struct hasher *h)
{
	struct digest got;
	sha256_final(h->sha, &got);
	h->a->pieces++;
	if (!digest_equal(&got, &h->p->at[h->index])) {
		if (h->a->bad_count < AUDIT_MAX_BAD)
			h->a->bad[h->a->bad_count] = (struct audit_piece){
				h->index, grid_offset(&h->p->grid, h->index),
				grid_length(&h->p->grid, h->index) };
		h->a->bad_count++;
	}
	hasher_at(h, h->index + 1);
}

static int take(void *ctx, const void *data, size_t len, struct err *e)
{
	struct hasher *h = ctx;
	advance(h, (int64_t)len);
	for (const uint8_t *p = data; len;) {
		size_t n = MIN(len, h->left);
		if (!n)
			return err_set(e, ERR_INTEGRITY, "more bytes than asked for");
		sha256_add(h->sha, p, n);
		h->left -= n;
		h->a->bytes += n;
		p += n;
		len -= n;
		if (h->p->at && !h->left)
			piece_done(h);
	}
	return cancel_check(h->how->cancel, e);
}

/* Back to the start of the piece (or file) that was being read. */
static void rewind_piece(struct hasher *h)
{
	uint64_t length = !h->p->at ? h->p->grid.size
			  : h->index < h->p->grid.count ? grid_length(&h->p->grid, h->index) : 0;
	h->a->bytes -= length - h->left;
	advance(h, -(int64_t)(length - h->left));
	hasher_at(h, h->index);
}

/* The bytes from the hasher's piece up to `end`. */
static int run(struct mirror *m, const struct repository_file *f, struct hasher *h,
	       uint64_t end, struct err *e)
{
	struct mirror_sink sink = { .write = take, .ctx = h };
	struct retry retry = *h->how->retry;
	uint32_t broke_at = h->index;
	int rc;
	do {
		if (h->index != broke_at)
			retry_reset(&retry);
		rewind_piece(h);
		broke_at = h->index;
		uint64_t from = h->p->at ? grid_offset(&h->p->grid, h->index) : 0;
		struct mirror_range r = { .key = f->key, .offset = from, .length = end - from };
		rc = from < end ? mirror_get(m, &r, &sink, e) : 0;
	} while (rc < 0 && retry_again(&retry, e));
	/* An interrupted wait leaves the class of the interruption in e. */
	rc = -(int)e->class;
	if (rc == -ERR_INTEGRITY) {
		h->a->cut_short = true;
		err_clear(e);
		return 0;
	}
	return rc;
}

int audit_full(struct mirror *m, const struct repository_file *f, const struct tree_pieces *p,
	       const struct audit_how *how, struct audit *out, struct err *e)
{
	*out = (struct audit){ 0 };
	CLEANUP_PTR(sha256_free) struct sha256 *sha = sha256_new();
	struct hasher h = { .p = p, .sha = sha, .a = out, .how = how };
	hasher_at(&h, 0);
	int rc = run(m, f, &h, f->size, e);
	if (rc == 0 && !p->at && !out->cut_short) {
		struct digest got;
		sha256_final(sha, &got);
		out->whole_differs = !digest_equal(&got, &f->sha256);
	}
	return rc;
}

int audit_some(struct mirror *m, const struct repository_file *f, const struct tree_pieces *p,
	       const uint32_t *which, size_t count, const struct audit_how *how,
	       struct audit *out, struct err *e)
{
	*out = (struct audit){ 0 };
	CLEANUP_PTR(sha256_free) struct sha256 *sha = sha256_new();
	struct hasher h = { .p = p, .sha = sha, .a = out, .how = how };
	for (size_t i = 0; i < count; i++) {
		hasher_at(&h, which[i]);
		int rc = run(m, f, &h, grid_offset(&p->grid, which[i]) + h.left, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}
