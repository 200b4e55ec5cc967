/* Objects on their way: an edge's pulls from mirrors that are held up, and lie, on demand. The
 * views are made by hand: of their functions, those here are used. */
#include "serve/cache/pull.h"

#include "fake_clock.h"
#include "fetch/engine.h"
#include "unit.h"
#include "util/mem.h"

#include <pthread.h>

#define PIECE (8 * MIB)
#define PIECES 4
#define SIZE (PIECE * (PIECES - 1) + 1000)
#define FILES 4

/* -- a view ------------------------------------------------------------------------------------ */

struct view {
	struct repository_file files[FILES];
	struct digest pieces[PIECES];
	struct catalog catalog;
	uint64_t version;
	_Atomic unsigned refs;
};

struct view *view_ref(struct view *v)
{
	v->refs++;
	return v;
}

void view_unref(struct view *v)
{
	v->refs--;
}

const char *view_repository(const struct view *v)
{
	(void)v;
	return "demo";
}

uint64_t view_version(const struct view *v)
{
	return v->version;
}

const struct catalog *view_catalog(const struct view *v)
{
	return &v->catalog;
}

int view_read_places(void *ctx, const struct source *s, struct mirror *m, struct err *e)
{
	(void)ctx;
	(void)m;
	return err_set(e, ERR_INTEGRITY, "mirror %s has no places", s->id);
}

int view_pieces(struct view *v, const struct view_file *f, const struct view_read *how,
		struct tree_pieces *out, struct err *e)
{
	(void)how;
	assert_ok(grid_for(f->file->size, &out->grid, e), e);
	out->at = mem_alloc(sizeof v->pieces);
	memcpy(out->at, v->pieces, sizeof v->pieces);
	if (f->file->size < PIECE)
		out->at[0] = f->file->sha256;
	return 0;
}

/* -- mirrors ----------------------------------------------------------------------------------- */

struct place {
	unsigned gets;
	uint64_t bytes;
	uint64_t first[64]; /* offsets of the first requests */
	bool lies, fails;
};

static struct {
	unsigned char *data;
	struct place a, b;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t held; /* requests from this offset on wait */
	unsigned waiting;
	char last_key[64], keys[8][64];
	unsigned key_count;
} world;

static int place_open(struct mirror *m, const struct conf *c, const struct conf_section *s,
		      struct err *e)
{
	(void)c, (void)s, (void)e;
	atomic_store(&m->can, MIRROR_CAN_RANGE);
	return 0;
}

static void note_key(const char *key)
{
	if (strcmp(world.last_key, key) != 0 && world.key_count < ARRAY_LEN(world.keys))
		snprintf(world.keys[world.key_count++], sizeof world.keys[0], "%s", key);
	snprintf(world.last_key, sizeof world.last_key, "%s", key);
}

static int place_get(struct mirror_connection *c, const struct mirror_range *r,
		     const struct mirror_sink *sink, struct err *e)
{
	struct place *p = strstr(c->mirror->url, "//a") ? &world.a : &world.b;
	uint64_t size = strstr(r->key, "small") ? 1000 : SIZE;
	uint64_t length = MIN(r->length, size - r->offset);
	pthread_mutex_lock(&world.lock);
	note_key(r->key);
	if (p->gets < ARRAY_LEN(p->first))
		p->first[p->gets] = r->offset;
	p->gets++;
	world.waiting++;
	pthread_cond_broadcast(&world.changed);
	while (r->offset >= world.held && !cancel_signal(r->cancel))
		pthread_cond_wait(&world.changed, &world.lock);
	world.waiting--;
	bool lies = p->lies, fails = p->fails;
	p->bytes += fails ? 0 : length;
	pthread_mutex_unlock(&world.lock);
	if (fails)
		return err_set(e, ERR_NETWORK, "%s is down", c->mirror->url);
	int rc = cancel_check(r->cancel, e);
	if (rc == 0 && lies)
		return sink->write(sink->ctx, world.data + 1, (size_t)length, e);
	return rc == 0 ? sink->write(sink->ctx, world.data + r->offset, (size_t)length, e) : rc;
}

