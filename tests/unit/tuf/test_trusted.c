/*
 * The trusted set by itself, where the workflow of the client hides one check behind another.
 */
#include "tuf/trusted.h"
#include "tuf_sim.h"

static int set_up(void **state)
{
	*state = sim_new();
	return 0;
}

static int tear_down(void **state)
{
	sim_free(*state);
	return 0;
}

static void begin(struct sim *s, struct tuf_trusted *t)
{
	struct err e = ERR_INIT;
	const struct sim_file *root = sim_file(s, "1.root.json");
	*t = (struct tuf_trusted){ .now_s = SIM_NOW };
	assert_ok(tuf_trusted_root_first(t, root->data, root->len, "root", &e), &e);
}

static int add_timestamp(struct sim *s, struct tuf_trusted *t, bool local, bool *same,
			 struct err *e)
{
	const struct sim_file *f = sim_file(s, "timestamp.json");
	return tuf_trusted_timestamp(t, f->data, f->len, "timestamp.json", local, same, e);
}

/* 5.4.4, of a timestamp that is stored already and that the server only repeats. */
static void a_repeated_timestamp_must_not_have_expired(void **state)
{
	struct sim *s = *state;
	CLEANUP(tuf_trusted_release) struct tuf_trusted t;
	struct err e = ERR_INIT;
	bool same;
	sim_expires(s, "timestamp", SIM_NOW);
	sim_publish(s, "timestamp");
	begin(s, &t);
	assert_ok(add_timestamp(s, &t, true, &same, &e), &e);
	assert_false(same);
	assert_int_equal(add_timestamp(s, &t, false, &same, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "timestamp version 1 has expired"));
	assert_string_equal(t.expired, "timestamp");
}

/* Nothing is believed on the word of a timestamp that has expired. */
static void an_expired_timestamp_vouches_for_no_snapshot(void **state)
{
	struct sim *s = *state;
	static const bool local[] = { true, false };
	CLEANUP(tuf_trusted_release) struct tuf_trusted t;
	const struct sim_file *f;
	struct err e = ERR_INIT;
	bool same, final;
	sim_expires(s, "timestamp", SIM_NOW);
	sim_publish(s, "timestamp");
	begin(s, &t);
	assert_ok(add_timestamp(s, &t, true, &same, &e), &e);
	f = sim_file(s, "1.snapshot.json");
	for (size_t i = 0; i < ARRAY_LEN(local); i++) {
		err_clear(&e);
		assert_int_equal(tuf_trusted_snapshot(&t, f->data, f->len, "snapshot", local[i],
						      &final, &e),
				 -ERR_INTEGRITY);
		assert_non_null(strstr(e.text, "timestamp version 1 has expired"));
		assert_null(t.snapshot);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_repeated_timestamp_must_not_have_expired),
		TEST(an_expired_timestamp_vouches_for_no_snapshot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
