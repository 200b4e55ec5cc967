/* How many requests are hits, when a tenth of the objects has room. */
#include "serve/cache/cache_internal.h"

#include "stocked.h"
#include "unit.h"
#include "util/mem.h"

#define OBJECTS 30000
#define ROOM (OBJECTS / 10)
#define REQUESTS 200000
#define SIZE 4096

struct world {
	struct stocked *s;
	struct cache *c;
	struct digest *digests;
	double *sums; /* of the frequencies up to each object */
	uint64_t chance;
};

static double next_chance(struct world *w)
{
	/* xorshift64 */
	w->chance ^= w->chance << 13;
	w->chance ^= w->chance >> 7;
	w->chance ^= w->chance << 17;
	return (double)(w->chance >> 11) / (double)((uint64_t)1 << 53);
}

static size_t next_object(struct world *w)
{
	double at = next_chance(w) * w->sums[OBJECTS - 1];
	size_t from = 0, to = OBJECTS - 1;
	while (from < to) {
		size_t middle = (from + to) / 2;
		if (w->sums[middle] < at)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Newton's method. */
static double tenth_root(double x)
{
	double r = 3;
	for (int i = 0; i < 40; i++) {
		double r3 = r * r * r;
		r -= (r - x / (r3 * r3 * r3)) / 10;
	}
	return r;
}

/* Zipf's law with the exponent 1.1. */
static double frequency(size_t rank)
{
	return 1 / ((double)rank * tenth_root((double)rank));
}

static int set_up(void **state)
{
	struct world *w = NEW(struct world);
	struct err e = ERR_INIT;
	w->s = stocked_new();
	struct cache_options o = { .home = w->s->store.home, .size = (uint64_t)ROOM * SIZE };
	assert_ok(cache_new(&o, &w->c, &e), &e);
	w->digests = mem_alloc(OBJECTS * sizeof *w->digests);
	w->sums = mem_alloc(OBJECTS * sizeof *w->sums);
	w->chance = 88172645463325252u;
	double sum = 0;
	for (size_t i = 0; i < OBJECTS; i++) {
		sha256_of(&i, sizeof i, &w->digests[i]);
		w->sums[i] = sum += frequency(i + 1);
	}
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	cache_free(w->c);
	stocked_free(w->s);
	free(w->digests);
	free(w->sums);
	free(w);
	return 0;
}

static bool use(struct cache *c, const struct digest *d)
{
	pthread_mutex_lock(&c->lock);
	struct object *o = cache_object_find(c, d);
	if (o)
		order_use(&c->objects, &o->item);
	pthread_mutex_unlock(&c->lock);
	return o;
}

/* Its file is only pretended. */
static bool ask(struct world *w, size_t i)
{
	const struct digest *d = &w->digests[i];
	const struct stamp s = { .size = SIZE };
	struct err e = ERR_INIT;
	if (use(w->c, d))
		return true;
	assert_ok(cache_make_room(w->c, d, SIZE, &e), &e);
	pthread_mutex_lock(&w->c->lock);
	cache_object_put(w->c, d, &s, true);
	bool fits = w->c->bytes <= w->c->o.size;
	pthread_mutex_unlock(&w->c->lock);
	cache_room_taken(w->c, d);
	assert_true(fits);
	return false;
}

/* A plain one: the least recently used is what was asked for first, and not again since. */
struct replay {
	uint64_t used[OBJECTS]; /* the last request for it; 0: it is not there */
	size_t asked[REQUESTS + 1], count;
	uint64_t first; /* none before this is the last one for its object */
};

static size_t oldest(struct replay *r)
{
	while (r->used[r->asked[r->first]] != r->first)
		r->first++;
	return r->asked[r->first];
}

static bool replay(struct replay *r, uint64_t now, size_t i)
{
	bool hit = r->used[i] != 0;
	if (!hit && r->count == ROOM)
		r->used[oldest(r)] = 0;
	else
		r->count += !hit;
	r->used[i] = now;
	r->asked[now] = i;
	return hit;
}

static void the_hit_ratio_is_that_of_least_recently_used(void **state)
{
	struct world *w = *state;
	CLEANUP(mem_free_ptr) struct replay *r = NEW(struct replay);
	size_t hits = 0, replayed = 0;
	r->first = 1;
	/* The first requests only fill it. */
	for (uint64_t n = 1; n <= REQUESTS; n++) {
		size_t i = next_object(w);
		bool hit = ask(w, i), same = replay(r, n, i);
		if (n <= REQUESTS / 4)
			continue;
		hits += hit;
		replayed += same;
	}
	double ratio = (double)hits / (REQUESTS * 0.75);
	double wanted = (double)replayed / (REQUESTS * 0.75);
	print_message("hits: %.1f %%, of a replay: %.1f %%\n", 100 * ratio, 100 * wanted);
	assert_true(ratio > 0.80);
	assert_true(ratio - wanted < 0.03 && wanted - ratio < 0.03);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_hit_ratio_is_that_of_least_recently_used,
						set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
