#include "stats/counters.h"

#include "unit.h"
#include "util/mem.h"
#include "util/path.h"

#define HOUR 3600
#define NOW (1795910400 + 1800)
#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* A mirror whose server counts: what it says, and what it was asked. */
struct counting {
	uint64_t downloads[3];
	struct mirror_traffic hours[4];
	size_t hour_count;
	int64_t from_s, to_s;
	bool fails;
};

static int say_downloads(struct mirror_connection *c, mirror_downloads_fn *fn, void *ctx,
			 struct err *e)
{
	static const char *const keys[] = {
		"targets/models/phi-2/" SHA ".phi-2-q4_k_m.gguf",
		"targets/models/phi-2/" SHA ".phi-2-q8_0.gguf",
		"targets/models/tiny/" SHA ".card.json",
	};
	struct counting *s = c->mirror->state;
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(keys) && rc == 0; i++)
		rc = fn(ctx, keys[i], s->downloads[i], e);
	return rc;
}

static int say_traffic(struct mirror_connection *c, int64_t from_s, int64_t to_s,
		       mirror_traffic_fn *fn, void *ctx, struct err *e)
{
	struct counting *s = c->mirror->state;
	int rc = 0;
	s->from_s = from_s;
	s->to_s = to_s;
	for (size_t i = 0; i < s->hour_count && rc == 0; i++)
		rc = fn(ctx, &s->hours[i], e);
	return rc == 0 && s->fails ? err_set(e, ERR_NETWORK, "no more") : rc;
}

static void forget(struct mirror *m)
{
	(void)m;
}

static const struct mirror_ops ops = {
	.kind = "counting",
	.close = forget,
	.downloads = say_downloads,
	.traffic = say_traffic,
};
static const struct mirror_ops silent_ops = { .kind = "silent", .close = forget };

struct room {
	char *dir;
	struct db *db;
	struct counting server;
	struct mirror *m;
};

static int set_up(void **state)
{
	struct room *r = NEW(struct room);
	struct err e = ERR_INIT;
	r->dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(r->dir, "ops.db");
	assert_ok(db_open(path, NULL, &r->db, &e), &e);
	assert_ok(stats_counters_upgrade(r->db, &e), &e);
	r->m = mirror_new(&ops, "releases");
	r->m->state = &r->server;
	r->m->has_traffic = true;
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct room *r = *state;
	mirror_close(r->m);
	db_close(r->db);
	scratch_free(r->dir);
	free(r);
	return 0;
}

struct seen {
	unsigned rows;
	uint64_t downloads;
	struct stats_counters_traffic traffic;
};

static int on_model(void *ctx, const char *model, uint64_t downloads, struct err *e)
{
	struct seen *s = ctx;
	(void)e;
	assert_string_equal(model, "phi-2");
	s->rows++;
	s->downloads = downloads;
	return 0;
}

static int on_mirror(void *ctx, const struct stats_counters_traffic *t, struct err *e)
{
	struct seen *s = ctx;
	(void)e;
	assert_string_equal(t->mirror, "releases");
	s->rows++;
	s->traffic = *t;
	return 0;
}

static struct seen import(struct room *r)
{
	struct seen s = { 0 };
	struct err e = ERR_INIT;
	assert_ok(stats_counters_import(r->db, r->m, NOW, &e), &e);
	assert_ok(stats_counters_models(r->db, on_model, &s, &e), &e);
	return s;
}

static void downloads_of_a_model_are_those_of_its_model_files(void **state)
{
	struct room *r = *state;
	memcpy(r->server.downloads, (uint64_t[]){ 7, 3, 1000 }, sizeof r->server.downloads);
	struct seen s = import(r);
	assert_int_equal(s.rows, 1);
	assert_int_equal(s.downloads, 10);
	/* Once more: the same. A file that was uploaded again begins at 0. */
	assert_int_equal(import(r).downloads, 10);
	memcpy(r->server.downloads, (uint64_t[]){ 9, 0, 1000 }, sizeof r->server.downloads);
	assert_int_equal(import(r).downloads, 12);
}

static void the_last_hours_are_asked_for_again(void **state)
{
	struct room *r = *state;
	struct err e = ERR_INIT;
	struct seen s = { 0 };
	int64_t hour = NOW - NOW % HOUR - 2 * HOUR;
	r->server.hours[0] = (struct mirror_traffic){ hour, 10, 1000, 1 };
	r->server.hours[1] = (struct mirror_traffic){ hour + HOUR, 5, 500, 0 };
	r->server.hour_count = 2;
	import(r);
	assert_int_equal(r->server.from_s, NOW - 90 * 24 * HOUR);
	assert_int_equal(r->server.to_s, NOW);
	r->server.hours[1].requests = 8;
	import(r);
	assert_true(r->server.from_s < hour && r->server.from_s > hour - 24 * HOUR);
	assert_ok(stats_counters_traffic(r->db, 0, on_mirror, &s, &e), &e);
	assert_int_equal(s.rows, 1);
	assert_int_equal(s.traffic.requests, 18);
	assert_int_equal(s.traffic.bytes, 1500);
	assert_int_equal(s.traffic.failures, 1);
	assert_int_equal(s.traffic.last_s, hour + HOUR);
	assert_ok(stats_counters_traffic(r->db, hour + 1, on_mirror, &s, &e), &e);
	assert_int_equal(s.traffic.requests, 8);
}

static void of_an_answer_that_failed_nothing_is_kept(void **state)
{
	struct room *r = *state;
	struct err e = ERR_INIT;
	struct seen s = { 0 };
	r->server.downloads[0] = 7;
	r->server.fails = true;
	assert_int_equal(stats_counters_import(r->db, r->m, NOW, &e), -ERR_NETWORK);
	err_clear(&e);
	assert_ok(stats_counters_models(r->db, on_model, &s, &e), &e);
	assert_int_equal(s.rows, 0);
	r->server.fails = false;
	assert_int_equal(import(r).downloads, 7);
}

static void most_servers_count_nothing(void **state)
{
	struct room *r = *state;
	CLEANUP_PTR(mirror_close) struct mirror *m = mirror_new(&silent_ops, "silent");
	struct err e = ERR_INIT;
	assert_true(stats_counters_has(r->m));
	assert_false(stats_counters_has(m));
	assert_int_equal(mirror_downloads(m, NULL, NULL, &e), -ERR_USAGE);
	err_clear(&e);
	r->m->has_traffic = false;
	assert_int_equal(mirror_traffic(r->m, 0, 1, NULL, NULL, &e), -ERR_USAGE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(downloads_of_a_model_are_those_of_its_model_files),
		TEST(the_last_hours_are_asked_for_again),
		TEST(of_an_answer_that_failed_nothing_is_kept),
		TEST(most_servers_count_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
