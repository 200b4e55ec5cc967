/* The transport against endpoints in memory. What the TUF client would verify is played
 * by the test: it accepts or rejects. */
#include "fetch/endpoints.h"

#include "fake_clock.h"
#include "mirror_mem.h"
#include "unit.h"
#include "util/mem.h"

#include <limits.h>
#include <stdio.h>

#define TIMESTAMP(version) "{\"signed\":{\"version\":" version "}}"

struct fixture {
	struct mirror_mem *endpoints[3];
	struct source_list sources;
	struct endpoints transport;
	struct tuf_transport tuf;
	struct buf out;
	struct fake_clock clock;
};

static void set_timestamp(struct fixture *f, size_t endpoint, unsigned version)
{
	char text[100];
	snprintf(text, sizeof text, TIMESTAMP("%u"), version);
	mirror_mem_set(f->endpoints[endpoint], "metadata/timestamp.json", text, strlen(text));
}

static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	fake_clock_init(&f->clock);
	f->sources = (struct source_list){
		.clock = &f->clock.clock,
		.random = &random_largest,
		.max_failures = 5,
		.deadline_ms = 5000,
	};
	for (size_t i = 0; i < 3; i++) {
		char id[2] = { (char)('a' + i), 0 };
		f->endpoints[i] = mirror_mem_new();
		struct source *s = source_add(&f->sources, NULL, id, true);
		s->metadata = true;
		s->mirror = mirror_mem_open(f->endpoints[i], id);
		set_timestamp(f, i, 7);
		mirror_mem_set(f->endpoints[i], "metadata/3.snapshot.json", id, 1);
	}
	endpoints_init(&f->transport, &f->sources);
	f->tuf = endpoints_tuf(&f->transport);
	buf_init(&f->out, 1000);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	endpoints_release(&f->transport);
	source_list_release(&f->sources);
	for (size_t i = 0; i < 3; i++)
		mirror_mem_free(f->endpoints[i]);
	buf_release(&f->out);
	free(f);
	return 0;
}

static int get(struct fixture *f, const char *name, struct err *e)
{
	return f->tuf.get(f->tuf.ctx, name, &f->out, e);
}

static bool reject(struct fixture *f, const char *name)
{
	struct err why = ERR_INIT;
	err_set(&why, ERR_INTEGRITY, "%s: bad signature", name);
	err_hint(&why, "look at it");
	return f->tuf.rejected(f->tuf.ctx, name, &why);
}

static void down(struct fixture *f, size_t endpoint)
{
	mirror_mem_fault(f->endpoints[endpoint], &(struct mem_fault){ .call = MEM_GET,
								      .harm = MEM_FAIL,
								      .class = ERR_NETWORK,
								      .times = UINT_MAX });
}

static unsigned faults(struct fixture *f, size_t endpoint, enum source_fault fault)
{
	return f->sources.at[endpoint]->faults[fault];
}

static void newest_timestamp_wins_and_others_are_stale(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	set_timestamp(f, 0, 5);
	set_timestamp(f, 1, 9);
	assert_ok(get(f, "timestamp.json", &e), &e);
	assert_string_equal(f->out.data, TIMESTAMP("9"));
	endpoints_finish(&f->transport);
	assert_int_equal(faults(f, 0, FAULT_STALE), 1);
	assert_int_equal(faults(f, 1, FAULT_STALE), 0);
	assert_int_equal(faults(f, 2, FAULT_STALE), 1);
	assert_string_equal(f->sources.at[0]->detail[FAULT_STALE],
			    "timestamp version 5, the newest is 9");
	/* What belongs to it is asked for where it came from. */
	assert_ok(get(f, "3.snapshot.json", &e), &e);
	assert_string_equal(f->out.data, "b");
}

