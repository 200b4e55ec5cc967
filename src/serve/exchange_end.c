#include "serve/exchange_internal.h"

#include "util/clock.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

static uint64_t bytes_sent(const struct exchange *x, bool complete)
{
	if (strcmp(x->method, "HEAD") == 0)
		return 0;
	if (x->stream || (x->blob && !x->by_file))
		return x->sent;
	if (!complete)
		return 0;
	return x->answer.is_file ? x->part.length : x->answer.body.len;
}

/* A file that another face has another name for. */
static char *path_on_mirror(const struct exchange *x)
{
	const struct face_answer *a = &x->answer;
	return a->is_file && !str_same(a->face, "plain")
		       ? mem_printf("/%s/%s", view_repository(a->view), a->file.file->key)
		       : NULL;
}

static void note(struct exchange *x, bool complete)
{
	struct edge_counts *counts = &x->edge->counts;
	uint64_t now_us = clock_now_us(x->edge->clock);
	uint64_t bytes = bytes_sent(x, complete);
	atomic_fetch_sub(&counts->requesting, 1);
	atomic_fetch_add(&counts->bytes, bytes);
	atomic_fetch_add(&counts->status[x->first_us ? MIN(x->status / 100, 5) : 0], 1);
	if (x->cut)
		atomic_fetch_add(&counts->cut, 1);
	if (x->blob && x->first_us)
		edge_count_first_byte(x->edge, x->first_us - x->start_us);
	CLEANUP(mem_free_ptr) char *file = path_on_mirror(x);
	const struct serve_log_entry n = {
		.time_ms = clock_wall_ms(x->edge->clock),
		.address = x->address,
		.method = x->method,
		.target = x->target,
		.file = file,
		.status = x->first_us ? x->status : 499,
		.bytes = bytes,
		.partial = x->status == 206,
		.first = x->part.first,
		.length = x->part.length,
		.total = x->total,
		.agent = exchange_header(x, "User-Agent"),
		.who = x->who.name,
		.face = x->answer.face,
		.hit = x->hit,
		.duration_us = now_us - x->start_us,
		.first_byte_us = x->first_us ? x->first_us - x->start_us : 0,
	};
	serve_log_add(x->edge->log, &n);
}

static void release(struct exchange *x)
{
	if (x->blob)
		cache_close(x->blob);
	if (x->stream)
		x->stream->free(x->stream);
	face_answer_release(&x->answer);
	auth_who_release(&x->who);
	edge_views_release(x->views);
	buf_release(&x->body);
	limit_disconnect(x->edge->limit, x->counted);
	free(x->refusal);
	free(x->base);
	free(x->path);
	free(x->target);
	free(x);
}

void exchange_end(void *lot, struct MHD_Connection *connection, void **ctx,
		  enum MHD_RequestTerminationCode how)
{
	struct exchange *x = *ctx;
	(void)lot;
	(void)connection;
	if (!x)
		return;
	*ctx = NULL;
	atomic_store(&x->caller->sends, NULL);
	x->caller->idle_since_us = clock_now_us(x->edge->clock);
	if (x->called)
		note(x, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	release(x);
}
