#include "catalog/jsonl.h"

#include "util/mem.h"
#include "util/text.h"

#include <string.h>
#include <zstd.h>

#define WINDOW_LOG 23 /* 8 MiB: what a reader needs in memory at most */
#define LEVEL 9

/* ---- reading ---- */

/* Takes the text line by line. */
struct reader {
	const struct jsonl_limits *limits;
	const char *what;
	jsonl_line_fn *fn;
	void *ctx;
	struct buf line; /* the beginning of one */
	uint64_t total;
};

static int take_text(struct reader *r, const char *text, size_t len, struct err *e)
{
	r->total += len;
	if (r->total > r->limits->max_text)
		return err_set(e, ERR_INTEGRITY, "%s: decompresses to more than %llu MiB", r->what,
			       (unsigned long long)(r->limits->max_text / MIB));
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t part = end ? (size_t)(end - text) : len;
		buf_add(&r->line, text, part);
		if (r->line.overflow)
			return err_set(e, ERR_INTEGRITY, "%s: a line is longer than %zu KiB",
				       r->what, r->limits->max_line / KIB);
		if (!end)
			return 0;
		int rc = r->fn(r->ctx, buf_str(&r->line), r->line.len, e);
		if (rc < 0)
			return rc;
		buf_clear(&r->line);
		text += part + 1;
		len -= part + 1;
	}
	return 0;
}

static int read_frames(struct reader *r, ZSTD_DCtx *z, const void *data, size_t len, struct err *e)
{
	CLEANUP(mem_free_ptr) char *chunk = mem_alloc(ZSTD_DStreamOutSize());
	ZSTD_inBuffer in = { data, len, 0 };
	size_t left = 1, used = SIZE_MAX;
	/* Also without input there may be output that was kept back. */
	while (in.pos < in.size || (left && used)) {
		ZSTD_outBuffer out = { chunk, ZSTD_DStreamOutSize(), 0 };
		left = ZSTD_decompressStream(z, &out, &in);
		if (ZSTD_isError(left))
			return err_set(e, ERR_INTEGRITY, "%s: cannot be decompressed: %s", r->what,
				       ZSTD_getErrorName(left));
		used = out.pos;
		int rc = take_text(r, chunk, out.pos, e);
		if (rc < 0)
			return rc;
	}
	return left || r->line.len ? err_set(e, ERR_INTEGRITY, "%s: ends in the middle", r->what)
				   : 0;
}

int jsonl_read(const void *data, size_t len, const struct jsonl_limits *limits, const char *what,
	       jsonl_line_fn *fn, void *ctx, struct err *e)
{
	struct reader r = { .limits = limits, .what = what, .fn = fn, .ctx = ctx };
	ZSTD_DCtx *z = ZSTD_createDCtx();
	if (!z)
		return err_set(e, ERR_SYSTEM, "out of memory");
	ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG);
	r.line = (struct buf)BUF_INIT(limits->max_line);
	int rc = read_frames(&r, z, data, len, e);
	buf_release(&r.line);
	ZSTD_freeDCtx(z);
	return rc;
}

/* ---- writing ---- */

int jsonl_pack(const struct buf *text, struct buf *out, struct err *e)
{
	size_t most = ZSTD_compressBound(text->len);
	buf_release(out);
	*out = (struct buf)BUF_INIT(most);
	void *to = buf_reserve(out, most);
	ZSTD_CCtx *z = ZSTD_createCCtx();
	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, WINDOW_LOG);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	size_t size = ZSTD_compress2(z, to, most, buf_str(text), text->len);
	ZSTD_freeCCtx(z);
	/* With a buffer of that size nothing else can fail. */
	if (ZSTD_isError(size))
		return err_set(e, ERR_SYSTEM, "out of memory");
	buf_commit(out, size);
	return 0;
}
