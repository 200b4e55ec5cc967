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

#define TELL_MS 1000 /* how often it looks for connections that last: */
#define TELL_AGAIN_US (LIMIT_LEASE_MS * 1000.0 / 4) /* they are told before their lease is over */
#define OPEN_US \
	50000 /* how often Redis is told of them at most: they may change with each request */

static const char *const kind_names[LIMIT_KINDS] = { "requests", "bytes", "connections" };

struct question {
	struct limit_client *client;
	enum limit_kind kind;
};

struct limit_shared {
	struct limit *limit;
	const struct clock *clock;
	struct redis_limit *redis; /* the thread's */
	pthread_t thread;
	atomic_bool open;
	atomic_ullong asked, failed;

	pthread_mutex_t lock; /* of what follows; taken after that of a shard */
	pthread_cond_t work, tried;
	struct limit_client *first[LIMIT_KINDS];
	/* Of first[LIMIT_OPEN], those that Redis is being told of, and since when. */
	struct limit_client *telling;
	uint64_t open_us;
	bool end, has_tried;
	char fault[sizeof((struct limit_stats *)NULL)->fault];
};

/* -- the questions --------------------------------------------------------------------------- */

bool limit_shared_is_open(const struct limit_shared *s)
{
	return s->open;
}

static void enqueue(struct limit_shared *s, struct limit_client *c, enum limit_kind kind)
{
	c->held++;
	pthread_mutex_lock(&s->lock);
	c->next_asked[kind] = s->first[kind];
	s->first[kind] = c;
	if (kind != LIMIT_OPEN || !c->next_asked[kind])
		pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
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
	enqueue(s, c, kind);
}

void limit_shared_tell(struct limit_shared *s, struct limit_client *c)
{
	struct limit_open *n = &c->open;
	if (n->asking)
		return;
	n->asking = true;
	enqueue(s, c, LIMIT_OPEN);
}

/* With the lock. What is asked meanwhile waits for the next time: all have their turn. */
static void begin_to_tell(struct limit_shared *s, uint64_t now_us)
{
	if (s->telling || !s->first[LIMIT_OPEN] || (!s->open && now_us < s->open_us + OPEN_US))
		return;
	s->telling = s->first[LIMIT_OPEN];
	s->first[LIMIT_OPEN] = NULL;
	s->open_us = now_us;
}

/* With the lock: takes up to `max` questions that are due. */
static size_t take(struct limit_shared *s, struct question *out, size_t max)
{
	size_t count = 0;
	begin_to_tell(s, clock_now_us(NULL));
	for (unsigned kind = 0; kind < LIMIT_KINDS; kind++) {
		struct limit_client **first = kind == LIMIT_OPEN ? &s->telling : &s->first[kind];
		while (*first && count < max) {
			struct limit_client *c = *first;
			*first = c->next_asked[kind];
			out[count++] = (struct question){ c, (enum limit_kind)kind };
		}
	}
	return count;
}

static void answer_rate(struct limit_count *n, const struct redis_limit_ask *a, double now_us)
{
	n->asking = false;
	if (a) {
		n->portion += a->granted;
		n->portion_us = now_us + PORTION_US;
		n->left = a->left;
		n->full = a->full_us;
		/* Redis gave less than was wanted: for a moment, it has nothing more. */
		n->refused_us = a->granted < n->wanted
					? now_us + MAX((double)a->wait_us, REFUSED_US)
					: 0;
	}
}

/* Redis is told again if the number has changed since. */
static void answer_open(struct limit_shared *s, struct limit_client *c,
			const struct redis_limit_ask *a, double now_us)
{
	struct limit_open *n = &c->open;
	n->asking = false;
	n->said_us = a ? now_us : 0;
	n->others = a ? (unsigned)MIN(a->left, (uint64_t)UINT32_MAX / 2) : 0;
	if (a && n->here != n->told)
		limit_shared_tell(s, c);
}

