#include "fetch/history.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"

#define URL "https://models.example.org/m"
#define NOW 1700000000
#define DAY 86400

static int set_up(void **state)
{
	*state = scratch_new();
	return 0;
}

static int tear_down(void **state)
{
	scratch_free(*state);
	return 0;
}

static void note(const char *dir, int64_t now_s, uint64_t rate, unsigned faults, bool wrong)
{
	const struct history_run run = { .rate = rate, .faults = faults, .wrong = wrong };
	history_note(dir, URL, now_s, &run);
}

static struct history known(const char *dir, int64_t now_s)
{
	struct history h;
	history_read(dir, URL, now_s, &h);
	return h;
}

static void of_an_unknown_mirror_nothing_is_known(void **state)
{
	struct history h = known(*state, NOW);
	assert_true(h.rate == 0 && h.faults_milli == 0 && h.wrong_s == 0);
}

static void the_rate_is_a_mean_in_which_the_last_run_counts_half(void **state)
{
	note(*state, NOW, 1000, 0, false);
	assert_int_equal(known(*state, NOW).rate, 1000);
	note(*state, NOW + 1, 3000, 0, false);
	assert_int_equal(known(*state, NOW + 1).rate, 2000);
	note(*state, NOW + 2, 0, 1, false);
	assert_int_equal(known(*state, NOW + 2).rate, 2000);
}

static void half_of_the_faults_are_forgotten_each_day(void **state)
{
	note(*state, NOW, 0, 8, false);
	assert_int_equal(known(*state, NOW).faults_milli, 8000);
	assert_int_equal(known(*state, NOW + DAY / 2).faults_milli, 6000);
	assert_int_equal(known(*state, NOW + DAY).faults_milli, 4000);
	assert_int_equal(known(*state, NOW + 3 * DAY).faults_milli, 1000);
	note(*state, NOW + DAY, 0, 1, false);
	assert_int_equal(known(*state, NOW + DAY).faults_milli, 5000);
}

static void a_good_run_forgives_faults_but_not_wrong_bytes(void **state)
{
	note(*state, NOW, 0, 3, true);
	note(*state, NOW + 60, 1000, 0, false);
	struct history h = known(*state, NOW + 60);
	assert_int_equal(h.faults_milli, 0);
	assert_int_equal(h.wrong_s, NOW);
}

static void wrong_bytes_are_forgotten_after_a_week(void **state)
{
	note(*state, NOW, 0, 0, true);
	assert_int_equal(known(*state, NOW + HISTORY_WRONG_S).wrong_s, NOW);
	assert_int_equal(known(*state, NOW + HISTORY_WRONG_S + 1).wrong_s, 0);
}

static void all_of_a_mirror_that_was_not_used_for_a_month_is_forgotten(void **state)
{
	note(*state, NOW, 1000, 3, false);
	assert_int_equal(known(*state, NOW + HISTORY_MAX_S).rate, 1000);
	assert_int_equal(known(*state, NOW + HISTORY_MAX_S + 1).rate, 0);
}

static void a_clock_that_was_set_back_makes_nothing_known(void **state)
{
	note(*state, NOW, 1000, 3, true);
	assert_int_equal(known(*state, NOW - 1).rate, 0);
	assert_int_equal(known(*state, NOW - 1).wrong_s, 0);
}

static void the_same_mirror_has_one_name_and_no_secrets_in_its_file(void **state)
{
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	const char *dir = *state, *secret = "https://u:hush@models.example.org/m/";
	CLEANUP(mem_free_ptr) char *a = history_path(dir, URL), *b = history_path(dir, URL "/");
	CLEANUP(mem_free_ptr) char *c = history_path(dir, secret);
	const struct history_run run = { .rate = 1 };
	assert_string_equal(a, b);
	history_note(dir, secret, NOW, &run);
	assert_ok(file_read_all(c, &text, &e), &e);
	assert_null(strstr(buf_str(&text), "hush"));
}

static void what_is_no_history_counts_as_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		"1\n",
		"1\n1 2 3\n",
		"1\n1 2 3 x\nurl\n",
		"1\n1 2 3 4 5\nurl\n",
		"2\n1699999999 2 3 4\nurl\n",
		"1\n1699999999 18446744073709551615 0 0\nurl\n",
		"1\n1699999999 2 99999999999 0\nurl\n",
		"1\n1699999999 2 3 1799999999\nurl\n",
		"1\n-5 2 3 4\nurl\n",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct history h = { .rate = 7, .faults_milli = 7, .wrong_s = 7 };
		assert_false(history_parse(bad[i], NOW, &h));
		assert_true(h.rate == 0 && h.faults_milli == 0 && h.wrong_s == 0);
	}
}

static void a_folder_that_cannot_be_written_is_no_error(void **state)
{
	(void)state;
	note("/dev/null/mirrors", NOW, 1000, 0, false);
	assert_int_equal(known("/dev/null/mirrors", NOW).rate, 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(of_an_unknown_mirror_nothing_is_known),
		IN_FOLDER(the_rate_is_a_mean_in_which_the_last_run_counts_half),
		IN_FOLDER(half_of_the_faults_are_forgotten_each_day),
		IN_FOLDER(a_good_run_forgives_faults_but_not_wrong_bytes),
		IN_FOLDER(wrong_bytes_are_forgotten_after_a_week),
		IN_FOLDER(all_of_a_mirror_that_was_not_used_for_a_month_is_forgotten),
		IN_FOLDER(a_clock_that_was_set_back_makes_nothing_known),
		IN_FOLDER(the_same_mirror_has_one_name_and_no_secrets_in_its_file),
		cmocka_unit_test(what_is_no_history_counts_as_nothing),
		cmocka_unit_test(a_folder_that_cannot_be_written_is_no_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
