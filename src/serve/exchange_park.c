#include "serve/exchange_internal.h"

/*
 * An exchange is in the list from before it asks to be woken until it is woken, or told to end.
 * Whoever takes it out of the list resumes its connection, so that this happens once. It cannot be
 * freed meanwhile: that is done by the connection's thread, which is in these functions, or has it
 * suspended.
 */

void exchange_lot_init(struct exchange_lot *l, struct edge *e)
{
	*l = (struct exchange_lot){ .edge = e };
	pthread_mutex_init(&l->lock, NULL);
}

void exchange_lot_release(struct exchange_lot *l)
{
	pthread_mutex_destroy(&l->lock);
}

/* With the lock held. */
static bool take_out(struct exchange *x)
{
	if (!x->parked)
		return false;
	x->parked = false;
	*x->at = x->next;
	if (x->next)
		x->next->at = x->at;
	return true;
}

static void wake(void *ctx)
{
	struct exchange *x = ctx;
	struct exchange_lot *l = x->lot;
	struct MHD_Connection *connection = x->connection;
	pthread_mutex_lock(&l->lock);
	/* With the lock: the server is stopped as soon as the list is empty, and must not be while
	 * a connection is suspended. */
	if (take_out(x))
		MHD_resume_connection(connection);
	pthread_mutex_unlock(&l->lock);
}

static bool park(struct exchange *x, enum exchange_wait what)
{
	struct exchange_lot *l = x->lot;
	pthread_mutex_lock(&l->lock);
	bool may = !l->ending;
	if (may) {
		MHD_suspend_connection(x->connection);
		x->waits = what;
		x->registered = false;
		x->parked = true;
		x->next = l->parked;
		x->at = &l->parked;
		if (x->next)
			x->next->at = &x->next;
		l->parked = x;
	}
	pthread_mutex_unlock(&l->lock);
	return may;
}

static void forget(struct exchange *x)
{
	if (x->waits == WAIT_BLOB)
		cache_blob_forget(x->blob, &x->wait);
	else if (x->waits == WAIT_STREAM)
		x->stream->forget(x->stream);
}

/* The lot may have ended since it was parked. */
static void registered(struct exchange *x)
{
	struct exchange_lot *l = x->lot;
	pthread_mutex_lock(&l->lock);
	bool mine = x->parked && l->ending && take_out(x);
	x->registered = x->parked;
	pthread_mutex_unlock(&l->lock);
	if (mine) {
		forget(x);
		MHD_resume_connection(x->connection);
	}
}

bool exchange_wait_blob(struct exchange *x, uint64_t offset, uint64_t end)
{
	if (!park(x, WAIT_BLOB))
		return false;
	x->wait = (struct cache_wait){ .offset = offset, .end = end, .wake = wake, .ctx = x };
	cache_blob_wait(x->blob, &x->wait);
	registered(x);
	return true;
}

bool exchange_wait_stream(struct exchange *x)
{
	if (!park(x, WAIT_STREAM))
		return false;
	x->stream->wait(x->stream, wake, x);
	registered(x);
	return true;
}

static void run_job(struct worker_job *job)
{
	struct exchange *x =
		(struct exchange *)(void *)((char *)job - offsetof(struct exchange, job));
	if (x->work)
		x->work(x);
	wake(x);
}

bool exchange_wait_work(struct exchange *x, void (*work)(struct exchange *x), uint64_t after_ms)
{
	if (!park(x, WAIT_JOB))
		return false;
	x->work = work;
	x->job = (struct worker_job){ .run = run_job };
	if (after_ms)
		worker_post_later(x->edge->workers, &x->job, after_ms);
	else
		worker_post(x->edge->workers, &x->job);
	return true;
}

/* One that a worker is to wake stays. */
static struct exchange *next_to_end(struct exchange_lot *l)
{
	pthread_mutex_lock(&l->lock);
	l->ending = true;
	struct exchange *x = l->parked;
	while (x && !x->registered)
		x = x->next;
	if (x)
		take_out(x);
	pthread_mutex_unlock(&l->lock);
	return x;
}

void exchange_lot_end(struct exchange_lot *l)
{
	struct exchange *x;
	while ((x = next_to_end(l))) {
		struct MHD_Connection *connection = x->connection;
		forget(x);
		MHD_resume_connection(connection);
	}
}

size_t exchange_lot_parked(struct exchange_lot *l)
{
	size_t count = 0;
	pthread_mutex_lock(&l->lock);
	for (const struct exchange *x = l->parked; x; x = x->next)
		count++;
	pthread_mutex_unlock(&l->lock);
	return count;
}
