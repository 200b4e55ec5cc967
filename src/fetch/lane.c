#include "fetch/lane.h"

#include <stdatomic.h>

#define TICK_US 100000
#define LEARN_US 300000         /* the least time for an opinion about a number of connections */
#define LEARN_FIRST_US 100000   /* about the first ones */
#define PLENTY 100e6            /* bytes/s that are much for a connection */
#define LEARN_BYTES (512 * KIB) /* a connection, the same */
#define ANSWERS 8               /* times that a server takes to answer, the same */
#define HOLD_LEAST_US 2000000
#define HOLD_MOST_US 30000000
#define STILL_US 2000000
#define FASTER 1.25
#define WEIGHT 0.3 /* of the latest measurement */

void lane_init(struct lane *l, struct source *s, unsigned first, unsigned most, uint64_t now_us)
{
	*l = (struct lane){
		.source = s,
		.doubtful = source_demerits(s) > 0,
		.most = most ? most : LANE_MOST,
		.got_us = now_us,
		.since_us = now_us,
		.seen_us = now_us,
	};
	l->target = MIN(l->most, first);
}

static double mean(double old, double fresh)
{
	return old > 0 ? old + (fresh - old) * WEIGHT : fresh;
}

static void measure(struct lane *l, uint64_t now_us)
{
	uint64_t got = atomic_load(&l->got), span = now_us - l->got_us;
	if (span < TICK_US)
		return;
	if (l->active)
		l->rate = mean(l->rate, (double)(got - l->got_then) * 1e6 / (double)span);
	l->got_us = now_us;
	l->got_then = got;
}

static void learn_again(struct lane *l, uint64_t now_us)
{
	l->saturated = l->active >= l->target;
	l->since_us = now_us;
	l->since_got = atomic_load(&l->got);
}

static void set_target(struct lane *l, unsigned target, uint64_t now_us)
{
	l->target = MAX(1, MIN(target, l->most));
	learn_again(l, now_us);
}

/* Is one connection so slow that several are sure to be faster? */
static bool is_meagre(const struct lane *l, double rate)
{
	return l->target < MIN(l->most, LANE_SMALL) && rate < (double)l->target * PLENTY;
}

/* It was not faster: the next try is put off, each time for longer. */
static void put_off(struct lane *l, uint64_t now_us)
{
	l->hold_span_us = MAX(HOLD_LEAST_US, MIN(2 * l->hold_span_us, HOLD_MOST_US));
	l->hold_us = now_us + l->hold_span_us;
}

static void learn(struct lane *l, uint64_t now_us)
{
	uint64_t span = now_us - l->since_us, got = atomic_load(&l->got) - l->since_got;
	uint64_t least_us = l->target < LANE_SMALL ? LEARN_FIRST_US : LEARN_US;
	if (!l->saturated || l->active < l->target)
		learn_again(l, now_us);
	if (!l->saturated || span < MAX(least_us, ANSWERS * l->answer_us) ||
	    got < l->target * LEARN_BYTES)
		return;
	double rate = (double)got * 1e6 / (double)span;
	bool faster = !l->trying || rate > l->before * FASTER;
	l->trying = false;
	if (!faster) {
		put_off(l, now_us);
		set_target(l, l->target / 2, now_us);
	} else if (is_meagre(l, rate)) {
		set_target(l, LANE_SMALL, now_us);
	} else if (now_us >= l->hold_us && l->target < l->most) {
		l->trying = true;
		l->before = rate;
		set_target(l, l->target * 2, now_us);
	} else {
		learn_again(l, now_us);
	}
}

void lane_tick(struct lane *l, uint64_t now_us)
{
	measure(l, now_us);
	if (!l->whole)
		learn(l, now_us);
}

void lane_begin(struct lane *l, uint64_t now_us)
{
	if (!l->active++) {
		l->got_us = now_us;
		l->got_then = atomic_load(&l->got);
	}
	if (l->active >= l->target && !l->saturated)
		learn_again(l, now_us);
}

void lane_end(struct lane *l)
{
	l->active--;
}

void lane_look(struct lane *l, uint64_t now_us)
{
	uint64_t got = atomic_load(&l->got);
	if (got != l->seen || l->active < l->target) {
		l->seen = got;
		l->seen_us = now_us;
	} else if (now_us - l->seen_us > STILL_US && l->target < MIN(l->most, LANE_SMALL)) {
		l->seen_us = now_us;
		set_target(l, l->target + 1, now_us);
	}
}

void lane_answered(struct lane *l, uint64_t took_us)
{
	l->answer_us = (uint64_t)mean((double)l->answer_us, (double)took_us);
}

bool lane_failed(struct lane *l, uint64_t began_us, uint64_t now_us)
{
	bool first = !l->failed_us || began_us >= l->failed_us;
	if (!first)
		return false;
	l->failed_us = now_us;
	l->trying = false;
	put_off(l, now_us);
	set_target(l, l->target / 2, now_us);
	return true;
}

void lane_landed(struct lane *l, uint64_t bytes, uint64_t took_us)
{
	l->piece_rate = mean(l->piece_rate, (double)bytes * 1e6 / (double)MAX(took_us, 1));
}

double lane_piece_s(const struct lane *l, uint64_t bytes)
{
	return l->piece_rate > 0 ? (double)bytes / l->piece_rate : 0;
}
