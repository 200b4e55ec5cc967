#include "limit/limit.h"

#include "limit/shared.h"
#include "util/mem.h"
#include "util/os.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_WAIT_MS 50
#define ACTIVE_US 1e6 /* a client that was asked for within it is asked for ahead */
#define PORTION_S 0.02
#define CHUNK (16 * KIB) /* less is hardly worth a packet */
#define MIN_BYTES_BURST (64 * KIB)
#define BYTES_PORTION_S 0.05
#define BYTES_PAUSE_MS 5

static double now_us(const struct limit *l)
{
	return (double)clock_now_us(l->clock);
}

/* -- requests -------------------------------------------------------------------------------- */

static uint64_t seconds(double us)
{
	return us > 0 ? (uint64_t)(us / 1e6 + 0.999999) : 0;
}

/* What the headers say; `wait`: microseconds until the next one, if it is refused. */
static enum limit_result answer(struct limit *l, bool yes, uint64_t remaining, double full,
				double wait, struct limit_state *out)
{
	const struct gcra *g = &l->gcra[LIMIT_REQUESTS];
	*out = (struct limit_state){
		.limit = (uint64_t)g->burst,
		.window_s = l->window_s,
		.policy = l->policy,
		.remaining = remaining,
		.reset_s = seconds(full),
		.retry_after_s = yes ? 0 : MAX((uint64_t)1, seconds(wait)),
	};
	if (yes)
		l->admitted++;
	else
		l->refused++;
	return yes ? LIMIT_YES : LIMIT_NO;
}

static enum limit_result decide_alone(struct limit *l, struct limit_client *c,
				      struct limit_state *out)
{
	const struct gcra *g = &l->gcra[LIMIT_REQUESTS];
	struct limit_count *n = &c->counts[LIMIT_REQUESTS];
	double now = now_us(l);
	bool yes = gcra_free(g, n->tat_us, now) > 0;
	if (yes)
		gcra_take(g, &n->tat_us, now, 1);
	if (l->shared)
		l->without_redis++;
	return answer(l, yes, gcra_free(g, n->tat_us, now), n->tat_us - now,
		      gcra_wait_us(g, n->tat_us, now, 1), out);
}

/* Half of a portion is left of a client that is busy: the next one is asked for. */
static void ask_ahead(struct limit *l, struct limit_client *c, enum limit_kind kind, double now)
{
	const struct limit_count *n = &c->counts[kind];
	if (l->portion[kind] > 1 && n->portion <= l->portion[kind] / 2 &&
	    now < n->asked_us + ACTIVE_US && now >= n->refused_us)
		limit_shared_ask(l->shared, c, kind, l->portion[kind]);
}

/* What this process admits counts here, too, so that it knows where it is when Redis fails. */
static void use_portion(struct limit *l, struct limit_client *c, enum limit_kind kind,
			uint64_t units, double now)
{
	struct limit_count *n = &c->counts[kind];
	n->portion -= units;
	gcra_take(&l->gcra[kind], &n->tat_us, now, units);
	ask_ahead(l, c, kind, now);
}

static enum limit_result decide_shared(struct limit *l, struct limit_client *c,
				       struct limit_state *out)
{
	struct limit_count *n = &c->counts[LIMIT_REQUESTS];
	double now = now_us(l);
	if (now >= n->portion_us)
		n->portion = 0;
	if (n->portion) {
		use_portion(l, c, LIMIT_REQUESTS, 1, now);
		return answer(l, true, n->left + n->portion, (double)n->full, 0, out);
	}
	if (now < n->refused_us)
		return answer(l, false, 0, (double)n->full, n->refused_us - now, out);
	return LIMIT_ASK;
}

bool limit_asks_redis(const struct limit *l)
{
	return l->shared && !limit_shared_is_open(l->shared);
}

static enum limit_result no_limit(struct limit *l, struct limit_state *out)
{
	*out = (struct limit_state){ 0 };
	l->admitted++;
	return LIMIT_YES;
}

enum limit_result limit_request(struct limit *l, struct limit_client *c, struct limit_state *out)
{
	if (!c || l->gcra[LIMIT_REQUESTS].rate_s <= 0)
		return no_limit(l, out);
	limit_lock(c);
	enum limit_result r = limit_asks_redis(l) ? decide_shared(l, c, out)
						  : decide_alone(l, c, out);
	limit_unlock(c);
	return r;
}

/* With the lock of the client, which is held. */
static enum limit_result await_answer(struct limit *l, struct limit_client *c,
				      struct limit_state *out)
{
	uint64_t end_us = clock_now_us(NULL) + l->wait_ms * (uint64_t)1000;
	while (limit_asks_redis(l)) {
		enum limit_result r = decide_shared(l, c, out);
		uint64_t now = clock_now_us(NULL);
		if (r != LIMIT_ASK)
			return r;
		if (now >= end_us) {
			limit_shared_trip(l->shared);
			break;
		}
		limit_shared_ask(l->shared, c, LIMIT_REQUESTS, l->portion[LIMIT_REQUESTS]);
		os_cond_wait(&c->shard->answered, &c->shard->lock,
			     (unsigned)((end_us - now) / 1000 + 1));
	}
	return decide_alone(l, c, out);
}