/* a NULL: Redis did not answer. */
static void answer(struct limit_shared *s, const struct question *q,
		   const struct redis_limit_ask *a)
{
	struct limit_shard *shard = q->client->shard;
	pthread_mutex_lock(&shard->lock);
	double now_us = (double)clock_now_us(s->clock);
	if (q->kind == LIMIT_OPEN)
		answer_open(s, q->client, a, now_us);
	else
		answer_rate(&q->client->counts[q->kind], a, now_us);
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

static struct redis_limit_ask ask_of(const struct limit_shared *s, const struct question *q)
{
	struct limit_client *c = q->client;
	struct redis_limit_ask a = { .kind = kind_names[q->kind], .client = c->name };
	pthread_mutex_lock(&c->shard->lock);
	if (q->kind == LIMIT_OPEN) {
		a.lease_ms = LIMIT_LEASE_MS;
		a.units = c->open.told = c->open.here;
	} else {
		a.gcra = s->limit->gcra[q->kind];
		a.units = c->counts[q->kind].wanted;
	}
	pthread_mutex_unlock(&c->shard->lock);
	return a;
}

static int ask_all(struct limit_shared *s, const struct question *q, size_t count, struct err *e)
{
	struct redis_limit_ask asks[REDIS_LIMIT_BATCH];
	for (size_t i = 0; i < count; i++)
		asks[i] = ask_of(s, &q[i]);
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

/* With the lock. */
static bool has_work(const struct limit_shared *s, uint64_t now_us)
{
	bool tells = s->telling || (s->first[LIMIT_OPEN] && now_us >= s->open_us + OPEN_US);
	return s->open || tells || s->first[LIMIT_REQUESTS] || s->first[LIMIT_BYTES];
}

/* Sleeps so long or, with `for_work`, until there is work. False: the thread has to end. */
static bool sleep_ms(struct limit_shared *s, uint64_t ms, bool for_work)
{
	uint64_t now_us = clock_now_us(NULL), end_us = now_us + ms * 1000;
	pthread_mutex_lock(&s->lock);
	while (!s->end && now_us < end_us && !(for_work && has_work(s, now_us))) {
		bool tells = for_work && s->first[LIMIT_OPEN];
		uint64_t until_us = tells ? MIN(end_us, s->open_us + OPEN_US) : end_us;
		os_cond_wait(&s->work, &s->lock, (unsigned)((until_us - now_us) / 1000 + 1));
		now_us = clock_now_us(NULL);
	}
	bool goes_on = !s->end;
	pthread_mutex_unlock(&s->lock);
	return goes_on;
}

/* Asks what is due. False: Redis did not answer. */
static bool ask_due(struct limit_shared *s)
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

/* Questions that came before the breaker opened get no answer. */
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

static void tell_shard(struct limit_shared *s, struct limit_shard *shard)
{
	double now_us = (double)clock_now_us(s->clock);
	pthread_mutex_lock(&shard->lock);
	for (size_t i = 0; i < LIMIT_BUCKETS; i++)
		for (struct limit_client *c = shard->buckets[i]; c; c = c->next)
			if (c->open.here && now_us >= c->open.said_us + TELL_AGAIN_US)
				limit_shared_tell(s, c);
	pthread_mutex_unlock(&shard->lock);
}

static void tell_again(struct limit_shared *s, uint64_t *told_us)
{
	uint64_t now_us = clock_now_us(NULL);
	if (*told_us && now_us < *told_us + TELL_MS * (uint64_t)1000)
		return;
	*told_us = now_us;
	for (size_t i = 0; s->limit->connections && i < LIMIT_SHARDS; i++)
		tell_shard(s, &s->limit->table.shards[i]);
}

/* False: the thread has to end. */
static bool ask_while_it_answers(struct limit_shared *s, uint64_t *told_us)
{
	bool goes_on;
	do {
		tell_again(s, told_us);
		goes_on = sleep_ms(s, TELL_MS, true);
	} while (goes_on && ask_due(s));
	return goes_on;
}

static void *run(void *ctx)
{
	struct limit_shared *s = ctx;
	uint64_t pause_ms = MIN_PAUSE_MS, told_us = 0;
	sigset_t all;
	sigfillset(&all); /* hiredis writes to sockets that may be closed */
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	bool goes_on = true;
	while (goes_on) {
		if (connect_now(s, &pause_ms) == 0)
			goes_on = ask_while_it_answers(s, &told_us);
		answer_all(s);
		if (goes_on)
			goes_on = sleep_ms(s, pause_ms, false);
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

int limit_shared_new(struct limit *l, const struct limit_options *o, struct limit_shared **out,
		     struct err *e)
{
	struct limit_shared *s = NEW(struct limit_shared);
	int rc = redis_limit_new(o->redis, o->redis_password, l->wait_ms, &s->redis, e);
	if (rc < 0) {
		free(s);
		return rc;
	}
	s->limit = l;
	s->clock = o->clock;
	s->open = true;
	*out = s;
	pthread_mutex_init(&s->lock, NULL);
	os_cond_init(&s->work);
	os_cond_init(&s->tried);
	if (pthread_create(&s->thread, NULL, run, s) != 0) {
		*out = NULL;
		redis_limit_free(s->redis);
		free(s);
		return err_set(e, ERR_SYSTEM, "cannot make a thread");
	}
	await_first(s, MAX(FIRST_WAIT_MS, l->wait_ms));
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