static void liar_with_a_high_version_is_passed_over(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	set_timestamp(f, 2, 1000000);
	assert_ok(get(f, "timestamp.json", &e), &e);
	assert_string_equal(f->out.data, TIMESTAMP("1000000"));
	assert_true(reject(f, "timestamp.json"));
	assert_ok(get(f, "timestamp.json", &e), &e);
	assert_string_equal(f->out.data, TIMESTAMP("7"));
	endpoints_finish(&f->transport);
	assert_int_equal(faults(f, 2, FAULT_METADATA), 1);
	assert_int_equal(faults(f, 0, FAULT_STALE) + faults(f, 1, FAULT_STALE), 0);
	/* It is not asked for metadata again. */
	mirror_mem_forget_calls(f->endpoints[2]);
	mirror_mem_remove(f->endpoints[0], "metadata/3.snapshot.json");
	mirror_mem_remove(f->endpoints[1], "metadata/3.snapshot.json");
	assert_int_equal(get(f, "3.snapshot.json", &e), -ERR_NETWORK);
	assert_non_null(strstr(e.text, "a: missing"));
	assert_int_equal(mirror_mem_calls(f->endpoints[2])->count, 0);
}

static void rejecting_all_ends_the_offers(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	for (int i = 0; i < 3; i++) {
		assert_ok(get(f, "timestamp.json", &e), &e);
		assert_true(reject(f, "timestamp.json"));
	}
	/* The last word names each, and hints what the first was rejected for. */
	assert_int_equal(get(f, "timestamp.json", &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text,
			       "a: metadata that does not verify (timestamp.json: bad sig"));
	assert_non_null(strstr(e.text, "c: metadata that does not verify"));
	assert_string_equal(e.hint, "look at it");
}

static void bad_file_is_asked_for_elsewhere(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	assert_ok(get(f, "3.snapshot.json", &e), &e);
	assert_string_equal(f->out.data, "a");
	assert_true(reject(f, "3.snapshot.json"));
	assert_ok(get(f, "3.snapshot.json", &e), &e);
	assert_string_equal(f->out.data, "b");
	assert_int_equal(faults(f, 0, FAULT_METADATA), 1);
	assert_non_null(strstr(f->sources.at[0]->detail[FAULT_METADATA], "bad signature"));
}

static void next_root_is_looked_for_everywhere(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	mirror_mem_set(f->endpoints[2], "metadata/2.root.json", "root", 4);
	assert_ok(get(f, "2.root.json", &e), &e);
	assert_string_equal(f->out.data, "root");
	assert_int_equal(get(f, "3.root.json", &e), -ERR_NOT_FOUND);
	for (size_t i = 0; i < 3; i++)
		assert_false(source_has_faults(f->sources.at[i]));
}

static void silent_endpoint_is_named_and_not_waited_for(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	down(f, 0);
	assert_int_equal(get(f, "2.root.json", &e), -ERR_NOT_FOUND);
	err_clear(&e);
	assert_ok(get(f, "timestamp.json", &e), &e);
	assert_ok(get(f, "3.snapshot.json", &e), &e);
	assert_int_equal(mirror_mem_calls(f->endpoints[0])->count, 1);
	assert_int_equal(faults(f, 0, FAULT_UNREACHABLE), 1);
	assert_int_equal(f->clock.slept_ms, 0);
}

static void all_down_is_a_network_error_after_some_tries(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < 3; i++)
		down(f, i);
	assert_int_equal(get(f, "timestamp.json", &e), -ERR_NETWORK);
	assert_non_null(strstr(e.text, "timestamp.json: every source failed: a: unreachable"));
	assert_int_equal(mirror_mem_calls(f->endpoints[0])->count, 3);
	assert_true(f->clock.slept_ms > 0);
}

static void endpoint_that_recovers_is_heard(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < 3; i++)
		mirror_mem_fault(f->endpoints[i],
				 &(struct mem_fault){ .call = MEM_GET, .harm = MEM_FAIL });
	assert_ok(get(f, "timestamp.json", &e), &e);
	assert_string_equal(f->out.data, TIMESTAMP("7"));
}