enum limit_result limit_ask(struct limit *l, struct limit_client *c, struct limit_state *out)
{
	if (!c || l->gcra[LIMIT_REQUESTS].rate_s <= 0)
		return no_limit(l, out);
	limit_lock(c);
	c->held++;
	enum limit_result r = await_answer(l, c, out);
	c->held--;
	limit_unlock(c);
	return r;
}

/* -- bytes ----------------------------------------------------------------------------------- */

static uint64_t bytes_alone(struct limit *l, struct limit_client *c, uint64_t wanted,
			    uint64_t *wait_ms)
{
	const struct gcra *g = &l->gcra[LIMIT_BYTES];
	struct limit_count *n = &c->counts[LIMIT_BYTES];
	double now = now_us(l);
	uint64_t chunk = MIN(wanted, CHUNK), room = gcra_free(g, n->tat_us, now);
	if (room < chunk) {
		*wait_ms = (uint64_t)(gcra_wait_us(g, n->tat_us, now, chunk) / 1000) + 1;
		return 0;
	}
	uint64_t given = MIN(wanted, room);
	gcra_take(g, &n->tat_us, now, given);
	return given;
}

static uint64_t bytes_shared(struct limit *l, struct limit_client *c, uint64_t wanted,
			     uint64_t *wait_ms)
{
	struct limit_count *n = &c->counts[LIMIT_BYTES];
	double now = now_us(l);
	if (now >= n->portion_us)
		n->portion = 0;
	if (n->portion >= MIN(wanted, CHUNK)) {
		uint64_t given = MIN(wanted, n->portion);
		use_portion(l, c, LIMIT_BYTES, given, now);
		return given;
	}
	*wait_ms = BYTES_PAUSE_MS;
	if (now < n->refused_us)
		*wait_ms = MAX(*wait_ms, (uint64_t)((n->refused_us - now) / 1000) + 1);
	else
		limit_shared_ask(l->shared, c, LIMIT_BYTES, l->portion[LIMIT_BYTES]);
	return 0;
}

uint64_t limit_bytes(struct limit *l, struct limit_client *c, uint64_t wanted, uint64_t *wait_ms)
{
	*wait_ms = 0;
	if (!c || l->gcra[LIMIT_BYTES].rate_s <= 0 || !wanted)
		return wanted;
	limit_lock(c);
	uint64_t given = limit_asks_redis(l) ? bytes_shared(l, c, wanted, wait_ms)
					     : bytes_alone(l, c, wanted, wait_ms);
	limit_unlock(c);
	return given;
}

/* -- clients --------------------------------------------------------------------------------- */

struct limit_client *limit_hold(struct limit *l, const char *name)
{
	bool limits = l->connections || l->gcra[LIMIT_REQUESTS].rate_s > 0 ||
		      l->gcra[LIMIT_BYTES].rate_s > 0;
	return limits ? limit_table_hold(&l->table, name) : NULL;
}

/* -- the whole ------------------------------------------------------------------------------- */

static void set_gcra(struct limit *l, const struct limit_options *o)
{
	struct gcra *requests = &l->gcra[LIMIT_REQUESTS], *bytes = &l->gcra[LIMIT_BYTES];
	requests->rate_s = o->requests_s;
	requests->burst = (double)MAX(o->burst, (uint64_t)1);
	bytes->rate_s = (double)o->bytes_s;
	bytes->burst = (double)MAX(o->bytes_s, MIN_BYTES_BURST);
	double portion = MIN(o->requests_s * PORTION_S, requests->burst / 10);
	if (requests->rate_s > 0)
		l->window_s = MAX((uint64_t)1, seconds(requests->burst / requests->rate_s * 1e6));
	snprintf(l->policy, sizeof l->policy, "\"requests\";q=%.0f;w=%llu", requests->burst,
		 (unsigned long long)l->window_s);
	l->portion[LIMIT_REQUESTS] = portion > 1 ? (uint64_t)portion : 1;
	l->portion[LIMIT_BYTES] = MAX((uint64_t)((double)o->bytes_s * BYTES_PORTION_S), CHUNK);
}

int limit_new(const struct limit_options *o, struct limit **out, struct err *e)
{
	struct limit *l = NEW(struct limit);
	l->connections = o->connections;
	l->wait_ms = o->redis_wait_ms ? o->redis_wait_ms : DEFAULT_WAIT_MS;
	l->clock = o->clock;
	set_gcra(l, o);
	int rc = limit_table_init(&l->table, o->clock, e);
	if (rc == 0 && o->redis)
		rc = limit_shared_new(l, o, &l->shared, e);
	if (rc < 0)
		limit_free(l);
	else
		*out = l;
	return rc;
}

void limit_free(struct limit *l)
{
	if (!l)
		return;
	limit_shared_free(l->shared);
	limit_table_release(&l->table);
	free(l);
}

void limit_stats(struct limit *l, struct limit_stats *out)
{
	*out = (struct limit_stats){
		.admitted = l->admitted,
		.refused = l->refused,
		.without_redis = l->without_redis,
		.clients = limit_table_count(&l->table),
	};
	if (l->shared)
		limit_shared_stats(l->shared, out);
}
