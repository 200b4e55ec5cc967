#include "stats/group.h"

#include "util/mem.h"

#include <string.h>

#define VERSION 1
#define DAY_SECONDS 86400

void stats_groups_release(struct stats_groups *g)
{
	free(g->at);
	free(g->events);
	*g = (struct stats_groups){ 0 };
}

void stats_groups_begin(struct stats_groups *g, const struct stats_group *head)
{
	g->at = mem_grow(g->at, g->count, &g->cap, sizeof *g->at);
	g->at[g->count] = *head;
	g->at[g->count].from = g->event_count;
	g->at[g->count++].count = 0;
}

void stats_groups_event(struct stats_groups *g, const struct stats_event *v)
{
	g->events = mem_grow(g->events, g->event_count, &g->event_cap, sizeof *g->events);
	g->events[g->event_count++] = *v;
	g->at[g->count - 1].count++;
}

/* ---- order ---- */

static int compare_keys(const struct stats_group *a, const struct stats_group *b)
{
	if (a->token != b->token)
		return a->token ? 1 : -1;
	return a->key < b->key ? -1 : a->key > b->key;
}

static int compare_groups(const void *a, const void *b)
{
	return compare_keys(a, b);
}

static int compare_events(const void *x, const void *y)
{
	const struct stats_event *a = x, *b = y;
	if (a->second != b->second)
		return a->second < b->second ? -1 : 1;
	if (a->mirror != b->mirror)
		return a->mirror < b->mirror ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

static bool is_sorted(const struct stats_event *v, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (compare_events(&v[i - 1], &v[i]) > 0)
			return false;
	return true;
}

static uint64_t sum_capped(uint64_t a, uint64_t b)
{
	uint64_t sum;
	return add_u64(a, b, &sum) ? sum : UINT64_MAX;
}

/* Joins b, which is not before a, to it: only events that no session can tell apart. */
static bool join(struct stats_event *a, const struct stats_event *b)
{
	if (a->second != b->second || a->mirror != b->mirror || a->kind != b->kind)
		return false;
	if (a->kind == STATS_BYTES)
		a->bytes = sum_capped(a->bytes, b->bytes);
	if (a->kind != STATS_RANGE)
		return true;
	uint64_t end = sum_capped(a->first, a->bytes), other = sum_capped(b->first, b->bytes);
	if (b->first > end)
		return false;
	a->bytes = MAX(end, other) - a->first;
	return true;
}

/* Sorts events and joins what can be joined; returns how many are left. */
static size_t settle_events(struct stats_event *v, size_t count)
{
	if (!is_sorted(v, count))
		qsort(v, count, sizeof *v, compare_events);
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (!kept || !join(&v[kept - 1], &v[i]))
			v[kept++] = v[i];
	return kept;
}

/* ---- joining groups ---- */

/* The country is that of the earliest request: of two in the same second, the first by name. */
static void join_country(struct stats_group *a, uint32_t first_a, const struct stats_group *b,
			 uint32_t first_b)
{
	bool known_a = a->country[0] != 0, known_b = b->country[0] != 0;
	bool swap = !known_a || first_b < first_a ||
		    (first_b == first_a && memcmp(b->country, a->country, 2) < 0);
	if (known_b && swap)
		memcpy(a->country, b->country, 2);
}

static void join_head(struct stats_group *a, uint32_t first_a, const struct stats_group *b,
		      uint32_t first_b)
{
	join_country(a, first_a, b, first_b);
	a->addresses |= b->addresses;
	a->taken = MAX(a->taken, b->taken);
	a->agent = MIN(a->agent, b->agent);
	if (b->has_before) {
		a->has_before = true;
		a->before = b->before;
	}
}

static uint32_t first_second(const struct stats_event *v, size_t count)
{
	uint32_t first = DAY_SECONDS;
	for (size_t i = 0; i < count; i++)
		first = MIN(first, v[i].second);
	return first;
}

/* Appends the group with its events to `out`, joined to the last one if it is the same client. */
static void append(struct stats_groups *out, const struct stats_group *g,
		   const struct stats_event *v)
{
	struct stats_group *last = out->count ? &out->at[out->count - 1] : NULL;
	if (!last || compare_keys(last, g) != 0)
		stats_groups_begin(out, g);
	else
		join_head(last, first_second(out->events + last->from, last->count), g,
			  first_second(v, g->count));
	for (size_t i = 0; i < g->count; i++)
		stats_groups_event(out, &v[i]);
}

static void finish_last(struct stats_groups *out)
{
	if (!out->count)
		return;
	struct stats_group *g = &out->at[out->count - 1];
	g->count = settle_events(out->events + g->from, g->count);
	out->event_count = g->from + g->count;
}

/* Takes the next group of a sorted list. */
static void take(struct stats_groups *out, const struct stats_groups *list, size_t *at)
{
	const struct stats_group *g = &list->at[(*at)++];
	if (out->count && compare_keys(&out->at[out->count - 1], g) != 0)
		finish_last(out);
	append(out, g, list->events + g->from);
}

void stats_groups_settle(struct stats_groups *g)
{
	struct stats_groups out = { 0 };
	if (g->count)
		qsort(g->at, g->count, sizeof *g->at, compare_groups);
	for (size_t i = 0; i < g->count;)
		take(&out, g, &i);
	finish_last(&out);
	stats_groups_release(g);
	*g = out;
}

void stats_groups_merge(const struct stats_groups *a, const struct stats_groups *b,
			struct stats_groups *out)
{
	size_t i = 0, k = 0;
	while (i < a->count || k < b->count) {
		bool from_a = k == b->count ||
			      (i < a->count && compare_keys(&a->at[i], &b->at[k]) <= 0);
		take(out, from_a ? a : b, from_a ? &i : &k);
	}
	finish_last(out);
}

/* ---- the stored form ---- */

static void put_number(struct buf *out, uint64_t n)
{
	uint8_t bytes[10];
	size_t len = 0;
	for (; n >= 0x80; n >>= 7)
		bytes[len++] = (uint8_t)(n | 0x80);
	bytes[len++] = (uint8_t)n;
	buf_add(out, bytes, len);
}

static void put_key(struct buf *out, uint64_t key)
{
	uint8_t bytes[8];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(key >> (8 * i));
	buf_add(out, bytes, sizeof bytes);
}

enum { FLAG_TOKEN = 1, FLAG_BEFORE = 2, FLAG_TAKEN = 4, FLAG_COUNTRY = 8 };

static void put_head(struct buf *out, const struct stats_group *g)
{
	unsigned flags = (g->token ? FLAG_TOKEN : 0) | (g->has_before ? FLAG_BEFORE : 0) |
			 (g->taken ? FLAG_TAKEN : 0) | (g->country[0] ? FLAG_COUNTRY : 0);
	buf_addc(out, (char)flags);
	put_key(out, g->key);
	if (g->has_before && !g->token)
		put_key(out, g->before);
	if (g->token)
		put_key(out, g->addresses);
	if (g->taken)
		put_number(out, g->taken);
	if (g->country[0])
		buf_add(out, g->country, 2);
	buf_addc(out, (char)g->agent);
	put_number(out, g->count);
}

void stats_groups_encode(const struct stats_groups *g, struct buf *out)
{
	buf_addc(out, VERSION);
	put_number(out, g->count);
	for (size_t i = 0; i < g->count; i++) {
		put_head(out, &g->at[i]);
		uint32_t second = 0;
		for (size_t k = 0; k < g->at[i].count; k++) {
			const struct stats_event *v = &g->events[g->at[i].from + k];
			put_number(out, v->second - second);
			second = v->second;
			buf_addc(out, (char)(v->kind * STATS_MIRRORS + v->mirror));
			if (v->kind == STATS_RANGE)
				put_number(out, v->first);
			if (v->kind != STATS_FAILED)
				put_number(out, v->bytes);
		}
	}
}

struct reader {
	const uint8_t *at, *end;
	bool bad; /* it ended early, or a number is too large: all further values are 0 */
};

static uint8_t get_byte(struct reader *r)
{
	if (r->at == r->end)
		r->bad = true;
	return r->bad ? 0 : *r->at++;
}

static uint64_t get_number(struct reader *r, uint64_t max)
{
	uint64_t n = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = get_byte(r);
		n |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		r->bad |= n > max;
		return r->bad ? 0 : n;
	}
	r->bad = true;
	return 0;
}