static void too_large_an_answer_is_a_fault(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char big[2000] = { 0 };
	mirror_mem_set(f->endpoints[0], "metadata/3.snapshot.json", big, sizeof big);
	assert_ok(get(f, "3.snapshot.json", &e), &e);
	assert_string_equal(f->out.data, "b");
	assert_int_equal(faults(f, 0, FAULT_METADATA), 1);
}

static enum endpoint_state state(struct fixture *f, size_t endpoint)
{
	size_t count;
	return endpoints_all(&f->transport, &count)[endpoint].state;
}

static const char *fault_text(struct fixture *f, size_t endpoint)
{
	size_t count;
	return endpoints_all(&f->transport, &count)[endpoint].fault;
}

static void slow(struct fixture *f, size_t endpoint, unsigned ms)
{
	mirror_mem_fault(f->endpoints[endpoint],
			 &(struct mem_fault){
				 .call = MEM_GET, .harm = MEM_SLOW, .at = ms, .times = UINT_MAX });
}

static void each_endpoint_gets_its_state(void **state_)
{
	struct fixture *f = *state_;
	struct err e = ERR_INIT;
	set_timestamp(f, 0, 6);
	down(f, 2);
	assert_int_equal(state(f, 0), ENDPOINT_UNKNOWN);
	assert_ok(get(f, "timestamp.json", &e), &e);
	endpoints_finish(&f->transport);
	assert_int_equal(state(f, 0), ENDPOINT_STALE);
	assert_string_equal(fault_text(f, 0), "timestamp version 6, the newest is 7");
	assert_int_equal(state(f, 1), ENDPOINT_OK);
	assert_string_equal(fault_text(f, 1), "");
	assert_int_equal(state(f, 2), ENDPOINT_DOWN);
	assert_string_equal(fault_text(f, 2), "timestamp.json: injected failure");
}

/* One after the other, three take three times as long, whatever else the machine has to do. */
static void all_are_asked_at_once(void **state)
{
	struct err e = ERR_INIT;
	for (unsigned ms = 100; ms <= 100000; ms *= 10) {
		struct fixture *f = *state;
		for (size_t i = 0; i < 3; i++)
			slow(f, i, ms);
		uint64_t before = clock_now_ms(NULL);
		assert_ok(get(f, "timestamp.json", &e), &e);
		uint64_t took = clock_now_ms(NULL) - before;
		assert_true(took >= ms);
		if (took < 2 * ms)
			return;
		tear_down(state);
		set_up(state);
	}
	fail_msg("the endpoints are not asked at once");
}

static void slow_endpoint_is_waited_for_until_the_deadline_only(void **state_)
{
	struct fixture *f = *state_;
	struct err e = ERR_INIT;
	f->sources.deadline_ms = 100;
	set_timestamp(f, 0, 8);
	slow(f, 0, 60000);
	uint64_t before = clock_now_ms(NULL);
	assert_int_equal(get(f, "2.root.json", &e), -ERR_NOT_FOUND);
	err_clear(&e);
	assert_ok(get(f, "timestamp.json", &e), &e);
	assert_string_equal(f->out.data, TIMESTAMP("7"));
	assert_ok(get(f, "3.snapshot.json", &e), &e);
	assert_true(clock_now_ms(NULL) - before >= 100);
	assert_int_equal(state(f, 0), ENDPOINT_SLOW);
	assert_string_equal(fault_text(f, 0),
			    "2.root.json: stalled: no complete answer within 100 ms");
	/* Once was enough. */
	assert_int_equal(mirror_mem_calls(f->endpoints[0])->count, 1);
}

static void slow_endpoints_get_more_time_when_there_is_no_other(void **state_)
{
	struct fixture *f = *state_;
	struct err e = ERR_INIT;
	f->sources.deadline_ms = 100;
	slow(f, 0, 200);
	down(f, 1);
	down(f, 2);
	assert_ok(get(f, "timestamp.json", &e), &e);
	endpoints_finish(&f->transport);
	assert_int_equal(state(f, 0), ENDPOINT_OK);
}

