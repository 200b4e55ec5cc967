#include "publish/audit.h"

#include "hash/pieces.h"
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

/* Checks a stream that starts at a piece, piece by piece. */
struct reading {
	struct pieces pieces;
	struct pieces_check check; /* of none at the file's end: nothing is left of it */
	struct audit *a;
	const struct audit_how *how;
};

static void advance(const struct reading *r, int64_t bytes)
{
	if (r->how->task)
		report_advance(r->how->report, r->how->task, bytes);
}

static uint64_t piece_length(const struct reading *r)
{
	const struct grid *g = &r->pieces.grid;
	return r->check.index < g->count ? grid_length(g, r->check.index) : 0;
}

static void piece_begin(struct reading *r, uint32_t index)
{
	if (index < r->pieces.grid.count)
		pieces_begin(&r->pieces, index, &r->check);
	else
		r->check = (struct pieces_check){ .index = index };
}

static void piece_end(struct reading *r)
{
	const struct grid *g = &r->pieces.grid;
	uint32_t i = r->check.index;
	bool right = pieces_end(&r->pieces, &r->check);
	r->a->pieces += r->check.of_piece;
	if (!right && r->a->bad_count < AUDIT_MAX_BAD)
		r->a->bad[r->a->bad_count] = (struct audit_piece){ i, grid_offset(g, i),
								   grid_length(g, i) };
	r->a->bad_count += !right;
	piece_begin(r, i + 1);
}

static uint64_t time_left_us(const struct audit_how *how)
{
	uint64_t now = how->deadline_us ? clock_now_us(how->retry->clock) : 0;
	return how->deadline_us ? how->deadline_us - MIN(now, how->deadline_us) : UINT64_MAX;
}

static int take(void *ctx, const void *data, size_t len, struct err *e)
{
	struct reading *r = ctx;
	advance(r, (int64_t)len);
	for (const uint8_t *p = data; len;) {
		size_t n = pieces_add(&r->check, p, len);
		if (!n)
			return err_set(e, ERR_INTEGRITY, "more bytes than requested");
		r->a->bytes += n;
		p += n;
		len -= n;
		if (!r->check.left)
			piece_end(r);
	}
	if (time_left_us(r->how) == 0)
		return err_set(e, ERR_NETWORK, "not read in time");
	return cancel_check(r->how->cancel, e);
}

/* Goes back to the start of the current piece. */
static void piece_again(struct reading *r)
{
	uint64_t read = piece_length(r) - r->check.left;
	r->a->bytes -= read;
	advance(r, -(int64_t)read);
	piece_begin(r, r->check.index);
}

/* Reads the bytes from the start of the current piece up to `end`. */
static int run(struct mirror *m, const struct repository_file *f, struct reading *r, uint64_t end,
	       struct err *e)
{
	struct mirror_sink sink = { .write = take, .ctx = r };
	struct retry retry = *r->how->retry;
	uint32_t broke_at = r->check.index;
	int rc;
	do {
		if (r->check.index != broke_at)
			retry_reset(&retry);
		piece_again(r);
		broke_at = r->check.index;
		uint64_t from = MIN(grid_offset(&r->pieces.grid, broke_at), end);
		struct mirror_range range = { .key = f->key, .offset = from, .length = end - from };
		if (r->how->deadline_us)
			range.deadline_ms = time_left_us(r->how) / 1000 + 1;
		rc = from < end ? mirror_get(m, &range, &sink, e) : 0;
	} while (rc < 0 && retry_again(&retry, e));
	/* After an interrupted wait, e has the class of the interruption. */
	rc = -(int)e->class;
	if (rc == -ERR_INTEGRITY) {
		r->a->cut_short = true;
		err_clear(e);
		return 0;
	}
	return rc;
}

/* If the pieces are known, they are enough. */
static void reading_init(struct reading *r, const struct repository_file *f,
			 const struct tree_pieces *p, const struct audit_how *how,
			 struct audit *out)
{
	*out = (struct audit){ 0 };
	*r = (struct reading){ .a = out, .how = how };
	pieces_init(&r->pieces, &p->grid, p->at, p->at ? NULL : &f->sha256);
}

int audit_full(struct mirror *m, const struct repository_file *f, const struct tree_pieces *p,
	       const struct audit_how *how, struct audit *out, struct err *e)
{
	struct reading r;
	reading_init(&r, f, p, how, out);
	piece_begin(&r, 0);
	int rc = run(m, f, &r, f->size, e);
	if (rc == 0 && !p->at && !out->cut_short)
		out->whole_differs = !pieces_are_whole(&r.pieces);
	return rc;
}

int audit_part(struct mirror *m, const struct repository_file *f, const struct tree_pieces *p,
	       uint32_t first, uint32_t count, const struct audit_how *how, struct audit *out,
	       struct err *e)
{
	struct reading r;
	const struct grid *g = &p->grid;
	uint32_t last = first + count - 1;
	reading_init(&r, f, p, how, out);
	piece_begin(&r, first);
	return run(m, f, &r, grid_offset(g, last) + grid_length(g, last), e);
}

static void add_bad(struct audit *sum, uint32_t listed, const struct audit_piece *piece)
{
	uint32_t i = listed;
	for (; i > 0 && sum->bad[i - 1].index > piece->index; i--)
		if (i < AUDIT_MAX_BAD)
			sum->bad[i] = sum->bad[i - 1];
	if (i < AUDIT_MAX_BAD)
		sum->bad[i] = *piece;
}

void audit_add(struct audit *sum, const struct audit *part)
{
	uint32_t listed = MIN(sum->bad_count, AUDIT_MAX_BAD);
	for (uint32_t i = 0; i < MIN(part->bad_count, AUDIT_MAX_BAD); i++) {
		add_bad(sum, listed, &part->bad[i]);
		listed = MIN(listed + 1, AUDIT_MAX_BAD);
	}
	sum->bytes += part->bytes;
	sum->pieces += part->pieces;
	sum->bad_count += part->bad_count;
	sum->whole_differs |= part->whole_differs;
	sum->cut_short |= part->cut_short;
}
