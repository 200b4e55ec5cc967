#include "http/internal.h"

#include <string.h>

typedef unsigned long long ull;

static bool asked_range(const struct http_request *q)
{
	return q->offset || q->length;
}

static int judge_total(struct transfer *t, uint64_t total)
{
	t->r->has_total = true;
	t->r->total = total;
	if (t->q->expect_total && t->q->expect_total != total)
		return err_set(t->e, ERR_INTEGRITY, "has %llu bytes there, not %llu", (ull)total,
			       (ull)t->q->expect_total);
	return 0;
}

static int past_end(struct transfer *t, uint64_t total)
{
	return err_set(t->e, ERR_INTEGRITY,
		       "has only %llu bytes there, but bytes %llu-%llu were requested", (ull)total,
		       (ull)t->q->offset,
		       (ull)(t->q->length ? t->q->offset + t->q->length - 1 : t->q->offset));
}

static int changed(struct transfer *t)
{
	err_set(t->e, ERR_CONFLICT, "has changed on the server since the first part was read");
	return err_hint(t->e, "start over");
}

static int judge_partial(struct transfer *t)
{
	const struct http_request *q = t->q;
	const char *text = http_response_header(t->r, "content-range");
	struct content_range got;
	if (!asked_range(q))
		return err_set(t->e, ERR_INTEGRITY,
			       "answered with a part, but the whole file was requested");
	if (!text || !header_content_range(text, &got) || !got.has_range)
		return err_set(t->e, ERR_INTEGRITY,
			       "answered with a part without a usable Content-Range (%.64s)",
			       text            ? text
			       : t->r->type[0] ? t->r->type
					       : "no type");
	if (got.has_total && judge_total(t, got.total) < 0)
		return -(int)t->e->class;
	uint64_t last = q->length       ? q->offset + q->length - 1
			: got.has_total ? got.total - 1
					: got.last;
	if (got.has_total && last >= got.total)
		return past_end(t, got.total);
	if (got.first != q->offset || got.last != last)
		return err_set(t->e, ERR_INTEGRITY,
			       "answered with bytes %llu-%llu, but %llu-%llu were requested",
			       (ull)got.first, (ull)got.last, (ull)q->offset, (ull)last);
	t->want = got.last - got.first + 1;
	if (t->r->has_length && t->r->length != t->want)
		return err_set(t->e, ERR_INTEGRITY, "announced %llu bytes for a range of %llu",
			       (ull)t->r->length, (ull)t->want);
	if (q->if_range && header_etag_is_strong(t->r->etag) &&
	    strcmp(q->if_range, t->r->etag) != 0)
		return changed(t);
	t->r->offset = got.first;
	return 0;
}

static int judge_whole(struct transfer *t)
{
	const struct http_request *q = t->q;
	const struct http_response *r = t->r;
	if (r->has_length && judge_total(t, r->length) < 0)
		return -(int)t->e->class;
	if (strcmp(t->method, "HEAD") == 0)
		return 0;
	if (r->has_length)
		t->want = r->length;
	if (!asked_range(q))
		return 0;
	t->r->range_ignored = true;
	if (q->ignored_range == HTTP_IGNORED_RESTART)
		return 0;
	if (q->if_range && strcmp(q->if_range, r->etag) != 0)
		return changed(t);
	if (q->ignored_range == HTTP_IGNORED_REFUSE)
		return err_set(t->e, ERR_USAGE, "the server does not support range requests");
	if (r->has_length &&
	    (q->offset > r->length || (q->length && q->length > r->length - q->offset)))
		return past_end(t, r->length);
	t->skip = q->offset;
	t->r->offset = q->offset;
	t->want = q->length ? q->length : r->has_length ? r->length - q->offset : UINT64_MAX;
	return 0;
}

int http_range_judge(struct transfer *t)
{
	const char *encoding = http_response_header(t->r, "content-encoding");
	if (encoding && *encoding && !str_eq_nocase(encoding, "identity") &&
	    !str_eq_nocase(encoding, "aws-chunked")) {
		err_set(t->e, ERR_INTEGRITY,
			"answered with content encoding '%.64s', which was not requested",
			encoding);
		return err_hint(t->e, "the server must send these files without content encoding");
	}
	if (t->r->status == 206)
		return judge_partial(t);
	return t->r->status == 304 ? 0 : judge_whole(t);
}