static const struct mirror_ops kind = {
	.kind = "http",
	.schemes = (const char *const[]){ "test://", NULL },
	.open = place_open,
	.get = place_get,
};

static void hold_from(uint64_t offset)
{
	pthread_mutex_lock(&world.lock);
	world.held = offset;
	pthread_cond_broadcast(&world.changed);
	pthread_mutex_unlock(&world.lock);
}

static void await_requests(unsigned waiting)
{
	pthread_mutex_lock(&world.lock);
	while (world.waiting < waiting)
		pthread_cond_wait(&world.changed, &world.lock);
	pthread_mutex_unlock(&world.lock);
}

/* -- a reader ---------------------------------------------------------------------------------- */

struct reader {
	struct pull *pull;
	struct cache_wait wait;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	unsigned wakes;
};

static void wake(void *ctx)
{
	struct reader *r = ctx;
	pthread_mutex_lock(&r->lock);
	r->wakes++;
	pthread_cond_broadcast(&r->woken);
	pthread_mutex_unlock(&r->lock);
}

static void want(struct reader *r, uint64_t offset, uint64_t end)
{
	r->wait = (struct cache_wait){ .offset = offset, .end = end, .wake = wake, .ctx = r };
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->woken, NULL);
	r->wakes = 0;
	pull_wait(r->pull, &r->wait);
}

static bool has_woken(struct reader *r)
{
	pthread_mutex_lock(&r->lock);
	bool woken = r->wakes > 0;
	pthread_mutex_unlock(&r->lock);
	return woken;
}

