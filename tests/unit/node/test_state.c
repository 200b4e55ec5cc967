#include "node/state.h"
#include "node/vitals.h"

#include "stocked.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"

static int setup(void **state)
{
	*state = stocked_new();
	return 0;
}

static int teardown(void **state)
{
	stocked_free(*state);
	return 0;
}

static void what_a_run_keeps_is_read_by_the_next(void **state)
{
	struct stocked *f = *state;
	struct err e = ERR_INIT;
	static const char *const texts[] = { "x", NULL };
	CLEANUP(node_state_release) struct node_state s = { 0 }, again = { 0 };
	CLEANUP(store_variant_release) struct store_variant v = stocked_add(f, "m", "q", texts);
	struct node_state_model *m = node_state_of(&s, "chat");
	CLEANUP(mem_free_ptr) char *name = node_state_variant(&v);
	node_state_resolve(m, "m:auto", &v);
	node_state_add(&s.brought, name);
	node_state_add(&s.brought, name);
	node_state_add(&s.layouts, "0123456789abcdef");
	s.applied_s = 1700000000;
	s.faults = 2;
	assert_ok(node_state_save(&f->store, &s, &e), &e);
	assert_ok(node_state_load(&f->store, &again, &e), &e);
	assert_int_equal(again.applied_s, 1700000000);
	assert_int_equal(again.faults, 2);
	assert_int_equal(again.brought.count, 1);
	assert_string_equal(again.brought.at[0], "r/m:q");
	assert_true(str_list_has(&again.layouts, "0123456789abcdef"));
	m = node_state_find(&again, "chat");
	assert_string_equal(m->reference, "m:auto");
	assert_string_equal(m->variant, "q");
	assert_string_equal(m->told, "");
	node_state_drop(&again, "chat");
	assert_null(node_state_find(&again, "chat"));
	node_state_take_out(&again.brought, "r/m:q");
	assert_int_equal(again.brought.count, 0);
}

static void a_damaged_state_is_empty(void **state)
{
	struct stocked *f = *state;
	static const char *const bad[] = {
		"",
		"{}",
		"[1]",
		"{\"format\": \"model-ferry-node\", \"version\": 2}",
		"{\"format\": \"model-ferry-node\", \"version\": 1, "
		"\"applied\": \"2026-01-02T03:04:05Z\", \"faults\": 0, \"models\": [{}], "
		"\"brought\": [], \"layouts\": []}",
		"{\"format\": \"model-ferry-node\", \"version\": 1, "
		"\"applied\": \"2026-01-02T03:04:05Z\", \"faults\": 0, \"models\": [], "
		"\"brought\": [1], \"layouts\": []}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		CLEANUP(node_state_release) struct node_state s = { 0 };
		stocked_put(f, "node/state.json", bad[i]);
		assert_ok(node_state_load(&f->store, &s, &e), &e);
		assert_int_equal(s.count + s.brought.count, 0);
	}
}

static void a_second_run_does_not_get_the_lock(void **state)
{
	struct stocked *f = *state;
	struct err e = ERR_INIT;
	int first, second;
	assert_ok(node_state_lock(&f->store, &first, &e), &e);
	assert_int_equal(node_state_lock(&f->store, &second, &e), -ERR_CONFLICT);
	file_close(&first);
	err_clear(&e);
	assert_ok(node_state_lock(&f->store, &second, &e), &e);
	file_close(&second);
}

static void an_engine_is_up_since_it_was_first_seen_so(void **state)
{
	(void)state;
	static const char record[] = "{\"engines\": [{\"url\": \"http://a/\", \"up\": true, "
				     "\"since\": \"2026-01-02T03:04:05Z\"}, {\"url\": 3}]}";
	assert_int_equal(node_vitals_since(record, strlen(record), "http://a/", true), 1767323045);
	assert_int_equal(node_vitals_since(record, strlen(record), "http://a/", false), 0);
	assert_int_equal(node_vitals_since(record, strlen(record), "http://b/", true), 0);
	assert_int_equal(node_vitals_since("x", 1, "http://a/", true), 0);
	assert_int_equal(node_vitals_since("", 0, "http://a/", true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_a_run_keeps_is_read_by_the_next, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_damaged_state_is_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_run_does_not_get_the_lock, setup,
						teardown),
		cmocka_unit_test(an_engine_is_up_since_it_was_first_seen_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