static uint64_t get_key(struct reader *r)
{
	uint64_t key = 0;
	for (unsigned i = 0; i < 8; i++)
		key |= (uint64_t)get_byte(r) << (8 * i);
	return key;
}

static uint64_t get_head(struct reader *r, struct stats_group *g)
{
	unsigned flags = get_byte(r);
	g->token = flags & FLAG_TOKEN;
	g->has_before = flags & FLAG_BEFORE;
	g->key = get_key(r);
	if (g->has_before)
		g->before = g->token ? g->key : get_key(r);
	if (g->token)
		g->addresses = get_key(r);
	if (flags & FLAG_TAKEN)
		g->taken = (uint32_t)get_number(r, DAY_SECONDS);
	if (flags & FLAG_COUNTRY) {
		g->country[0] = (char)get_byte(r);
		g->country[1] = (char)get_byte(r);
	}
	g->agent = get_byte(r);
	return get_number(r, UINT32_MAX);
}

static void get_event(struct reader *r, uint32_t *second, struct stats_event *v)
{
	*second += (uint32_t)get_number(r, DAY_SECONDS - 1 - *second);
	v->second = *second;
	uint8_t what = get_byte(r);
	v->kind = what / STATS_MIRRORS;
	v->mirror = what % STATS_MIRRORS;
	r->bad |= v->kind > STATS_FAILED;
	if (v->kind == STATS_RANGE)
		v->first = get_number(r, UINT64_MAX);
	if (v->kind != STATS_FAILED)
		v->bytes = get_number(r, UINT64_MAX);
}

int stats_groups_decode(const void *data, size_t len, struct stats_groups *out, struct err *e)
{
	struct reader r = { data, (const uint8_t *)data + len, false };
	struct stats_groups g = { 0 };
	r.bad = get_byte(&r) != VERSION;
	uint64_t count = get_number(&r, UINT32_MAX);
	for (uint64_t i = 0; i < count && !r.bad; i++) {
		struct stats_group head = { 0 };
		uint64_t events = get_head(&r, &head);
		r.bad |= events == 0 || (g.count && compare_keys(&g.at[g.count - 1], &head) >= 0);
		stats_groups_begin(&g, &head);
		uint32_t second = 0;
		for (uint64_t k = 0; k < events && !r.bad; k++) {
			struct stats_event v = { 0 };
			get_event(&r, &second, &v);
			stats_groups_event(&g, &v);
		}
	}
	if (r.bad || r.at != r.end) {
		stats_groups_release(&g);
		return err_set(e, ERR_INTEGRITY, "the requests of a day are damaged");
	}
	*out = g;
	return 0;
}
