#include "limit/shared.h"

#include "limit/redis.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define FIRST_WAIT_MS 500
#define MIN_PAUSE_MS 250
#define MAX_PAUSE_MS 10000
#define PORTION_US 1e6 /* what was not used by then is lost */
/* Between two questions for a client that has nothing left. */
#define REFUSED_US 5000.0

static const char *const kind_names[LIMIT_KINDS] = { "requests", "bytes" };

struct question {
	struct limit_client *client;
	enum limit_kind kind;
};

struct limit_shared {
	const struct clock *clock;
	struct gcra gcra[LIMIT_KINDS];
	struct redis_limit *redis; /* the thread's */
	pthread_t thread;
	atomic_bool open;
	atomic_ullong asked, failed;

	pthread_mutex_t lock; /* of what follows; taken after that of a shard */
	pthread_cond_t work, tried;
	struct limit_client *first[LIMIT_KINDS];
	bool end, has_tried;
	char fault[sizeof((struct limit_stats *)NULL)->fault];
};

/* -- the questions --------------------------------------------------------------------------- */

bool limit_shared_is_open(const struct limit_shared *s)
{
	return s->open;
}

void limit_shared_ask(struct limit_shared *s, struct limit_client *c, enum limit_kind kind,
		      uint64_t units)
{
	struct limit_count *n = &c->counts[kind];
	if (n->asking)
		return;
	n->asking = true;
	n->wanted = units;
	n->asked_us = (double)clock_now_us(s->clock);
	c->held++;
	pthread_mutex_lock(&s->lock);
	c->queued[kind].next = s->first[kind];
	s->first[kind] = c;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}

/* With the lock: takes up to `max` of them. */
static size_t take(struct limit_shared *s, struct question *out, size_t max)
{
	size_t count = 0;
	for (unsigned kind = 0; kind < LIMIT_KINDS; kind++)
		while (s->first[kind] && count < max) {
			struct limit_client *c = s->first[kind];
			s->first[kind] = c->queued[kind].next;
			out[count++] = (struct question){ c, (enum limit_kind)kind };
		}
	return count;
}

/* answer NULL: there was none. */
static void answer(struct limit_shared *s, const struct question *q,
		   const struct redis_limit_ask *a)
{
	struct limit_shard *shard = q->client->shard;
	pthread_mutex_lock(&shard->lock);
	struct limit_count *n = &q->client->counts[q->kind];
	double now_us = (double)clock_now_us(s->clock);
	n->asking = false;
	if (a) {
		n->portion += a->granted;
		n->portion_us = now_us + PORTION_US;
		n->left = a->left;
		n->full = a->full_us;
		/* It has less than was wanted: it needs a pause, too. */
		n->refused_us = a->granted < n->wanted
					? now_us + MAX((double)a->wait_us, REFUSED_US)
					: 0;
	}
	q->client->held--;
	pthread_cond_broadcast(&shard->answered);
	pthread_mutex_unlock(&shard->lock);
}

/* -- the breaker ----------------------------------------------------------------------------- */

static void set_open(struct limit_shared *s, bool open, const char *why)
{
	pthread_mutex_lock(&s->lock);
	s->open = open;
	s->has_tried = true;
	snprintf(s->fault, sizeof s->fault, "%s", why);
	pthread_cond_broadcast(&s->tried);
	pthread_mutex_unlock(&s->lock);
}

void limit_shared_trip(struct limit_shared *s)
{
	if (!s->open)
		set_open(s, true, "redis: no answer in time");
}

/* -- the thread ------------------------------------------------------------------------------ */

static int ask_all(struct limit_shared *s, const struct question *q, size_t count, struct err *e)
{
	struct redis_limit_ask asks[REDIS_LIMIT_BATCH];
	for (size_t i = 0; i < count; i++) {
		pthread_mutex_lock(&q[i].client->shard->lock);
		asks[i] = (struct redis_limit_ask){
			.kind = kind_names[q[i].kind],
			.client = q[i].client->name,
			.gcra = s->gcra[q[i].kind],
			.units = q[i].client->counts[q[i].kind].wanted,
		};
		pthread_mutex_unlock(&q[i].client->shard->lock);
	}
	s->asked += count;
	int rc = redis_limit_take(s->redis, asks, count, e);
	if (rc < 0)
		s->failed += count;
	for (size_t i = 0; i < count; i++)
		answer(s, &q[i], rc == 0 ? &asks[i] : NULL);
	return rc;
}

