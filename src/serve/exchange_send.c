#include "serve/exchange_internal.h"

#include "front/front.h"
#include "util/clock.h"
#include "util/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Memory of an answer that is read in parts. */
#define BLOCK (32 * KIB)
/* A longer part of a file is read in parts: each is compared with the file's mark before it is
 * sent, so that a file that changes meanwhile is noticed. */
#define MAX_BY_FILE (16 * MIB)
/* A shorter one is copied: with sendfile(), all of it may wait in the kernel's socket buffer, which
 * has the pages of the file itself, while somebody writes to the file. */
#define MIN_BY_FILE (256 * KIB)

typedef unsigned long long ull;

/* ---- bodies that are read in parts ---- */

static ssize_t end_short(struct exchange *x)
{
	x->cut = true;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* How many of the bytes may be sent now; 0: it waits. */
static ssize_t within_rate(struct exchange *x, size_t max)
{
	uint64_t wait_ms = 0, may;
	if (!x->edge->set->rate || x->who.trusted)
		return (ssize_t)max;
	may = limit_bytes(x->edge->limit, x->client, max, &wait_ms);
	if (may == 0 && !exchange_wait_work(x, NULL, MAX(wait_ms, 1)))
		return end_short(x);
	return (ssize_t)may;
}

static ssize_t read_blob(void *ctx, uint64_t position, char *data, size_t max)
{
	struct exchange *x = ctx;
	struct err why = ERR_INIT;
	uint64_t offset = x->part.first + position, left = x->part.length - position;
	int64_t ready = cache_blob_ready(x->blob, offset, MIN(left, max), &why);
	if (ready == 0 && x->fetches)
		return exchange_wait_blob(x, offset, x->part.first + x->part.length) ? 0
										     : end_short(x);
	if (ready <= 0)
		return end_short(x);
	ssize_t may = within_rate(x, (size_t)ready);
	if (may <= 0)
		return may;
	int64_t got = cache_blob_read(x->blob, offset, data, (uint64_t)may, &why);
	if (got <= 0)
		return end_short(x);
	x->sent += (uint64_t)got;
	return (ssize_t)got;
}

static ssize_t read_stream(void *ctx, uint64_t position, char *data, size_t max)
{
	struct exchange *x = ctx;
	(void)position;
	int64_t got = x->stream->read(x->stream, data, max);
	if (got == 0)
		return exchange_wait_stream(x) ? 0 : MHD_CONTENT_READER_END_OF_STREAM;
	if (got < 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	x->sent += (uint64_t)got;
	return (ssize_t)got;
}

/* Of HEAD, whose body nobody reads. */
static ssize_t read_nothing(void *ctx, uint64_t position, char *data, size_t max)
{
	(void)ctx;
	(void)position;
	(void)data;
	(void)max;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* ---- answers ---- */

static struct MHD_Response *of_text(const void *data, size_t len)
{
	static char nothing[1];
	/* Not copied: the exchange lives longer. The server does not write to it. */
	union {
		const void *in;
		void *out;
	} at = { len ? data : nothing };
	return MHD_create_response_from_buffer(len, at.out, MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *of_blob(struct exchange *x)
{
	int fd = -1;
	bool fits = x->part.length >= MIN_BY_FILE && x->part.length <= MAX_BY_FILE;
	/* From here on, the door knows whom to cut off, before the file is looked at. */
	atomic_store(&x->caller->sends, x->blob);
	if (fits && !(x->edge->set->rate && !x->who.trusted))
		fd = cache_blob_fd(x->blob);
	int own = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0) {
		atomic_store(&x->caller->sends, NULL);
		return MHD_create_response_from_callback(x->part.length, BLOCK, read_blob, x, NULL);
	}
	x->by_file = true;
	struct MHD_Response *r = MHD_create_response_from_fd_at_offset64(x->part.length, own,
									 x->part.first);
	if (!r)
		close(own);
	return r;
}

static struct MHD_Response *make(struct exchange *x)
{
	const struct face_answer *a = &x->answer;
	bool has_part = x->status == 200 || x->status == 206;
	if (x->stream)
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, x,
							 NULL);
	if (!a->is_file)
		return of_text(a->body.data, a->body.len);
	if (!has_part)
		return of_text(NULL, 0);
	if (strcmp(x->method, "HEAD") == 0)
		return MHD_create_response_from_callback(x->part.length, 1, read_nothing, x, NULL);
	if (a->file.bytes)
		return of_text(a->file.bytes->data + x->part.first, (size_t)x->part.length);
	return of_blob(x);
}

/* ---- headers ---- */

static void add(struct MHD_Response *r, const char *name, const char *value)
{
	if (value)
		(void)MHD_add_response_header(r, name, value);
}

static char *put(char *to, const char *text)
{
	size_t len = strlen(text);
	memcpy(to, text, len);
	return to + len;
}

static char *put_number(char *to, uint64_t n)
{
	char digits[20], *at = digits + sizeof digits;
	do
		*--at = (char)('0' + n % 10);
	while (n /= 10);
	size_t len = (size_t)(digits + sizeof digits - at);
	memcpy(to, at, len);
	return to + len;
}

/* printf() takes a twentieth of the time of a request. */
static void write_state(const struct limit_state *l, char text[128])
{
	char *to = put_number(put(text, "\"requests\";r="), l->remaining);
	*put_number(put(to, ";t="), l->reset_s) = '\0';
}

static void add_limit(const struct exchange *x, struct MHD_Response *r)
{
	const struct limit_state *l = &x->limit;
	char text[128];
	if (!x->limited || l->limit == 0)
		return;
	add(r, "RateLimit-Policy", l->policy);
	write_state(l, text);
	add(r, "RateLimit", text);
	if (x->status != 429)
		return;
	snprintf(text, sizeof text, "%llu", (ull)MAX(l->retry_after_s, 1));
	add(r, "Retry-After", text);
}

static void add_part(const struct exchange *x, struct MHD_Response *r)
{
	char text[SERVE_DATE + 64];
	if (!x->answer.is_file)
		return;
	add(r, "Accept-Ranges", "bytes");
	if (x->status == 206)
		snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (ull)x->part.first,
			 (ull)(x->part.first + x->part.length - 1), (ull)x->total);
	else
		snprintf(text, sizeof text, "bytes */%llu", (ull)x->total);
	if (x->status == 206 || x->status == 416)
		add(r, "Content-Range", text);
	if (x->answer.modified_s) {
		serve_date(text, x->answer.modified_s);
		add(r, "Last-Modified", text);
	}
}

static void add_headers(const struct exchange *x, struct MHD_Response *r)
{
	const struct face_answer *a = &x->answer;
	/* There is hardly any memory left for them. */
	if (x->unread && x->unread != 400) {
		add(r, "Connection", "close");
		return;
	}
	add(r, "Content-Type", x->status == 304 ? NULL : a->type);
	add(r, "Cache-Control", x->status >= 400 ? FRONT_NEVER : a->cache);
	add(r, "ETag", a->etag);
	for (size_t i = 0; i < a->header_count; i++)
		add(r, a->headers[i].name, a->headers[i].value);
	add_part(x, r);
	add_limit(x, r);
	/* No cookies are ever looked at: pages of every origin may read what anybody may. */
	add(r, "Access-Control-Allow-Origin", "*");
	add(r, "Access-Control-Expose-Headers", FRONT_EXPOSED);
	add(r, "X-Content-Type-Options", "nosniff");
	if (atomic_load(&x->edge->closing))
		add(r, "Connection", "close");
}

enum MHD_Result exchange_send(struct exchange *x)
{
	struct MHD_Response *r = make(x);
	if (!r)
		return MHD_NO;
	add_headers(x, r);
	x->first_us = clock_now_us(x->edge->clock);
	enum MHD_Result queued = MHD_queue_response(x->connection, x->status, r);
	MHD_destroy_response(r);
	return queued;
}
