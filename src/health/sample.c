#include "health/sample.h"

#include "util/clock.h"
#include "util/threads.h"

#define CONNECTIONS 4

/* ---- speed ---- */

struct reading {
	const struct clock *clock;
	uint64_t start_us, first_us, end_us, until_us, bytes;
	bool late;
};

static int take(void *ctx, const void *data, size_t len, struct err *e)
{
	struct reading *r = ctx;
	(void)data;
	r->end_us = clock_now_us(r->clock);
	if (!r->bytes)
		r->first_us = r->end_us;
	r->bytes += len;
	r->late = r->end_us >= r->until_us;
	/* It has lasted long enough to know. */
	return r->late ? err_set(e, ERR_NETWORK, "long enough") : 0;
}

uint64_t sample_rate(const struct sample_speed *s)
{
	uint64_t us = s->total_us - MIN(s->first_us, s->total_us);
	return s->bytes && us ? (uint64_t)((double)s->bytes * 1e6 / (double)us) : 0;
}

int sample_read(struct mirror *m, const char *key, uint64_t bytes, uint64_t ms,
		const struct clock *clock, struct sample_speed *out, struct err *e)
{
	struct reading r = { .clock = clock, .start_us = clock_now_us(clock) };
	const struct mirror_sink sink = { take, &r };
	const struct mirror_range range = { .key = key, .length = bytes };
	struct err why = ERR_INIT;
	r.until_us = r.start_us + ms * 1000;
	if (mirror_get(m, &range, &sink, &why) < 0 && !r.late) {
		*e = why;
		return -(int)why.class;
	}
	*out = (struct sample_speed){ r.bytes, r.first_us - r.start_us, r.end_us - r.start_us };
	return 0;
}

/* ---- limits ---- */

struct asking {
	struct mirror *m;
	const char *key;
	uint64_t requests;
	pthread_mutex_t lock; /* of what follows */
	struct sample_limit *out;
	struct err why;
};

static int drop(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)ctx;
	(void)data;
	(void)len;
	(void)e;
	return 0;
}

/* May one more be sent? */
static bool next(struct asking *a)
{
	pthread_mutex_lock(&a->lock);
	bool more = !a->out->limited && !a->why.class && a->out->requests < a->requests;
	a->out->requests += more;
	pthread_mutex_unlock(&a->lock);
	return more;
}

static void note(struct asking *a, const struct err *why)
{
	pthread_mutex_lock(&a->lock);
	if (why->cause == CAUSE_THROTTLED) {
		a->out->limited = true;
		a->out->retry_after_s = MAX(a->out->retry_after_s, why->retry_after_s);
	} else if (!a->why.class)
		a->why = *why;
	pthread_mutex_unlock(&a->lock);
}

static void ask(void *ctx, size_t i)
{
	struct asking *a = ctx;
	const struct mirror_sink sink = { drop, NULL };
	const struct mirror_range first = { .key = a->key, .length = 1 };
	(void)i;
	while (next(a)) {
		struct err why = ERR_INIT;
		if (mirror_get(a->m, &first, &sink, &why) < 0)
			note(a, &why);
	}
}

int sample_until_limited(struct mirror *m, const char *key, uint64_t requests,
			 struct sample_limit *out, struct err *e)
{
	struct asking a = { .m = m, .key = key, .requests = requests, .out = out };
	*out = (struct sample_limit){ 0 };
	pthread_mutex_init(&a.lock, NULL);
	threads_run(CONNECTIONS, CONNECTIONS, ask, &a);
	pthread_mutex_destroy(&a.lock);
	if (out->limited || !a.why.class)
		return 0;
	*e = a.why;
	return -(int)e->class;
}
