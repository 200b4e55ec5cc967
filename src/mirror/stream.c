#include "mirror/stream.h"

#include "util/cancel.h"
#include "util/mem.h"
#include "util/os.h"

#include <signal.h>
#include <string.h>

#define POLL_MS 100

struct mirror_stream {
	struct mirror_stream_how how;
	struct cancel cancel; /* of the request: when the stream is freed, or the caller stops */
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	pthread_t thread;
	enum { IDLE, RUNNING, ENDED, DONE } state;
	struct err error;    /* of the request that has ended */
	uint32_t next;       /* piece that is to be put next: those before were taken */
	const uint8_t *data; /* of that piece, while a put waits */

	/* Of the request's thread alone. */
	int64_t sent;
	uint8_t *old; /* a piece that is read again */
	uint32_t old_piece;
};

struct mirror_stream *mirror_stream_new(const struct mirror_stream_how *how)
{
	struct mirror_stream *s = NEW(struct mirror_stream);
	*s = (struct mirror_stream){ .how = *how, .next = MAX(how->first, how->next) };
	s->cancel.also = how->http.cancel;
	s->how.http.cancel = &s->cancel;
	pthread_mutex_init(&s->lock, NULL);
	os_cond_init(&s->changed);
	return s;
}

/* -- the body, on the request's thread ---------------------------------------------- */

static const struct grid *grid_of(const struct mirror_stream *s)
{
	return &s->how.upload->how.grid;
}

/* With the lock: until the piece is there or was there. */
static int wait_for_piece(struct mirror_stream *s, uint32_t piece, struct err *e)
{
	int rc = cancel_check(&s->cancel, e);
	while (rc == 0 && piece >= s->next && !(piece == s->next && s->data)) {
		os_cond_wait(&s->changed, &s->lock, POLL_MS);
		rc = cancel_check(&s->cancel, e);
	}
	return rc;
}

static int read_again(struct mirror_stream *s, uint32_t piece, struct err *e)
{
	const struct mirror_put *how = &s->how.upload->how;
	if (s->old && s->old_piece == piece)
		return 0;
	if (!how->again)
		return err_set(e, ERR_USAGE, "the upload was interrupted, and cannot be repeated");
	mem_free_ptr(&s->old);
	CLEANUP(mem_free_ptr) void *data = NULL;
	uint64_t len = grid_length(grid_of(s), piece);
	int rc = mem_array(&data, len, 1, grid_of(s)->piece_length, "a piece", e);
	if (rc == 0)
		rc = how->again(how->again_ctx, piece, data, e);
	s->old_piece = piece;
	if (rc == 0)
		s->old = STEAL(data);
	return rc;
}

struct part {
	uint32_t piece;
	size_t from, len;
};

/* What is left of the part's piece, at most len bytes. */
static struct part part_at(const struct mirror_stream *s, uint64_t offset, size_t len)
{
	const struct grid *g = grid_of(s);
	uint32_t piece = s->how.first + (uint32_t)(offset / g->piece_length);
	size_t from = (size_t)(offset % g->piece_length);
	return (struct part){ piece, from, MIN(len, (size_t)grid_length(g, piece) - from) };
}

static int copy_part(struct mirror_stream *s, const struct part *p, void *out, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	int rc = wait_for_piece(s, p->piece, e);
	bool fresh = rc == 0 && p->piece == s->next;
	if (fresh) {
		memcpy(out, s->data + p->from, p->len);
		if (p->from + p->len == grid_length(grid_of(s), p->piece)) {
			s->data = NULL;
			s->next++;
			pthread_cond_broadcast(&s->changed);
		}
	}
	pthread_mutex_unlock(&s->lock);
	if (rc == 0 && !fresh)
		rc = read_again(s, p->piece, e);
	if (rc == 0 && !fresh)
		memcpy(out, s->old + p->from, p->len);
	return rc;
}

static int body_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct mirror_stream *s = ctx;
	int rc = 0;
	for (size_t done = 0; rc == 0 && done < len;) {
		struct part p = part_at(s, offset + done, len - done);
		rc = copy_part(s, &p, (uint8_t *)data + done, e);
		done += p.len;
	}
	return rc;
}

static void body_sent(void *ctx, int64_t bytes)
{
	struct mirror_stream *s = ctx;
	s->sent += bytes;
	mirror_upload_advance(s->how.upload, bytes);
}

void mirror_stream_body(struct mirror_stream *s, struct http_request *q)
{
	const struct grid *g = grid_of(s);
	uint32_t last = s->how.first + s->how.count - 1;
	body_sent(s, -s->sent);
	q->read_at = body_read;
	q->body_sent = body_sent;
	q->body_ctx = s;
	q->body_size = grid_offset(g, last) + grid_length(g, last) - grid_offset(g, s->how.first);
}

/* -- the request --------------------------------------------------------------------- */

static bool is_all_taken(const struct mirror_stream *s)
{
	return s->next == s->how.first + s->how.count;
}

static void *run(void *ctx)
{
	struct mirror_stream *s = ctx;
	struct err e = ERR_INIT;
	CLEANUP_PTR(http_client_free) struct http_client *client = NULL;
	int rc = http_client_new(&s->how.http, &client, &e);
	if (rc == 0)
		rc = s->how.send(s->how.ctx, s, client, &e);
	mem_free_ptr(&s->old);
	pthread_mutex_lock(&s->lock);
	if (rc == 0 && !is_all_taken(s))
		rc = err_set(&e, ERR_INTEGRITY,
			     "the server reported success before it had received everything");
	s->state = rc == 0 ? DONE : ENDED;
	s->error = e;
	if (rc < 0)
		body_sent(s, -s->sent);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* With the lock. */
static int start(struct mirror_stream *s, struct err *e)
{
	if (s->state != IDLE)
		return 0;
	int failed = pthread_create(&s->thread, NULL, run, s);
	if (failed)
		return err_sys(e, failed, "cannot start a thread");
	s->state = RUNNING;
	return 0;
}

/* With the lock: the error of a request that has ended; the next call begins anew. */
static int conclude(struct mirror_stream *s, struct err *e)
{
	if (s->state != ENDED)
		return 0;
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_mutex_lock(&s->lock);
	s->state = IDLE;
	*e = s->error;
	return -(int)e->class;
}

int mirror_stream_put(struct mirror_stream *s, uint32_t piece, const void *data, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	int rc = 0;
	/* The request took this piece, and failed before the put returned. */
	bool taken = piece < s->next;
	if (!taken)
		s->data = data;
	pthread_cond_broadcast(&s->changed);
	rc = start(s, e);
	while (rc == 0 && !taken && s->next == piece && s->state == RUNNING)
		pthread_cond_wait(&s->changed, &s->lock);
	s->data = NULL;
	if (rc == 0)
		rc = conclude(s, e);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int mirror_stream_finish(struct mirror_stream *s, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	int rc = start(s, e);
	while (rc == 0 && s->state == RUNNING)
		pthread_cond_wait(&s->changed, &s->lock);
	if (rc == 0)
		rc = conclude(s, e);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void mirror_stream_free(struct mirror_stream *s)
{
	if (!s)
		return;
	cancel_ask(&s->cancel, SIGTERM);
	pthread_mutex_lock(&s->lock);
	bool started = s->state != IDLE;
	pthread_mutex_unlock(&s->lock);
	if (started)
		pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