static void what_can_be_done_without_is_not_asked_for_again_and_again(void **state_)
{
	struct fixture *f = *state_;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < 3; i++)
		down(f, i);
	f->sources.end_ms = clock_now_ms(&f->clock.clock) + 5400;
	assert_int_equal(get(f, "timestamp.json", &e), -ERR_NETWORK);
	/* After a pause of 500 ms there is no time for a whole round. */
	assert_int_equal(mirror_mem_calls(f->endpoints[0])->count, 2);
}

static void a_source_that_is_found_later_is_asked_after_the_others(void **state_)
{
	struct fixture *f = *state_;
	struct err e = ERR_INIT;
	size_t count;
	f->sources.at[2]->metadata = false;
	down(f, 0);
	down(f, 1);
	assert_int_equal(get(f, "timestamp.json", &e), -ERR_NETWORK);
	endpoints_finish(&f->transport);
	size_t before = mirror_mem_calls(f->endpoints[0])->count;
	f->sources.at[2]->metadata = true;
	assert_int_equal(endpoints_extend(&f->transport), 1);
	assert_int_equal(endpoints_extend(&f->transport), 0);
	err_clear(&e);
	assert_ok(get(f, "timestamp.json", &e), &e);
	endpoints_finish(&f->transport);
	assert_int_equal(mirror_mem_calls(f->endpoints[0])->count, before);
	endpoints_all(&f->transport, &count);
	assert_int_equal(count, 3);
	assert_int_equal(state(f, 2), ENDPOINT_OK);
}

static void stale_endpoint_cannot_hide_the_next_root(void **state_)
{
	struct fixture *f = *state_;
	struct err e = ERR_INIT;
	/* Only b has been told of the rotation; c lies about it. */
	mirror_mem_set(f->endpoints[2], "metadata/2.root.json", "lie", 3);
	mirror_mem_set(f->endpoints[1], "metadata/2.root.json", "new", 3);
	set_timestamp(f, 1, 8);
	assert_ok(get(f, "2.root.json", &e), &e);
	assert_string_equal(f->out.data, "new");
	assert_int_equal(get(f, "3.root.json", &e), -ERR_NOT_FOUND);
	err_clear(&e);
	assert_ok(get(f, "timestamp.json", &e), &e);
	endpoints_finish(&f->transport);
	assert_int_equal(state(f, 0), ENDPOINT_STALE);
	assert_int_equal(state(f, 1), ENDPOINT_OK);
}

static void false_next_root_is_passed_over(void **state_)
{
	struct fixture *f = *state_;
	struct err e = ERR_INIT;
	mirror_mem_set(f->endpoints[0], "metadata/2.root.json", "lie", 3);
	mirror_mem_set(f->endpoints[1], "metadata/2.root.json", "new", 3);
	assert_ok(get(f, "2.root.json", &e), &e);
	assert_string_equal(f->out.data, "lie");
	assert_true(reject(f, "2.root.json"));
	assert_ok(get(f, "2.root.json", &e), &e);
	assert_string_equal(f->out.data, "new");
	assert_int_equal(state(f, 0), ENDPOINT_REJECTED);
	/* No other has one: the others' word counts. */
	mirror_mem_set(f->endpoints[1], "metadata/3.root.json", "lie", 3);
	assert_ok(get(f, "3.root.json", &e), &e);
	assert_true(reject(f, "3.root.json"));
	assert_int_equal(get(f, "3.root.json", &e), -ERR_NOT_FOUND);
}

static void forbidden_next_root_is_none(void **state_)
{
	struct fixture *f = *state_;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < 3; i++)
		mirror_mem_fault(f->endpoints[i], &(struct mem_fault){ .call = MEM_GET,
								       .harm = MEM_FAIL,
								       .class = ERR_AUTH });
	assert_int_equal(get(f, "2.root.json", &e), -ERR_NOT_FOUND);
	assert_false(source_has_faults(f->sources.at[0]));
	assert_ok(get(f, "timestamp.json", &(struct err)ERR_INIT), &e);
}

