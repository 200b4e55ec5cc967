#include "stats/session.h"

#include "util/mem.h"

#include <string.h>

struct range {
	uint64_t first, end;
};

/* The session that is being added up. */
struct sum {
	struct stats_session session;
	bool open; /* it has a request */
	struct range *ranges;
	size_t count, cap;
	uint64_t bytes;               /* of requests whose range is not known */
	int64_t last_ok, last_failed; /* seconds since the start of the first day; -1: none */
	uint64_t size;
};

static int compare_ranges(const void *x, const void *y)
{
	const struct range *a = x, *b = y;
	return a->first < b->first ? -1 : a->first > b->first;
}

static uint64_t union_bytes(struct range *at, size_t count)
{
	uint64_t bytes = 0, end = 0;
	if (count > 1)
		qsort(at, count, sizeof *at, compare_ranges);
	for (size_t i = 0; i < count; i++) {
		uint64_t from = MAX(at[i].first, end);
		if (at[i].end > from) {
			bytes += at[i].end - from;
			end = at[i].end;
		}
	}
	return bytes;
}

static void add_range(struct sum *s, uint64_t first, uint64_t bytes)
{
	if (first >= s->size)
		return;
	uint64_t end = first + MIN(bytes, s->size - first);
	/* Pieces mostly come in order: they become one range at once. */
	struct range *last = s->count ? &s->ranges[s->count - 1] : NULL;
	if (last && first >= last->first && first <= last->end) {
		last->end = MAX(last->end, end);
		return;
	}
	s->ranges = mem_grow(s->ranges, s->count, &s->cap, sizeof *s->ranges);
	s->ranges[s->count++] = (struct range){ first, end };
}

static void add_event(struct sum *s, const struct stats_event *v, int64_t second)
{
	s->open = true;
	s->session.mirrors |= (uint64_t)1 << v->mirror;
	if (v->kind == STATS_FAILED) {
		s->last_failed = MAX(s->last_failed, second);
		return;
	}
	s->last_ok = MAX(s->last_ok, second);
	if (v->kind == STATS_RANGE)
		add_range(s, v->first, v->bytes);
	else
		s->bytes = v->bytes > s->size - MIN(s->bytes, s->size) ? s->size
								       : s->bytes + v->bytes;
}

static void begin(struct sum *s, const struct stats_group *g, uint32_t second)
{
	s->open = false;
	s->count = 0;
	s->bytes = 0;
	s->last_ok = s->last_failed = -1;
	s->session = (struct stats_session){
		.second = second,
		.agent = g->agent,
		.shared = __builtin_popcountll(g->addresses) > STATS_SHARED,
	};
	memcpy(s->session.country, g->country, 2);
}

/* 99 % of the size, exactly. */
static bool is_complete(uint64_t bytes, uint64_t size)
{
	return size - bytes <= size / 100;
}

static int end(struct sum *s, stats_session_fn *fn, void *ctx, struct err *e)
{
	if (!s->open)
		return 0;
	uint64_t ranges = union_bytes(s->ranges, s->count);
	s->session.bytes = s->bytes > s->size - ranges ? s->size : ranges + s->bytes;
	if (is_complete(s->session.bytes, s->size) && s->session.bytes)
		s->session.outcome = STATS_COMPLETE;
	else if (s->last_failed > s->last_ok)
		s->session.outcome = STATS_FAILURE;
	else if (s->session.bytes)
		s->session.outcome = STATS_PARTIAL;
	else
		return 0;
	return fn(ctx, &s->session, e);
}

/* Adds what the client did on the next day, before the window ends. */
static void add_next(struct sum *s, const struct stats_groups *next, struct stats_group *g)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct stats_event *v = &next->events[g->from + i];
		if (v->second >= s->session.second)
			break;
		if (v->second >= g->taken)
			add_event(s, v, (int64_t)v->second + STATS_WINDOW_S);
	}
	g->taken = MAX(g->taken, s->session.second);
}

/* The window is a day long, so the requests of one day that are not taken are one session, and
 * what the client did on the next day may belong to it. */
static int each(struct sum *s, const struct stats_groups *day, const struct stats_group *g,
		const struct stats_groups *next, struct stats_group *after, stats_session_fn *fn,
		void *ctx, struct err *e)
{
	bool begun = false;
	for (size_t i = 0; i < g->count; i++) {
		const struct stats_event *v = &day->events[g->from + i];
		if (v->second < g->taken)
			continue;
		if (!begun)
			begin(s, g, v->second);
		begun = true;
		add_event(s, v, v->second);
	}
	if (!begun)
		return 0;
	if (after)
		add_next(s, next, after);
	return end(s, fn, ctx, e);
}

/* ---- who a client was on the day before ---- */

static int compare_before(const void *x, const void *y)
{
	const struct stats_group *a = *(struct stats_group *const *)x;
	const struct stats_group *b = *(struct stats_group *const *)y;
	if (a->token != b->token)
		return a->token ? 1 : -1;
	return a->before < b->before ? -1 : a->before > b->before;
}

/* The groups that know it, sorted by the key of the day before. */
static size_t sort_before(struct stats_groups *next, struct stats_group ***out)
{
	size_t count = 0;
	struct stats_group **at = mem_alloc((next->count + 1) * sizeof *at);
	for (size_t i = 0; i < next->count; i++)
		if (next->at[i].has_before)
			at[count++] = &next->at[i];
	qsort(at, count, sizeof *at, compare_before);
	*out = at;
	return count;
}

static struct stats_group *find_after(struct stats_group **at, size_t count,
				      const struct stats_group *g)
{
	const struct stats_group want = { .before = g->key, .token = g->token }, *key = &want;
	struct stats_group **found = count ? bsearch(&key, at, count, sizeof *at, compare_before)
					   : NULL;
	return found ? *found : NULL;
}

int stats_sessions_each(const struct stats_groups *day, struct stats_groups *next, uint64_t size,
			stats_session_fn *fn, void *ctx, struct err *e)
{
	struct sum s = { .size = size };
	CLEANUP(mem_free_ptr) struct stats_group **before = NULL;
	size_t count = next ? sort_before(next, &before) : 0;
	int rc = 0;
	for (size_t i = 0; i < day->count && rc == 0; i++)
		rc = each(&s, day, &day->at[i], next, find_after(before, count, &day->at[i]), fn,
			  ctx, e);
	free(s.ranges);
	return rc;
}