/* 0: the connection is there. */
static int connect_now(struct limit_shared *s, uint64_t *pause_ms)
{
	struct err e = ERR_INIT;
	if (redis_limit_connect(s->redis, &e) == 0) {
		*pause_ms = MIN_PAUSE_MS;
		set_open(s, false, "");
		return 0;
	}
	s->failed++;
	set_open(s, true, e.text);
	return -1;
}

/* Until there is work, or the pause is over. False: it ends. */
static bool rest(struct limit_shared *s, uint64_t pause_ms)
{
	uint64_t end_us = clock_now_us(NULL) + pause_ms * 1000;
	pthread_mutex_lock(&s->lock);
	while (!s->end && !(pause_ms == 0 && (s->first[0] || s->first[1] || s->open))) {
		uint64_t now_us = clock_now_us(NULL);
		if (pause_ms && now_us >= end_us)
			break;
		os_cond_wait(&s->work, &s->lock,
			     pause_ms ? (unsigned)((end_us - now_us) / 1000 + 1) : 1000);
	}
	bool goes_on = !s->end;
	pthread_mutex_unlock(&s->lock);
	return goes_on;
}

/* False: Redis did not answer. */
static bool serve(struct limit_shared *s)
{
	struct question q[REDIS_LIMIT_BATCH];
	struct err e = ERR_INIT;
	pthread_mutex_lock(&s->lock);
	size_t count = take(s, q, ARRAY_LEN(q));
	pthread_mutex_unlock(&s->lock);
	if (count && ask_all(s, q, count, &e) < 0)
		set_open(s, true, e.text);
	return !s->open;
}

/* What was asked before the breaker opened. */
static void answer_all(struct limit_shared *s)
{
	struct question q[REDIS_LIMIT_BATCH];
	size_t count;
	do {
		pthread_mutex_lock(&s->lock);
		count = take(s, q, ARRAY_LEN(q));
		pthread_mutex_unlock(&s->lock);
		for (size_t i = 0; i < count; i++)
			answer(s, &q[i], NULL);
	} while (count);
}

static void *run(void *ctx)
{
	struct limit_shared *s = ctx;
	uint64_t pause_ms = MIN_PAUSE_MS;
	sigset_t all;
	sigfillset(&all); /* hiredis writes to sockets that may be closed */
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	bool goes_on = true;
	while (goes_on) {
		if (connect_now(s, &pause_ms) == 0) {
			do
				goes_on = rest(s, 0);
			while (goes_on && serve(s));
		}
		answer_all(s);
		if (goes_on)
			goes_on = rest(s, pause_ms);
		pause_ms = MIN(pause_ms * 2, (uint64_t)MAX_PAUSE_MS);
	}
	answer_all(s);
	return NULL;
}

/* -- opening --------------------------------------------------------------------------------- */

static void await_first(struct limit_shared *s, unsigned ms)
{
	uint64_t end_us = clock_now_us(NULL) + ms * (uint64_t)1000;
	pthread_mutex_lock(&s->lock);
	while (!s->has_tried && clock_now_us(NULL) < end_us)
		os_cond_wait(&s->tried, &s->lock, ms);
	pthread_mutex_unlock(&s->lock);
}

int limit_shared_new(const struct limit_options *o, const struct gcra *gcra, unsigned wait_ms,
		     struct limit_shared **out, struct err *e)
{
	struct limit_shared *s = NEW(struct limit_shared);
	int rc = redis_limit_new(o->redis, o->redis_password, wait_ms, &s->redis, e);
	if (rc < 0) {
		free(s);
		return rc;
	}
	s->clock = o->clock;
	s->open = true;
	memcpy(s->gcra, gcra, sizeof s->gcra);
	pthread_mutex_init(&s->lock, NULL);
	os_cond_init(&s->work);
	os_cond_init(&s->tried);
	if (pthread_create(&s->thread, NULL, run, s) != 0) {
		redis_limit_free(s->redis);
		free(s);
		return err_set(e, ERR_SYSTEM, "cannot make a thread");
	}
	await_first(s, MAX(FIRST_WAIT_MS, wait_ms));
	*out = s;
	return 0;
}

void limit_shared_free(struct limit_shared *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->end = true;
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	redis_limit_free(s->redis);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->tried);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void limit_shared_stats(struct limit_shared *s, struct limit_stats *out)
{
	out->shared = true;
	out->open = s->open;
	out->asked = s->asked;
	out->failed = s->failed;
	pthread_mutex_lock(&s->lock);
	memcpy(out->fault, s->fault, sizeof out->fault);
	pthread_mutex_unlock(&s->lock);
}