static void fail_all(struct fixture *f, enum err_class class)
{
	for (size_t i = 0; i < 3; i++)
		mirror_mem_fault(f->endpoints[i], &(struct mem_fault){ .call = MEM_GET,
								       .harm = MEM_FAIL,
								       .class = class,
								       .times = UINT_MAX });
}

/* Pauses are for those who may do better next time. */
static void nobody_is_waited_for_in_vain(void **state_)
{
	struct fixture *f = *state_;
	static const char *const names[] = { "timestamp.json", "3.snapshot.json" };
	const struct digest d = { { 0 } };
	fail_all(f, ERR_INTEGRITY);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err e = ERR_INIT;
		for (size_t j = 0; j < 3; j++)
			f->sources.at[j]->metadata = true;
		assert_int_equal(get(f, names[i], &e), -ERR_INTEGRITY);
		assert_int_equal(f->clock.slept_ms, 0);
	}
	struct err e = ERR_INIT;
	assert_int_equal(source_get_small(&f->sources, &(struct source_small){ "none", NULL, 1, d },
					  &f->out, &e),
			 -ERR_INTEGRITY);
	assert_int_equal(f->clock.slept_ms, 0);
}

static void small_objects_are_asked_for_again_where_the_line_was_bad(void **state_)
{
	struct fixture *f = *state_;
	struct digest d;
	struct err e = ERR_INIT;
	sha256_of("b", 1, &d);
	assert_int_equal(source_get_small(&f->sources, &(struct source_small){ "none", NULL, 1, d },
					  &f->out, &e),
			 -ERR_NETWORK);
	assert_non_null(strstr(e.hint, "the mirrors are incomplete"));
	assert_int_equal(f->clock.slept_ms, 0);
	for (size_t i = 0; i < 3; i++)
		mirror_mem_fault(f->endpoints[i], &(struct mem_fault){ .call = MEM_GET,
								       .harm = MEM_FAIL,
								       .class = ERR_NETWORK,
								       .times = 2 });
	err_clear(&e);
	assert_ok(source_get_small(&f->sources,
				   &(struct source_small){ "metadata/3.snapshot.json", NULL, 1, d },
				   &f->out, &e),
		  &e);
	assert_string_equal(f->out.data, "b");
	assert_true(f->clock.slept_ms > 0);
}

/* A delegated role may have any name: that its file is missing is a failure. */
static void a_role_that_is_called_like_root_is_none(void **state_)
{
	struct fixture *f = *state_;
	struct err e = ERR_INIT;
	assert_int_equal(get(f, "5.a.root.json", &e), -ERR_NETWORK);
	assert_non_null(strstr(e.text, "5.a.root.json: every source failed"));
	assert_true(source_has_faults(f->sources.at[0]));
}

static void another_timestamp_of_the_same_version_is_a_lie(void **state_)
{
	struct fixture *f = *state_;
	struct err e = ERR_INIT;
	const char other[] = TIMESTAMP("7") " ";
	mirror_mem_set(f->endpoints[1], "metadata/timestamp.json", other, strlen(other));
	mirror_mem_set(f->endpoints[2], "metadata/timestamp.json", "<html>", 6);
	assert_ok(get(f, "timestamp.json", &e), &e);
	endpoints_finish(&f->transport);
	assert_int_equal(state(f, 0), ENDPOINT_OK);
	assert_int_equal(state(f, 1), ENDPOINT_REJECTED);
	assert_non_null(strstr(fault_text(f, 1), "version 7 differs from the one that verified"));
	assert_int_equal(state(f, 2), ENDPOINT_REJECTED);
	assert_string_equal(fault_text(f, 2), "timestamp.json is not a timestamp");
}

static void refresh_that_fails_settles_nobody_as_ok(void **state_)
{
	struct fixture *f = *state_;
	struct err e = ERR_INIT;
	set_timestamp(f, 1, 8);
	down(f, 2);
	for (int i = 0; i < 2; i++) {
		assert_ok(get(f, "timestamp.json", &e), &e);
		assert_true(reject(f, "timestamp.json"));
	}
	/* c may have it later: that is for the network. */
	assert_int_equal(get(f, "timestamp.json", &e), -ERR_NETWORK);
	assert_non_null(strstr(e.text, "a: metadata that does not verify"));
	assert_non_null(strstr(e.text, "c: unreachable"));
	endpoints_finish(&f->transport);
	assert_int_equal(state(f, 0), ENDPOINT_REJECTED);
	assert_int_equal(state(f, 1), ENDPOINT_REJECTED);
	assert_int_equal(state(f, 2), ENDPOINT_DOWN);
}

