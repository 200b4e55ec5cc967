/* In which order mirrors are asked, and which are left out. */
#include "fetch/rank.h"

#include "fake_clock.h"
#include "fetch/history.h"
#include "mirror_mem.h"
#include "unit.h"
#include "util/mem.h"

#include <stdio.h>

struct fixture {
	struct source_list list;
	struct fake_clock clock;
	json_t *json; /* stands in for the entries' objects */
};

static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	fake_clock_init(&f->clock);
	f->json = json_object();
	f->list.clock = &f->clock.clock;
	f->list.history = scratch_new();
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char *dir = mem_strdup(f->list.history);
	source_list_release(&f->list);
	scratch_free(dir);
	json_decref(f->json);
	free(f);
	return 0;
}

/* ids and region are literals. */
static struct source *add(struct fixture *f, const char *id, uint64_t priority, const char *region)
{
	const struct catalog_mirror m = {
		.id = id,
		.url = id,
		.region = region,
		.priority = priority,
		.json = f->json,
	};
	struct source *s = source_add_entry(&f->list, &m);
	s->objects = true;
	return s;
}

static void assert_order(struct fixture *f, const char *region, const char *want)
{
	CLEANUP(buf_release) struct buf order = BUF_INIT(KIB);
	source_list_rank(&f->list, region);
	for (size_t i = 0; i < f->list.count; i++)
		buf_addf(&order, "%s%s", i ? " " : "", f->list.at[i]->id);
	assert_string_equal(buf_str(&order), want);
}

static void past(struct fixture *f, const char *id, unsigned faults, bool wrong)
{
	const struct history_run run = { .faults = faults, .wrong = wrong };
	history_note(f->list.history, id, clock_wall_s(f->list.clock), &run);
}

static void the_lowest_priority_comes_first_and_ties_stay_in_their_order(void **state)
{
	struct fixture *f = *state;
	add(f, "z", 20, NULL);
	add(f, "b", 10, NULL);
	add(f, "a", 20, NULL);
	assert_order(f, NULL, "b z a");
}

static void endpoints_of_the_catalog_keep_the_order_of_the_configuration(void **state)
{
	struct fixture *f = *state;
	source_add(&f->list, NULL, "own-cache", true);
	source_add(&f->list, NULL, "z", true);
	source_add(&f->list, NULL, "b", true);
	add(f, "a", 50, NULL);
	add(f, "b", 50, NULL);
	add(f, "z", 50, NULL);
	assert_order(f, NULL, "z b a own-cache");
}

static void the_preferred_region_comes_before_the_priority(void **state)
{
	struct fixture *f = *state;
	add(f, "us", 10, "us-east");
	add(f, "eu", 30, "EU-west");
	add(f, "none", 5, NULL);
	add(f, "europa", 1, "europa");
	assert_order(f, "eu", "eu europa none us");
	assert_order(f, NULL, "europa none us eu");
}

static void a_mirror_with_wrong_bytes_comes_last_until_it_is_forgotten(void **state)
{
	struct fixture *f = *state;
	source_add(&f->list, NULL, "own-cache", true);
	add(f, "liar", 1, "eu");
	add(f, "good", 50, NULL);
	past(f, "liar", 0, true);
	assert_order(f, "eu", "good own-cache liar");
	f->clock.now_us += (HISTORY_WRONG_S + 1ULL) * 1000000;
	assert_order(f, "eu", "liar good own-cache");
}

static void recent_faults_count_only_among_equal_priorities(void **state)
{
	struct fixture *f = *state;
	add(f, "weak", 10, NULL);
	add(f, "first", 10, NULL);
	add(f, "second", 20, NULL);
	past(f, "weak", 5, false);
	assert_order(f, NULL, "first weak second");
	f->clock.now_us += 3ULL * HISTORY_HALF_S * 1000000;
	assert_order(f, NULL, "weak first second");
}

static void a_run_is_remembered_with_its_rate_and_faults(void **state)
{
	struct fixture *f = *state;
	struct history h;
	struct source *s = add(f, "a", 10, NULL), *unused = add(f, "b", 10, NULL);
	s->bytes = 5000;
	s->rate = 1234.5;
	source_note_fault(s, FAULT_STALLED, "stalled");
	source_note_fault(s, FAULT_PROXY, "not its own");
	source_list_remember(&f->list);
	history_read(f->list.history, "a", clock_wall_s(f->list.clock), &h);
	assert_int_equal(h.rate, 1234);
	assert_int_equal(h.faults_milli, 1000);
	assert_int_equal(h.wrong_s, 0);
	source_note_fault(unused, FAULT_WRONG_BYTES, "piece 1");
	source_list_remember(&f->list);
	history_read(f->list.history, "b", clock_wall_s(f->list.clock), &h);
	assert_int_equal(h.wrong_s, clock_wall_s(f->list.clock));
}

static void only_chosen_mirrors_give_model_files(void **state)
{
	struct fixture *f = *state;
	struct opt_list none = { 0 };
	const char *ids[] = { "a" };
	const struct opt_list a = { .at = ids, .count = 1 };
	struct source *own = source_add(&f->list, NULL, "c", true);
	struct source *x = add(f, "a", 1, NULL), *y = add(f, "b", 2, NULL);
	add(f, "c", 3, NULL);
	source_list_select(&f->list, &a, &none);
	assert_true(x->objects && !x->excluded);
	assert_true(!y->objects && y->excluded);
	assert_true(!own->objects && !own->excluded);
}

static void an_excluded_mirror_gives_nothing(void **state)
{
	struct fixture *f = *state;
	struct opt_list none = { 0 };
	const char *ids[] = { "a" };
	const struct opt_list a = { .at = ids, .count = 1 };
	struct source *x = add(f, "a", 1, NULL), *y = add(f, "b", 2, NULL);
	source_list_select(&f->list, &none, &a);
	assert_true(!x->objects && x->excluded);
	assert_true(y->objects && !y->excluded);
}

#define WITH_LIST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LIST(the_lowest_priority_comes_first_and_ties_stay_in_their_order),
		WITH_LIST(endpoints_of_the_catalog_keep_the_order_of_the_configuration),
		WITH_LIST(the_preferred_region_comes_before_the_priority),
		WITH_LIST(a_mirror_with_wrong_bytes_comes_last_until_it_is_forgotten),
		WITH_LIST(recent_faults_count_only_among_equal_priorities),
		WITH_LIST(a_run_is_remembered_with_its_rate_and_faults),
		WITH_LIST(only_chosen_mirrors_give_model_files),
		WITH_LIST(an_excluded_mirror_gives_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