static void await(struct reader *r)
{
	pthread_mutex_lock(&r->lock);
	while (!r->wakes)
		pthread_cond_wait(&r->woken, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

/* All of it, as it comes. */
static int64_t read_all(struct reader *r, uint64_t from, struct err *e)
{
	uint64_t at = from, size = pull_size(r->pull);
	unsigned char *got = mem_alloc(PIECE);
	int64_t n = 1;
	while (at < size && n >= 0) {
		want(r, at, size);
		await(r);
		n = pull_read(r->pull, at, got, PIECE, e);
		for (int64_t i = 0; i < n; i += 4099)
			assert_int_equal(got[i], world.data[at + (uint64_t)i]);
		at += n > 0 ? (uint64_t)n : 0;
	}
	free(got);
	return n < 0 ? n : (int64_t)(at - from);
}

/* -- the fixture ------------------------------------------------------------------------------- */

struct fixture {
	char *dir;
	struct store store;
	struct view view;
	struct settings_repository repository;
	struct settings_repositories repositories;
	struct settings_fetch fetch;
	struct fake_clock clock;
	struct pulls_options options;
	struct pulls *pulls;
	struct view_file large, unlisted, small, other;
	_Atomic unsigned ended, failed;
	_Atomic bool full;
};

static int room(void *ctx, const struct digest *sha256, uint64_t bytes, struct err *e)
{
	struct fixture *f = ctx;
	(void)sha256, (void)bytes;
	return f->full ? err_set(e, ERR_SYSTEM, "no room") : 0;
}

static void ended(void *ctx, const struct digest *sha256, uint64_t size, const struct err *why)
{
	struct fixture *f = ctx;
	if (why->class)
		f->failed++;
	else
		f->ended += store_has(&f->store, sha256, size);
}

static void add_file(struct fixture *f, size_t i, char *key, uint64_t size, char *manifest,
		     struct view_file *out)
{
	struct repository_file *file = &f->view.files[i];
	*file = (struct repository_file){
		.key = key, .class = REPOSITORY_OBJECT, .size = size, .manifest_key = manifest
	};
	sha256_of(world.data, size, &file->sha256);
	*out = (struct view_file){ .file = file };
}

static int set_up(void **state)
{
	static char name[] = "demo", urls[][16] = { "test://a", "test://b" },
		    *metadata[] = { urls[0], urls[1] };
	static char keys[][40] = { "targets/models/m/large.gguf", "targets/models/m/unlisted.gguf",
				   "targets/models/m/small.card.json",
				   "targets/models/m/small.other.json", "large.manifest.json" };
	struct err e = ERR_INIT;
	struct fixture *f = NEW(struct fixture);
	f->dir = scratch_new();
	fake_clock_init(&f->clock);
	assert_ok(store_open(f->dir, &f->store, &e), &e);
	memset(&world.a, 0, sizeof world.a);
	memset(&world.b, 0, sizeof world.b);
	world.held = UINT64_MAX;
	world.key_count = 0;
	world.last_key[0] = '\0';
	f->view.version = 1;
	for (size_t i = 0; i < PIECES; i++)
		sha256_of(world.data + i * PIECE, MIN(PIECE, SIZE - i * PIECE), &f->view.pieces[i]);
	add_file(f, 0, keys[0], SIZE, keys[4], &f->large);
	add_file(f, 1, keys[1], SIZE, NULL, &f->unlisted);
	add_file(f, 2, keys[2], 1000, NULL, &f->small);
	add_file(f, 3, keys[3], 1000, NULL, &f->other);
	f->view.files[3].size = 999;
	sha256_of(world.data, 999, &f->view.files[3].sha256);
	f->repository = (struct settings_repository){ .name = name,
						      .metadata = { metadata, 2, 2 } };
	f->repositories = (struct settings_repositories){ .at = &f->repository, .count = 1 };
	f->fetch = (struct settings_fetch)SETTINGS_FETCH_DEFAULT;
	f->fetch.connections = 1;
	f->fetch.retries = 2;
	static const struct mirror_ops *const kinds[] = { &kind, NULL };
	f->options = (struct pulls_options){
		.store = &f->store,
		.kinds = kinds,
		.repositories = &f->repositories,
		.fetch = &f->fetch,
		.pulls = 1,
		.clock = &f->clock.clock,
		.random = &random_largest,
		.room = room,
		.ended = ended,
		.ctx = f,
	};
	assert_ok(pulls_new(&f->options, &f->pulls, &e), &e);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	hold_from(UINT64_MAX);
	pulls_free(f->pulls);
	store_close(&f->store);
	scratch_free(f->dir);
	free(f);
	return 0;
}

/* The second place does not have anything. */
static void leave_one_source(struct fixture *f)
{
	f->repository.metadata.count = 1;
}

/* -- tests ------------------------------------------------------------------------------------- */

static void a_reader_gets_each_piece_when_it_is_verified(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	leave_one_source(f);
	hold_from(PIECE);
	struct reader r = { .pull = pull_open(f->pulls, &f->view, &f->large, PULL_READER) };
	want(&r, 0, SIZE);
	await(&r);
	assert_int_equal(pull_ready(r.pull, 0, SIZE, &e), PIECE);
	assert_int_equal(pull_ready(r.pull, 5, 100, &e), 100);
	assert_int_equal(pull_ready(r.pull, PIECE, SIZE, &e), 0);
	assert_int_equal(pull_ready(r.pull, SIZE, 1, &e), 0);
	assert_false(pull_is_whole(r.pull));
	CLEANUP(buf_release) struct buf map = BUF_INIT(16);
	assert_ok(pull_map(r.pull, &map, &e), &e);
	assert_int_equal(map.len, 1);
	assert_int_equal((unsigned char)map.data[0], 0x80);
	hold_from(UINT64_MAX);
	assert_int_equal(read_all(&r, 3, &e), SIZE - 3);
	pull_close(r.pull);
	assert_int_equal(world.a.bytes, SIZE);
}

static void the_object_is_in_the_store_before_its_end_is_told(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct reader r = { .pull = pull_open(f->pulls, &f->view, &f->unlisted, PULL_READER) };
	/* Nothing of a file whose pieces are not listed can be read before. */
	assert_int_equal(read_all(&r, 0, &e), SIZE);
	assert_true(pull_is_whole(r.pull));
	assert_int_equal(f->ended, 1);
	pull_close(r.pull);
}

/* Which request of the first place it was. */
static unsigned request_for(uint64_t offset)
{
	unsigned i = 0;
	pthread_mutex_lock(&world.lock);
	while (i < MIN(world.a.gets, ARRAY_LEN(world.a.first)) && world.a.first[i] != offset)
		i++;
	pthread_mutex_unlock(&world.lock);
	return i;
}

static void what_a_reader_waits_for_comes_next(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	leave_one_source(f);
	hold_from(0);
	struct reader r = { .pull = pull_open(f->pulls, &f->view, &f->large, PULL_READER) };
	await_requests(1);
	want(&r, 3 * PIECE + 7, SIZE);
	hold_from(UINT64_MAX);
	await(&r);
	assert_int_equal(pull_ready(r.pull, 3 * PIECE + 7, SIZE, &e), 993);
	assert_int_equal(world.a.first[0], 0);
	assert_true(request_for(3 * PIECE) < request_for(PIECE));
	pull_close(r.pull);
}

#define READERS 200

static void *read_it(void *arg)
{
	struct reader *r = arg;
	struct err e = ERR_INIT;
	assert_int_equal(read_all(r, 0, &e), SIZE);
	pull_close(r->pull);
	return NULL;
}

static void however_many_read_it_is_fetched_once(void **state)
{
	struct fixture *f = *state;
	static struct reader all[READERS];
	pthread_t threads[READERS];
	for (size_t i = 0; i < READERS; i++) {
		all[i].pull = pull_open(f->pulls, &f->view, &f->large, PULL_READER);
		assert_ptr_equal(all[i].pull, all[0].pull);
	}
	for (size_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_it, &all[i]), 0);
	for (size_t i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(world.a.bytes + world.b.bytes, SIZE);
	struct pulls_stats s;
	pulls_stats(f->pulls, &s);
	assert_int_equal(s.fetched_bytes, SIZE);
	assert_int_equal(s.peer_bytes + s.resumed_bytes + s.wrong_pieces, 0);
}

static void a_liar_is_not_asked_by_the_next_pull(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	world.a.lies = true;
	struct reader r = { .pull = pull_open(f->pulls, &f->view, &f->large, PULL_READER) };
	assert_int_equal(read_all(&r, 0, &e), SIZE);
	pull_close(r.pull);
	unsigned gets = world.a.gets;
	assert_true(gets > 0);
	r.pull = pull_open(f->pulls, &f->view, &f->small, PULL_READER);
	assert_int_equal(read_all(&r, 0, &e), 1000);
	pull_close(r.pull);
	assert_int_equal(world.a.gets, gets);
	/* But again after a while. */
	f->clock.now_us += (PULL_BAN_S + 1) * 1000000ULL;
	world.a.lies = false;
	world.b.fails = true;
	r.pull = pull_open(f->pulls, &f->view, &f->other, PULL_READER);
	int64_t n = read_all(&r, 0, &e);
	assert_ok(n < 0 ? (int)n : 0, &e);
	pull_close(r.pull);
	struct pulls_stats s;
	pulls_stats(f->pulls, &s);
	assert_in_range(s.wrong_pieces, 1, PIECES);
}

static void read_small(struct fixture *f, struct view *v)
{
	CLEANUP(buf_release) struct buf got = BUF_INIT(1000);
	struct err e = ERR_INIT;
	assert_ok(pulls_read_small(f->pulls, v, &f->small, &got, &e), &e);
	assert_int_equal(got.len, 1000);
}

/* Lists of sources are kept, and each of them keeps its release in memory. */
static void no_list_of_an_earlier_release_is_kept(void **state)
{
	static struct view later;
	struct fixture *f = *state;
	later = f->view;
	later.version++;
	read_small(f, &f->view);
	assert_int_equal(f->view.refs, 1);
	read_small(f, &later);
	assert_int_equal(f->view.refs, 0);
	assert_int_equal(later.refs, 1);
	/* A client that began with it. */
	read_small(f, &f->view);
	assert_int_equal(f->view.refs, 0);
	pulls_free(f->pulls);
	f->pulls = NULL;
	assert_int_equal(later.refs, 0);
}

static int64_t read_other(struct fixture *f, const struct view_file *file, struct err *e)
{
	struct reader r = { .pull = pull_open(f->pulls, &f->view, file, PULL_READER) };
	int64_t n = read_all(&r, 0, e);
	pull_close(r.pull);
	return n;
}

static void if_all_have_lied_they_are_asked_again_soon(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	world.a.lies = world.b.lies = true;
	assert_int_equal(read_other(f, &f->large, &e), -ERR_INTEGRITY);
	world.a.lies = world.b.lies = false;
	unsigned gets = world.a.gets + world.b.gets;
	assert_true(read_other(f, &f->small, &e) < 0);
	assert_int_equal(world.a.gets + world.b.gets, gets);
	f->clock.now_us += (PULL_BAN_LEAST_S + 1) * 1000000ULL;
	err_clear(&e);
	int64_t n = read_other(f, &f->large, &e);
	assert_ok(n < 0 ? (int)n : 0, &e);
	assert_int_equal(n, SIZE);
}

static void readers_are_told_of_a_failure_and_not_each_of_them_tries_again(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	world.a.fails = world.b.fails = true;
	struct reader r = { .pull = pull_open(f->pulls, &f->view, &f->large, PULL_READER) };
	assert_int_equal(read_all(&r, 0, &e), -ERR_NETWORK);
	pull_close(r.pull);
	unsigned gets = world.a.gets;
	r.pull = pull_open(f->pulls, &f->view, &f->large, PULL_READER);
	err_clear(&e);
	assert_int_equal(read_all(&r, 0, &e), -ERR_NETWORK);
	pull_close(r.pull);
	assert_int_equal(world.a.gets, gets);
	world.a.fails = world.b.fails = false;
	f->clock.now_us += 61 * 1000000ULL;
	r.pull = pull_open(f->pulls, &f->view, &f->large, PULL_READER);
	err_clear(&e);
	assert_int_equal(read_all(&r, 0, &e), SIZE);
	pull_close(r.pull);
	assert_int_equal(f->failed, 1);
}

/* However often it is asked for: others may be done with the room at any time. */
static void room_is_looked_for_again_soon(void **state)
{
	struct fixture *f = *state;
	f->full = true;
	for (int i = 0; i < 5; i++) {
		struct err e = ERR_INIT;
		struct reader r = { .pull = pull_open(f->pulls, &f->view, &f->large, PULL_READER) };
		assert_int_equal(read_all(&r, 0, &e), -ERR_SYSTEM);
		pull_close(r.pull);
		f->clock.now_us += 2 * 1000000ULL;
	}
	f->full = false;
	struct err e = ERR_INIT;
	struct reader r = { .pull = pull_open(f->pulls, &f->view, &f->large, PULL_READER) };
	assert_int_equal(read_all(&r, 0, &e), SIZE);
	pull_close(r.pull);
}

static void what_has_readers_comes_before_what_has_none(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	hold_from(0);
	struct pull *first = pull_open(f->pulls, &f->view, &f->large, PULL_READER);
	await_requests(1);
	struct pull *preload = pull_open(f->pulls, &f->view, &f->other, PULL_PRELOAD);
	struct reader r = { .pull = pull_open(f->pulls, &f->view, &f->small, PULL_READER) };
	struct pulls_stats s;
	pulls_stats(f->pulls, &s);
	assert_int_equal(s.pulling, 1);
	assert_int_equal(s.queued, 2);
	hold_from(UINT64_MAX);
	struct reader last = { .pull = preload };
	assert_int_equal(read_all(&last, 0, &e), 999);
	assert_int_equal(read_all(&r, 0, &e), 1000);
	assert_string_equal(world.keys[1], f->small.file->key);
	assert_string_equal(world.keys[2], f->other.file->key);
	pull_close(first);
	pull_close(preload);
	pull_close(r.pull);
}

static void what_nobody_waits_for_any_more_is_not_begun(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	hold_from(0);
	struct reader r = { .pull = pull_open(f->pulls, &f->view, &f->large, PULL_READER) };
	await_requests(1);
	struct reader gone = { .pull = pull_open(f->pulls, &f->view, &f->small, PULL_READER) };
	want(&gone, 0, 1000);
	pull_forget(gone.pull, &gone.wait);
	pull_close(gone.pull);
	hold_from(UINT64_MAX);
	assert_int_equal(read_all(&r, 0, &e), SIZE);
	pull_close(r.pull);
	assert_int_equal(world.key_count, 1);
	assert_int_equal(gone.wakes, 0);
}

static void a_stopped_edge_goes_on_where_it_was(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	leave_one_source(f);
	hold_from(2 * PIECE);
	struct reader r = { .pull = pull_open(f->pulls, &f->view, &f->large, PULL_READER) };
	for (uint64_t at = 0; at < 2 * PIECE; at += PIECE) {
		want(&r, at, SIZE);
		await(&r);
	}
	want(&r, 2 * PIECE, SIZE);
	await_requests(1);
	pthread_t stopper;
	assert_int_equal(pthread_create(&stopper, NULL,
					(void *(*)(void *))(void (*)(void))pulls_stop, f->pulls),
			 0);
	while (!has_woken(&r)) {
		hold_from(2 * PIECE);
		sched_yield();
	}
	assert_int_equal(pull_ready(r.pull, 2 * PIECE, 1, &e), -ERR_CANCELLED);
	assert_int_equal(pull_ready(r.pull, 0, SIZE, &e), 2 * PIECE);
	pthread_join(stopper, NULL);
	pull_close(r.pull);
	pulls_free(f->pulls);
	hold_from(UINT64_MAX);
	world.a.bytes = 0;
	err_clear(&e);
	assert_ok(pulls_new(&f->options, &f->pulls, &e), &e);
	r.pull = pull_open(f->pulls, &f->view, &f->large, PULL_READER);
	assert_int_equal(read_all(&r, 0, &e), SIZE);
	pull_close(r.pull);
	assert_int_equal(world.a.bytes, SIZE - 2 * PIECE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reader_gets_each_piece_when_it_is_verified),
		TEST(the_object_is_in_the_store_before_its_end_is_told),
		TEST(what_a_reader_waits_for_comes_next),
		TEST(however_many_read_it_is_fetched_once),
		TEST(a_liar_is_not_asked_by_the_next_pull),
		TEST(no_list_of_an_earlier_release_is_kept),
		TEST(if_all_have_lied_they_are_asked_again_soon),
		TEST(readers_are_told_of_a_failure_and_not_each_of_them_tries_again),
		TEST(room_is_looked_for_again_soon),
		TEST(what_has_readers_comes_before_what_has_none),
		TEST(what_nobody_waits_for_any_more_is_not_begun),
		TEST(a_stopped_edge_goes_on_where_it_was),
	};
	world.data = mem_alloc(SIZE + 1);
	for (size_t i = 0; i < SIZE + 1; i++)
		world.data[i] = (unsigned char)(i * 2654435761u >> 13);
	pthread_mutex_init(&world.lock, NULL);
	pthread_cond_init(&world.changed, NULL);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(world.data);
	return rc;
}