static void files_come_from_who_is_as_new_before_who_is_stale(void **state_)
{
	struct fixture *f = *state_;
	struct err e = ERR_INIT;
	set_timestamp(f, 0, 6);
	assert_ok(get(f, "timestamp.json", &e), &e);
	endpoints_finish(&f->transport);
	mirror_mem_remove(f->endpoints[1], "metadata/3.snapshot.json");
	mirror_mem_forget_calls(f->endpoints[0]);
	assert_ok(get(f, "3.snapshot.json", &e), &e);
	assert_string_equal(f->out.data, "c");
	assert_int_equal(mirror_mem_calls(f->endpoints[0])->count, 0);
	assert_int_equal(state(f, 1), ENDPOINT_INCOMPLETE);
	mirror_mem_remove(f->endpoints[2], "metadata/3.snapshot.json");
	assert_ok(get(f, "3.snapshot.json", &e), &e);
}

static void nonsense_timestamps_rank_last(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	mirror_mem_set(f->endpoints[0], "metadata/timestamp.json", "<html>", 6);
	mirror_mem_set(f->endpoints[1], "metadata/timestamp.json", "[[[[", 4);
	assert_ok(get(f, "timestamp.json", &e), &e);
	assert_string_equal(f->out.data, TIMESTAMP("7"));
}

static void first_root_must_have_its_digest(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest want;
	sha256_of("right", 5, &want);
	mirror_mem_set(f->endpoints[0], "metadata/1.root.json", "wrong", 5);
	mirror_mem_set(f->endpoints[2], "metadata/1.root.json", "right", 5);
	assert_ok(endpoints_first_root(&f->transport, &want, &f->out, &e), &e);
	assert_string_equal(f->out.data, "right");
	assert_int_equal(faults(f, 0, FAULT_METADATA), 1);
	sha256_of("another", 7, &want);
	int rc = endpoints_first_root(&f->transport, &want, &f->out, &e);
	assert_int_equal(rc, -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "root-sha256"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(newest_timestamp_wins_and_others_are_stale),
		TEST(liar_with_a_high_version_is_passed_over),
		TEST(rejecting_all_ends_the_offers),
		TEST(bad_file_is_asked_for_elsewhere),
		TEST(next_root_is_looked_for_everywhere),
		TEST(silent_endpoint_is_named_and_not_waited_for),
		TEST(all_down_is_a_network_error_after_some_tries),
		TEST(endpoint_that_recovers_is_heard),
		TEST(too_large_an_answer_is_a_fault),
		TEST(each_endpoint_gets_its_state),
		TEST(all_are_asked_at_once),
		TEST(slow_endpoint_is_waited_for_until_the_deadline_only),
		TEST(slow_endpoints_get_more_time_when_there_is_no_other),
		TEST(what_can_be_done_without_is_not_asked_for_again_and_again),
		TEST(a_source_that_is_found_later_is_asked_after_the_others),
		TEST(stale_endpoint_cannot_hide_the_next_root),
		TEST(false_next_root_is_passed_over),
		TEST(forbidden_next_root_is_none),
		TEST(nobody_is_waited_for_in_vain),
		TEST(small_objects_are_asked_for_again_where_the_line_was_bad),
		TEST(a_role_that_is_called_like_root_is_none),
		TEST(another_timestamp_of_the_same_version_is_a_lie),
		TEST(refresh_that_fails_settles_nobody_as_ok),
		TEST(files_come_from_who_is_as_new_before_who_is_stale),
		TEST(nonsense_timestamps_rank_last),
		TEST(first_root_must_have_its_digest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
